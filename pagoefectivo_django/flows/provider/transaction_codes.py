"""Transaction codes: our number of a request at a provider, which says whose request it is where that can be read."""

from __future__ import annotations

import hashlib
import re
import secrets

from ...channels.base import Channel
from ...codes import LONGEST

#: The random part of a transaction code.
RANDOM_BYTES = 6


def new_transaction_code(reference: str, channel: Channel) -> str:
    """Return a code of our own for this request, which no other one has, also none that a restored backup forgot.

    The shop's reference and a random part where that fits and can be read, else their hash.
    """
    prefix = str(channel.options.get("TRANSACTION_CODE_PREFIX", ""))
    readable = f"{prefix}{reference}-{secrets.token_hex(RANDOM_BYTES)}"
    if len(readable) <= LONGEST and re.fullmatch(r"[A-Za-z0-9_-]+", readable):
        return readable
    return (prefix + hashlib.sha256(readable.encode()).hexdigest())[:LONGEST]


def reference_in(transaction_code: str, channel: Channel) -> str:
    """Return the reference of the order for which a readable transaction code of ours was made; empty for any other."""
    prefix = re.escape(str(channel.options.get("TRANSACTION_CODE_PREFIX", "")))
    found = re.fullmatch(rf"{prefix}(.+)-[0-9a-f]{{{2 * RANDOM_BYTES}}}", transaction_code, re.IGNORECASE)
    return found[1] if found else ""
