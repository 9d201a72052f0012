"""Whether it is still working: what was heard, what was refused, how the provider answers, what waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, Exists, Max, Min, OuterRef, Q, QuerySet

from ...channels import get_channel
from ...conf import conf
from ...errors import Misconfigured
from ...models import (
    ApiCall,
    Cip,
    Delivery,
    Discrepancy,
    FailingReceiver,
    Heartbeat,
    Notification,
    NotificationStatus,
    OrderEvent,
    Refund,
    Refusal,
)
from ...models.clock import current_time
from ...models.database import database
from ...models.heartbeat import CLOCK
from ...states import CipStatus
from ..inbox.receive import TEST

#: A worker makes its round every few seconds; after this long nobody does.
ASLEEP_AFTER = timedelta(minutes=5)
#: Days from which is known what is usual for an hour, and how many usual pauses are too many.
USUAL_DAYS, TOO_LONG = 14, 5
#: Attempts after which a receiver or a message keeps failing: about ten minutes.
KEEPS_FAILING = 5
#: How long a delivery or a message may wait without being tried.
UNHEARD_AFTER = timedelta(hours=1)
#: Clocks that are set by the network differ by milliseconds.
MOST_SKEW = timedelta(seconds=5)
#: More are not counted on a page.
MOST_COUNTED = 1_000


@dataclass(frozen=True)
class Silence:
    """When an account was last heard of by a proven message, and what is usual at this hour.

    ``usual``: the mean time between two messages at this hour on the last days; None where none came.
    ``verified_by``: which of the current secrets proved the last, from 1; 0: one that is not in the settings any more.
    """

    account: str
    last: datetime | None
    silence: timedelta | None
    usual: timedelta | None
    verified_by: int
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
    #: Receivers that keep failing, and those that nobody tried for ``UNHEARD_AFTER``.
    failing: list[str]
    unheard: list[str]
    #: That are not closed; the queues have them by step.
    refunds: int
    #: Those of the failing ones that have a page of their own.
    left_alone: frozenset[str] = frozenset()

    def asleep(self, now: datetime) -> bool:
        return is_asleep(self.beaten_at, now)


def is_asleep(beaten_at: datetime | None, now: datetime) -> bool:
    """Return whether no worker made a round lately; one of the future is a wrong clock's and says nothing."""
    return beaten_at is None or abs(now - beaten_at) > ASLEEP_AFTER


@dataclass(frozen=True)
class Clock:
    """A machine whose clock is not the database's."""

    machine: str
    ahead: timedelta


def wrong_clocks(now: datetime) -> list[Clock]:
    """Return the machines of workers that were seen today with another time than the database's, the worst first."""
    seen = Heartbeat.objects.using(database()).filter(name__startswith=CLOCK, ahead__isnull=False)
    seen = seen.filter(beaten_at__gt=now - timedelta(days=1))
    found = [Clock(row.name.removeprefix(CLOCK), row.ahead or timedelta(0)) for row in seen]
    found = [clock for clock in found if abs(clock.ahead) > MOST_SKEW]
    return sorted(found, key=lambda clock: -abs(clock.ahead))


def silence(account: str, alias: str, now: datetime) -> Silence:
    """Return how long an account has been silent, against what is usual for the hour."""
    heard = Notification.objects.using(database()).filter(account=account).exclude(fact=TEST)
    last = heard.order_by("-received_at").values("last_received_at", "verified_by").first()
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
    place = prints.index(last["verified_by"]) + 1 if last["verified_by"] in prints else 0
    moment = last["last_received_at"]
    return Silence(account, moment, max(now - moment, timedelta(0)), usual, place, len(prints))


def open_codes(account: str) -> QuerySet[Cip]:
    """Return the codes of an account that can still be paid, or may be."""
    payable = Q(live=True) | Q(status=CipStatus.LOST, poll_at__isnull=False)
    return Cip.objects.using(database()).filter(payable, account=account)


def orphans(accounts: Iterable[str]) -> list[str]:
    """Return those of some accounts, set no more, of which a code can still be paid."""
    return [account for account in accounts if open_codes(account).exists()]


def failing() -> QuerySet[Delivery]:
    """Return the deliveries that wait for a receiver which keeps failing."""
    waiting = Delivery.objects.using(database()).filter(delivered_at__isnull=True)
    # One that is paused is tried with one delivery after the other, so that none of them counts its failures.
    paused = FailingReceiver.objects.using(database()).filter(failures__gte=KEEPS_FAILING)
    return waiting.filter(
        Q(attempts__gte=KEEPS_FAILING) | Q(receiver__in=list(paused.values_list("receiver", flat=True)))
    )


def unheard(now: datetime) -> QuerySet[Delivery]:
    """Return the deliveries that nobody tries: never, or not any more, since their receiver was removed or renamed."""
    since = now - UNHEARD_AFTER
    waiting = Delivery.objects.using(database()).filter(delivered_at__isnull=True)
    # One that is left alone for minutes, again and again, is tried with one delivery at a time.
    paused = FailingReceiver.objects.filter(receiver=OuterRef("receiver"), paused_until__gt=since)
    untried = Q(attempts=0, event__created_at__lt=since) | Q(retry_at__lt=since)
    return waiting.filter(untried).exclude(Exists(paused))


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
    """Return how many messages were refused, for which reason and since when; the newest first.

    At the addresses of some aliases, and at those that no channel has, or has any more.
    """
    others = Q(channel__in=list(aliases)) | ~Q(channel__in=list(conf.channels))
    return list(Refusal.objects.using(database()).filter(others).order_by("-last_at"))


def waiting() -> Waiting:
    """Return what waits for a worker, of all environments: there is one worker for all."""
    alias = database()
    beat = Heartbeat.objects.using(alias).filter(name="tick").values_list("beaten_at", flat=True).first()
    undelivered = Delivery.objects.using(alias).filter(retry_at__isnull=False)
    first = undelivered.order_by("retry_at").values("event")[:MOST_COUNTED]
    oldest = OrderEvent.objects.using(alias).filter(pk__in=list(first.values_list("event", flat=True)))
    notifications = Notification.objects.using(alias)
    decided = Discrepancy.objects.filter(notification=OuterRef("pk"), status=Discrepancy.Status.RESOLVED)
    names = _receivers(failing())
    alone = FailingReceiver.objects.using(alias).filter(receiver__in=names).values_list("receiver", flat=True)
    return Waiting(
        beat,
        oldest.aggregate(first=Min("created_at"))["first"],
        _counted(undelivered),
        # What a person has decided about is over, though nobody could apply it.
        _counted(notifications.filter(status=NotificationStatus.DEAD).exclude(Exists(decided))),
        _counted(notifications.filter(status=NotificationStatus.WAITING)),
        names,
        _receivers(unheard(current_time())),
        _counted(Refund.objects.using(alias).filter(closed_at__isnull=True)),
        frozenset(alone if names else ()),
    )


@dataclass(frozen=True)
class Asked:
    """Open questions of one kind, and the oldest of them."""

    kind: str
    count: int
    oldest: datetime


def open_discrepancies(accounts: Iterable[str]) -> list[Asked]:
    """Return the open questions by kind, the oldest first; those of no account are everybody's."""
    rows = Discrepancy.objects.using(database()).open().filter(account__in=["", *accounts])
    found = rows.values("kind").annotate(count=Count("pk"), oldest=Min("created_at")).order_by("oldest")
    return [Asked(row["kind"], row["count"], row["oldest"]) for row in found]


def _receivers(deliveries: Any) -> list[str]:
    return list(dict.fromkeys(deliveries.order_by("pk").values_list("receiver", flat=True)[:MOST_COUNTED]))


def _counted(rows: Any) -> int:
    return int(rows.order_by()[:MOST_COUNTED].count())
