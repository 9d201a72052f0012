"""Tell, once for each order, that its date is near."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError

from ...conf import conf
from ...models import Order, OrderEvent
from ...models.database import database, one_transaction
from ...states import OrderState
from ..ledger.book import open_shelf
from ..outbox.turn import Turn
from ..provider.halving import in_halves

logger = logging.getLogger("pagoefectivo.worker")

TOLD = "expiry_approaching"


def remind(turn: Turn) -> int:
    """Tell of every order whose date is near, in batches, and return of how many."""
    told, failed = list[int](), set[int]()  # and those that somebody else holds

    def fail(pk: int, error: Exception) -> None:
        logger.error("Nobody could be reminded of order %s.", pk, exc_info=error)
        failed.add(pk)

    due = Order.objects.using(database()).filter(remind_at__lte=turn.now).order_by("remind_at", "pk")
    while not turn.over and (pks := list(due.exclude(pk__in=failed).values_list("pk", flat=True)[: conf.batch_size])):
        in_halves(
            pks, lambda some: told.append(_remind(some, turn, failed)),
            splits=lambda error: not isinstance(error, OperationalError | InterfaceError), alone=fail,
        )  # fmt: skip
    return sum(told)


def _remind(pks: Sequence[int], turn: Turn, left: set[int]) -> int:
    told = 0
    with one_transaction() as alias:
        shelf = open_shelf(pks, alias=alias, now=turn.now, actor="clock", wait=False)
        left |= {*pks} - {book.order.pk for book in shelf.books}
        before = OrderEvent.objects.using(alias).filter(order__in=pks, kind=TOLD)
        told_before = set(before.values_list("order", flat=True))
        for book in shelf.books:
            order = book.order
            if order.remind_at is None or order.remind_at > shelf.now:
                continue
            order.remind_at = None
            if order.pk not in told_before and order.state == OrderState.PENDING and shelf.now < order.expires_at:
                shelf.history.tell(order, TOLD, "", book.cip, "", order.state)
                told += 1
        shelf.write()
    return told
