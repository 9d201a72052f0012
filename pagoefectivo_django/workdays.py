"""Days and business days of Peru, from which the day a payment should be settled is computed."""

from __future__ import annotations

from collections.abc import Container
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

LIMA = ZoneInfo("America/Lima")


def lima_day(moment: datetime) -> date:
    """Return the date in Peru at a moment."""
    return moment.astimezone(LIMA).date()


def midnight(day: date) -> datetime:
    """Return the moment at which a day begins in Peru."""
    return datetime(day.year, day.month, day.day, tzinfo=LIMA)


def due_on(paid_on: date, days: int) -> date:
    """Return the date ``days`` business days after ``paid_on``."""
    day = paid_on
    while days:
        day += timedelta(days=1)
        days -= is_workday(day)
    return day


def latest_due(today: date, days: int) -> date:
    """Return the first day whose payments are not due before today; payments of earlier days are overdue."""
    day = today
    while due_on(day - timedelta(days=1), days) >= today:
        day -= timedelta(days=1)
    return day


def is_workday(day: date) -> bool:
    """Return whether banks in Peru work on a day: neither weekend nor national holiday."""
    return day.weekday() < 5 and day not in _holidays()


@cache
def _holidays() -> Container[date]:
    from holidays import country_holidays

    return country_holidays("PE")
