"""What a reader of statements returns: lines as they are meant, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ..states import StatementKind


class Line(NamedTuple):
    """One line of a statement. Of money at least ``gross`` is there; what the file doesn't say is None or empty."""

    #: In the file, from 1.
    number: int
    #: Without blanks and leading zeros.
    code: str
    transaction_code: str
    operation_number: str
    #: What the payer paid; negative for a refund.
    gross: Decimal
    #: The provider's fee without its IGV, and the IGV on it.
    fee: Decimal | None
    tax: Decimal | None
    #: Both together, where the file doesn't tell them apart.
    commission: Decimal | None
    net: Decimal | None
    #: By Lima's clock, aware.
    paid_at: datetime | None
    #: E-mail or document number; personal data.
    payer: str
    #: Bank and channel.
    collector: str
    #: Why this line is no money ("a total", "not paid: Expirada"); else empty.
    ignored: str
    #: What a person has to decide about it before it may be matched; else empty.
    doubt: str = ""


class Fault(NamedTuple):
    """What is wrong with one line."""

    number: int
    #: As the file calls it: its heading, its letter (``C``) or its number.
    column: str
    #: What is wrong, and what to do.
    problem: str


@dataclass
class Statement:
    """A file that was recognised. ``lines()`` reads it from its beginning, as often as it is called."""

    name: str
    kind: StatementKind
    #: ``PEN`` or ``USD``: every line is of this currency.
    currency: str
    #: SHA-256 of the file, in hex.
    digest: str
    #: How it is read, for whoever looks at the preview: ``{"format": …, "encoding": …, "separator": …, "header": …,
    #: "decimal": …, "dates": …, "columns": …}``, texts only.
    reading: dict[str, str]
    lines: Callable[[], Iterator[Line | Fault]]
    #: What a person should know before importing it.
    notes: list[str] = field(default_factory=list)
