"""Business days of Peru: when money that was paid is due at the shop."""

from __future__ import annotations

from collections.abc import Container
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

LIMA = ZoneInfo("America/Lima")


def lima_day(moment: datetime) -> date:
    """Return what day it is in Peru."""
    return moment.astimezone(LIMA).date()


def midnight(day: date) -> datetime:
    """Return when a day begins in Peru."""
    return datetime(day.year, day.month, day.day, tzinfo=LIMA)


def due_on(paid_on: date, days: int) -> date:
    """Return the day that is so many business days after another."""
    day = paid_on
    while days:
        day += timedelta(days=1)
        days -= is_workday(day)
    return day


def latest_due(today: date, days: int) -> date:
    """Return the first day whose payments are not due before today; all that is older is overdue."""
    day = today
    while due_on(day - timedelta(days=1), days) >= today:
        day -= timedelta(days=1)
    return day


def is_workday(day: date) -> bool:
    """Return whether banks in Peru work on a day: no weekend, no national holiday."""
    return day.weekday() < 5 and day not in _holidays()


@cache
def _holidays() -> Container[date]:
    from holidays import country_holidays

    return country_holidays("PE")
