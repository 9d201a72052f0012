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
from .due import DueWork
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
    part, begin = _Parts(now, stopped), time.monotonic()
    beat("tick", current_time())
    if (ahead := skew()) is not None:  # zero is written too: the clock was wrong in the round before
        beat(f"{CLOCK}{machine()}", current_time(), ahead=ahead)

    def publish() -> int:
        """Deliver events to receivers, then in the ways that apps of ``contrib`` have added."""
        heard = part(lambda budget: publish_events(budget.now, budget=BUDGET, stopped=stopped), "feed", "deliveries")
        return heard + sum(part(deliver) for deliver in DELIVERING)

    to_delete, to_refund = Cip.objects.select_related("order"), Refund.objects.select_related("order", "payment__cip")
    part(mend_dates)
    part(enter_missed)
    notifications = part(apply_waiting, "notifications")
    deliveries = publish()
    reminders = part(remind, "reminders")
    part(lambda budget: end_requests(budget, Counter()), "polls")  # so that a new code may be requested
    part(take_up, "deferred_actions")
    pending_actions = part(partial(_work, Order.objects.all(), _fulfil), "pending_actions")
    deletions = part(partial(_work, to_delete, delete_superseded), "deletions")
    refunds = part(partial(_work, to_refund, send_by_channel), "refunds")
    expiries = part(expire_orders, "expiries")
    polls = part(lambda budget: reconcile(budget)["asked"], "hints", "unknown_codes", "polls")
    settlements = part(settle)
    overdue = part(ask_about_overdue)
    forgotten = part(forget_by_age)
    # Events of the provider work are delivered in this round, not in the next.
    deliveries += publish()
    part(lambda budget: tell_staff(budget.now))
    measure(Measure.ROUND, time.monotonic() - begin)
    rest = (refunds, reminders, expiries, polls, settlements, overdue, forgotten)
    return TickResult(notifications, deliveries, pending_actions, deletions, *rest)


class _Parts:
    """A round's parts: called with a kind of work, does the work within a time budget and returns the count."""

    def __init__(self, now: datetime | None, stopped: Callable[[], bool] | None) -> None:
        self._budget, self._due = TimeBudget(now, BUDGET, stopped), DueWork()

    def __call__(self, work: Callable[[TimeBudget], int], *kinds: str) -> int:
        """Do work, with ``kinds`` only if one of them is due.

        An error is logged, and the round goes on, except without the database.
        """
        try:
            if kinds and not self._due.includes(kinds, self._budget.now):
                return 0
            self._due.forget()
            return work(self._budget.renew())
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("A part of this round failed; the others go on.")
            return 0


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
