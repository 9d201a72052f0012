"""Lines of a recognised file, one after another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ..money import LARGEST
from ..states import StatementKind
from .base import Fault, Line
from .formats import Format
from .tables import Table, refused
from .values import OtherCurrency, Unreadable, amounts, code, currency_of, folded, identifier, moments, text

LONGEST_CELL = 1_000
#: In this order a line's columns are read.
READ = (
    "code", "transaction_code", "operation_number", "paid_at", "currency", "status", "gross", "fee", "tax",
    "commission", "net",
)  # fmt: skip
#: Amounts, banks and channels repeat; so many of each are parsed once.
_REMEMBERED = 4_096
#: Line ends and tabs may stand in a quoted cell.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOTAL = re.compile(r"(?:sub[ -]?|gran )?total(?:es)?\b[^\d]*")
_STATUS = re.compile(r"[^\W\d_][^\W\d_ ]*(?: [^\W\d_]+)?")
_NOTHING = Decimal("0.00")
_VALUES = (int, float, date, time, timedelta, type(None))


@dataclass(frozen=True)
class Plan:
    """How the rows of a file become lines."""

    form: Format
    header: int
    #: Our name → places from 0, and what the file calls them.
    places: dict[str, tuple[int, ...]]
    columns: dict[str, str]
    #: Columns of a row; 0: any number.
    width: int
    currency: str
    mark: str
    styles: frozenset[str]


def is_empty(row: Sequence[Any]) -> bool:
    """Return whether a row has nothing but blanks."""
    return not any(cell is not None and (not isinstance(cell, str) or cell.strip()) for cell in row)


def lines_of(table: Table, plan: Plan, name: str) -> Iterator[Line | Fault]:
    """Return what each row below the header says; raises ``InvalidRequest`` for one of another currency."""
    read = _Reader(table, plan, name).read
    for number, row in table.rows():
        if number > plan.header and (any(row) or not is_empty(row)):
            yield read(number, row)


class _Wrong(Exception):
    """What is wrong with a line, and in which place if in one; ``whole``: with the file."""

    def __init__(self, problem: object, place: int | None = None, *, whole: bool = False) -> None:
        super().__init__(str(problem))
        self.place, self.whole = place, whole


class _Reader:
    """Reads rows by a plan. Files have a million lines: what can be decided before the first is decided here."""

    def __init__(self, table: Table, plan: Plan, name: str) -> None:
        self.table, self.plan, self.name = table, plan, name
        # A workbook's 1, 1.0 and True are equal, but not the same.
        remembered = lru_cache(_REMEMBERED, typed=table.has_letters)
        amount = remembered(amounts(plan.mark, plan.currency))
        parsers: dict[str, Callable[[Any], Any]] = {
            "code": code,
            "transaction_code": identifier(64),
            "operation_number": identifier(40),
            "paid_at": moments(plan.styles),
            "currency": remembered(self._currency),
            "status": remembered(self._unpaid),
        }
        self.at = {ours: found[0] for ours, found in plan.places.items()}
        self.steps = [(parsers.get(ours, amount), self.at[ours]) if ours in self.at else (_absent, -1) for ours in READ]
        self.text = remembered(text)
        self.empty = "is empty" + ("; if it is merged with others, split and save again." * table.has_letters or ".")
        self.payer, self.collector = plan.places.get("payer", ()), plan.places.get("collector", ())
        self.needed = sorted({place for found in plan.places.values() for place in found})
        self.paid = {folded(word) for word in plan.form.paid}

    def read(self, number: int, row: Sequence[Any]) -> Line | Fault:
        """Return what a row says, or what is wrong with it."""
        try:
            return self._line(number, row if self._is_plain(row) else self._shaped(row))
        except _Wrong as error:
            wrong = error
        if not wrong.whole and self._is_total(row):
            return Line(number, "", "", "", _NOTHING, None, None, None, None, None, "", "", "a total")
        if wrong.place is None:
            return Fault(number, "", str(wrong))
        column = self.table.column(wrong.place)
        problem = f"{column}{number} {wrong}" if self.table.has_letters else str(wrong)
        for ours, places in self.plan.places.items():
            if wrong.place in places:
                column = self.plan.columns[ours]
        if wrong.whole:
            raise refused(self.name, f"line {number}, column {column} {problem}")
        return Fault(number, column, problem)

    def _line(self, number: int, row: Sequence[Any]) -> Line:
        try:
            code, transaction_code, operation_number, paid_at, _, unpaid, gross, fee, tax, commission, net = [
                parse(row[place]) for parse, place in self.steps
            ]
            payer = next((one for place in self.payer if (one := text(row[place]))), "")
            collector = " ".join([one for place in self.collector if (one := self.text(row[place]))])
        except Unreadable:
            raise self._first_wrong(row) from None
        if not unpaid:
            if not (code or transaction_code or operation_number or paid_at):
                raise _Wrong("stands alone: the line has no code, number or payment date.", self.at["gross"])
            if not gross:
                raise _Wrong(self.empty if gross is None else "is 0, which nobody paid.", self.at["gross"])
            self._check(gross, fee, tax, commission, net)
        return Line(
            number, code or "", transaction_code or "", operation_number or "", gross or _NOTHING, fee, tax,
            commission, net, paid_at, payer, collector, unpaid or "",
        )  # fmt: skip

    def _check(self, gross: Decimal, *parts: Decimal | None) -> None:
        """Raise for amounts that can't be of one payment."""
        fee, tax, commission, net = parts
        at, refunds = self.at, self.plan.form.refunds
        if not refunds:
            for ours, value in zip(("gross", "fee", "tax", "commission", "net"), (gross, *parts), strict=True):
                if value is not None and value < 0:
                    raise _Wrong("is negative; a format with refunds says so (REFUNDS).", at[ours])
        if fee is not None and tax is not None:
            if commission is not None and commission != fee + tax:
                raise _Wrong("is not fee and tax together.", at["commission"])
            commission = fee + tax
        if commission is None:
            if net is None and self.plan.form.kind == StatementKind.SETTLEMENT:
                absent = (ours for ours, value in zip(READ[7:], parts, strict=True) if value is None and ours in at)
                raise _Wrong(self.empty, at[next(absent)])
            commission = gross - net if net is not None else _NOTHING
        kept = gross - commission
        if net is not None and kept != net:
            raise _Wrong("is not gross without fee and tax.", at["net"])
        if commission and (abs(kept) > LARGEST or (not refunds and not 0 <= commission <= gross)):
            given = [at[ours] for ours, value in zip(READ[7:], parts, strict=True) if value is not None]
            raise _Wrong("makes fee and tax more than was paid, or negative.", given[-1])

    def _is_plain(self, row: Sequence[Any]) -> bool:
        """Return whether a row is as most are, by one look: of the right width, and short and printable as one text."""
        if self.table.has_letters or len(row) != self.plan.width:
            return False
        joined = "".join(row)
        return len(joined) <= LONGEST_CELL and joined.isprintable()

    def _shaped(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return a row that has all columns and no cell that can't be meant; else raise."""
        width, exact = self.plan.width, self.plan.form.width
        if width and (len(row) < exact or (len(row) > width and not is_empty(row[width:]))):
            raise _Wrong(f"has {len(row)} columns, not {width}; a separator in a text needs quotes.")
        for place, cell in enumerate(row):
            if isinstance(cell, str):
                if len(cell) > LONGEST_CELL:
                    raise _Wrong(f"has {len(cell)} characters; at most {LONGEST_CELL} can be read.", place)
                if _CONTROL.search(cell):
                    raise _Wrong("has a control character; export it again.", place)
        row = [*row, *(None,) * (self.needed[-1] + 1 - len(row))]
        if self.table.has_letters:
            for place in self.needed:
                # openpyxl gives a formula as a text, or as an object of its own.
                cell = row[place]
                if cell.startswith("=") if isinstance(cell, str) else not isinstance(cell, _VALUES):
                    raise _Wrong("is a formula; save the file with values only.", place)
        return row

    def _first_wrong(self, row: Sequence[Any]) -> _Wrong:
        texts = [(text, place) for place in (*self.payer, *self.collector)]
        for parse, place in [*self.steps, *texts]:
            try:
                parse(row[place])
            except Unreadable as error:
                return _Wrong(error, place, whole=isinstance(error, OtherCurrency))
        raise AssertionError

    def _is_total(self, row: Sequence[Any]) -> bool:
        """Return whether a row says that it is a total, and nothing that a payment could be known by."""
        for ours in READ[:4]:
            cell = row[self.at[ours]] if self.at.get(ours, len(row)) < len(row) else None
            if cell is not None and not (
                isinstance(cell, str) and (not cell.strip() or _TOTAL.fullmatch(folded(cell)))
            ):
                return False
        return any(isinstance(cell, str) and _TOTAL.match(folded(cell[:100])) for cell in row)

    def _currency(self, cell: Any) -> None:
        if (said := currency_of(cell)) and said != self.plan.currency:
            raise OtherCurrency(f"is in {said}, but the file is read as {self.plan.currency}; import each alone.")

    def _unpaid(self, cell: Any) -> str:
        """Return why a line is no payment, if its status says so; a text that is no status is not repeated."""
        status = text(cell)
        if not status:
            raise Unreadable(self.empty)
        if folded(status) in self.paid:
            return ""
        return f"not paid: {status if _STATUS.fullmatch(status) and len(status) <= 40 else 'unknown'}"


def _absent(cell: Any) -> None:
    """Parse the cell of a column that the file doesn't have."""
