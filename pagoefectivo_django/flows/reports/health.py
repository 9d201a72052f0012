"""Health: messages received and refused, the provider's answers, and the worker's queues."""

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
from ...states import CipStatus, Mention

#: A worker makes a round every few seconds; after this long without one, no worker runs.
ASLEEP_AFTER = timedelta(minutes=5)
#: Days that make up the usual number of messages, and how many usual pauses are too long.
USUAL_DAYS, TOO_LONG = 14, 5
#: Attempts, about ten minutes' worth, after which a receiver or a message counts as failing.
KEEPS_FAILING = 5
#: How long a delivery or a message may wait without an attempt.
UNHEARD_AFTER = timedelta(hours=1)
#: The largest difference between clocks that is no fault; clocks set by the network differ by milliseconds.
MOST_SKEW = timedelta(seconds=5)
#: The most rows that a page counts.
MOST_COUNTED = 1_000


@dataclass(frozen=True)
class Silence:
    """The time since an account's last verified message, and the usual pause at this hour.

    ``usual``: the mean time between messages at this hour on the last ``USUAL_DAYS`` days; None without any message.
    ``verified_by``: the place, from 1, of the current secret that verified the last message; 0: a secret no longer in
    the settings. ``secrets``: the number of current secrets.
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
    """Calls to a provider for an account in the last 24 hours; times in milliseconds."""

    account: str
    count: int
    failed: int
    mean: int
    longest: int


@dataclass(frozen=True)
class Waiting:
    """The work waiting in the worker's queues; counts end at ``MOST_COUNTED``."""

    beaten_at: datetime | None
    oldest_event: datetime | None
    undelivered: int
    dead: int
    unapplied: int
    #: Receivers that keep failing, and receivers whose deliveries nobody tried for ``UNHEARD_AFTER``.
    failing: list[str]
    unheard: list[str]
    #: Refunds that are not closed; ``queues`` has them by step.
    refunds: int
    #: The failing receivers with a row in ``FailingReceiver``, which has a page of its own.
    left_alone: frozenset[str] = frozenset()
    #: When the oldest message that waits to be applied was received.
    oldest_message: datetime | None = None

    def asleep(self, now: datetime) -> bool:
        return is_asleep(self.beaten_at, now)


def is_asleep(beaten_at: datetime | None, now: datetime) -> bool:
    """Return whether no worker made a round lately; a round in the future, by a wrong clock, does not count."""
    return beaten_at is None or abs(now - beaten_at) > ASLEEP_AFTER


@dataclass(frozen=True)
class Clock:
    """A machine whose clock differs from the database's."""

    machine: str
    ahead: timedelta


def wrong_clocks(now: datetime) -> list[Clock]:
    """Return the workers' machines seen in the last 24 hours with a wrong clock, the worst first."""
    seen = Heartbeat.objects.using(database()).filter(name__startswith=CLOCK, ahead__isnull=False)
    seen = seen.filter(beaten_at__gt=now - timedelta(days=1))
    found = [Clock(row.name.removeprefix(CLOCK), row.ahead or timedelta(0)) for row in seen]
    found = [clock for clock in found if abs(clock.ahead) > MOST_SKEW]
    return sorted(found, key=lambda clock: -abs(clock.ahead))


def silence(account: str, alias: str, now: datetime) -> Silence:
    """Return the time since an account's last message, against the usual pause at this hour."""
    heard = Notification.objects.using(database()).filter(account=account).exclude(fact=Mention.TEST)
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
    """Return an account's codes that are payable or may be: live codes, and lost codes still scheduled."""
    payable = Q(live=True) | Q(status=CipStatus.LOST, poll_at__isnull=False)
    return Cip.objects.using(database()).filter(payable, account=account)


def orphans(accounts: Iterable[str]) -> list[str]:
    """Return those of the given accounts with a payable code; the caller passes accounts no longer in the settings."""
    return [account for account in accounts if open_codes(account).exists()]


def failing() -> QuerySet[Delivery]:
    """Return the open deliveries to receivers that keep failing."""
    waiting = Delivery.objects.using(database()).filter(delivered_at__isnull=True)
    # A paused receiver gets one delivery after another, so no single delivery counts its failures.
    paused = FailingReceiver.objects.using(database()).filter(failures__gte=KEEPS_FAILING)
    return waiting.filter(
        Q(attempts__gte=KEEPS_FAILING) | Q(receiver__in=list(paused.values_list("receiver", flat=True)))
    )


def unheard(now: datetime) -> QuerySet[Delivery]:
    """Return open deliveries without an attempt for ``UNHEARD_AFTER``, as of a removed or renamed receiver."""
    since = now - UNHEARD_AFTER
    waiting = Delivery.objects.using(database()).filter(delivered_at__isnull=True)
    # A receiver in pauses of minutes gets one delivery at a time, so its deliveries may wait.
    paused = FailingReceiver.objects.filter(receiver=OuterRef("receiver"), paused_until__gt=since)
    untried = Q(attempts=0, event__created_at__lt=since) | Q(retry_at__lt=since)
    return waiting.filter(untried).exclude(Exists(paused))


def calls(account: str, now: datetime) -> Calls:
    """Return the count, the failures and the durations of an account's calls in the last 24 hours."""
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
    """Return the counts of refused messages by address and reason, newest first.

    Included are the addresses of ``aliases`` and addresses that belong to no channel in the settings.
    """
    others = Q(channel__in=list(aliases)) | ~Q(channel__in=list(conf.channels))
    return list(Refusal.objects.using(database()).filter(others).order_by("-last_at"))


def waiting() -> Waiting:
    """Return the work waiting for a worker, of all environments, which share their workers."""
    alias = database()
    beat = Heartbeat.objects.using(alias).filter(name="tick").values_list("beaten_at", flat=True).first()
    undelivered = Delivery.objects.using(alias).filter(retry_at__isnull=False)
    first = undelivered.order_by("retry_at").values("event")[:MOST_COUNTED]
    oldest = OrderEvent.objects.using(alias).filter(pk__in=list(first.values_list("event", flat=True)))
    notifications = Notification.objects.using(alias)
    unapplied = notifications.filter(status=NotificationStatus.WAITING)
    decided = Discrepancy.objects.filter(notification=OuterRef("pk"), status=Discrepancy.Status.RESOLVED)
    names = _receivers(failing())
    alone = FailingReceiver.objects.using(alias).filter(receiver__in=names).values_list("receiver", flat=True)
    return Waiting(
        beat,
        oldest.aggregate(first=Min("created_at"))["first"],
        _counted(undelivered),
        # A dead message whose discrepancy is resolved needs nobody any more, though it was never applied.
        _counted(notifications.filter(status=NotificationStatus.DEAD).exclude(Exists(decided))),
        _counted(unapplied),
        names,
        _receivers(unheard(current_time())),
        _counted(Refund.objects.using(alias).filter(closed_at__isnull=True)),
        frozenset(alone if names else ()),
        unapplied.order_by("received_at").values_list("received_at", flat=True).first(),
    )


@dataclass(frozen=True)
class Asked:
    """The open discrepancies of a kind: how many, and since when."""

    kind: str
    count: int
    oldest: datetime


def open_discrepancies(accounts: Iterable[str]) -> list[Asked]:
    """Return open discrepancies by kind, oldest first, of these accounts and of no account."""
    rows = Discrepancy.objects.using(database()).open().filter(account__in=["", *accounts])
    found = rows.values("kind").annotate(count=Count("pk"), oldest=Min("created_at")).order_by("oldest")
    return [Asked(row["kind"], row["count"], row["oldest"]) for row in found]


def _receivers(deliveries: Any) -> list[str]:
    return list(dict.fromkeys(deliveries.order_by("pk").values_list("receiver", flat=True)[:MOST_COUNTED]))


def _counted(rows: Any) -> int:
    return int(rows.order_by()[:MOST_COUNTED].count())
