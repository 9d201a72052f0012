"""Redaction of bodies for the log of calls: only fields known to be harmless show their values."""

from __future__ import annotations

import json
import re
from collections.abc import Set
from decimal import Decimal
from typing import Any

from ..errors import Malformed
from ..strict_json import load

#: The values that a harmless field may show: longer or freer text could repeat what the payer typed.
PLAIN = re.compile(r"[A-Za-z0-9 _.:+/-]{1,64}")
#: The most characters of a body that are kept.
LONGEST = 8000


def redact(body: bytes, shown: Set[str] = frozenset()) -> str:
    """Return a body as text in which only the fields ``shown`` have values; a body without JSON shows only its size.

    ``shown`` are names in lower case (``Channel.log_fields``).
    """
    if not body:
        return ""
    try:
        found = load(body)
    except Malformed:
        return f"({len(body)} bytes that are not JSON)"
    return json.dumps(_masked("data", found, shown), ensure_ascii=False, indent=1)[:LONGEST]


def _masked(name: str, value: Any, shown: Set[str]) -> Any:
    if isinstance(value, dict):
        return {str(key): _masked(str(key), one, shown) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(name, one, shown) for one in value]
    if value is None or value == "" or isinstance(value, bool):  # tested by type, since 1 and 1.00 equal True
        return value
    text = str(value) if isinstance(value, Decimal) else value
    return text if name.lower() in shown and PLAIN.fullmatch(str(value)) else "…"
