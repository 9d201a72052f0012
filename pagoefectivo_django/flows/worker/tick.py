"""A round of all due work."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import Q, QuerySet

from ...hooks import DELIVERING
from ...measures import Measure
from ...measures import tell as measure
from ...models import Cip, Order, Refund
from ...models.clock import current_time, machine, skew
from ...models.database import Attempted, database
from ...models.heartbeat import CLOCK, beat
from ...states import PendingAction
from ..inbox.apply import apply_waiting
from ..messages.alert import tell_staff
from ..messages.remind import remind
from ..orders.cancel import cancel
from ..orders.delete import delete_superseded
from ..orders.extend import extend
from ..orders.issue import issue
from ..orders.pending_action import Step, attempt_quietly, take_up
from ..orders.reissue import reissue
from ..outbox.budget import TimeBudget
from ..outbox.feed import enter_missed
from ..outbox.publish import after, publish_events
from ..privacy.forget import forget_by_age
from ..refunds.refund import send_by_channel
from ..settlements.imports import settle
from ..settlements.overdue import ask_about_overdue
from .expire import expire_orders
from .mend_dates import mend_dates
from .reconcile import end_requests, reconcile

logger = logging.getLogger("pagoefectivo.worker")

Row = TypeVar("Row", bound=Attempted)

#: The time budget for each kind of work in a round, so that a hanging provider starves neither inbox nor deliveries.
BUDGET = timedelta(seconds=20)

STEPS: dict[str, Step] = {
    PendingAction.ISSUE: issue,
    PendingAction.CANCEL: cancel,
    PendingAction.EXTEND: extend,
    PendingAction.REISSUE: reissue,
}


@dataclass(frozen=True)
class TickResult:
    """The result of a round: the number of rows worked on, by kind; ``str()`` is the round's line in the log."""

    notifications: int
    deliveries: int
    pending_actions: int
    deletions: int
    refunds: int
    reminders: int
    expiries: int
    polls: int
    settlements: int
    overdue: int
    forgotten: int

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def __str__(self) -> str:
        return " ".join(f"{name}={count}" for name, count in asdict(self).items())


def tick(now: datetime | None = None, *, stopped: Callable[[], bool] | None = None) -> TickResult:
    """Do a round of all due work, each kind within a time budget, and return the counts.

    The order is inbox, deliveries, then work with providers. Any number of processes may run rounds at once, on any
    number of machines. ``stopped`` is called between two pieces of work; once it returns True, nothing more is begun.
    """
    budget, begin = TimeBudget(now, BUDGET, stopped), time.monotonic()
    beat("tick", current_time())
    if (ahead := skew()) is not None:  # zero is written too: the clock was wrong in the round before
        beat(f"{CLOCK}{machine()}", current_time(), ahead=ahead)

    def part(work: Callable[[], int]) -> int:
        """Do a kind of work; an error is logged, and the round goes on, except without the database."""
        try:
            return work()
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("A part of this round failed; the others go on.")
            return 0

    def publish() -> int:
        """Deliver events to receivers, then in the ways that apps of ``contrib`` have added."""
        heard = part(lambda: publish_events(budget.now, budget=BUDGET, stopped=stopped))
        return heard + sum(part(partial(deliver, budget.renew())) for deliver in DELIVERING)

    to_refund = Refund.objects.select_related("order", "payment__cip")
    part(lambda: mend_dates(budget.renew()))
    part(lambda: enter_missed(budget.renew()))
    notifications = part(lambda: apply_waiting(budget.renew()))
    deliveries = publish()
    reminders = part(lambda: remind(budget.renew()))
    part(lambda: end_requests(budget.renew(), Counter()))  # so that a new code may be requested
    part(lambda: take_up(budget.renew()))
    pending_actions = part(lambda: _work(Order.objects.all(), _fulfil, budget.renew()))
    deletions = part(lambda: _work(Cip.objects.select_related("order"), delete_superseded, budget.renew()))
    refunds = part(lambda: _work(to_refund, send_by_channel, budget.renew()))
    expiries = part(lambda: expire_orders(budget.renew()))
    polls = part(lambda: reconcile(budget.renew())["asked"])
    settlements = part(lambda: settle(budget.renew()))
    overdue = part(lambda: ask_about_overdue(budget.renew()))
    forgotten = part(lambda: forget_by_age(budget.renew()))
    # Events of the provider work are delivered in this round, not in the next.
    deliveries += publish()
    part(lambda: tell_staff(budget.now))
    measure(Measure.ROUND, time.monotonic() - begin)
    rest = (refunds, reminders, expiries, polls, settlements, overdue, forgotten)
    return TickResult(notifications, deliveries, pending_actions, deletions, *rest)


def _fulfil(order: Order, now: datetime) -> bool:
    return bool(order.pending_action) and attempt_quietly(
        order.pk, order.pending_action, STEPS[order.pending_action], now
    )


def _work(rows: QuerySet[Row], work: Callable[[Row, datetime], bool], budget: TimeBudget) -> int:
    """Work on due rows within the time budget, oldest first, each row once, and return the number worked on."""
    due = rows.using(database()).filter(retry_at__lte=budget.now).order_by("retry_at", "pk")
    done, last = 0, Q()
    while batch := list(due.filter(last)[:50]):
        for row in batch:
            if budget.over:
                return done
            last = after(row)
            try:
                done += work(row, budget.now)
            except Exception:
                # One bad row never stops the round: its attempt was counted, and the row is due again after its pause.
                logger.exception("%s %s failed in this round.", type(row).__name__, row.pk)
    return done
