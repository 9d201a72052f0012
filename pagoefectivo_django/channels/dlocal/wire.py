"""What dLocal signs and what is signed for dLocal, and the fields of a request for a code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...payer import bare
from ..base import Charge
from ..reading import clean
from ..signing import hex_hmac

#: The documents that dLocal takes in Peru, of which one is required, with the form of each number (3.1).
DOCUMENTS = {"DNI": "[0-9]{8,9}", "RUC": "[0-9]{11}"}
SIGNED = re.compile(r"V2-HMAC-SHA256,\s*Signature:\s*([0-9a-f]{64})", re.IGNORECASE)
#: Nothing that could be the beginning of a body: login, date and body are signed with nothing between them.
DATE = re.compile("[0-9TZ:.+-]{10,40}")


def write_date(moment: datetime) -> str:
    """Return a moment as dLocal's header ``X-Date`` has it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signed_text(login: str, date: str, content: bytes) -> bytes:
    """Return the bytes that are signed for a call or a message."""
    return f"{login}{date}".encode() + content


def sign(secret: bytes, login: str, date: str, content: bytes) -> str:
    """Return the signature of a body, empty for a GET: HMAC-SHA256 in hex over login, date and bytes (3.2)."""
    return hex_hmac(secret, signed_text(login, date, content))


def authorization(signature: str) -> str:
    """Return the header ``Authorization`` for a signature."""
    return f"V2-HMAC-SHA256, Signature: {signature}"


def write_charge(charge: Charge, flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request for a code (3.3)."""
    payer = charge.payer
    return {
        "amount": charge.amount,
        "currency": charge.currency,
        "country": "PE",
        "payment_method_id": "EF",
        **flow,
        "payer": {
            "name": clean(f"{payer.name} {payer.last_name}", 100),
            "email": payer.email,
            "document": bare(payer.document_number),
        },
        "order_id": charge.transaction_code,
        "description": clean(charge.concept, 100),
    }
