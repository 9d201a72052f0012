"""The rules of each request field (protocol 2.1, 3.1, 3.2)."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .dates import now, read_date
from .wire import Entry, Json

REQUIRED, INVALID = 112, 113

#: The shortest six months, so that a date accepted here passes any reading of "under 6 months" (protocol 3.2).
LONGEST = timedelta(days=181)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?")


class Wrong(ValueError):
    """The error for an invalid value."""


@dataclass(frozen=True)
class Field:
    """A row of a request table; ``read`` returns the clean value or raises ``Wrong``."""

    name: str
    read: Callable[[Any], Any]
    required: bool = False


def text(longest: int | None = None, shortest: int = 1) -> Callable[[Any], str]:
    """Return a reader of text; a whole number is read as its digits, as a lenient JSON reader does (protocol 8)."""

    def read(value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) < shortest:
            raise Wrong
        if longest is not None and len(value) > longest:
            raise Wrong
        return value

    return read


def pattern(expression: str) -> Callable[[Any], str]:
    """Return a reader of text, or of a number's digits, in a given form."""
    form = re.compile(expression)

    def read(value: Any) -> str:
        found = text()(value)
        if form.fullmatch(found) is None:
            raise Wrong
        return found

    return read


def email(value: Any) -> str:
    """Return an e-mail address: text, an @, text. Narrower patterns are the clients' own (protocol 8)."""
    found = text(100)(value)
    if _EMAIL.fullmatch(found) is None:
        raise Wrong
    return found


def amount(value: Any) -> Decimal:
    """Return a number or numeric text above zero, of at most 16 digits and 2 decimals; further zeros are allowed.

    Protocol 3.1.
    """
    if isinstance(value, str):
        if _AMOUNT.fullmatch(value) is None:
            raise Wrong
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Wrong
    found = Decimal(value)
    if found <= 0 or found.adjusted() > 15:
        raise Wrong
    if found != found.quantize(Decimal("0.01")):
        raise Wrong
    return found.quantize(Decimal("0.01"))


def date(value: Any) -> datetime:
    """Return a date in one of the forms of protocol 3.2."""
    found = read_date(value)
    if found is None:
        raise Wrong
    return found


def expiry(value: Any) -> datetime:
    """Return a date under 6 months ahead, in whole seconds (protocol 3.2); the API checks the shortest life."""
    found = date(value)
    if found - now() >= LONGEST:
        raise Wrong
    return found.replace(microsecond=0)


def dated_text(value: Any) -> str:
    """Return the text of a valid date, as sent."""
    date(value)
    return str(value)


AUTHORIZATION = (
    Field("accessKey", pattern("[A-Za-z0-9]{20}"), required=True),
    Field("idService", pattern("[0-9]{1,5}"), required=True),
    # Kept as text: the hash is over the very characters sent.
    Field("dateRequest", dated_text, required=True),
    Field("hashString", pattern("[0-9a-f]{64}"), required=True),
)

CREATE = (
    Field("currency", pattern("PEN|USD"), required=True),
    Field("amount", amount, required=True),
    Field("transactionCode", text(36), required=True),
    Field("dateExpiry", expiry),
    Field("paymentConcept", text(50)),
    Field("additionalData", text(200)),
    Field("adminEmail", email),
    Field("userEmail", email, required=True),
    Field("userId", text()),
    Field("userName", text(30)),
    Field("userLastName", text(30)),
    # Six digits in the table, but two were once accepted.
    Field("userUbigeo", pattern("[0-9]{1,6}")),
    Field("userCountry", text(20)),
    # Five types in the table; CE is from a merchant (additions A, 3.1), PASS from the vendor's iOS library (protocol
    # 9.2).
    Field("userDocumentType", pattern("DNI|PAS|PASS|LMI|PAR|NAN|CE")),
    Field("userDocumentNumber", pattern("[A-Za-z0-9]{1,14}")),
    # Digits in the table; a plus begins an international number, and 15 characters stay the most.
    Field("userPhone", pattern(r"(?=.{1,15}$)\+?[0-9]+"), required=True),
    Field("userCodeCountry", text(5), required=True),
    Field("serviceId", pattern("[0-9]{1,5}")),
)

#: Required by the document's table, left out by the vendor's own demo: a setting (protocol 3.1).
PHONE = ("userPhone", "userCodeCountry")

UPDATE = (Field("dateExpiry", expiry, required=True),)


def check(body: Json, fields: Sequence[Field], optional: Collection[str] = ()) -> tuple[Json, list[Entry]]:
    """Return the clean values of a body and every complaint; fields in `optional` may be missing against the table.

    Keys are compared without case (protocol 3.1); unknown keys are ignored (protocol 8); null and empty text count as
    unset (additions A, 3.1).
    """
    sent = {key.lower(): value for key, value in body.items()}
    values: Json = {}
    complaints = []
    for field in fields:
        value = sent.get(field.name.lower())
        if value is None or value == "":
            if field.required and field.name not in optional:
                complaints.append(Entry(REQUIRED, field.name))
            continue
        try:
            values[field.name] = field.read(value)
        except Wrong:
            complaints.append(Entry(INVALID, field.name))
    return values, complaints


def check_create(body: Json, optional_phone: bool) -> tuple[Json, list[Entry]]:
    """Return the clean values of a create request and every complaint; a DNI has eight digits (protocol 3.1)."""
    values, complaints = check(body, CREATE, PHONE if optional_phone else ())
    number = values.get("userDocumentNumber", "")
    if number and values.get("userDocumentType") == "DNI" and re.fullmatch("[0-9]{8}", number) is None:
        complaints.append(Entry(INVALID, "userDocumentNumber"))
    return values, complaints


def read_cip(value: Any) -> int | None:
    """Return a code given as a number or as digits, with or without leading zeros (protocol 4); None for any other
    value.
    """
    try:
        return int(pattern("[0-9]{1,14}")(value))
    except Wrong:
        return None
