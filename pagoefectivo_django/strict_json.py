"""JSON that every supported database can store; text that PostgreSQL would refuse is malformed everywhere."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from .errors import Malformed, PagoEfectivoError
from .errors import gettext_noop as _

#: The most bits of a whole number: some fewer than the 4,300 digits that Python writes as text.
MOST_BITS = 14_000


def load(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, numbers with a point as ``Decimal``; raises ``Malformed`` for anything else."""
    try:
        found = json.loads(
            body.decode("utf-8-sig"), parse_float=_number, parse_constant=_constant, object_pairs_hook=_object
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        # The text may hold personal data, so the message names only the kind of error.
        raise Malformed(
            _("The body is not JSON that can be stored (%(kind)s)."), code="not_json", kind=type(error).__name__
        ) from None
    if not isinstance(found, dict):
        raise Malformed(_("The body is JSON, and no object."), code="json_no_object")
    if problem := unstorable(found):
        raise Malformed(_("The body has %(problem)s."), code="json_unstorable", problem=problem)
    return found


def unstorable(value: Any, *, decimals: bool = True) -> PagoEfectivoError | None:
    """Return why a value can't be stored as JSON on every database, as a part of a sentence; None for a value that can.

    ``decimals``: whether the value is stored by an encoder that knows ``Decimal``. Walks without recursion.
    """
    pile: list[tuple[Any, int]] = [(value, 0)]
    while pile:
        item, depth = pile.pop()
        if depth > 50:
            return PagoEfectivoError(_("more than 50 levels"), code="too_deep")
        if isinstance(item, str):
            if "\0" in item or any("\ud800" <= letter <= "\udfff" for letter in item):
                return PagoEfectivoError(_("a NUL or a lone surrogate in a text"), code="letter_unstorable")
        elif isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                return PagoEfectivoError(_("a key that is not text"), code="key_no_text")
            pile += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list | tuple):
            pile += [(part, depth + 1) for part in item]
        elif isinstance(item, float) and (item != item or item in (float("inf"), float("-inf"))):
            return PagoEfectivoError(_("a number that is not finite"), code="number_not_finite")
        elif isinstance(item, int):
            if item.bit_length() > MOST_BITS:
                return PagoEfectivoError(_("a number out of any range"), code="number_out_of_range")
        elif not isinstance(item, float | None) and not (decimals and isinstance(item, Decimal)):
            return PagoEfectivoError(
                _("a %(kind)s, which JSON does not know"), code="type_unknown_to_json", kind=type(item).__name__
            )
    return None


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
