"""What of a body may be kept and shown: what is known to be harmless; the rest is masked."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from ..errors import Malformed
from ..strict_json import load

#: Fields of protocol 2 to 6 that name neither a person nor a secret, in small letters: money, numbers, dates, states.
HARMLESS = frozenset(
    (
        *("amount", "cip", "code", "currency", "data", "datecreation", "dateexpiry", "datepayment", "dateremoval"),
        *("daterequest", "eventtype", "field", "idservice", "operationnumber", "paymentdate", "serviceid", "status"),
        *("tokenexpires", "tokenstart", "transactioncode"),
    )
)
#: What such a field may show: a provider's words could repeat what they complain of.
PLAIN = re.compile(r"[A-Za-z0-9 _.:+/-]{1,64}")
#: Characters of the longest body that is kept.
LONGEST = 8000


def redact(body: bytes) -> str:
    """Return a body as text in which only harmless fields show their values; one that is no JSON tells its size."""
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
    if value is None or value == "" or isinstance(value, bool):  # by kind: 1 and 1.00 equal True
        return value
    text = str(value) if isinstance(value, Decimal) else value
    return text if name.lower() in HARMLESS and PLAIN.fullmatch(str(value)) else "…"
