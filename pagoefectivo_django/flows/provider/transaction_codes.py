"""Transaction codes: our unique number for a request at a provider, with the order's reference where possible."""

from __future__ import annotations

import hashlib
import re
import secrets

from ...channels.base import Channel
from ...codes import LONGEST

#: Length of the random part of a transaction code, in bytes (two hex digits each).
RANDOM_BYTES = 6


def new_transaction_code(reference: str, channel: Channel) -> str:
    """Return a new transaction code, different from all earlier codes, including codes missing after a restored backup.

    Made of prefix, shop's reference and random part if short and plain enough (letters, digits, ``_``, ``-``), else of
    the prefix and a hash of the whole.
    """
    prefix = str(channel.options.get("TRANSACTION_CODE_PREFIX", ""))
    readable = f"{prefix}{reference}-{secrets.token_hex(RANDOM_BYTES)}"
    if len(readable) <= LONGEST and re.fullmatch(r"[A-Za-z0-9_-]+", readable):
        return readable
    return (prefix + hashlib.sha256(readable.encode()).hexdigest())[:LONGEST]


def reference_in(transaction_code: str, channel: Channel) -> str:
    """Return the reference contained in a readable transaction code of ours; empty for any different code."""
    prefix = re.escape(str(channel.options.get("TRANSACTION_CODE_PREFIX", "")))
    found = re.fullmatch(rf"{prefix}(.+)-[0-9a-f]{{{2 * RANDOM_BYTES}}}", transaction_code, re.IGNORECASE)
    return found[1] if found else ""
