"""Heartbeat: when a worker last made its round, and how fast a provider is asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Case, F, Q, When

from .database import ExactCharField, database

#: What was not used of the pace for so long may be used at once.
BURST = timedelta(seconds=10)


#: What the names of machines begin with here.
CLOCK = "clock "


class Heartbeat(models.Model):
    """One row for each kind of round, for the admin's banner; and one for each pace or turn that all share."""

    name = ExactCharField(max_length=150, unique=True)
    beaten_at = models.DateTimeField()
    #: Of a machine: how far its clock is ahead of the database's.
    ahead = models.DurationField(null=True)

    def __str__(self) -> str:
        return str(self.name)


def beat(name: str, now: datetime, *, ahead: timedelta | None = None) -> None:
    """Write down that something happens now. Not ``update_or_create``: many first ones would deadlock on MariaDB."""
    beats = Heartbeat.objects.using(database())
    if not beats.filter(name=name).update(beaten_at=now, ahead=ahead):
        beats.bulk_create([Heartbeat(name=name, beaten_at=now, ahead=ahead)], ignore_conflicts=True)


def claim_interval(name: str, every: timedelta, now: datetime) -> bool:
    """Take the one turn that there is in so long a time; False if any process took it.

    A turn that was taken in the future, by a clock that was wrong, holds nobody up.
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
    """Take one of the turns that come at this pace, whoever takes them; False if it has to be waited for.

    The row says when the turns that were taken are used up. It can't be further ahead than turns were given away: what
    is, a wrong clock wrote, and nobody waits for it.
    """
    paces = Heartbeat.objects.using(database()).filter(name=name)
    taken = Case(When(beaten_at__range=(now, now + BURST), then=F("beaten_at") + every), default=now + every)
    if paces.filter(Q(beaten_at__lte=now + BURST) | Q(beaten_at__gt=now + BURST + every)).update(beaten_at=taken):
        return True
    if paces.exists():
        return False
    beat(name, now + every)
    return True
