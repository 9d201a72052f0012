"""Whether it is still working: what was heard, what was refused, how the provider answers, what waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, Max, Min, Q

from ...channels import get_channel
from ...errors import Misconfigured
from ...models import ApiCall, Delivery, Discrepancy, Fate, Heartbeat, Notification, OrderEvent, Refusal
from ...models.database import database
from ..receive import TEST

#: A worker makes its round every few seconds; after this long nobody does.
ASLEEP_AFTER = timedelta(minutes=5)
#: Days from which is known what is usual for an hour, and how many usual pauses are too many.
USUAL_DAYS, TOO_LONG = 14, 5
#: More are not counted on a page.
MOST_COUNTED = 1_000


@dataclass(frozen=True)
class Silence:
    """When an account was last heard of by a proven message, and what is usual at this hour.

    ``usual``: the mean time between two messages at this hour on the last days; None where none came.
    ``proved_by``: which of the current secrets proved the last, from 1; 0: one that is not in the settings any more.
    """

    account: str
    last: datetime | None
    silence: timedelta | None
    usual: timedelta | None
    proved_by: int
    secrets: int

    @property
    def too_long(self) -> bool:
        return bool(self.silence and self.usual and self.silence > TOO_LONG * self.usual)


@dataclass(frozen=True)
class Calls:
    """How a provider answered an account since yesterday; times in milliseconds."""

    account: str
    count: int
    failed: int
    mean: int
    longest: int


@dataclass(frozen=True)
class Waiting:
    """What waits in the worker's queues; counts end at ``MOST_COUNTED``."""

    beaten_at: datetime | None
    oldest_event: datetime | None
    undelivered: int
    dead: int
    unapplied: int

    def asleep(self, now: datetime) -> bool:
        return self.beaten_at is None or self.beaten_at < now - ASLEEP_AFTER


def silence(account: str, alias: str, now: datetime) -> Silence:
    """Return how long an account has been silent, against what is usual for the hour."""
    heard = Notification.objects.using(database()).filter(account=account).exclude(fact=TEST)
    last = heard.order_by("-received_at").values("last_received_at", "proved_by").first()
    hours = Q()
    for ago in range(1, USUAL_DAYS + 1):
        begin = now - timedelta(days=ago, minutes=30)
        hours |= Q(received_at__gte=begin, received_at__lt=begin + timedelta(hours=1))
    count = heard.filter(hours).count()
    usual = timedelta(hours=USUAL_DAYS) / count if count else None
    try:
        prints = get_channel(alias).fingerprints() if alias else []
    except Misconfigured:
        prints = []
    if last is None:
        return Silence(account, None, None, usual, 0, len(prints))
    place = prints.index(last["proved_by"]) + 1 if last["proved_by"] in prints else 0
    moment = last["last_received_at"]
    return Silence(account, moment, max(now - moment, timedelta(0)), usual, place, len(prints))


def calls(account: str, now: datetime) -> Calls:
    """Return how many calls of the last 24 hours failed, and how long they took."""
    rows = ApiCall.objects.using(database()).filter(account=account, began_at__gte=now - timedelta(days=1))
    failed = Q(status__isnull=True) | Q(status__gte=500)
    found = rows.aggregate(
        count=Count("pk"),
        failed=Count("pk", filter=failed),
        mean=Avg("milliseconds"),
        longest=Max("milliseconds"),
    )
    return Calls(account, found["count"], found["failed"], round(found["mean"] or 0), found["longest"] or 0)


def refusals(aliases: Iterable[str]) -> list[Refusal]:
    """Return how many messages were refused, for which reason and since when; the newest first."""
    return list(Refusal.objects.using(database()).filter(channel__in=list(aliases)).order_by("-last_at"))


def waiting() -> Waiting:
    """Return what waits for a worker, of all environments: there is one worker for all."""
    alias = database()
    beat = Heartbeat.objects.using(alias).filter(name="tick").values_list("beaten_at", flat=True).first()
    undelivered = Delivery.objects.using(alias).filter(next_attempt_at__isnull=False)
    first = undelivered.order_by("next_attempt_at").values("event")[:MOST_COUNTED]
    oldest = OrderEvent.objects.using(alias).filter(pk__in=list(first.values_list("event", flat=True)))
    notifications = Notification.objects.using(alias)
    return Waiting(
        beat,
        oldest.aggregate(first=Min("created_at"))["first"],
        _counted(undelivered),
        _counted(notifications.filter(fate=Fate.DEAD)),
        _counted(notifications.filter(fate=Fate.WAITING)),
    )


@dataclass(frozen=True)
class Asked:
    """Open questions of one kind, and the oldest of them."""

    kind: str
    count: int
    oldest: datetime


def open_questions(accounts: Iterable[str]) -> list[Asked]:
    """Return the open questions by kind, the oldest first; those of no account are everybody's."""
    rows = Discrepancy.objects.using(database()).open().filter(account__in=["", *accounts])
    found = rows.values("kind").annotate(count=Count("pk"), oldest=Min("created_at")).order_by("oldest")
    return [Asked(row["kind"], row["count"], row["oldest"]) for row in found]


def _counted(rows: Any) -> int:
    return int(rows.order_by()[:MOST_COUNTED].count())
