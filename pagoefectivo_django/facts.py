"""Facts as data: values for the JSON of events and evidence; no database, no network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

from . import states
from .actors import Actor
from .errors import PagoEfectivoError
from .texts import kept_text

#: Values for JSON by their keys, which the manual's page "Events and evidence" lists.
Data: TypeAlias = Mapping[str, object]
#: The most characters kept of somebody else's text.
LONGEST = 500


def utc(moment: datetime) -> str:
    """Return a moment as the text kept in data: ISO, in UTC."""
    return moment.astimezone(UTC).isoformat()


def money(amount: Decimal, currency: str) -> dict[str, object]:
    """Return an amount as kept in data: text with two decimals, and the currency."""
    return {"amount": f"{amount:.2f}", "currency": currency}


def of_error(error: Exception) -> dict[str, object]:
    """Return an error as data: code, sentence and parameters, or the provider's own words for an error without code.

    Any further exception is a mistake of a program, named by its class.
    """
    said = kept_text(str(error), LONGEST) or type(error).__name__
    if not isinstance(error, PagoEfectivoError):
        return {"about": "mistake", "exception": type(error).__name__, "said": said}
    if not error.code or kept_text(error.message, len(error.message)) != error.message:
        return {"said": said}
    params = {name: _plain(value) for name, value in error.params.items()}
    return {"error": {"code": error.code, "message": error.message, "params": params}}


def error_in(data: Mapping[str, Any]) -> PagoEfectivoError | None:
    """Return the error kept in data by ``of_error``, or None; its ``sentence`` is in the active language."""
    if "error" in data:
        kept = data["error"]
        params = {name: _restored(value) for name, value in kept["params"].items()}
        return PagoEfectivoError(kept["message"], code=kept["code"], **params)
    return PagoEfectivoError(data["said"]) if data.get("said") else None


def _plain(value: object) -> object:
    if isinstance(value, PagoEfectivoError):
        return of_error(value)
    if isinstance(value, Actor | Enum):
        return {type(value).__name__: kept_text(str(value), LONGEST)}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, int):
        return value
    return value.isoformat() if isinstance(value, date) else kept_text(str(value), LONGEST)


def _restored(value: Any) -> Any:
    """Return a parameter; a choice and an actor, kept by the name of the class, have their labels again."""
    if isinstance(value, list):
        return tuple(_restored(part) for part in value)
    if not isinstance(value, dict):
        return value
    if "error" in value or "said" in value:
        return error_in(value)
    ((name, text),) = value.items()
    return Actor.parse(text) if name == Actor.__name__ else getattr(states, name, str)(text)
