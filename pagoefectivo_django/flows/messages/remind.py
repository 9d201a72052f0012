"""Reminders: the signal ``expiry_approaching``, once for each order."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError

from ...actors import CLOCK
from ...conf import conf
from ...models import Order, OrderEvent
from ...models.database import database, one_transaction
from ...states import OrderState
from ..ledger.locked import open_unit_of_work
from ..outbox.budget import TimeBudget
from ..provider.halving import in_halves

logger = logging.getLogger("pagoefectivo.worker")

TOLD = "expiry_approaching"


def remind(budget: TimeBudget) -> int:
    """Send ``expiry_approaching`` for every order whose reminder is due, in batches, and return the count."""
    told, failed = list[int](), set[int]()  # failed also has orders held by another process

    def fail(pk: int, error: Exception) -> None:
        logger.error("Nobody could be reminded of order %s.", pk, exc_info=error)
        failed.add(pk)

    due = Order.objects.using(database()).filter(remind_at__lte=budget.now).order_by("remind_at", "pk")
    while not budget.over and (pks := list(due.exclude(pk__in=failed).values_list("pk", flat=True)[: conf.batch_size])):
        in_halves(
            pks, lambda some: told.append(_remind(some, budget, failed)),
            splits=lambda error: not isinstance(error, OperationalError | InterfaceError), alone=fail,
        )  # fmt: skip
    return sum(told)


def _remind(pks: Sequence[int], budget: TimeBudget, left: set[int]) -> int:
    told = 0
    with one_transaction() as alias:
        unit = open_unit_of_work(pks, alias=alias, now=budget.now, actor=CLOCK, wait=False)
        left |= {*pks} - {locked.order.pk for locked in unit.locked_orders}
        before = OrderEvent.objects.using(alias).filter(order__in=pks, kind=TOLD)
        told_before = set(before.values_list("order", flat=True))
        for locked in unit.locked_orders:
            order = locked.order
            if order.remind_at is None or order.remind_at > unit.now:
                continue
            order.remind_at = None
            open_yet = order.state == OrderState.PENDING and unit.now < order.expires_at
            paying = any(cip.in_process_at for cip in locked.cips)
            if open_yet and not paying and order.pk not in told_before:
                unit.history.tell(order, TOLD, "", locked.cip, before=order.state)
                told += 1
        unit.write()
    return told
