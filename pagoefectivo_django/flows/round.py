"""One round of everything that is due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import Q, QuerySet
from django.utils import timezone

from ..models import Cip, Heartbeat, Notification, Order
from ..models.database import Attempted, database
from ..states import Wish
from .cancel import cancel
from .delete import delete_superseded
from .extend import extend
from .issue import issue
from .publish import after, publish_events
from .receive import apply_again
from .reissue import reissue
from .wish import Deed, attempt_quietly

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
    """How much one round did."""

    notifications: int
    deliveries: int
    wishes: int
    deletions: int

    def __bool__(self) -> bool:
        return any((self.notifications, self.deliveries, self.wishes, self.deletions))


def tick(now: datetime | None = None) -> Round:
    """Do one round of everything due: inbox, deliveries, then provider work, each within its budget.

    Any number of processes may do it at once, on any number of machines.
    """
    began = timezone.now()
    start = now or began

    def clock() -> datetime:
        """The time of the round, which goes on: a lease taken late in it is a whole one."""
        return start + (timezone.now() - began)

    _beat()
    notifications = _work(Notification.objects.all(), apply_again, clock)
    deliveries = publish_events(clock(), budget=BUDGET)
    wishes = _work(Order.objects.all(), _fulfil, clock)
    deletions = _work(Cip.objects.select_related("order"), delete_superseded, clock)
    # What provider work told is heard in this round, not the next.
    deliveries += publish_events(clock(), budget=BUDGET)
    return Round(notifications, deliveries, wishes, deletions)


def _beat() -> None:
    """Show that a worker is alive. Not ``update_or_create``: many first ones at once would deadlock on MariaDB."""
    beats, beaten_at = Heartbeat.objects.using(database()), timezone.now()
    if not beats.filter(name="tick").update(beaten_at=beaten_at):
        beats.bulk_create([Heartbeat(name="tick", beaten_at=beaten_at)], ignore_conflicts=True)


def _fulfil(order: Order, now: datetime) -> bool:
    return bool(order.wish) and attempt_quietly(order.pk, order.wish, DEEDS[order.wish], now)


def _work(rows: QuerySet[Row], work: Callable[[Row, datetime], bool], clock: Callable[[], datetime]) -> int:
    """Work on what is due, oldest first, each row once, until the time is over; return on how many."""
    stop = time.monotonic() + BUDGET.total_seconds()
    due = rows.using(database()).filter(next_attempt_at__lte=clock()).order_by("next_attempt_at", "pk")
    done, last = 0, Q()
    while batch := list(due.filter(last)[:50]):
        for row in batch:
            if time.monotonic() > stop:
                return done
            last = after(row)
            try:
                done += work(row, clock())
            except Exception:
                # One bad row never stops the round; it was counted, and comes again after its pause.
                logger.exception("%s %s failed in this round.", type(row).__name__, row.pk)
    return done
