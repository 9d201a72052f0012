"""Dates and objects as PagoEfectivo writes them, and the request for a code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...errors import InvalidRequest
from ...errors import gettext_noop as _
from ...money import exact
from ...payer import Payer
from ..base import Charge
from ..reading import LIMA, clean, encode
from .quirks import DOCUMENT_TYPES

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
        raise InvalidRequest(_("A date has no time zone; pass an aware datetime."), code="date_without_zone")
    return moment.astimezone(LIMA).isoformat(timespec="seconds")


def read_object(value: Any) -> dict[str, Any]:
    """Return an object with its keys in camelCase, or {}: a table and a demo capitalise keys (protocol 3.1, 6.3)."""
    found = value if isinstance(value, dict) else {}
    in_order = sorted(found.items(), key=lambda pair: pair[0][:1].islower())  # the usual spelling wins
    return {key[:1].lower() + key[1:]: value for key, value in in_order}


def kept(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of an answer or a notification that may be stored, numbers with a point as text."""
    chosen = {name: found[name] for name in KEPT if isinstance(found.get(name), str | int | Decimal)}
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in chosen.items()}


def write_charge(charge: Charge, service_id: int, admin_email: str) -> tuple[bytes, dict[str, Any]]:
    """Return the body of the request for a code (protocol 3.1), without empty fields, and all the fields.

    Raises ``InvalidRequest`` for a transaction code or an amount that PagoEfectivo would refuse.
    """
    if not 1 <= len(charge.transaction_code) <= 36:
        raise InvalidRequest(_("The transaction code has to have 1 to 36 characters."), code="transaction_code_length")
    payer = charge.payer
    fields: dict[str, Any] = {
        "amount": exact(charge.amount),
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
    return encode({name: value for name, value in fields.items() if value != ""}), fields


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
