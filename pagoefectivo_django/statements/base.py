"""The result of reading a statement: ``Statement``, ``Line``, and ``Fault`` for an unreadable line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from ..errors import Param
from ..states import StatementKind


class Line(NamedTuple):
    """One line of a statement; ``gross`` is always set, a value missing in the file is None or ""."""

    #: The number in the file, from 1.
    number: int
    #: The CIP, without blanks and leading zeros.
    code: str
    transaction_code: str
    operation_number: str
    #: The amount before fee and IGV, in the statement's currency; negative for a refund.
    gross: Decimal
    #: The provider's fee without its IGV, and the IGV on it.
    fee: Decimal | None
    tax: Decimal | None
    #: Fee and IGV as one sum, where the file has only the sum.
    commission: Decimal | None
    net: Decimal | None
    #: By Lima's clock, aware.
    paid_at: datetime | None
    #: E-mail or document number; personal data.
    payer: str
    #: Bank and channel.
    collector: str
    #: The code of the reason why the line is no payment (``total``, ``not_paid``), or "".
    ignored: str
    #: The code of the reason why staff has to decide before the line may be matched, or "".
    doubt: str = ""
    #: The words of the line's status, where the reason is the status.
    said: str = ""
    #: The amount and the currency that the payer paid, where the currency is not the statement's, and the rate of
    #: exchange, where the file has one; of either direction.
    payment_amount: Decimal | None = None
    payment_currency: str = ""
    rate: Decimal | None = None


class Fault(NamedTuple):
    """One line that can't be read, with the problem: the code, the parameters and the English sentence of an error."""

    number: int
    #: The column's name in the file: the heading, the letter (``C``) or the number.
    column: str
    #: The cell of a workbook, as ``C12``; empty in a text file.
    cell: str
    message: str
    code: str
    params: dict[str, Param]

    @property
    def problem(self) -> str:
        """The problem and the remedy, in English."""
        return f"{self.cell} {self.message % self.params if self.params else self.message}".lstrip()


@dataclass
class Statement:
    """A recognised file; each call of ``lines()`` reads the file from its beginning."""

    name: str
    kind: StatementKind
    #: ``PEN`` or ``USD``; a format with ``payment_currency`` may have any. Every line is of this currency.
    currency: str
    #: SHA-256 of the file, in hex.
    digest: str
    #: How the file is read, for the preview: ``{"format": …, "encoding": …, "separator": …, "header": …, "decimal": …,
    #: "dates": …, "columns": {our name: the file's}}``.
    reading: dict[str, Any]
    lines: Callable[[], Iterator[Line | Fault]]
    #: Codes of what staff should know before the import.
    notes: list[str] = field(default_factory=list)
