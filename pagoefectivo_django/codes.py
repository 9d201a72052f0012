"""The digits that a payer types, and our own numbers of them."""

from __future__ import annotations

import re

from .texts import visible

#: Characters of a transaction code (protocol 3.2), and how many of them the shop may choose: what is left must be
#: enough to tell it from every other one.
LONGEST, LONGEST_PREFIX = 36, 20


def is_prefix(value: object) -> bool:
    """Return whether transaction codes may begin with this: letters that every provider takes, and few enough."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return (isinstance(value, str) or number) and bool(re.fullmatch(f"[A-Za-z0-9_-]{{0,{LONGEST_PREFIX}}}", str(value)))


def plain(code: str) -> str:
    """Return a code's digits without blanks and without leading zeros, as we store and compare it.

    Some pad codes to 14 digits, and people read them in groups (protocol 3.3, 6.3).
    """
    return "".join(visible(code).split()).lstrip("0")
