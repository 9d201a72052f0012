"""Oscar's orders that are paid by PagoEfectivo: found by their number, with their source of payment."""

from __future__ import annotations

from typing import Any

from oscar.core.loading import get_model

from ...models import Order
from ...models.database import database
from ...states import OrderState

ShopOrder: Any = get_model("order", "Order")
OrderNote: Any = get_model("order", "OrderNote")
Source: Any = get_model("payment", "Source")
SourceType: Any = get_model("payment", "SourceType")
Transaction: Any = get_model("payment", "Transaction")

#: The code of our source type, and of our method in the checkout's session (``checkout_session.pay_by``).
CODE = "pagoefectivo"


def source_type() -> Any:
    """Return the source type PagoEfectivo, made at the first sale."""
    kinds = SourceType.objects.using(database())
    if (found := kinds.filter(code=CODE).first()) is None:
        # Of two first sales at the same moment one row stands: ``get_or_create`` would number the second one's code.
        kinds.bulk_create([SourceType(name="PagoEfectivo", code=CODE)], ignore_conflicts=True)
        found = kinds.get(code=CODE)
    return found


def payment_of(number: str) -> Order | None:
    """Return our order for the number of an order of Oscar's, the newest of them; None if it is paid otherwise."""
    alias = database()
    if not Source.objects.using(alias).filter(order__number=number, source_type__code=CODE).exists():
        return None
    return Order.objects.using(alias).select_related("cip").filter(reference=number, newest=True).first()


def decisive(number: str) -> Order:
    """Return the order of ours that Oscar's order follows: a paid one, else the newest.

    An earlier order of the number has ended, and its late events must not overwrite what stands for a newer order.
    """
    orders = Order.objects.using(database()).select_related("cip").filter(reference=number)
    return max(orders, key=lambda order: (order.state == OrderState.PAID, order.newest is True, order.pk))


def locked_with_source(number: str) -> tuple[Any, Any] | None:
    """Lock an order of Oscar's that is paid by PagoEfectivo, and return it with its source; None if there is none."""
    alias = database()
    order = ShopOrder.objects.using(alias).select_for_update().filter(number=number).first()
    source = order and order.sources.using(alias).filter(source_type__code=CODE).first()
    return (order, source) if source else None


def note(order: Any, message: str) -> None:
    """Write a note for the staff of the dashboard; the same note stands once."""
    if not order.notes.using(database()).filter(message=message).exists():
        order.notes.create(message=message, note_type=OrderNote.SYSTEM)
