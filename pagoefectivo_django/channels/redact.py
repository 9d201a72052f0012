"""Redaction of bodies for the log of calls: only fields known to be harmless show their values."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from ..errors import Malformed
from ..strict_json import load

#: Fields of protocol 2 to 6, in lower case, that name neither a person nor a secret: money, numbers, dates, states.
HARMLESS = frozenset(
    (
        *("amount", "cip", "code", "currency", "data", "datecreation", "dateexpiry", "datepayment", "dateremoval"),
        *("daterequest", "eventtype", "field", "idservice", "operationnumber", "paymentdate", "serviceid", "status"),
        *("tokenexpires", "tokenstart", "transactioncode"),
    )
)
#: The values that a harmless field may show: longer or freer text could repeat what the payer typed.
PLAIN = re.compile(r"[A-Za-z0-9 _.:+/-]{1,64}")
#: The most characters of a body that are kept.
LONGEST = 8000


def redact(body: bytes) -> str:
    """Return a body as text in which only harmless fields show values; a body without JSON shows only its size."""
    if not body:
        return ""
    try:
        found = load(body)
    except Malformed:
        return f"({len(body)} bytes that are not JSON)"
    return json.dumps(_masked("data", found), ensure_ascii=False, indent=1)[:LONGEST]


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _masked(str(key), one) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(name, one) for one in value]
    if value is None or value == "" or isinstance(value, bool):  # tested by type, since 1 and 1.00 equal True
        return value
    text = str(value) if isinstance(value, Decimal) else value
    return text if name.lower() in HARMLESS and PLAIN.fullmatch(str(value)) else "…"
