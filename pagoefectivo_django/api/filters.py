"""Values of query parameters: functions from text to a value, each raising ``ValueError`` for an unknown value."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import date, datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime


class Choice:
    """A function that accepts ``values`` only."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = frozenset(map(str, values))

    def __call__(self, text: str) -> str:
        """Return the text if it is one of the values."""
        if text not in self.values:
            raise ValueError(text)
        return text


def flag(text: str) -> bool:
    """Return the truth value that a text names: ``true`` or ``false``."""
    return Choice(("true", "false"))(text) == "true"


def moment(text: str) -> datetime:
    """Return the aware moment that a text names in ISO 8601; a ``+`` that a query made a blank is one again."""
    found = parse_datetime(re.sub(" (?=[0-9:]+$)", "+", text))
    # Some databases know no year before 1000, and no zone may lead out of the calendar.
    if found is None or timezone.is_naive(found) or not 1970 <= found.year < 9999:
        raise ValueError(text)
    return found


def plain(text: str) -> str:
    """Return a text that every database can compare."""
    if not text.isprintable() or len(text) > 200:
        raise ValueError(text)
    return text


def day(text: str) -> date:
    """Return the day that a text names in ISO 8601: ``2026-01-31``."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(text)
    found = date.fromisoformat(text)
    if not 1970 <= found.year < 9999:
        raise ValueError(text)
    return found


def currency(text: str) -> str:
    """Return the three letters of a currency; a settlement may be in any."""
    if not re.fullmatch("[A-Z]{3}", text):
        raise ValueError(text)
    return text


def identifier(text: str) -> uuid.UUID:
    """Return the UUID that a text names."""
    return uuid.UUID(text)


def row_id(text: str) -> int:
    """Return the primary key that a text names; each database holds 18 digits."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(text)
    return int(text)
