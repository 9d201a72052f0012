"""Selling in a shop of Oscar's: ``tests/contrib/test_oscar.py`` runs this file in the shop's own project."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from oscar.apps.order.signals import order_placed
from oscar.core.loading import get_model

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.contrib.oscar.placed import CODE, payment_of
from pagoefectivo_django.flows import approve_refund, cancel_order, create_order, extend_order, refund_order, send_refund
from pagoefectivo_django.flows.outbox.publish import deliver_again
from pagoefectivo_django.models import Delivery, Discrepancy, Order
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.signals import SIGNALS
from pagoefectivo_django.testing import deliver, expire, pay
from tests.oscar_shop.shelf import IN_STOCK, PRICE, employ, stock

pytestmark = pytest.mark.django_db(transaction=True)

Basket, ShopOrder = get_model("basket", "Basket"), get_model("order", "Order")
Source, Transaction = get_model("payment", "Source"), get_model("payment", "Transaction")

PAYER = {
    "email": "ana@example.com",
    "name": "Ana",
    "last_name": "Quispe",
    "phone": "999 888 777",
    "document_type": "DNI",
    "document_number": "01234567",
    "receipt": "boleta",
}
ADDRESS = {
    "first_name": "Ana",
    "last_name": "Quispe",
    "line1": "Av. Arequipa 100",
    "line4": "Lima",
    "postcode": "15046",
    "country": "PE",
    "phone_number": "+51 999 888 777",
}


@pytest.fixture(autouse=True)
def shelf() -> Any:
    MemoryChannel.clear()
    return stock()


def go_to_the_checkout(client: Client, record: Any, quantity: int = 2) -> HttpResponse:
    """Fill the basket as a guest, say where it is sent, and return the page that asks who pays."""
    product = record.product
    client.post(reverse("basket:add", args=[product.pk]), {"quantity": quantity})
    client.post(reverse("checkout:index"), {"username": "ana@example.com", "options": "anonymous"})
    client.post(reverse("checkout:shipping-address"), ADDRESS)
    return client.get(reverse("checkout:shipping-method"), follow=True)  # type: ignore[return-value]


def place(client: Client, **changes: str) -> Any:
    return client.post(reverse("checkout:preview"), {"action": "place_order"} | PAYER | changes)


@pytest.fixture
def bought(client: Client, shelf: Any) -> Any:
    """An order of Oscar's for two coffees, placed by a guest."""
    go_to_the_checkout(client, shelf)
    place(client)
    return ShopOrder.objects.get()


def ours() -> Order:
    return Order.objects.select_related("cip").get()


def shown(placed: Any) -> dict[str, Any]:
    """All that Oscar shows of the payment."""
    placed.refresh_from_db()
    (source,) = placed.sources.all()
    (line,) = placed.lines.all()
    return {
        "status": placed.status,
        "amounts": (source.amount_allocated, source.amount_debited, source.amount_refunded),
        "transactions": [(made.txn_type, made.amount) for made in source.transactions.order_by("pk")],
        "allocated": line.stockrecord.num_allocated,
        "in stock": line.stockrecord.num_in_stock,
        "notes": [note.message for note in placed.notes.order_by("pk")],
        "changes": [change.new_status for change in placed.status_changes.order_by("pk")],
    }


TOTAL, NOTHING = PRICE * 2, Decimal(0)


def test_a_guest_buys_and_is_led_to_the_voucher(client: Client, shelf: Any) -> None:
    page = go_to_the_checkout(client, shelf)
    text = page.content.decode()
    assert "pagoefectivo-method" in text
    assert 'value="ana@example.com"' in text
    assert 'value="Quispe"' in text
    preview = client.post(reverse("checkout:preview"), PAYER)
    assert '<input type="hidden" name="document_number" value="01234567"' in preview.content.decode()
    answer = place(client)
    placed, order = ShopOrder.objects.get(), ours()
    assert (order.reference, order.money.amount, order.currency) == (placed.number, TOTAL, "PEN")
    assert order.payer.document_number == "01234567"
    assert (order.state, answer.url) == ("pending", order.voucher_url)
    assert "Pay with this code" in client.get(answer.url).content.decode()
    assert shown(placed) == {
        "status": "Pending",
        "amounts": (TOTAL, NOTHING, NOTHING),
        "transactions": [("Authorise", TOTAL)],
        "allocated": 2,
        "in stock": IN_STOCK,
        "notes": [],
        "changes": [],
    }
    assert placed.sources.get().reference == order.code
    assert placed.sources.get().source_type.code == CODE


PAID = {
    "status": "Being processed",
    "amounts": (TOTAL, TOTAL, NOTHING),
    "transactions": [("Authorise", TOTAL), ("Debit", TOTAL)],
    "allocated": 0,
    "in stock": IN_STOCK - 2,
    "notes": ["PagoEfectivo: paid."],
    "changes": ["Being processed"],
}


def test_a_payment_is_debited_and_consumes_the_stock(bought: Any) -> None:
    order = pay(ours())
    assert shown(bought) == PAID
    assert Transaction.objects.get(txn_type="Debit").reference == order.operation_number
    assert not Delivery.objects.filter(delivered_at=None).exists()


def ended(what: str) -> dict[str, Any]:
    return {
        "status": "Cancelled",
        "amounts": (NOTHING, NOTHING, NOTHING),
        "transactions": [("Authorise", TOTAL), ("Release", TOTAL)],
        "allocated": 0,
        "in stock": IN_STOCK,
        "notes": [f"PagoEfectivo: {what}."],
        "changes": ["Cancelled"],
    }


@pytest.mark.parametrize(("end", "what"), [(expire, "expired"), (cancel_order, "cancelled")])
def test_an_order_that_ends_unpaid_frees_what_was_allocated(
    bought: Any, end: Callable[[Order], Order], what: str
) -> None:
    end(ours())
    assert shown(bought) == ended(what)


def refund(order: Order, amount: Decimal | None = None) -> None:
    payment = order.cip.payments.get() if order.cip else None
    assert payment
    asked = refund_order(payment, amount=amount, reason="made up", actor="rosa")
    send_refund(approve_refund(asked, actor="rosa"), actor="rosa")


def test_a_refund_in_part_and_the_rest(bought: Any) -> None:
    order = pay(ours())
    refund(order, Decimal("10.00"))
    assert shown(bought)["amounts"] == (TOTAL, TOTAL, Decimal("10.00"))
    assert shown(bought)["status"] == "Being processed"
