"""Culqi's events: a user and a password come with each, and nothing is signed (aggregators 5.1)."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from ... import strict_json
from ...errors import Malformed
from .. import failures
from ..base import Hint, Incoming, Proof, Trust, fingerprint
from ..reading import encode, read_mapping, read_text
from ..signing import unverified


def password(options: Mapping[str, Any]) -> bytes:
    """Return the user and the password of each event, as HTTP Basic writes them; empty if one is missing."""
    user, word = (str(options.get(name) or "") for name in ("WEBHOOK_USER", "WEBHOOK_PASSWORD"))
    return f"{user}:{word}".encode(errors="replace") if user and word else b""


def basic(secret: bytes) -> str:
    """Return the header ``Authorization`` for a user and a password."""
    return f"Basic {b64encode(secret).decode()}"


def verify(incoming: Incoming, secret: bytes) -> Proof:
    """Return the proof of an event that came with the password, which is not kept.

    Kept is a body of ours with the order's id and number, for nothing of the event's own is signed. An event that can't
    be read is kept without them, and is malformed when read.
    """
    header = incoming.header("Authorization")
    if not secret or not hmac.compare_digest(secret, _given(header)):
        raise unverified(header)
    body = encode(_names(incoming.body))
    return Proof(Trust.SHARED_SECRET, fingerprint(secret), hashlib.sha256(body).hexdigest(), Incoming(body))


def read(incoming: Incoming, account: str) -> Hint:
    """Return the order that an event names by Culqi's id or our number; raises ``Malformed`` for an event without."""
    names = _names(incoming.body)
    if not any(names.values()):
        raise failures.names_nothing()
    return Hint(account, provider_id=names["id"], transaction_code=names["order_number"])


def _given(header: str) -> bytes:
    """Return the user and the password of a header ``Authorization``, empty for another scheme or no base64."""
    scheme, _blank, encoded = header.strip().partition(" ")
    try:
        return b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b""


def _names(body: bytes) -> dict[str, str]:
    """Return the id and the number of the order in an event, whose ``data`` is JSON in a text; empty where missing.

    An order that stands there as it is, and not in a text, is read too.
    """
    try:
        data = strict_json.load(body).get("data")
        order = strict_json.load(data.encode()) if isinstance(data, str) else read_mapping(data)
    except (Malformed, UnicodeEncodeError):
        order = {}
    order = order or _ours(body)
    return {"id": read_text(order.get("id"), 64), "order_number": read_text(order.get("order_number"), 36)}


def _ours(body: bytes) -> dict[str, Any]:
    """Return the body that ``verify`` wrote, {} for another."""
    try:
        said = strict_json.load(body)
    except Malformed:
        return {}
    return said if set(said) == {"id", "order_number"} else {}
