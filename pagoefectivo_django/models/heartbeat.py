"""Heartbeat: when a worker last made a round, and paces that all processes share."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Case, F, Q, When

from .database import ExactCharField, database

#: Permits of a pace that were unused in this time may be used at once.
BURST = timedelta(seconds=10)


#: The prefix of the names of rows about a machine's clock.
CLOCK = "clock "


class Heartbeat(models.Model):
    """The last round of a kind of work, for the admin's banner; also a pace or an interval shared by all processes."""

    name = ExactCharField(max_length=150, unique=True)
    beaten_at = models.DateTimeField()
    #: For a row about a machine: how far the machine's clock is ahead of the database's.
    ahead = models.DurationField(null=True)

    def __str__(self) -> str:
        return str(self.name)


def beat(name: str, now: datetime, *, ahead: timedelta | None = None) -> None:
    """Record that something happens now, under a name; ``ahead`` is for a machine's clock.

    Not ``update_or_create``: many first inserts at once would deadlock on MariaDB.
    """
    beats = Heartbeat.objects.using(database())
    if not beats.filter(name=name).update(beaten_at=now, ahead=ahead):
        beats.bulk_create([Heartbeat(name=name, beaten_at=now, ahead=ahead)], ignore_conflicts=True)


def claim_interval(name: str, every: timedelta, now: datetime) -> bool:
    """Claim the only permit in an interval; False if a process has claimed the permit already.

    A claim dated in the future, by a clock that was wrong, blocks nobody.
    """
    turns = Heartbeat.objects.using(database()).filter(name=name)
    if turns.filter(Q(beaten_at__lte=now - every) | Q(beaten_at__gt=now + every)).update(beaten_at=now):
        return True
    if turns.exists():
        return False
    Heartbeat.objects.using(database()).bulk_create(
        [Heartbeat(name=name, beaten_at=now - every)], ignore_conflicts=True
    )
    return bool(turns.filter(beaten_at__lte=now - every).update(beaten_at=now))


def in_pace(name: str, every: timedelta, now: datetime) -> bool:
    """Claim a permit of a pace, one each ``every``, shared by all processes; False if the caller has to wait.

    The row holds the moment at which all claimed permits are used up. A moment further ahead than claims can bring it
    was written by a wrong clock and blocks nobody.
    """
    paces = Heartbeat.objects.using(database()).filter(name=name)
    beaten_at = paces.values_list("beaten_at", flat=True).first()
    if beaten_at is None:
        beat(name, now + every)
        return True
    # Read before the claim: the rare work of a round nearly always has to wait, and a read is cheaper than an update
    # that changes nothing.
    if now + BURST < beaten_at <= now + BURST + every:
        return False
    taken = Case(When(beaten_at__range=(now, now + BURST), then=F("beaten_at") + every), default=now + every)
    free = Q(beaten_at__lte=now + BURST) | Q(beaten_at__gt=now + BURST + every)
    return bool(paces.filter(free).update(beaten_at=taken))
