"""Values as providers write them in JSON, read strictly, and values written for providers.

A value of another kind than expected is read as missing: None or an empty text, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

from ..codes import plain
from ..errors import InvalidRequest
from ..money import exact

#: Peru has no daylight saving time, so a fixed offset is right.
LIMA = timezone(timedelta(hours=-5))
#: The least number that means milliseconds: the seconds of the year 3001, the milliseconds of 1971.
MILLISECONDS = 32_535_216_000
#: A date with a time to the minute at least.
_TIMED = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}.[0-9]{2}:[0-9]{2}")


def read_text(value: Any, longest: int | None = None) -> str:
    """Return a text without blanks around it, or a whole number as text; empty for any other value or a longer text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = value.strip() if isinstance(value, str) else ""
    return text if longest is None or len(text) <= longest else ""


def read_code(value: Any) -> str:
    """Return the 1 to 14 digits of a code given as text or number, without leading zeros; else an empty text."""
    text = read_text(value)
    return plain(text) if re.fullmatch("[0-9]{1,14}", text) else ""


def read_amount(value: Any) -> Decimal | None:
    """Return a positive amount with two decimals from a number or a numeric text, else None."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,18})?", value.strip()):
        value = Decimal(value.strip())
    try:
        return exact(value)
    except InvalidRequest:
        return None


def read_cents(value: Any) -> Decimal | None:
    """Return the positive amount of a whole number of hundredths, as a number or a text of digits, else None."""
    digits = read_text(value)
    return read_amount(Decimal(digits).scaleb(-2)) if re.fullmatch("[0-9]{1,16}", digits) else None


def read_currency(value: Any) -> str:
    """Return a currency as three capital letters, else an empty text."""
    text = read_text(value).upper()
    return text if re.fullmatch("[A-Z]{3}", text) else ""


def read_moment(value: Any, zone: tzinfo = LIMA) -> datetime | None:
    """Return the moment in UTC of an ISO 8601 text with date and time, else None.

    ``zone`` is meant where the text names none. The offsets ``-0500`` and ``-5:00`` are read too. 1900 and earlier mean
    "has not happened" at PagoEfectivo, and the year 9999 in Lima ends in a UTC year that no database can hold.
    """
    text = value.strip() if isinstance(value, str) else ""
    try:
        moment = datetime.fromisoformat(re.sub(r"([+-])(\d:?\d\d)$", r"\g<1>0\2", text))
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _TIMED.match(text) and 1900 < moment.year < 9999 else None


def read_seconds(value: Any) -> datetime | None:
    """Return the moment in UTC of whole Unix seconds above zero, as a number or a text of digits, else None.

    A number too large for seconds of this millennium is read as milliseconds, of which the part of a second is dropped.
    """
    digits = read_text(value, 15)
    seconds = int(digits) if re.fullmatch("[0-9]+", digits) else 0
    seconds = seconds if seconds < MILLISECONDS else seconds // 1000
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < MILLISECONDS else None


def read_mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object, or {} for any other value."""
    return value if isinstance(value, dict) else {}


def read_address(value: Any) -> str:
    """Return a web address of at most 500 characters that the payer's browser may be sent to, else an empty text."""
    text = read_text(value)
    return text if re.fullmatch("https?://[!-~]{1,480}", text) else ""


def cents(amount: Decimal) -> int:
    """Return an amount in whole hundredths; raises ``InvalidRequest`` for a part of a hundredth."""
    return int(exact(amount) * 100)


def clean(text: str, length: int) -> str:
    """Return a text as the payer's page can show it, cut to a length."""
    # Characters beyond U+FFFF (emoji) are dropped: an ASP.NET server counts each as two.
    letters = "".join(letter if letter.isprintable() else " " for letter in text if letter <= "\uffff")
    return " ".join(letters.split())[:length].rstrip()


def encode(value: Any) -> bytes:
    """Return compact JSON in ASCII, which no reader can take for another encoding; a Decimal keeps its digits."""
    return _written(value).encode()


def _written(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(name))}:{_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)
