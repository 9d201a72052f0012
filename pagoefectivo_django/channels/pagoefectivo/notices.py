"""Notifications: the signature is verified over the bytes, then the message is read (protocol 6)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any

from ... import strict_json
from ...errors import Malformed
from ...errors import gettext_noop as _
from ...states import Fact
from ..base import Incoming, Proof, Report, Trust, fingerprint
from ..reading import read_amount, read_code, read_currency, read_moment, read_text
from ..signing import hex_hmac, unverified
from .quirks import EVENTS
from .wire import kept, read_object

#: The header with the signature (protocol 6.2).
HEADER = "PE-Signature"
#: Placeholders for an escaped backslash, an escaped quotation mark and a whole string: bytes that never occur in UTF-8.
_BACKSLASH, _QUOTE, _TEXT = b"\xfd", b"\xfe", b"\xff"
_BLANKS = b" \t\r\n"
#: Blanks between two bytes that would become one word or number without them. The possessive ``++`` makes the search
#: read every byte once.
_APART = re.compile(rb"[^ \t\r\n{}\[\],:\xff][ \t\r\n]++[^ \t\r\n{}\[\],:\xff]")


def verify(incoming: Incoming, secrets: Sequence[bytes]) -> Proof:
    """Return the proof of a message that any of the secrets signed; else raise ``InvalidSignature``.

    The error's text is the same for every reason, so a sender learns nothing from it.
    """
    signature = incoming.header(HEADER).lower()
    signed = re.fullmatch("[0-9a-f]{64}", signature)
    if not signed or (text := verified(incoming.body, signature, secrets)) is None:
        raise unverified(signature)
    key_id = next(fingerprint(secret) for secret in secrets if hmac.compare_digest(hex_hmac(secret, text), signature))
    kept = Incoming(text, {HEADER: signature})
    return Proof(Trust.SIGNED_BODY, key_id, hashlib.sha256(text).hexdigest(), kept)


def verified(body: bytes, signature: str, secrets: Sequence[bytes]) -> bytes | None:
    """Return the text over which a secret made the signature, or None if no secret did.

    Tried are the bytes received, then the same text without the blanks outside of strings: the vendor's document
    defines the first and prints the second (protocol 6.2).
    """
    for read_as in (bytes, compact):
        if (text := read_as(body)) is None:
            return None
        # sum() and not any(): the time taken must not tell which secret fits.
        if sum([hmac.compare_digest(hex_hmac(secret, text), signature) for secret in secrets]):
            return text
    return None


def compact(body: bytes) -> bytes | None:
    """Return a JSON text without the blanks outside of strings, every further byte unchanged.

    None if the result would be the same bytes or would read differently: for blanks that part two words or numbers, and
    for bytes that are no UTF-8. All strings are handled at once, so that no sender chooses how long the work takes.
    """
    if any(never in body for never in (_BACKSLASH, _QUOTE, _TEXT)):
        return None
    hidden = body.replace(rb"\\", _BACKSLASH).replace(rb"\"", _QUOTE)
    pieces = hidden.split(b'"')  # outside, inside, outside, … of strings
    outside = _TEXT.join(pieces[::2])
    if _APART.search(outside):
        return None
    pieces[::2] = outside.translate(None, _BLANKS).split(_TEXT)
    found = b'"'.join(pieces).replace(_QUOTE, rb"\"").replace(_BACKSLASH, rb"\\")
    return None if found == body else found


def read(body: bytes, account: str) -> Report:
    """Return the report of a verified notification; raises ``Malformed`` if a field can't be read (protocol 6.3, 6.4).

    Amount and currency may be missing only in events other than a payment, whose content the protocol does not know.
    """
    message = read_object(strict_json.load(body))
    data = read_object(message.get("data"))
    event, number = message.get("eventType"), message.get("operationNumber")
    fact = EVENTS.get(event, Fact.UNKNOWN) if isinstance(event, str) else Fact.UNKNOWN
    report = Report(
        account=account,
        fact=fact,
        code=read_code(data.get("cip")),
        transaction_code=read_text(data.get("transactionCode"), 36),  # a longer transaction code is not ours
        amount=read_amount(data.get("amount")),
        currency=read_currency(data.get("currency")),
        # A payment with an unreadable date still counts: the time of reception stands in for the date.
        paid_at=read_moment(data.get("paymentDate")),
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
        raise Malformed(
            _("The notification lacks fields that can be read: %(names)s."),
            code="notification_lacks_fields",
            names=names,
        )
    return report


def _is_text(value: Any) -> bool:
    """Return whether a value is a text, a whole number or missing."""
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))
