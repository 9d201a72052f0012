"""The digits that a payer types."""

from __future__ import annotations


def plain(code: str) -> str:
    """Return a code's digits without blanks and without leading zeros, as we store and compare it.

    Some pad codes to 14 digits, and people read them in groups (protocol 3.3, 6.3).
    """
    return "".join(code.split()).lstrip("0")
