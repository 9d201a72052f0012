"""Tables: one value for pages and files, and the files of spreadsheets, written row by row.

In a CSV no cell runs as a formula.
"""

from __future__ import annotations

import codecs
import csv
import importlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

from django.utils.functional import Promise
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString

from ..errors import Misconfigured
from ..errors import gettext_noop as _
from ..money import display
from ..workdays import LIMA
from .charts import Columns

Text = str | Promise


@dataclass(frozen=True)
class Amount:
    """A cell of money: of any sign, and of any currency that a payer may have used."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return display(self.amount, self.currency)


@dataclass(frozen=True)
class Link:
    """A cell that leads to an address; a text alone if the address is empty. Another host isn't told of the page."""

    text: Any
    address: str

    def __html__(self) -> SafeString:
        if not self.address:
            return conditional_escape(self.text)
        if self.address.startswith("http"):
            return format_html('<a href="{}" rel="noopener noreferrer">{}</a>', self.address, self.text)
        return format_html('<a href="{}">{}</a>', self.address, self.text)

    __str__ = __html__  # a template calls str(), and Django's escaping __html__()


@dataclass(frozen=True)
class Badge:
    """A cell with a state: its label in a frame, coloured by its value."""

    value: str
    label: Any

    def __html__(self) -> SafeString:
        return format_html('<span class="pagoefectivo-badge pagoefectivo-{}">{}</span>', self.value, self.label)

    __str__ = __html__


@dataclass(frozen=True)
class Differing:
    """A cell that contradicts the value that is expected."""

    value: Any
    differs = True


#: The types of a cell. A ``datetime`` is aware; a page shows it by the reader's clock, a file by Lima's. A ``Decimal``
#: is written with two decimals.
Cell = Text | int | Decimal | date | datetime | Amount | Link | Badge | Differing | None


@dataclass(frozen=True)
class Table:
    """A table that a page shows or a file has: a title, the headings of the columns, and the rows of cells."""

    title: Text
    headings: Sequence[Text]
    #: Left out of ``repr``: a cell may name a payer, and an error report prints the values of variables.
    rows: Iterable[Sequence[Cell]] = field(repr=False)
    note: Text = ""
    #: The figures of the table as a chart.
    chart: Columns | None = None
    #: The number of older rows that the table does not have.
    left_out: int = 0

    def records(self) -> Iterator[dict[str, Cell]]:
        """Yield each row as its cells by their headings."""
        for row in self.rows:
            yield dict(zip(map(str, self.headings), row, strict=True))


#: The encodings of a CSV. Without the byte order mark Excel takes UTF-8 for Windows-1252.
ENCODINGS = ("utf-8-sig", "windows-1252")
SEPARATORS = (",", ";")
#: The rows written at once, and the rows that fit below the headings in a sheet of Excel.
_AT_ONCE = 500
MOST_ROWS = 1_048_575

#: The places where a formula could begin: also after a separator, since a spreadsheet may expect another separator.
_FORMULA = re.compile(r"(^|[,;|\t\r\n\"])([\s\x00-\x1f\u200b-\u200f\ufeff]*)(?=[=+\-@＝＋－＠])")
#: Text that a spreadsheet takes for a number or a date and changes for good: leading zeros and digits after the 15th
#: are lost, 120000000000 becomes 1.2E+11, 10-11 and NOV-10 become days in November, 5% and (5) other numbers.
_MONTH = (
    "(?:ene(?:ro)?|jan(?:uary)?|feb(?:rero|ruary)?|mar(?:zo|ch)?|abr(?:il)?|apr(?:il)?|mayo?|jun(?:io|e)?|jul(?:io|y)?|"
    "ago(?:sto)?|aug(?:ust)?|sept?(?:iembre|ember)?|set(?:iembre)?|oct(?:ubre|ober)?|nov(?:iembre|ember)?|"
    "dic(?:iembre)?|dec(?:ember)?)"
)
_MISREAD = re.compile(
    r"\s*(?:0\d+|\d{12,}|[\d.,]+e[+-]?\d+|\d[\d.,]*[.,][\d.,]*|\d{1,4}(?:[-/:]\d{1,4}){1,2}|\.\d+|\([\d.,]+\)|"
    rf"\$\s*[\d.,]+|[\d.,]+\s*[%$]|\d\d?(?::\d\d)*\s*[ap]m?|{_MONTH}[-/ .]?(?:\d\d?|(?:19|20)\d\d)|"
    rf"\d\d?[-/ .]?{_MONTH}(?:[-/ .]?(?:\d\d|(?:19|20)\d\d))?)\s*",
    re.I | re.A,
)
#: Characters that XML forbids.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def csv_pieces(table: Table, *, encoding: str = "utf-8-sig", separator: str = ",") -> Iterator[bytes]:
    """Yield a CSV in pieces, the headings in the first; a letter that the encoding lacks becomes ``?``.

    A CSV has no types: a text that a spreadsheet would run or change gets an apostrophe in front, which Excel shows.
    """
    encode = codecs.getincrementalencoder(encoding)("replace").encode
    lines = chain([[str(heading) for heading in table.headings]], table.rows)
    while batch := list(islice(lines, _AT_ONCE)):
        piece = io.StringIO()
        csv.writer(piece, delimiter=separator).writerows([_shown(value) for value in row] for row in batch)
        yield encode(piece.getvalue())


def write_xlsx(file: IO[bytes], table: Table, *, most: int = MOST_ROWS) -> None:
    """Write a workbook whose first sheet has the table's title; rows beyond ``most`` go to further sheets.

    Text stays text, whatever the content. ``file`` is a temporary file: a ZIP can't be sent while being written. Raises
    ``Misconfigured`` without openpyxl.
    """
    openpyxl = _load("openpyxl")
    book = openpyxl.Workbook(write_only=True)
    lines, titles = iter(table.rows), [str(heading) for heading in table.headings]
    name = re.sub(r"[\[\]:*?/\\]", " ", str(table.title))[:25]
    first: list[Sequence[Cell]] = list(islice(lines, 1))
    while first or not book.worksheets:
        number = len(book.worksheets) + 1
        sheet = book.create_sheet(name if number == 1 else f"{name} {number}")
        sheet.freeze_panes = "A2"
        for place in range(1, len(titles) + 1):
            sheet.column_dimensions[openpyxl.utils.get_column_letter(place)].width = 20
        for row in chain([titles], first, islice(lines, most - 1)):
            sheet.append([_cell(openpyxl, sheet, value) for value in row])
        sheet.close()
        first = list(islice(lines, 1))
    book.save(file)


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Misconfigured(
            _("XLSX needs %(name)s, which is not installed: pip install pagoefectivo-django[xlsx], or take a CSV."),
            code="xlsx_not_installed",
            name=name,
        ) from None


def _cell(openpyxl: Any, sheet: Any, value: Cell) -> Any:
    """Return a value as openpyxl writes it, with the number format of its type."""
    formatted = ""
    if isinstance(value, Decimal):
        formatted = "#,##0.00"
    elif isinstance(value, datetime):
        value, formatted = _local(value), "yyyy-mm-dd hh:mm:ss"
    elif isinstance(value, date):
        formatted = "yyyy-mm-dd"
    elif isinstance(value, str):
        value = _UNPRINTABLE.sub("", value) or None
        formatted = "@" if value and not value[0].isalpha() else ""
    if not formatted:
        return value
    cell = openpyxl.cell.WriteOnlyCell(sheet, value)
    cell.number_format = formatted
    if formatted == "@":
        # openpyxl would take text that begins with "=" for a formula, and "#N/A" for an error. The format "@" keeps the
        # cell text when a person edits it.
        cell.data_type = "s"
    return cell


def _shown(value: Cell) -> str:
    """Return the text of a CSV cell."""
    if isinstance(value, str):
        return f"'{value}" if value[:1] in ("\t", "\r", "\n") or _MISREAD.fullmatch(value) else _inert(value)
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return _local(value).isoformat(" ")
    return "" if value is None else str(value)


def _inert(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula, wherever the spreadsheet splits cells."""
    begins = _FORMULA.match(text)
    if begins and not begins[1]:
        text = f"'{text}"
    return _FORMULA.sub(r"\g<0>'", text)


def _local(moment: datetime) -> datetime:
    return moment.astimezone(LIMA).replace(tzinfo=None, microsecond=0)
