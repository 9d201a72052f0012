"""Cancel an order: its code is deleted at the provider first."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from ..errors import AlreadyPaid, InvalidRequest
from ..models import Cip, Order
from ..models.database import database
from ..states import CipStatus, Fact, OrderState, Wish
from .advance import Decision, advance
from .delete import delete_code
from .refresh import apply_answer
from .wish import fulfil, record


def cancel_order(order: Order, *, actor: str = "shop", now: datetime | None = None) -> Order:
    """Cancel an open order and return it as it is then; one that is over already is returned unchanged.

    Raises ``AlreadyPaid`` if it is or turns out to be paid, ``InQuestion`` if a person has to decide first, and
    ``Unavailable`` or ``OutcomeUnknown`` if the provider doesn't confirm: then nothing changed, and it is tried again.
    A code whose answer got lost can't be deleted; the order's history says so. Inside a transaction the wish is
    recorded, done after the commit, and the order returned unchanged.
    """
    now = now or timezone.now()
    try:
        record(order, Wish.CANCEL, actor=actor, now=now)
    except InvalidRequest:
        order.reload()
        if order.state in (OrderState.EXPIRED, OrderState.CANCELLED, OrderState.REJECTED):
            return order
        raise
    return fulfil(order, Wish.CANCEL, cancel, now)


def cancel(order: Order, now: datetime) -> None:
    """Delete the code of a claimed order, and withdraw the order."""
    remove_current_code(order, now)
    lost = Cip.objects.using(database()).filter(order=order, status__in=(CipStatus.LOST, CipStatus.REQUESTED))
    detail = "A code may exist that could not be deleted, since its answer is not known." if lost.exists() else ""
    advance(Decision(order, detail), actor=order.wish_actor, now=now)


def remove_current_code(order: Order, now: datetime, *, asked: bool = False) -> None:
    """Delete the code that can be paid, if there is one; raises ``AlreadyPaid`` if it was.

    ``asked``: the order stays as it is, since another code follows.
    """
    for cip in Cip.objects.using(database()).filter(order=order, status=CipStatus.CURRENT):
        report = delete_code(cip, now)
        apply_answer(report, actor=order.wish_actor, asked=asked, now=now)
        if report.fact == Fact.PAYMENT:
            raise AlreadyPaid(f"Order {order} was paid meanwhile with code {cip}.")
