"""Notifications: proven by their bytes, then read (protocol 6)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ... import strict_json
from ...errors import InvalidSignature, Malformed
from ...states import Fact
from ..base import Report, fingerprint
from .quirks import EVENTS
from .wire import kept, read_amount, read_code, read_currency, read_date, read_object, read_text

#: Stand for an escaped backslash, an escaped quotation mark and a whole text: bytes that UTF-8 never has.
_BACKSLASH, _QUOTE, _TEXT = b"\xfd", b"\xfe", b"\xff"
_BLANKS = b" \t\r\n"
#: Blanks between two bytes that would become one word or number without them. Possessive: it reads every byte once.
_APART = re.compile(rb"[^ \t\r\n{}\[\],:\xff][ \t\r\n]++[^ \t\r\n{}\[\],:\xff]")


def verify(body: bytes, headers: Mapping[str, str], secrets: Sequence[bytes]) -> str:
    """Return the signature, in lower case, if any of the secrets made it; raises ``InvalidSignature`` if none did.

    The error is the same for every reason: nobody learns from it.
    """
    signature = str({name.lower(): value for name, value in headers.items()}.get("pe-signature")).lower()
    if not re.fullmatch("[0-9a-f]{64}", signature) or verified(body, signature, secrets) is None:
        raise InvalidSignature("The notification has no valid signature.")
    return signature


def verified(body: bytes, signature: str, secrets: Sequence[bytes]) -> bytes | None:
    """Return the text that a signature was made over, or None if no secret made it over any.

    Signed are the bytes received, or the same text with the blanks outside of strings removed: the vendor's document
    defines the one and prints the other (protocol 6.2).
    """
    for read_as in (bytes, compact):
        if (text := read_as(body)) is None:
            return None
        # Summed, not any(): how long it takes must not tell which secret fits.
        if sum([hmac.compare_digest(sign(text, secret), signature) for secret in secrets]):
            return text
    return None


def sign(body: bytes, secret: bytes) -> str:
    """Return the signature that a secret makes over bytes (protocol 6.2)."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def verified_by(body: bytes, signature: str, secrets: Sequence[bytes]) -> str:
    """Return the fingerprint of the secret that made a signature that is proven already; empty if none did."""
    return next((fingerprint(secret) for secret in secrets if verified(body, signature, [secret]) is not None), "")


def compact(body: bytes) -> bytes | None:
    """Return a JSON text without the blanks outside of its strings, every other byte as it was.

    None where that would be the same bytes, or would read differently: blanks that part two words or numbers, and
    bytes that are no UTF-8. Nothing of it is done string by string, so that no sender chooses how long it takes.
    """
    if any(never in body for never in (_BACKSLASH, _QUOTE, _TEXT)):
        return None
    hidden = body.replace(rb"\\", _BACKSLASH).replace(rb"\"", _QUOTE)
    pieces = hidden.split(b'"')  # outside, inside, outside, …
    outside = _TEXT.join(pieces[::2])
    if _APART.search(outside):
        return None
    pieces[::2] = outside.translate(None, _BLANKS).split(_TEXT)
    found = b'"'.join(pieces).replace(_QUOTE, rb"\"").replace(_BACKSLASH, rb"\\")
    return None if found == body else found


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
