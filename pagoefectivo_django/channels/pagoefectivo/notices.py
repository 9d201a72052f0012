"""Notifications: proven by their bytes, then read (protocol 6)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ... import strict_json
from ...errors import Malformed, Unproven
from ...states import Fact
from ..base import Report
from .quirks import EVENTS
from .wire import kept, lower_keys, read_amount, read_code, read_currency, read_date, read_text

HEADER = "pe-signature"
#: The same for every reason, so that nobody learns from it.
UNPROVEN = "The notification is not proven."
#: What of a notification is kept beside its report.
DATA_FIELDS = ("cip", "currency", "amount", "paymentDate", "transactionCode")

_SIGNATURE = re.compile(r"[0-9a-fA-F]{64}")
# Possessive, and the end of a string is optional, so that no text makes it go back: it reads every byte once.
_STRING_OR_BLANKS = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|[ \t\r\n]++', re.DOTALL)


def prove(body: bytes, headers: Mapping[str, str], secrets: Sequence[bytes]) -> str:
    """Return the signature, in lower case, if any of the secrets made it; raises ``Unproven`` if none did.

    Signed are the bytes received, or the same text with the blanks outside of strings removed: the vendor's
    document defines the one and prints the other (protocol 6.2).
    """
    given = next((value for name, value in headers.items() if name.lower() == HEADER), "")
    if not isinstance(given, str) or not _SIGNATURE.fullmatch(given):
        raise Unproven(UNPROVEN)
    signature = given.lower()
    proven = False
    for text in (body, compact(body)):
        for secret in secrets:
            expected = hmac.new(secret, text, hashlib.sha256).hexdigest()
            # No short cut: how long it takes must not tell which secret fits.
            proven = hmac.compare_digest(expected, signature) or proven
    if not proven:
        raise Unproven(UNPROVEN)
    return signature


def compact(body: bytes) -> bytes:
    """Return a JSON text without the blanks outside of its strings, every other byte as it was."""
    return _STRING_OR_BLANKS.sub(rb"\1", body)


def read(body: bytes, account: str) -> Report:
    """Return what a proven notification says, or raise ``Malformed`` (protocol 6.3, 6.4).

    Its amount and currency may be missing only where nothing is paid by it: what other events carry is
    unknown.
    """
    message = lower_keys(strict_json.load(body))
    data = message.get("data")
    if not isinstance(data, dict):
        raise Malformed("The notification has no data.")
    data = lower_keys(data)
    event = message.get("eventType")
    if not isinstance(event, str) or not event:
        raise Malformed("The notification has no eventType.")
    fact = EVENTS.get(event, Fact.UNKNOWN)
    detail = "".join(letter for letter in event if letter.isprintable())[:40] if fact == Fact.UNKNOWN else ""
    return Report(
        account=account,
        fact=fact,
        code=_code(data),
        transaction_code=_transaction_code(data),
        amount=_amount(data, needed=fact == Fact.PAYMENT),
        currency=_currency(data, needed=fact == Fact.PAYMENT),
        # An unreadable date is no reason to lose a payment: when we received it stands in.
        paid_at=read_date(data.get("paymentDate")),
        operation_number=_operation_number(message),
        detail=detail,
        raw=kept(message, ("eventType", "operationNumber")) | {"data": kept(data, DATA_FIELDS)},
    )


def _code(data: Mapping[str, Any]) -> str:
    code = read_code(data.get("cip"))
    if not code:
        raise Malformed("The notification has no cip of 1 to 14 digits.")
    return code


def _amount(data: Mapping[str, Any], *, needed: bool) -> Decimal | None:
    if data.get("amount") is None and not needed:
        return None
    amount = read_amount(data.get("amount"))
    if amount is None:
        raise Malformed("The notification has no positive amount with at most two decimals.")
    return amount


def _currency(data: Mapping[str, Any], *, needed: bool) -> str:
    if data.get("currency") is None and not needed:
        return ""
    currency = read_currency(data.get("currency"))
    if not currency:
        raise Malformed("The notification has no currency of three letters.")
    return currency


def _transaction_code(data: Mapping[str, Any]) -> str:
    """Return the transaction code if there is one; one longer than any of ours is taken as absent."""
    code = _optional_text(data, "transactionCode")
    return code if len(code) <= 36 else ""


def _operation_number(message: Mapping[str, Any]) -> str:
    number = _optional_text(message, "operationNumber")
    if len(number) > 40:
        raise Malformed("The notification's operationNumber is longer than 40 characters.")
    return number


def _optional_text(found: Mapping[str, Any], name: str) -> str:
    """Return a text or a whole number as text; missing, null and empty are the same."""
    value = found.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise Malformed(f"The notification's {name} is neither a text nor a whole number.")
    return read_text(value)
