"""Notifications: proven by their bytes, then read (protocol 6)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ... import strict_json
from ...errors import Malformed, Unproven
from ...states import Fact
from ..base import Report, fingerprint
from .quirks import EVENTS
from .wire import kept, read_amount, read_code, read_currency, read_date, read_object, read_text

# Possessive, and the end of a string is optional, so that no text makes it go back: it reads every byte once.
_STRING_OR_BLANKS = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|[ \t\r\n]++', re.DOTALL)


def prove(body: bytes, headers: Mapping[str, str], secrets: Sequence[bytes]) -> str:
    """Return the signature, in lower case, if any of the secrets made it; raises ``Unproven`` if none did.

    Signed are the bytes received, or the same text with the blanks outside of strings removed: the vendor's document
    defines the one and prints the other (protocol 6.2). The error is the same for every reason: nobody learns from it.
    """
    signature = str({name.lower(): value for name, value in headers.items()}.get("pe-signature")).lower()
    texts = (body, compact(body))
    expected = [sign(text, secret) for text in texts for secret in secrets]
    well_formed = re.fullmatch("[0-9a-f]{64}", signature)
    # Summed, not any(): how long it takes must not tell which secret fits.
    if not well_formed or not sum(hmac.compare_digest(each, signature) for each in expected):
        raise Unproven("The notification is not proven.")
    return signature


def sign(body: bytes, secret: bytes) -> str:
    """Return the signature that a secret makes over bytes (protocol 6.2)."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def proved_by(body: bytes, signature: str, secrets: Sequence[bytes]) -> str:
    """Return the fingerprint of the secret that made a signature that is proven already; empty if none did."""
    for secret in secrets:
        for text in (body, compact(body)):
            if hmac.compare_digest(sign(text, secret), signature):
                return fingerprint(secret)
    return ""


def compact(body: bytes) -> bytes:
    """Return a JSON text without the blanks outside of its strings, every other byte as it was."""
    return _STRING_OR_BLANKS.sub(rb"\1", body)


def read(body: bytes, account: str) -> Report:
    """Return what a proven notification says, or raise ``Malformed`` (protocol 6.3, 6.4).

    Its amount and currency may be missing only where nothing is paid by it: what other events carry is unknown.
    """
    message = read_object(strict_json.load(body))
    data = read_object(message.get("data"))
    event, number = message.get("eventType"), message.get("operationNumber")
    fact = EVENTS.get(event, Fact.UNKNOWN) if isinstance(event, str) else Fact.UNKNOWN
    report = Report(
        account=account,
        fact=fact,
        code=read_code(data.get("cip")),
        transaction_code=read_text(data.get("transactionCode"), 36),  # a longer one is none of ours
        amount=read_amount(data.get("amount")),
        currency=read_currency(data.get("currency")),
        # An unreadable date is no reason to lose a payment: when we received it stands in.
        paid_at=read_date(data.get("paymentDate")),
        operation_number=read_text(number),
        detail="".join(filter(str.isprintable, str(event)))[:40] if fact == Fact.UNKNOWN else "",
        raw=kept(message) | {"data": kept(data)},
    )
    wrong = {
        "eventType": not event or not isinstance(event, str),
        "cip": not report.code,
        "amount": report.amount is None and (fact == Fact.PAYMENT or data.get("amount") is not None),
        "currency": not report.currency and (fact == Fact.PAYMENT or data.get("currency") is not None),
        "transactionCode": not _is_text(data.get("transactionCode")),
        "operationNumber": not _is_text(number) or len(report.operation_number) > 40,
    }
    if names := ", ".join(name for name, is_wrong in wrong.items() if is_wrong):
        raise Malformed(f"The notification has no {names} that can be read.")
    return report


def _is_text(value: Any) -> bool:
    """Tell whether it is a text or a whole number, or missing."""
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))
