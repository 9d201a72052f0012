"""Signatures of outgoing messages, as Standard Webhooks defines them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from standardwebhooks import Webhook

#: The beginning of every secret, by which people and scanners recognise a secret.
PREFIX = "whsec_"
#: Bytes of a new secret; Standard Webhooks asks for 24 to 64.
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new random secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(message_id: str, moment: datetime, body: str, keys: Iterable[str]) -> dict[str, str]:
    """Return the headers that sign a message: one signature for each key, so that old and new secrets both verify."""
    moment = moment.astimezone(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(message_id, moment, body) for key in keys),
    }
