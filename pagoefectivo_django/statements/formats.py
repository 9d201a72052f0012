"""The formats of statements, as data: a channel declares its provider's, and a shop adds its own in ``STATEMENTS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop as _

from ..errors import Misconfigured
from ..states import StatementKind
from .dates import ORDERS
from .values import folded

#: The columns of payments that the provider exchanged before paying out.
EXCHANGE = ("payment_amount", "payment_currency", "rate")
NAMES = (
    "code", "transaction_code", "operation_number", "currency", "gross", "fee", "tax", "commission", "net", "paid_at",
    "status", "payer", "collector", *EXCHANGE,
)  # fmt: skip
#: Columns that a file may lack. Of several headings the payer is the first value that is not empty, the collector all
#: values.
OPTIONAL = ("payer", "collector")


@dataclass(frozen=True)
class Format:
    """A statement format that passed ``faults_of_formats``."""

    name: str
    kind: StatementKind
    columns: dict[str, tuple[str | int, ...]]
    paid: tuple[str, ...]
    refunds: bool
    #: The exact number of columns in each line; 0: any number.
    width: int
    #: The order of day, month and year in an ambiguous date: ``dmy``, ``mdy`` or ``ymd``.
    dates: str

    @property
    def exchanges(self) -> bool:
        """Whether a payment may be of another currency than the settlement."""
        return "payment_amount" in self.columns

    @property
    def has_headings(self) -> bool:
        """Whether columns are named by headings, not by numbers."""
        return isinstance(self.columns["gross"][0], str)


def faults_of_formats(formats: Any) -> list[str]:
    """Return the faults of ``PAGOEFECTIVO["STATEMENTS"]``, one sentence each."""
    if not isinstance(formats, Mapping):
        return ["STATEMENTS is no dict of name and format."]
    return [f"STATEMENTS[{name!r}]: {fault}" for name, one in formats.items() for fault in _faults(name, one)]


def _faults(name: Any, one: Any) -> list[str]:
    if not isinstance(name, str) or not name:
        return ["the name must be a text."]
    if not isinstance(one, Mapping) or not isinstance(one.get("COLUMNS"), Mapping):
        return ["must be a dict with KIND and COLUMNS, which is a dict too."]
    columns = one["COLUMNS"]
    found = [
        f"{key!r} is unknown; use KIND, COLUMNS, DATES, PAID, REFUNDS or WIDTH." for key in one if key not in _KEYS
    ]
    found += [f"COLUMNS has {key!r}; use {', '.join(NAMES)}." for key in columns if key not in NAMES]
    if one.get("KIND") not in StatementKind.values:
        found.append("KIND must be 'settlement' or 'sales'.")
    if "gross" not in columns:
        found.append("COLUMNS needs gross.")
    if not {"code", "transaction_code", "operation_number", "paid_at"} & set(columns):
        found.append("COLUMNS needs code, transaction_code, operation_number or paid_at to know a payment by.")
    if one.get("KIND") == "settlement" and not ({"commission", "net"} & set(columns) or {"fee", "tax"} <= set(columns)):
        found.append("COLUMNS of a settlement need commission, or net, or fee and tax.")
    found += _faults_of_exchange(one.get("KIND"), columns)
    places = [place for value in columns.values() for place in _places(value)]
    if not all(_places(value) for value in columns.values()) or not all(map(_is_place, places)):
        found.append("COLUMNS are headings or numbers from 1.")
    elif len({type(place) for place in places}) > 1:
        found.append("COLUMNS are all headings, or all numbers.")
    taken = [_same(place) for key in columns if key not in OPTIONAL for place in _places(columns[key])]
    if len(set(taken)) < len(taken):
        found.append("COLUMNS names the same place twice.")
    found += [
        f"COLUMNS names one place for {key}."
        for key in columns
        if key not in OPTIONAL and len(_places(columns[key])) > 1
    ]
    paid = one.get("PAID", ())
    if not isinstance(paid, list | tuple) or not all(isinstance(word, str) for word in paid):
        found.append("PAID must be a list of texts.")
    elif bool(paid) != ("status" in columns):
        found.append("PAID and the column status need each other.")
    if not isinstance(one.get("REFUNDS", False), bool):
        found.append("REFUNDS must be True or False.")
    if order_of(one.get("DATES", "dmy")) not in ORDERS:
        found.append("DATES must be 'dmy', 'mdy' or 'ymd': the order of day, month and year.")
    width = one.get("WIDTH", 0)
    if type(width) is not int or width < 0:
        found.append("WIDTH must be a number of columns.")
    elif width and any(type(place) is int and place > width for place in places):
        found.append("WIDTH is less than the number of a column.")
    return found


def _faults_of_exchange(kind: Any, columns: Mapping[Any, Any]) -> list[str]:
    given = [name for name in EXCHANGE if name in columns]
    if not given:
        return []
    if kind != StatementKind.SETTLEMENT:
        return [f"COLUMNS of sales have no {given[0]}: gross is what the payer paid."]
    missing = [name for name in EXCHANGE[:2] if name not in columns]
    return [f"COLUMNS with {given[0]} need {missing[0]} too."] if missing else []


def known_formats(formats: Mapping[str, Any]) -> dict[str, Format]:
    """Return formats by name, each checked; raises ``Misconfigured`` for a faulty format."""
    if faults := faults_of_formats(formats):
        raise Misconfigured(
            _("PAGOEFECTIVO is not set well: %(faults)s"), code="statements_misconfigured", faults=" ".join(faults)
        )
    return {
        name: Format(
            name,
            StatementKind(one["KIND"]),
            {key: _places(place) for key, place in one["COLUMNS"].items()},
            tuple(one.get("PAID", ())),
            one.get("REFUNDS", False),
            one.get("WIDTH", 0),
            order_of(one.get("DATES", "dmy")),
        )
        for name, one in formats.items()
    }


def order_of(written: Any) -> str:
    """Return the order of day, month and year in ``dmy``, ``DD/MM/YYYY`` or ``%d/%m/%Y`` (all ``dmy``), or ""."""
    letters = [letter for letter in written.lower() if letter in "dmy"] if isinstance(written, str) else []
    return "".join(dict.fromkeys(letters))


_KEYS = ("KIND", "COLUMNS", "DATES", "PAID", "REFUNDS", "WIDTH")


def _places(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _same(place: Any) -> Any:
    """Return a key that is equal for two names of the same column."""
    return "".join(filter(str.isalnum, folded(place))) if isinstance(place, str) else repr(place)


def _is_place(place: Any) -> bool:
    return (type(place) is int and 1 <= place <= 16_384) or (isinstance(place, str) and any(map(str.isalnum, place)))
