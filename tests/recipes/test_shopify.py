"""A shop at Shopify is paid by PagoEfectivo."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import requests

from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import expire, pay
from tests.clock import later
from tests.recipes.bridge import Service, bridge
from tests.recipes.conftest import Listen
from tests.recipes.servers import served, standing_in
from tests.recipes.shopify import Shopify
from tests.recipes.stand_ins import METHOD, SECRET, TOKEN, ShopifyStandIn

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]
GID = "gid://shopify/Order/1001"


@dataclass
class Shop:
    """The shop there, its side of the bridge, and the bridge's address."""

    there: ShopifyStandIn
    bridge: Shopify
    url: str

    def place(self, **named: Any) -> int:
        return self.there.place(self.url, **named)


@pytest.fixture
def shop(service: Service, secret: str, listen: Listen) -> Iterator[Shop]:
    there = ShopifyStandIn()
    with standing_in(there.answer) as url:
        shopify = Shopify(url, TOKEN, ["made-up-newer-secret", SECRET], METHOD, service)
        with served(bridge(secret, shopify.mark_paid, shopify.receive)) as address:
            listen(address)
            yield Shop(there, shopify, address)


def test_an_order_there_is_paid_here_and_marked_there(shop: Shop) -> None:
    assert shop.place() == 204
    order = Order.objects.get()
    assert (order.reference, order.amount, order.currency) == ("shopify-1001", Decimal("35.50"), "PEN")
    assert (order.payer.name, order.payer.last_name, order.payer.phone) == ("Ana", "Quispe", "999888777")
    assert order.state == "pending"
    pay(order)
    tick()
    assert shop.there.paid == {GID: Decimal("35.50")}


def test_everything_comes_again(shop: Shop) -> None:
    for _ in range(3):
        assert shop.place() == 204
    order = Order.objects.get()
    pay(order)
    tick()
    assert shop.place() == 204, "also after it was paid"
    assert Order.objects.get().state == "paid"
    shop.bridge.mark_paid({"reference": "shopify-1001", "currency": "PEN", "amount": "35.50"})
    assert shop.there.calls == ["look", "mark", "look"]


@pytest.mark.parametrize("secret_of_theirs", ["made-up-another-secret", ""])
def test_a_webhook_of_nobody(shop: Shop, secret_of_theirs: str) -> None:
    assert shop.place(secret=secret_of_theirs) == 401
    assert not Order.objects.exists()


def test_without_any_signature(shop: Shop) -> None:
    assert requests.post(f"{shop.url}/orders", b"{}", timeout=20).status_code == 401
    assert requests.post(f"{shop.url}/pagoefectivo", b"{}", timeout=20).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [{"payment_gateway_names": ["Cash on Delivery (COD)"]}, {"cancelled_at": "2026-01-01T00:00:00-05:00"}],
    ids=["another method", "cancelled"],
)
def test_orders_that_are_none_of_ours(shop: Shop, changes: dict[str, Any]) -> None:
    assert shop.place(**changes) == 204
    assert not Order.objects.exists()


def test_an_order_that_nobody_can_pay_is_logged_for_a_person(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    assert shop.place(email="") == 204
    assert "A person has to look: shopify-1001" in caplog.text
    assert "payer" in caplog.text


def test_our_service_is_away_so_shopify_asks_again(shop: Shop, service: Service) -> None:
    service.api, true = "http://127.0.0.1:1", service.api
    assert shop.place() == 503
    service.api = true
    assert shop.place() == 204
    assert Order.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("answer", "says"),
    [((503, {}), "503"), ((200, {"errors": [{"message": "Throttled"}]}), "Shopify says: [{'message': 'Throttled'}]")],
    ids=["down", "throttled"],
)
def test_shopify_is_away_so_we_tell_it_again(
    shop: Shop, answer: tuple[int, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop.place()
    shop.there.fails.append(answer)
    pay(Order.objects.get())
    tick()
    assert not shop.there.paid
    assert says in caplog.text
    tick(now=later(minutes=10))
    assert shop.there.paid == {GID: Decimal("35.50")}


@pytest.mark.parametrize("due", [Decimal("85.50"), Decimal("20.00")], ids=["more", "less"])
def test_an_order_that_was_edited_there_is_a_person_s(
    shop: Shop, due: Decimal, caplog: pytest.LogCaptureFixture
) -> None:
    shop.place()
    shop.there.due[GID] = due
    pay(Order.objects.get())
    tick()
    assert shop.there.calls == ["look"]
    assert "A person has to look" in caplog.text


def test_an_order_that_was_deleted_there_is_a_person_s(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.place()
    del shop.there.due[GID]
    pay(Order.objects.get())
    tick()
    assert "is not at Shopify any more" in caplog.text


def test_what_expires_is_not_marked(shop: Shop) -> None:
    shop.place()
    expire(Order.objects.get())
    tick()
    assert not shop.there.calls


def test_a_gift_card_paid_a_part(shop: Shop) -> None:
    assert shop.place(payment_gateway_names=["gift_card", METHOD], total_outstanding="10.00") == 204
    assert Order.objects.get().amount == Decimal("10.00")
