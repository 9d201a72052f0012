"""Dates as PagoEfectivo writes and reads: Lima time, whole seconds, 25 characters (protocol 3.2)."""

import re
from datetime import datetime, timedelta, timezone

LIMA = timezone(timedelta(hours=-5))
#: The date of an event that has not happened (protocol 4).
NEVER = "1900-01-01T00:00:00-05:00"

_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?"
    r"(?:Z|([+-])([0-9]{1,2})(?::?([0-5][0-9]))?)",
    re.IGNORECASE,
)


def now() -> datetime:
    """Return this moment in Lima, with microseconds."""
    return datetime.now(LIMA)


def this_second() -> datetime:
    """Return this moment in Lima in whole seconds, as dates on the wire."""
    return now().replace(microsecond=0)


def write_date(moment: datetime | None) -> str:
    """Return a moment in 25 characters; None gives the year 1900."""
    return NEVER if moment is None else moment.astimezone(LIMA).strftime("%Y-%m-%dT%H:%M:%S-05:00")


def read_date(value: object) -> datetime | None:
    """Return the moment in a text: `T` or a blank, any fraction, `Z` or any offset; None for any other value.

    The vendor's parser is .NET's lenient one (additions A, 3.2). A date without an offset names no instant and gives
    None.
    """
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, fraction, sign, hours, minutes = match.groups()
    offset = f"{sign or '+'}{(hours or '').zfill(2)}:{minutes or '00'}"
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}{offset}").astimezone(LIMA)
    except (ValueError, OverflowError):
        return None
