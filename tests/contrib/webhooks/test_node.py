"""A shop in another language verifies our signatures with the package of Standard Webhooks for its language."""

from pathlib import Path

import pytest

from pagoefectivo_django.contrib.webhooks.managing import change_endpoint, create_endpoint, rotate_secret, send_test
from pagoefectivo_django.contrib.webhooks.models import Endpoint, Outcome
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import OrderEvent
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
