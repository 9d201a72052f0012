"""The lines of a recognised statement, read one after another."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext_noop as _

from ..errors import PagoEfectivoError, Param
from ..money import CURRENCIES, LARGEST
from ..states import StatementKind
from ..texts import visible
from .base import Fault, Line
from .dates import moments
from .formats import Format
from .tables import Table, refused
from .values import (
    OtherCurrency,
    Unreadable,
    amounts,
    any_currency_of,
    are_at_rate,
    code,
    currency_of,
    folded,
    identifier,
    rates,
    text,
    unwrapped,
)

LONGEST_CELL = 1_000
#: The order in which a line's columns are read.
READ = (
    "code", "transaction_code", "operation_number", "paid_at", "currency", "status", "gross", "fee", "tax",
    "commission", "net",
)  # fmt: skip
#: The number of different amounts, banks or channels whose parsed value is remembered, since the same texts repeat.
_REMEMBERED = 4_096
#: Control characters that make a line unreadable; line ends and tabs are allowed in a quoted cell.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOTAL = re.compile(
    r"\W*(?:(?:sub|gran|importe|monto|suma)[ -]*)?(?:t ?o ?t ?a ?l(?:es)?|sumas?|sumatoria|acumulad[oa]s?)\b[^\d]*"
)
#: A total in the column of a code or number. Digits are allowed only after a blank: "Total al 23/11/2026", not
#: "TOTAL-9".
_TOTAL_OF = re.compile(_TOTAL.pattern.removesuffix(r"[^\d]*") + r"(?:[^\d]*|:?[ (].*)")
#: The beginnings of a line with one cell that is about the file and no payment, though the cell may have digits.
_REMARK = re.compile(
    r"\W*(?:sub ?|gran )?(?:totale?s?|cantidad|registros|numero|nro|pagina|pag|page|hoja|fin|end|fecha|emitido|emision|"
    r"generado|impreso|reporte|report|usuario|periodo|desde|hasta|del?|sep|notas?|obs|observacion(?:es)?|leyenda|ruc|igv|"
    r"moneda|razon|comercio|empresa|servicio|cuenta|resumen|elaborado|www|https?)\b.*"
)
_STATUS = re.compile(r"[^\W\d_][^\W\d_ ]*(?: [^\W\d_]+){0,3}\W?")
#: The words for an unpaid code. A line with any further word that the format does not know becomes a discrepancy.
_UNPAID = re.compile(
    r"(?:expirad|vencid|caducad|eliminad|anulad|rechazad|generad|emitid|cread|inactiv|fallid)[oa]s?|pendientes?|"
    r"(?:por|sin|no|pendiente de) (?:pag\w+|cancel\w+|cobr\w+)|en (?:espera|proceso)|"
    r"expired|pending|deleted|rejected|unpaid|not paid|created|generated|failed"
)
_NOTHING = Decimal("0.00")
_NO_EXCHANGE: tuple[Decimal | None, str, Decimal | None] = (None, "", None)
_CENT = Decimal("0.01")
_VALUES = (int, float, date, time, timedelta, type(None))


@dataclass(frozen=True)
class Plan:
    """The way in which the rows of a file become lines."""

    form: Format
    header: int
    #: Our column name → positions from 0.
    places: dict[str, tuple[int, ...]]
    #: Position → heading; empty for a file without headings. Then our column name → the file's name for the column.
    headings: dict[int, str]
    columns: dict[str, str]
    #: The number of columns in a row; 0: any number.
    width: int
    currency: str
    mark: str
    styles: frozenset[str]
    #: Whether the file writes fee, tax and commission as negative amounts.
    deducted: bool = False


def is_empty(row: Sequence[Any]) -> bool:
    """Return whether a row has nothing but blanks."""
    return not any(cell is not None and (not isinstance(cell, str) or cell.strip()) for cell in row)


def trimmed(row: Sequence[Any], width: int) -> Sequence[Any]:
    """Return a row without empty cells beyond a width, as left by separators at a line's end; width 0 keeps all."""
    return row[:width] if width and len(row) > width and is_empty(row[width:]) else row


def is_aside(row: Sequence[Any], places: dict[str, tuple[int, ...]], headings: dict[int, str]) -> str:
    """Return why a row is about the file and no payment (``headings`` repeated, or a ``remark``), or ""."""
    said = [(place, cell) for place, cell in enumerate(row) if not is_empty([cell])]
    gross, first = places["gross"][0], folded(said[0][1]) if said and isinstance(said[0][1], str) else ""
    if len(said) == 1 and first:
        return "remark" if _REMARK.fullmatch(first) or not any(map(str.isdigit, first)) else ""
    cells = dict(said)
    if not {gross, *places.get("paid_at", ())} & set(cells) and _REMARK.fullmatch(first):
        return "remark"  # several cells: "TOTAL REGISTROS", "25"
    head = cells.get(gross)
    if not isinstance(head, str):
        return ""
    if headings:
        return "headings" if folded(head) == folded(headings[gross]) else ""
    at = [places[ours][0] for ours in ("code", "gross", "paid_at") if ours in places]
    texts = [cells.get(place, "") for place in at]
    plain = all(isinstance(one, str) and not any(map(str.isdigit, one)) for one in texts)
    return "headings" if plain and any(map(str.isalpha, head)) else ""


def lines_of(table: Table, plan: Plan, name: str) -> Iterator[Line | Fault]:
    """Yield a ``Line`` or ``Fault`` for each row below the header; raises ``InvalidRequest`` for a line in another
    currency.
    """
    read = _Reader(table, plan, name).read
    for number, row in table.rows():
        if number > plan.header and not is_empty(row):
            yield read(number, row)


class _Wrong(PagoEfectivoError):
    """A problem of a line: the position of the cell if the problem is in a cell; ``whole`` if the whole file is
    refused.
    """

    def __init__(
        self, message: str = "", /, *, code: str = "", place: int | None = None, whole: bool = False, **params: Param
    ) -> None:
        super().__init__(message, code=code, **params)
        self.place, self.whole = place, whole


def _wrong(error: Unreadable, place: int, *, whole: bool | None = None) -> _Wrong:
    whole = isinstance(error, OtherCurrency) if whole is None else whole
    return _Wrong(error.message, code=error.code, place=place, whole=whole, **error.params)


class _Reader:
    """A reader of rows by a plan; files have a million lines, so decisions common to all lines are made here once."""

    def __init__(self, table: Table, plan: Plan, name: str) -> None:
        self.table, self.plan, self.name = table, plan, name
        # typed: a workbook's 1, 1.0 and True are equal but have different meanings.
        remembered = lru_cache(_REMEMBERED, typed=table.has_letters)
        amount = remembered(amounts(plan.mark, plan.currency))
        parsers: dict[str, Callable[[Any], Any]] = {
            "code": code,
            "transaction_code": identifier(64),
            "operation_number": identifier(40),
            "paid_at": moments(plan.styles, plan.form.dates),
            "currency": remembered(self._currency),
            "status": remembered(self._unpaid),
        }
        self.at = {ours: found[0] for ours, found in plan.places.items()}
        self.steps = [(parsers.get(ours, amount), self.at[ours]) if ours in self.at else (_absent, -1) for ours in READ]
        self.paid_in = {currency: remembered(amounts(plan.mark, currency)) for currency in CURRENCIES}
        self.rate = remembered(rates(plan.mark))
        self.text = remembered(text)
        self.payer, self.collector = plan.places.get("payer", ()), plan.places.get("collector", ())
        self.texts = {*self.payer, *self.collector}
        self.needed = sorted({place for found in plan.places.values() for place in found})
        self.paid = {_bare(word) for word in plan.form.paid}

    def read(self, number: int, row: Sequence[Any]) -> Line | Fault:
        """Return a row as ``Line``, or as ``Fault`` with the problem."""
        try:
            return self._line(number, row if self._is_plain(row) else self._shaped(row))
        except _Wrong as error:
            wrong = error
        if not wrong.whole:
            if (
                why := self._total(row, dated=True)
                or self._total(row)
                or is_aside(row, self.plan.places, self.plan.headings)
            ):
                return _ignored(number, why)
            if adjustment := self._adjustment(number, row):
                return adjustment
        if wrong.place is None:
            return Fault(number, "", "", wrong.message, wrong.code, wrong.params)
        column = self.table.column(wrong.place)
        cell = f"{column}{number}" if self.table.has_letters else ""
        for ours, places in self.plan.places.items():
            if wrong.place in places:
                column = self.plan.columns[ours]
        if wrong.whole:
            raise refused(
                self.name,
                _("%(file)s: line %(line)d, column %(column)s %(problem)s"),
                code="line_of_another_currency",
                line=number,
                column=f"{column} {cell}".rstrip(),
                problem=wrong,
            )
        return Fault(number, column, cell, wrong.message, wrong.code, wrong.params)

    def _line(self, number: int, row: Sequence[Any]) -> Line:
        try:
            code, transaction_code, operation_number, paid_at, _said, unpaid, gross, fee, tax, commission, net = [
                parse(row[place]) for parse, place in self.steps
            ]
            payer = next((one for place in self.payer if (one := text(row[place]))), "")
            collector = " ".join([one for place in self.collector if (one := self.text(row[place]))])
        except Unreadable:
            raise self._first_wrong(row) from None
        doubt, said = "", (unpaid or "")[1:]
        if unpaid and unpaid[0] == "?" and gross and (paid_at or "paid_at" not in self.at):
            doubt, unpaid = "status_unknown", ""
        if not unpaid:
            if not code and not _names(transaction_code) and not _names(operation_number):
                if total := self._total(row, self.texts):
                    return _ignored(number, total)
                if self._total(row):
                    doubt, said = "may_be_total", ""
                elif not paid_at:
                    raise _Wrong(
                        _("stands alone: the line has no code, number or payment date."),
                        code="line_without_identity",
                        place=self.at["gross"],
                    )
            if not gross:
                if gross is None:
                    raise _wrong(self._empty(), self.at["gross"])
                raise _Wrong(_("is 0, which nobody paid."), code="amount_zero", place=self.at["gross"])
            fee, tax, commission = self._parts(gross, fee, tax, commission, net)
        amount, currency, rate = _NO_EXCHANGE
        if gross and self.plan.form.exchanges and not unpaid:
            amount, currency, rate = self._payment(row, gross)
            if amount and rate and not are_at_rate(amount, gross, rate):
                doubt = doubt or "rate_disagrees"
        return Line(
            number, code or "", transaction_code or "", operation_number or "", gross or _NOTHING, fee, tax,
            commission, net, paid_at, payer, collector,
            "not_paid" if unpaid else "", doubt, said, amount, currency, rate,
        )  # fmt: skip

    def _payment(self, row: Sequence[Any], gross: Decimal) -> tuple[Decimal | None, str, Decimal | None]:
        """Return amount and currency that the payer paid, and the rate; nothing for a payment in the file's currency.

        Raises for a payment in the file's currency whose amount is not ``gross``.
        """
        at, place, rate = self.at, self.at["payment_currency"], None
        try:
            currency = currency_of(row[place])
            if not currency:
                raise self._empty()
            place = at["payment_amount"]
            amount = self.paid_in[currency](row[place])
            if amount is None:
                raise self._empty()
            if "rate" in at:
                place = at["rate"]
                rate = self.rate(row[place])
        except Unreadable as error:
            raise _wrong(error, place, whole=False) from None
        if currency == self.plan.currency:
            if amount != gross:
                raise _Wrong(
                    _("is not what the payer paid, though both are in one currency."),
                    code="gross_not_paid",
                    place=at["gross"],
                )
            return _NO_EXCHANGE
        if not amount or (amount < 0) != (gross < 0):
            raise _Wrong(
                _("is 0, or has another sign than gross."), code="payment_of_another_sign", place=at["payment_amount"]
            )
        return amount, currency, rate

    def _parts(
        self, gross: Decimal, fee: Decimal | None, tax: Decimal | None, commission: Decimal | None, net: Decimal | None
    ) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """Return fee, tax and commission as positive deductions; raises for amounts that can't belong to one payment.

        A net that differs by one céntimo is taken as paid out: the céntimo goes to the fee, or to the commission.
        """
        at, refunds = self.at, self.plan.form.refunds
        whole = commission if fee is None or tax is None else fee + tax
        deducted = self.plan.deducted
        if whole and net is not None:
            deducted = abs(gross + whole - net) <= _CENT < abs(gross - whole - net)
        if deducted:
            fee, tax, commission = (None if part is None else -part for part in (fee, tax, commission))
        parts = (fee, tax, commission, net)
        for ours, value in zip(("gross", "fee", "tax", "commission", "net"), (gross, *parts), strict=True):
            if value is not None and value < 0 and not refunds:
                raise _Wrong(
                    _("is negative; a format with refunds says so (REFUNDS)."), code="amount_negative", place=at[ours]
                )
            if value is not None and value < 0 < gross and net is None:
                raise _Wrong(
                    _("has another sign than the file's other fees; look at it."),
                    code="fee_of_another_sign",
                    place=at[ours],
                )
        kept_apart = fee is not None and tax is not None
        whole = commission
        if fee is not None and tax is not None:
            if commission is not None and abs(commission - fee - tax) > _CENT:
                raise _Wrong(_("is not fee and tax together."), code="commission_unequal", place=at["commission"])
            whole = fee + tax
        if whole is None:
            if net is None and self.plan.form.kind == StatementKind.SETTLEMENT:
                absent = (ours for ours, value in zip(READ[7:], parts, strict=True) if value is None and ours in at)
                raise _wrong(self._empty(), at[next(absent)])
            whole = gross - net if net is not None else _NOTHING
        kept = gross - whole
        if net is not None and kept != net:
            if abs(kept - net) > _CENT:
                raise _Wrong(_("is not gross without fee and tax."), code="net_not_gross_without_fees", place=at["net"])
            whole, kept = gross - net, net
            if fee is not None and tax is not None:
                fee = whole - tax
        if whole and (abs(kept) > LARGEST or (not refunds and not 0 <= whole <= gross)):
            given = [at[ours] for ours, value in zip(READ[7:], parts, strict=True) if value is not None]
            raise _Wrong(_("makes fee and tax more than was paid, or negative."), code="fees_too_high", place=given[-1])
        return fee, tax, commission if commission is None or kept_apart else whole

    def _adjustment(self, number: int, row: Sequence[Any]) -> Line | None:
        """Return a line for staff for a row with an amount and words but no identity of a payment; else None."""
        found: dict[str, Any] = {}
        try:
            row = self._shaped(row)
            for ours, (parse, place) in zip(READ, self.steps, strict=True):
                cell = row[place]
                if ours == "code" and isinstance(cell, str) and _is_words(cell):
                    continue
                if ours != "status":
                    found[ours] = parse(cell)
        except (_Wrong, Unreadable):
            return None
        worded = any(isinstance(cell, str) and _is_words(cell) for at, cell in enumerate(row) if at not in self.texts)
        known = any(found.get(ours) for ours in READ[:3])
        gross, net = found["gross"] or found["net"], found["net"]
        if known or not worded or not gross:
            return None
        commission = gross - net if net is not None else _NOTHING
        return Line(
            number, "", "", "", gross, None, None, commission, net, found.get("paid_at"), "", "", "",
            "may_be_adjustment",
        )  # fmt: skip

    def _is_plain(self, row: Sequence[Any]) -> bool:
        """Return whether a row needs no closer look: the right width, short, printable, without quotes or formulas."""
        if self.table.has_letters or len(row) != self.plan.width:
            return False
        joined = "".join(row)
        if len(joined) > LONGEST_CELL or not joined.isprintable() or "'" in joined or "=" in joined:
            return False
        return joined.isascii() or visible(joined) is joined

    def _shaped(self, row: Sequence[Any]) -> Sequence[Any]:
        """Return a row with all columns, each cell trimmed to its meaning; raises for control characters, formulas,
        wrong width.
        """
        width, exact = self.plan.width, self.plan.form.width
        row = [
            cell if not isinstance(cell, str) else visible(cell) if place in self.texts else unwrapped(cell)
            for place, cell in enumerate(trimmed(row, width))
        ]
        if width and (len(row) < exact or len(row) > width):
            raise _Wrong(
                _("has %(count)d columns, not %(width)d; a separator in a text needs quotes."),
                code="line_width",
                count=len(row),
                width=width,
            )
        for place, cell in enumerate(row):
            if isinstance(cell, str):
                if len(cell) > LONGEST_CELL:
                    raise _Wrong(
                        _("has %(count)d characters; at most %(most)d can be read."),
                        code="cell_characters",
                        place=place,
                        count=len(cell),
                        most=LONGEST_CELL,
                    )
                if _CONTROL.search(cell):
                    raise _Wrong(_("has a control character; export it again."), code="control_character", place=place)
        row = [*row, *(None,) * (self.needed[-1] + 1 - len(row))]
        if self.table.has_letters:
            for place in self.needed:
                # openpyxl gives a formula as a text or as an object of its own class.
                cell = row[place]
                if cell.startswith("=") if isinstance(cell, str) else not isinstance(cell, _VALUES):
                    raise _Wrong(
                        _("is a formula; save the file with values only."), code="cell_is_formula", place=place
                    )
        return row

    def _empty(self) -> Unreadable:
        if self.table.has_letters:
            return Unreadable(
                _("is empty; if it is merged with others, split and save again."), code="cell_empty_or_merged"
            )
        return Unreadable(_("is empty."), code="cell_empty")

    def _first_wrong(self, row: Sequence[Any]) -> _Wrong:
        texts = [(text, place) for place in (*self.payer, *self.collector)]
        for parse, place in [*self.steps, *texts]:
            try:
                parse(row[place])
            except Unreadable as error:
                return _wrong(error, place)
        raise AssertionError

    def _total(self, row: Sequence[Any], aside: Container[int] = (), *, dated: bool = True) -> str:
        """Return ``total`` for a row whose words say so and whose identifying columns are empty or say the same, else
        "".

        Cells at the positions ``aside`` are not looked at. ``dated``: a total may have a date.
        """
        for ours in READ[: 3 if dated else 4]:
            cell = row[self.at[ours]] if self.at.get(ours, len(row)) < len(row) else None
            if cell is not None and not (
                isinstance(cell, str) and (not cell.strip() or _TOTAL_OF.fullmatch(folded(cell)))
            ):
                return ""
        cells = (cell for at, cell in enumerate(row) if isinstance(cell, str) and at not in aside)
        return "total" if any(_TOTAL.match(folded(cell[:100])) for cell in cells) else ""

    def _currency(self, cell: Any) -> None:
        read = any_currency_of if self.plan.form.exchanges else currency_of
        if (said := read(cell, self.plan.currency)) and said != self.plan.currency:
            raise OtherCurrency(
                _("is in %(seen)s, but the file is read as %(currency)s; import each alone."),
                code="cell_in_another_currency",
                seen=said,
                currency=self.plan.currency,
            )

    def _unpaid(self, cell: Any) -> str:
        """Return the status of a line that is no payment after ``=``, of a line that may be none after ``?``, or "".

        A cell that does not look like a status is left out of the answer: it may hold personal data.
        """
        status = text(cell)
        if not status:
            raise self._empty()
        said = _bare(status)
        if said in self.paid:
            return ""
        shown = status if _STATUS.fullmatch(status) and len(status) <= 40 else ""
        return f"{'=' if _UNPAID.fullmatch(said) else '?'}{shown}"


def _bare(status: str) -> str:
    """Return the words of a status, folded, without punctuation."""
    return " ".join(re.findall(r"\w+", folded(status)))


def _is_words(cell: str) -> bool:
    """Return whether a cell is a description: at least four letters, no digit and no ``@``."""
    return sum(map(str.isalpha, cell)) >= 4 and not any(letter.isdigit() or letter == "@" for letter in cell)


def _names(identity: str | None) -> bool:
    """Return whether a text may be a payment's number, and is not the word for a total."""
    return identity is not None and identity != "" and (identity.isdigit() or not _TOTAL_OF.fullmatch(folded(identity)))


def _ignored(number: int, why: str) -> Line:
    return Line(number, "", "", "", _NOTHING, None, None, None, None, None, "", "", why)


def _absent(cell: Any) -> None:
    """Parse the cell of a column that the file does not have: always None."""
