"""Moments from now on, rounds of a worker that follow each other, and a clock for stories that go on for days."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Cip, Delivery, Notification, Order
from pagoefectivo_django.models.database import database

WORK = [model.objects.all() for model in (Notification, Delivery, Order, Cip)]


def later(**of: float) -> datetime:
    """Return a moment after now; before now where the time is negative."""
    return timezone.now() + timedelta(**of)


def many_ticks(rounds: int = 13, begin: datetime | None = None) -> datetime:
    """Let a worker go round at intervals longer than any pause, until it gives up; return when it ended."""
    begin = begin or timezone.now()
    for number in range(rounds):
        if not any(rows.using(database()).filter(retry_at__isnull=False).exists() for rows in WORK):
            break
        tick(now=begin + number * timedelta(minutes=75) + timedelta(minutes=1))
    return begin + rounds * timedelta(minutes=75)


class Clock:
    """The time for Django, and so for the webhook too: it only moves forward, a little with every look at it.

    To be put in the place of ``django.utils.timezone.now``.
    """

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def forward(self, **of: float) -> None:
        self.time += timedelta(**of)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fail if it takes longer: what never ends fails no test."""

    def ring(*_: object) -> None:
        raise AssertionError(f"did not end in {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
