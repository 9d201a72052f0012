"""JSON that every supported database can store; text that PostgreSQL would refuse is malformed everywhere."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from .errors import Malformed


def load(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, numbers with a point as ``Decimal``; raises ``Malformed`` for anything else."""
    try:
        found = json.loads(
            body.decode("utf-8-sig"), parse_float=_number, parse_constant=_constant, object_pairs_hook=_object
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        # The text may hold personal data, so the message names only the kind of error.
        raise Malformed(f"The body is not JSON that can be stored ({type(error).__name__}).") from None
    if not isinstance(found, dict):
        raise Malformed(f"The body is a JSON {type(found).__name__}, not an object.")
    if problem := unstorable(found):
        raise Malformed(f"The body has {problem}.")
    return found


def unstorable(value: Any) -> str:
    """Return why a value can't be stored as JSON on every database, or an empty text; walks without recursion."""
    pile: list[tuple[Any, int]] = [(value, 0)]
    while pile:
        item, depth = pile.pop()
        if depth > 50:
            return "more than 50 levels"
        if isinstance(item, str):
            if "\0" in item or any("\ud800" <= letter <= "\udfff" for letter in item):
                return "a NUL or a lone surrogate in a text"
        elif isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                return "a key that is not text"
            pile += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list | tuple):
            pile += [(part, depth + 1) for part in item]
        elif isinstance(item, float) and (item != item or item in (float("inf"), float("-inf"))):
            return "a number that is not finite"
        elif not isinstance(item, int | float | Decimal | None):
            return f"a {type(item).__name__}, which JSON does not know"
    return ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raises ``ValueError`` for a key with two different values, where readers would disagree."""
    found = dict(pairs)
    if len(found) < len(pairs) and any(found[key] != value for key, value in pairs):
        raise ValueError("a key with two values")
    return found


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if len(text) > 40 or number.adjusted() > 30:
        raise ValueError("a number out of any range")
    return number


def _constant(text: str) -> None:
    raise ValueError(text)
