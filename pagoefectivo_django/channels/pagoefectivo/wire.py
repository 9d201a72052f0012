"""Dates, amounts, codes and texts as PagoEfectivo writes them, and the request for a code."""

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
from .quirks import DOCUMENT_TYPES

#: Peru has no daylight saving time, so a fixed offset is right (protocol 8).
LIMA = timezone(timedelta(hours=-5))
#: The fields of an answer or a notification that are stored beside its report; none is personal data.
KEPT = (
    *("cip", "transactionCode", "amount", "currency", "dateExpiry", "cipUrl"),  # protocol 3.3
    *("status", "statusName", "dateCreation", "datePayment", "dateRemoval"),  # protocol 4
    *("eventType", "operationNumber", "paymentDate"),  # protocol 6.3
)


def write_date(moment: datetime) -> str:
    """Return a moment as 25 characters of Lima time, without parts of a second (protocol 2.1, 3.2).

    Raises ``InvalidRequest`` for a naive datetime.
    """
    if moment.tzinfo is None:
        raise InvalidRequest("A date has no time zone; pass an aware datetime.")
    return moment.astimezone(LIMA).isoformat(timespec="seconds")


def read_date(value: Any) -> datetime | None:
    """Return a moment in UTC; None for an unreadable date and for 1900, which means "has not happened" (protocol 4).

    The offsets ``-0500`` and ``-5:00`` are read too (protocol 3.2, 8). Assumption: a date without an offset is Lima
    time.
    """
    text = value.strip() if isinstance(value, str) else ""
    try:
        moment = datetime.fromisoformat(re.sub(r"([+-])(\d:?\d\d)$", r"\g<1>0\2", text))
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=LIMA)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # A date without a time is no moment. The year 9999 is refused: its last evening in Lima is in a UTC year that no
    # database can hold.
    return moment if len(text) >= len("2026-11-22T10:05:00") and 1900 < moment.year < 9999 else None


def read_code(value: Any) -> str:
    """Return the 1 to 14 digits of a code given as text or number (protocol 8), else an empty text."""
    text = read_text(value)
    return plain(text) if re.fullmatch("[0-9]{1,14}", text) else ""


def read_text(value: Any, longest: int | None = None) -> str:
    """Return a text without blanks around it, or a whole number as text; empty for any other value or a longer text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = value.strip() if isinstance(value, str) else ""
    return text if longest is None or len(text) <= longest else ""


def read_amount(value: Any) -> Decimal | None:
    """Return a positive amount with two decimals from a number or a numeric text (protocol 6.3), else None."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,18})?", value.strip()):
        value = Decimal(value.strip())
    try:
        return exact(value)
    except InvalidRequest:
        return None


def read_currency(value: Any) -> str:
    """Return a currency as three capital letters, else an empty text."""
    text = read_text(value).upper()
    return text if re.fullmatch("[A-Z]{3}", text) else ""


def read_object(value: Any) -> dict[str, Any]:
    """Return an object with its keys in camelCase, or {}: a table and a demo capitalise keys (protocol 3.1, 6.3)."""
    found = value if isinstance(value, dict) else {}
    in_order = sorted(found.items(), key=lambda pair: pair[0][:1].islower())  # the usual spelling wins
    return {key[:1].lower() + key[1:]: value for key, value in in_order}


def kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of an answer or a notification that may be stored, numbers with a point as text."""
    chosen = {name: found[name] for name in KEPT if isinstance(found.get(name), str | int | Decimal)}
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in chosen.items()}


def clean(text: str, length: int) -> str:
    """Return a text as the payer's page can show it, cut to a length."""
    # Characters beyond U+FFFF (emoji) are dropped: an ASP.NET server (3.1) counts each as two.
    letters = "".join(letter if letter.isprintable() else " " for letter in text if letter <= "\uffff")
    return " ".join(letters.split())[:length].rstrip()


def encode(value: Mapping[str, Any]) -> bytes:
    """Return compact JSON in ASCII, which no reader can take for another encoding."""
    return json.dumps(value, separators=(",", ":")).encode()


def write_charge(charge: Charge, service_id: int, admin_email: str) -> tuple[bytes, dict[str, Any]]:
    """Return the body of the request for a code (protocol 3.1), without empty fields, and all the fields.

    Raises ``InvalidRequest`` for a transaction code or an amount that PagoEfectivo would refuse.
    """
    if not 1 <= len(charge.transaction_code) <= 36:
        raise InvalidRequest("transaction_code has to have 1 to 36 characters.")
    payer = charge.payer
    fields: dict[str, Any] = {
        "amount": f"{exact(charge.amount):f}",
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
    # The amount is written into the JSON as text, since a float would not be exact.
    others = {name: value for name, value in fields.items() if value != "" and name != "amount"}
    return b'{"amount":%s,' % fields["amount"].encode() + encode(others)[1:], fields


def _document(payer: Payer) -> dict[str, str]:
    """Return the payer's document type and number; a number too long is left out: cut, it would name another person."""
    number = "".join(letter for letter in payer.document_number if letter.isalnum())
    known = payer.document_type.strip().upper()
    if not 1 <= len(number) <= 14:
        number = known = ""
    elif known not in DOCUMENT_TYPES:
        known = "NAN"
    return {"userDocumentType": known, "userDocumentNumber": number}


def _phone(payer: Payer) -> dict[str, str]:
    """Return the payer's phone and prefix, in digits.

    Sources disagree whether a phone is mandatory (protocol 3.1). Without a phone neither field is sent: a refusal (112,
    ``userPhone``) is better than an invented number.
    """
    prefix = re.sub("[^+0-9]", "", payer.phone_prefix)[:5]
    phone = payer.phone.removeprefix(prefix) if prefix.startswith("+") else payer.phone
    digits = re.sub("[^0-9]", "", phone)
    if not 1 <= len(digits) <= 15:
        digits = prefix = ""
    return {"userPhone": digits, "userCodeCountry": prefix}
