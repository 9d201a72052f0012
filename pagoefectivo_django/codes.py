"""The digits of a payment code, and our transaction code of each request for a payment code."""

from __future__ import annotations

import re

from .texts import visible

#: The longest transaction code (protocol 3.2), and the longest prefix that the shop may choose: the rest has to be long
#: enough to make each transaction code unique.
LONGEST, LONGEST_PREFIX = 36, 20


def is_prefix(value: object) -> bool:
    """Return whether transaction codes may begin with a value: up to 20 letters, digits, ``_`` and ``-``, or an int."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return (isinstance(value, str) or number) and bool(re.fullmatch(f"[A-Za-z0-9_-]{{0,{LONGEST_PREFIX}}}", str(value)))


def plain(code: str) -> str:
    """Return the digits of a code without blanks and leading zeros, as codes are stored and compared.

    Some providers' messages pad codes to 14 digits, and people read codes out in groups (protocol 3.3, 6.3).
    """
    return "".join(visible(code).split()).lstrip("0")


def groups(code: str) -> list[str]:
    """Return a code's digits in groups for reading aloud: of three if the length allows only threes, else of four."""
    size = 3 if len(code) % 3 == 0 and len(code) % 4 else 4
    first = len(code) % size
    return [part for part in (code[:first], *(code[at : at + size] for at in range(first, len(code), size))) if part]
