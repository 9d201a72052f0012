"""One round of everything that is due."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import Q, QuerySet

from ...measures import Measure
from ...measures import tell as measure
from ...models import Cip, Order, Refund
from ...models.clock import current_time, machine, skew
from ...models.database import Attempted, database
from ...models.heartbeat import CLOCK, beat
from ...states import Wish
from ..inbox.apply import apply_waiting
from ..messages.alert import tell_staff
from ..messages.remind import remind
from ..orders.cancel import cancel
from ..orders.delete import delete_superseded
from ..orders.extend import extend
from ..orders.issue import issue
from ..orders.reissue import reissue
from ..orders.wish import Deed, attempt_quietly, take_up
from ..outbox.publish import after, publish_events
from ..outbox.turn import Turn
from ..privacy.forget import forget_by_age
from ..refunds.refund import send_by_channel
from ..settlements.imports import settle
from ..settlements.overdue import ask_about_overdue
from .expire import expire_orders
from .mend_dates import mend_dates
from .reconcile import end_requests, reconcile

logger = logging.getLogger("pagoefectivo.worker")

Row = TypeVar("Row", bound=Attempted)

#: Time for each kind of work in a round, so that a provider that hangs starves neither inbox nor deliveries.
BUDGET = timedelta(seconds=20)

DEEDS: dict[str, Deed] = {
    Wish.ISSUE: issue,
    Wish.CANCEL: cancel,
    Wish.EXTEND: extend,
    Wish.REISSUE: reissue,
}


@dataclass(frozen=True)
class Round:
    """How much one round did; ``str()`` is its line in the log."""

    notifications: int
    deliveries: int
    wishes: int
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


def tick(now: datetime | None = None, *, stopped: Callable[[], bool] | None = None) -> Round:
    """Do one round of everything due: inbox, deliveries, then provider work, each within its budget.

    Any number of processes may do it at once, on any number of machines. ``stopped`` is asked between two pieces of
    work: once it says True, nothing more is begun.
    """
    turn, begin = Turn(now, BUDGET, stopped), time.monotonic()
    beat("tick", current_time())
    if ahead := skew():
        beat(f"{CLOCK}{machine()}", current_time(), ahead=ahead)

    def part(work: Callable[[], int]) -> int:
        """One kind of work; what is wrong with it stops no other, but for a database that is away."""
        try:
            return work()
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("A part of this round failed; the others go on.")
            return 0

    to_refund = Refund.objects.select_related("order", "payment__cip")
    part(lambda: mend_dates(turn.renew()))
    notifications = part(lambda: apply_waiting(turn.renew()))
    deliveries = part(lambda: publish_events(turn.now, budget=BUDGET, stopped=stopped))
    reminders = part(lambda: remind(turn.renew()))
    part(lambda: end_requests(turn.renew(), Counter()))  # so that another code may be asked for
    part(lambda: take_up(turn.renew()))
    wishes = part(lambda: _work(Order.objects.all(), _fulfil, turn.renew()))
    deletions = part(lambda: _work(Cip.objects.select_related("order"), delete_superseded, turn.renew()))
    refunds = part(lambda: _work(to_refund, send_by_channel, turn.renew()))
    expiries = part(lambda: expire_orders(turn.renew()))
    polls = part(lambda: reconcile(turn.renew())["asked"])
    settlements = part(lambda: settle(turn.renew()))
    overdue = part(lambda: ask_about_overdue(turn.renew()))
    forgotten = part(lambda: forget_by_age(turn.renew()))
    # What provider work told is heard in this round, not the next.
    deliveries += part(lambda: publish_events(turn.now, budget=BUDGET, stopped=stopped))
    part(lambda: tell_staff(turn.now))
    measure(Measure.ROUND, time.monotonic() - begin)
    return Round(
        *(notifications, deliveries, wishes, deletions, refunds, reminders, expiries, polls, settlements, overdue),
        forgotten,
    )


def _fulfil(order: Order, now: datetime) -> bool:
    return bool(order.wish) and attempt_quietly(order.pk, order.wish, DEEDS[order.wish], now)


def _work(rows: QuerySet[Row], work: Callable[[Row, datetime], bool], turn: Turn) -> int:
    """Work on what is due, oldest first, each row once, until the time is over; return on how many."""
    due = rows.using(database()).filter(next_attempt_at__lte=turn.now).order_by("next_attempt_at", "pk")
    done, last = 0, Q()
    while batch := list(due.filter(last)[:50]):
        for row in batch:
            if turn.over:
                return done
            last = after(row)
            try:
                done += work(row, turn.now)
            except Exception:
                # One bad row never stops the round; it was counted, and comes again after its pause.
                logger.exception("%s %s failed in this round.", type(row).__name__, row.pk)
    return done
