"""A shop in another language verifies our signatures with the package of Standard Webhooks for its language."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from rest_framework.authtoken.models import Token

from pagoefectivo_django.contrib.webhooks.managing import change_endpoint, create_endpoint, rotate_secret, send_test
from pagoefectivo_django.contrib.webhooks.models import Endpoint, Outcome
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Order, OrderEvent
from pagoefectivo_django.testing import pay
from tests.contrib.webhooks.node_shop import NODE, NPM, install, running
from tests.factories.orders import make

pytestmark = [
    pytest.mark.once,
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("webhooks", "local"),
    pytest.mark.skipif(not (NODE and NPM), reason="Node or npm is not installed"),
]
#: Nothing listens here: the endpoint is there before its receiver, which needs the secret.
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs in Node, with their packages."""
    return install(tmp_path_factory.mktemp("node"))


def test_node_verifies_a_payment_while_the_secret_is_rotated(node: Path) -> None:
    endpoint, secret = create_endpoint(NOWHERE, ["payment_confirmed"])
    rotate_secret(endpoint)  # the receiver still has the former one
    with running(node, "receiver.mjs", WEBHOOK_SECRET=secret) as receiver:
        change_endpoint(endpoint, url=f"http://127.0.0.1:{receiver.told()['port']}/")
        order = pay(make(concept="Años de café ☕"))
        tick()
        told = receiver.told()
    assert told["verified"], told
    assert told["id"] == str(OrderEvent.objects.get(kind="payment_confirmed").pk)
    assert told["message"]["data"]["order"]["reference"] == order.reference
    assert told["message"]["data"]["order"]["concept"] == "Años de café ☕"


def test_node_refuses_a_message_that_another_secret_signed(node: Path) -> None:
    endpoint, _ = create_endpoint(NOWHERE)
    _, other = create_endpoint(NOWHERE)
    with running(node, "receiver.mjs", WEBHOOK_SECRET=other) as receiver:
        change_endpoint(endpoint, url=f"http://127.0.0.1:{receiver.told()['port']}/")
        message = send_test(Endpoint.objects.get(pk=endpoint.pk))
        assert not receiver.told()["verified"]
    assert (message.outcome, message.http_status) == (Outcome.REFUSED, 401)


def test_a_shop_in_another_language_sells_with_nothing_but_the_schema(node: Path, live_server: Any) -> None:
    """It creates an order, shows the voucher, hears of the payment, reads the feed after a day offline, and refunds."""
    token = Token.objects.create(user=User.objects.create_superuser("node"))
    schema = f"{live_server.url}{reverse('pagoefectivo-api:schema')}"
    with running(node, "shop.mjs", SCHEMA=schema, TOKEN=token.key) as shop:
        created = shop.told()
        order = Order.objects.get()
        assert created["voucher"], "the code is on the voucher page"
        assert (created["order"]["reference"], created["order"]["code"]) == ("NODE-1", order.code)
        pay(order)
        tick()
        shop.go_on()
        told = shop.told()["message"]
        assert (told["type"], told["data"]["order"]["state"]) == ("payment_confirmed", "paid")
        later = make("WHILE-AWAY")
        pay(later)
        tick()
        shop.go_on()
        missed = shop.told()["missed"]
        assert [event["kind"] for event in missed] == ["order_created", "cip_issued", "payment_confirmed"]
        assert {event["order"] for event in missed} == {str(later.public_id)}
        refunded = shop.told()
    assert (refunded["refund"]["amount"], refunded["refund"]["status"]) == ("20.50", "approved")
    refund = order.refunds.get()
    assert (refund.amount, refund.reason) == (Decimal("20.50"), "One was broken.")
