"""Heartbeat: when a worker last made its round, and how fast a provider is asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F

from .database import ExactCharField, database

#: What was not used of the pace for so long may be used at once.
BURST = timedelta(seconds=10)


class Heartbeat(models.Model):
    """One row for each kind of round, for the admin's banner; and one for each pace that all processes share."""

    name = ExactCharField(max_length=150, unique=True)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.name)


def beat(name: str, now: datetime) -> None:
    """Write down that something happens now. Not ``update_or_create``: many first ones would deadlock on MariaDB."""
    beats = Heartbeat.objects.using(database())
    if not beats.filter(name=name).update(beaten_at=now):
        beats.bulk_create([Heartbeat(name=name, beaten_at=now)], ignore_conflicts=True)


def in_pace(name: str, every: timedelta, now: datetime) -> bool:
    """Take one of the turns that come at this pace, whoever takes them; False if it has to be waited for.

    The row says when the turns that were taken are used up.
    """
    paces = Heartbeat.objects.using(database()).filter(name=name)
    if paces.filter(beaten_at__lt=now).update(beaten_at=now + every):
        return True
    if paces.filter(beaten_at__lte=now + BURST).update(beaten_at=F("beaten_at") + every):
        return True
    if paces.exists():
        return False
    beat(name, now + every)
    return True
