"""The feed: every event that has a signal, in one row of numbers that a reader follows by a cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet

from ...errors import InvalidRequest
from ...errors import gettext_noop as _
from ...models import FeedEntry, OrderEvent
from ...models.database import database, one_transaction
from ...models.heartbeat import beat, in_pace
from ...signals import SIGNALS
from .budget import TimeBudget

#: The row that is locked while numbers are given.
LOCK = "feed"
BATCH = 200
#: How often the worker looks for events without an entry: the search reads the whole history.
SEARCH_PACE = timedelta(hours=1)


@contextmanager
def _alone(now: datetime) -> Iterator[str]:
    """Open a transaction in which one process at a time is, and yield the database's alias."""
    beat(LOCK, now)  # the row has to be there before two processes want its lock
    with one_transaction() as alias:
        beat(LOCK, now)  # takes the lock, and begins the transaction on SQLite with a write
        yield alias


def number_events(budget: TimeBudget) -> int:
    """Give the committed events without a number the next numbers of the feed, and return how many there were.

    One process at a time gives numbers, and the next begins after the first has committed; see ``FeedEntry``.
    """
    waiting = FeedEntry.objects.using(database()).filter(number=None)
    count = 0
    while not budget.over and waiting.exists():
        with _alone(budget.now) as alias:
            last = FeedEntry.objects.using(alias).aggregate(last=Max("number"))["last"] or 0
            batch = list(waiting.order_by("pk")[:BATCH])
            for number, entry in enumerate(batch, last + 1):
                entry.number = number
            FeedEntry.objects.using(alias).bulk_update(batch, ["number"])
        count += len(batch)
    return count


def enter_missed(budget: TimeBudget) -> int:
    """Enter events that have no entry, oldest first, once an hour, and return how many there were.

    A process of a version without the feed writes such events while an update is under way, after its migration.
    """
    missed = OrderEvent.objects.using(database()).filter(kind__in=SIGNALS, feed_entry=None)
    count = 0
    if not in_pace("feed search", SEARCH_PACE, budget.now):
        return count
    while not budget.over and missed.exists():
        with _alone(budget.now) as alias:
            batch = list(missed.order_by("created_at", "order", "number")[:BATCH])
            FeedEntry.objects.using(alias).bulk_create(FeedEntry(event=event) for event in batch)
        count += len(batch)
    return count


def entries_after(cursor: str | None) -> QuerySet[FeedEntry]:
    """Return the numbered events after a cursor, oldest first; all of them without a cursor.

    :raises InvalidRequest: ``cursor_unknown``: the text is no cursor of this feed, or of a feed that was lost when a
        backup was restored.
    """
    numbered = FeedEntry.objects.using(database()).filter(number__isnull=False).order_by("number")
    if cursor is None:
        return numbered
    found = re.fullmatch(r"(?a:([1-9]\d{0,17})-[0-9a-f]{8})", cursor)
    entry = numbered.filter(number=found[1]).first() if found else None
    if entry is None or entry.cursor != cursor:
        raise InvalidRequest(
            _("This cursor is of no event here; pass the cursor of an event that you read, or none to begin anew."),
            code="cursor_unknown",
        )
    return numbered.filter(number__gt=entry.number)
