"""Mercado Pago's notifications: verified by a manifest of id, request and time, and read as hints (aggregators 5.2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import parse_qs, urlencode

from .. import failures
from ..base import Hint, Incoming, Proof, Trust, fingerprint
from ..signing import signer, unverified

SIGNATURE, REQUEST_ID, PAYMENT_ID = "x-signature", "x-request-id", "data.id"
#: A payment's id. A notification of another kind may name something else, which is not asked about.
NUMBER = re.compile("[0-9]{1,20}")


def manifest(payment_id: str, request_id: str, moment: str) -> bytes:
    """Return the text that is signed: each name with its value, without those that have none."""
    pairs = {"id": payment_id, "request-id": request_id, "ts": moment}
    return "".join(f"{name}:{value};" for name, value in pairs.items() if value).encode(errors="replace")


def verify(incoming: Incoming, secrets: Iterable[bytes]) -> Proof:
    """Return the proof of a notification whose manifest one of the secrets signed.

    The body is not signed, so nothing of the body is kept, and of the query only the payment's id. The age is not
    looked at: a repeated notification is a repeated hint.
    """
    header, request_id = incoming.header(SIGNATURE), incoming.header(REQUEST_ID).strip()
    parts = (part.partition("=") for part in header.split(","))
    given = {name.strip().lower(): value.strip() for name, _equals, value in parts}
    moment, signature = given.get("ts", ""), given.get("v1", "")
    payment_id = parse_qs(incoming.query).get(PAYMENT_ID, [""])[0].strip()
    text = manifest(payment_id, request_id, moment)
    # With a semicolon in a value, one text would be the manifest of two notifications.
    one = moment.isdigit() and ";" not in payment_id + request_id
    if not one or (secret := signer(secrets, text, signature)) is None:
        raise unverified(header)
    headers = {SIGNATURE: f"ts={moment},v1={signature}"} | ({REQUEST_ID: request_id} if request_id else {})
    kept = Incoming(b"", headers, urlencode({PAYMENT_ID: payment_id}) if payment_id else "")
    return Proof(Trust.SIGNED_SENDER, fingerprint(secret), hashlib.sha256(text).hexdigest(), kept)


def read(incoming: Incoming, account: str) -> Hint:
    """Return the payment that a verified notification names; raises ``Malformed`` for a notification without."""
    payment_id = parse_qs(incoming.query).get(PAYMENT_ID, [""])[0]
    if not NUMBER.fullmatch(payment_id):
        raise failures.names_nothing()
    return Hint(account, provider_id=payment_id)
