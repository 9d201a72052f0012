"""Culqi's events: a user and a password come with each, and nothing is signed (aggregators 5.1)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from ... import strict_json
from ...errors import InvalidSignature, Malformed, Unsigned
from ..base import Hint, Incoming, Proof, Trust, fingerprint
from ..reading import encode, read_text


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
    header = incoming.header("Authorization").strip()
    if not secret or not hmac.compare_digest(basic(secret).encode(), header.encode(errors="replace")):
        raise (InvalidSignature if header else Unsigned)("The notification has no valid signature.")
    body = encode(_names(incoming.body))
    return Proof(Trust.SHARED_SECRET, fingerprint(secret), hashlib.sha256(body).hexdigest(), Incoming(body))


def read(incoming: Incoming, account: str) -> Hint:
    """Return the order that an event names; raises ``Malformed`` for an event without."""
    names = _names(incoming.body)
    if not names["id"]:
        raise Malformed("The notification names no order.")
    return Hint(account, provider_id=names["id"], transaction_code=names["order_number"])


def _names(body: bytes) -> dict[str, str]:
    """Return the id and the number of the order in an event, whose ``data`` is JSON in a text; empty where missing."""
    try:
        data = strict_json.load(body).get("data")
        order = strict_json.load(data.encode()) if isinstance(data, str) else {}
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
