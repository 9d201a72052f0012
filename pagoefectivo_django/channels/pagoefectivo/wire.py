"""Values on the line: dates, amounts, codes, texts; and the request for a code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from ...codes import plain
from ...errors import InvalidRequest
from ...money import exact
from ...payer import Payer
from ..base import Charge
from .quirks import DOCUMENT_TYPES, OTHER_DOCUMENT

#: Peru has no summer time, so a fixed offset is right (protocol 8).
LIMA = timezone(timedelta(hours=-5))
#: An event that has not happened (protocol 4).
NO_DATE = 1900

_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d{1,2}):?(\d\d))?", re.ASCII
)
_DIGITS = re.compile(r"\d{1,14}", re.ASCII)
_NUMBER = re.compile(r"\d{1,16}(?:\.\d{1,18})?", re.ASCII)


def write_date(moment: datetime) -> str:
    """Return a moment in 25 characters of Lima time, parts of a second dropped (protocol 2.1, 3.2)."""
    if moment.tzinfo is None:
        raise InvalidRequest("A date has no time zone; pass an aware datetime.")
    return moment.astimezone(LIMA).isoformat(timespec="seconds")


def read_date(value: Any) -> datetime | None:
    """Return a moment in UTC, or None for 1900 ("has not happened", protocol 4) and for what cannot be read.

    Reads a blank for the T, parts of a second, ``-0500`` and ``-5:00`` (protocol 3.2, 6.3, 8). Assumption:
    without an offset it is Lima time.
    """
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    *numbers, fraction, utc, sign, hours, minutes = match.groups()
    offset = timedelta(hours=-5)
    if utc:
        offset = timedelta(0)
    elif sign:
        offset = timedelta(hours=int(sign + hours), minutes=int(sign + minutes))
    year, month, day, hour, minute, second = map(int, numbers)
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour, minute, second, microsecond, timezone(offset))
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # The turn of 1899 in UTC, and the last year, whose evening in Lima no database can hold, are no dates
    # either.
    return moment if NO_DATE < moment.year < 9999 else None


def read_code(value: Any) -> str:
    """Return the 1 to 14 digits of a code given as text or number (protocol 8), or an empty text."""
    text = read_text(value)
    return plain(text) if _DIGITS.fullmatch(text) else ""


def read_text(value: Any) -> str:
    """Return text without blanks around it, a whole number's digits, an empty text for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def read_amount(value: Any) -> Decimal | None:
    """Return a positive amount with two decimals from a number or a numeric text (protocol 6.3), or None."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = Decimal(value.strip())
    try:
        return exact(value)
    except InvalidRequest:
        return None


def read_currency(value: Any) -> str:
    """Return three capital letters, or an empty text."""
    text = read_text(value).upper()
    return text if re.fullmatch("[A-Z]{3}", text) else ""


def lower_keys(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with keys in camelCase: a table and a demo capitalise them (protocol 3.1, 6.3)."""
    return {key[:1].lower() + key[1:]: value for key, value in found.items()} | {
        key: value for key, value in found.items() if key[:1].islower()
    }


def kept(found: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the named plain values, numbers with a point as text: all of it may be stored."""
    chosen = {name: found[name] for name in names if isinstance(found.get(name), str | int | Decimal)}
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in chosen.items()}


def clean(text: str, length: int) -> str:
    """Return a text as the payer's page can show it, cut to a length.

    Letters beyond the first plane (emoji) are dropped: the server, an ASP.NET one (protocol 3.1), would count
    each as two and might refuse a text that is not too long.
    """
    letters = "".join(letter if letter.isprintable() else " " for letter in text if letter <= "\uffff")
    return " ".join(letters.split())[:length].rstrip()


def write_charge(charge: Charge, service_id: int, admin_email: str = "") -> tuple[bytes, dict[str, Any]]:
    """Return the body that asks for a code (protocol 3.1), and what it holds; empty optionals are left out.

    Raises ``InvalidRequest`` for what cannot be cut without changing what it says.
    """
    if not 1 <= len(charge.transaction_code) <= 36:
        raise InvalidRequest("transaction_code has to have 1 to 36 characters.")
    payer = charge.payer
    fields: dict[str, Any] = {
        "currency": charge.currency,
        "transactionCode": charge.transaction_code,
        "dateExpiry": write_date(charge.expires_at),
        "paymentConcept": clean(charge.concept, 50),
        "adminEmail": admin_email,
        "userEmail": payer.email,
        "userId": clean(payer.user_id, 100),  # no length is attested
        "userName": clean(payer.name, 30),
        "userLastName": clean(payer.last_name, 30),
        "userUbigeo": payer.ubigeo if re.fullmatch("[0-9]{6}", payer.ubigeo) else "",
        "userCountry": clean(payer.country, 20),
        **_document(payer),
        **_phone(payer),
        "serviceId": service_id,
    }
    fields = {name: value for name, value in fields.items() if value != ""}
    # The amount is written as text into the JSON, since a float between would not be exact.
    return b'{"amount":%s,' % f"{exact(charge.amount):f}".encode() + encode(fields)[1:], fields


def encode(value: Mapping[str, Any]) -> bytes:
    """Return compact JSON in ASCII, which no reader can take for another encoding."""
    return json.dumps(value, separators=(",", ":")).encode()


def _document(payer: Payer) -> dict[str, str]:
    """Return the payer's document; a number too long is left out: cut, it would be another person's."""
    number = "".join(letter for letter in payer.document_number if letter.isalnum())
    if not 1 <= len(number) <= 14:
        return {}
    known = payer.document_type.strip().upper()
    return {
        "userDocumentType": known if known in DOCUMENT_TYPES else OTHER_DOCUMENT,
        "userDocumentNumber": number,
    }


def _phone(payer: Payer) -> dict[str, str]:
    """Return the payer's phone and prefix, in digits.

    DISAGREE (protocol 3.1): the vendor's table makes both mandatory, its SDKs don't. We send both whenever
    there is a phone, and neither when there is none: inventing one would be worse than the refusal (112,
    ``userPhone``).
    """
    prefix = "".join(letter for letter in payer.phone_prefix if letter in "+0123456789")[:5]
    phone = payer.phone.strip()
    if prefix.startswith("+"):
        phone = phone.removeprefix(prefix)
    digits = re.sub("[^0-9]", "", phone)
    if not 1 <= len(digits) <= 15:
        return {}
    return {"userPhone": digits, "userCodeCountry": prefix}
