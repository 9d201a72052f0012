"""Receivers: Oscar's order follows ours, and ours is cancelled with Oscar's."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from ...conf import conf
from ...errors import InvalidRequest
from ...flows import cancel_order
from ...models import Order, OrderEvent, Refund
from ...models.database import after_commit, one_transaction
from ...states import OPEN, OrderState
from .books import TAKEN, is_released, told_of, write_source, write_status, write_stock
from .placed import decisive, locked_with_source, note, payment_of


def follow(sender: type[Order], order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Bring the order of Oscar's with the reference of ours up to date.

    Connected as ``atomic``: source, stock and status stand together with the mark on the delivery, or none of it.
    """
    if (found := _followed(order)) is None:
        return
    placed, source, decides = found
    released = is_released(source)
    write_source(source, decides, event.kind)
    write_stock(placed, decides, released=released)
    if decides == order:
        write_status(placed, decides, event)
    else:
        note(placed, f"{told_of(event)} ({order.code})")


def _followed(order: Order) -> tuple[Any, Any, Order] | None:
    """Lock and return Oscar's order and source, with the order of ours that they follow, read afterwards.

    None if the order is none of Oscar's, or was replaced unpaid.
    """
    if order.newest is not True and order.state not in TAKEN:
        return None
    found = locked_with_source(order.reference)
    return (*found, decisive(order.reference)) if found else None


def follow_refund(sender: type[Refund], instance: Refund, **kwargs: Any) -> None:
    """Have the source show a refund in part, of which no signal tells, after the commit.

    A process that dies before leaves that to the order's next event.
    """
    after_commit(_refunded, instance.order_id)


def _refunded(order_id: int) -> None:
    with one_transaction() as alias:
        order = Order.objects.using(alias).select_related("cip").get(pk=order_id)
        if found := _followed(order):
            write_source(found[1], found[2], "refund")


def withdraw(sender: Any, order: Any, new_status: str, **kwargs: Any) -> None:
    """Cancel our open order when Oscar's gets the status of a cancelled one, so that nobody pays for it any more.

    Oscar's order keeps its new status whatever the provider says; a note tells why ours could not be cancelled.
    """
    if new_status != conf.oscar_statuses.get(OrderState.CANCELLED):
        return
    ours = payment_of(order.number)
    if ours is None or ours.state not in OPEN:
        return
    try:
        with one_transaction():  # the provider is asked after the commit, and again by the worker
            cancel_order(ours)
    except InvalidRequest as error:
        told = _("PagoEfectivo: the order could not be cancelled. %(why)s") % {"why": error.sentence}
        note(order, told)
