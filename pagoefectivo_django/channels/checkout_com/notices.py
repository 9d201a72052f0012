"""Checkout.com's events: signed over the whole body; a captured payment counts, every other event is a hint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from ... import strict_json
from ...errors import Malformed
from ...states import Fact
from .. import failures
from ..base import Hint, Incoming, Proof, Report, Trust, fingerprint
from ..reading import read_cents, read_currency, read_mapping, read_moment
from ..reading import read_text as text
from ..signing import signer, unverified

HEADER = "Cko-Signature"
#: The key of our number in ``metadata``, which a payment takes over from its page; ``reference`` may be another in the
#: events of a refund.
NUMBER = "transaction_code"


def verify(incoming: Incoming, secrets: Sequence[bytes], processing_channel: str) -> Proof:
    """Return the proof of an event that a secret signed, and that names no other processing channel than ours."""
    signature = incoming.header(HEADER).strip().lower()
    secret = signer(secrets, incoming.body, signature)
    if secret is None or _tells_elsewhere(incoming.body, processing_channel):
        raise unverified(signature)
    kept = Incoming(incoming.body, {HEADER: signature})
    return Proof(Trust.SIGNED_BODY, fingerprint(secret), hashlib.sha256(incoming.body).hexdigest(), kept)


def read(incoming: Incoming, account: str) -> Report | Hint:
    """Return what a verified event tells; raises ``Malformed`` for an event without a number of ours."""
    said = strict_json.load(incoming.body)
    data = read_mapping(said.get("data"))
    # The id in an event is that of the payment, which may be unknown here; the page is named by our number.
    number = text(read_mapping(data.get("metadata")).get(NUMBER), 64) or text(data.get("reference"), 64)
    if not number:
        raise failures.names_nothing()
    name, currency = text(data.get("id"), 40), read_currency(data.get("currency"))
    amount, paid_at = read_cents(data.get("amount")), read_moment(data.get("processed_on"), UTC)
    if text(said.get("type")) != "payment_captured" or not (name and currency and amount and paid_at):
        return Hint(account, transaction_code=number)
    return Report(
        account,
        Fact.PAYMENT,
        transaction_code=number,
        amount=amount,
        currency=currency,
        paid_at=paid_at,
        operation_number=name,
        payment_id=name,
    )


def is_elsewhere(data: Mapping[str, Any], processing_channel: str) -> bool:
    """Return whether a payment names a processing channel, and another than ours."""
    return text(data.get("processing_channel_id")) not in ("", processing_channel)


def _tells_elsewhere(body: bytes, processing_channel: str) -> bool:
    try:
        return is_elsewhere(read_mapping(strict_json.load(body).get("data")), processing_channel)
    except Malformed:
        return False  # ``read`` says so
