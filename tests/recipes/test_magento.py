"""A shop with Magento is paid by PagoEfectivo."""

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
from tests.recipes.magento import Magento
from tests.recipes.servers import served, standing_in
from tests.recipes.stand_ins import TOKEN, MagentoStandIn

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


@dataclass
class Shop:
    """The shop there, and its side of the bridge."""

    there: MagentoStandIn
    bridge: Magento


@pytest.fixture
def shop(service: Service, secret: str, listen: Listen) -> Iterator[Shop]:
    there = MagentoStandIn()
    with standing_in(there.answer) as url:
        magento = Magento(url, TOKEN, "banktransfer", service)
        with served(bridge(secret, magento.mark_paid)) as address:
            listen(address)
            yield Shop(there, magento)


def test_an_order_there_is_paid_here_and_invoiced_there(shop: Shop) -> None:
    shop.there.place()
    assert shop.bridge.fetch() == 1
    order = Order.objects.get()
    assert (order.reference, order.amount, order.currency) == ("magento-3", Decimal("35.50"), "PEN")
    assert (order.payer.name, order.payer.phone) == ("Ana", "999888777")
    pay(order)
    tick()
    assert shop.there.invoices == [3]
    assert shop.bridge.fetch() == 0, "it is not new any more"


def test_everything_comes_again(shop: Shop) -> None:
    shop.there.place()
    for _ in range(3):
        shop.bridge.fetch()
    order = Order.objects.get()
    pay(order)
    tick()
    shop.bridge.mark_paid({"reference": "magento-3", "currency": "PEN", "amount": "35.50"})
    assert shop.there.invoices == [3]


def test_what_expired_gets_no_second_code(shop: Shop) -> None:
    shop.there.place()
    shop.bridge.fetch()
    expire(Order.objects.get())
    shop.bridge.fetch()
    assert Order.objects.get().state == "expired"


def test_more_than_a_page_and_other_methods(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.recipes.magento.PAGE", 2)
    for key in range(1, 6):
        shop.there.place(key, payment={"method": "checkmo" if key == 3 else "banktransfer"})
    assert shop.bridge.fetch() == 4
    assert Order.objects.count() == 4


def test_magento_is_away_so_we_tell_it_again(shop: Shop) -> None:
    shop.there.place()
    shop.bridge.fetch()
    shop.there.fails.append((503, {}))
    pay(Order.objects.get())
    tick()
    assert not shop.there.invoices
    tick(now=later(minutes=10))
    assert shop.there.invoices == [3]


CHANGED: dict[str, dict[str, Any]] = {
    "costs more now": {"total_due": Decimal("85.50")},
    "is canceled": {"state": "canceled"},
}


@pytest.mark.parametrize("changes", CHANGED.values(), ids=CHANGED)
def test_an_order_that_was_changed_there_is_a_person_s(
    shop: Shop, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    shop.there.place()
    shop.bridge.fetch()
    shop.there.orders[3] |= changes
    pay(Order.objects.get())
    tick()
    assert not shop.there.invoices
    assert "A person has to look" in caplog.text


def test_a_wrong_token(shop: Shop) -> None:
    shop.bridge.access_token = "made-up-wrong-token"
    with pytest.raises(requests.HTTPError):
        shop.bridge.fetch()


def test_an_order_that_nobody_can_pay_holds_back_no_other(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.there.place(3, order_currency_code="EUR")
    shop.there.place(4)
    assert shop.bridge.fetch() == 1
    assert Order.objects.get().reference == "magento-4"
    assert "A person has to look: magento-3" in caplog.text


def test_an_order_whose_payer_was_corrected_there_keeps_its_code(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.there.place()
    shop.bridge.fetch()
    shop.there.orders[3]["billing_address"]["firstname"] = "Anna"
    shop.bridge.fetch()
    assert Order.objects.get().payer.name == "Ana"
    assert "idempotency" in caplog.text.lower()
