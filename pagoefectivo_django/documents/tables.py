"""Tables for spreadsheets, written row by row: CSV in which no cell runs as a formula, and XLSX."""

from __future__ import annotations

import codecs
import csv
import importlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

from ..errors import Misconfigured
from ..workdays import LIMA

#: The types of a cell. A ``datetime`` is aware and written by Lima's clock; a ``Decimal`` is written with two decimals.
Cell = str | int | Decimal | date | datetime | None

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


def csv_pieces(
    headings: Iterable[Any], rows: Iterable[Sequence[Cell]], *, encoding: str = "utf-8-sig", separator: str = ","
) -> Iterator[bytes]:
    """Yield a CSV in pieces, the headings in the first; a letter that the encoding lacks becomes ``?``.

    A CSV has no types: a text that a spreadsheet would run or change gets an apostrophe in front, which Excel shows.
    """
    encode = codecs.getincrementalencoder(encoding)("replace").encode
    lines = chain([[str(heading) for heading in headings]], rows)
    while batch := list(islice(lines, _AT_ONCE)):
        piece = io.StringIO()
        csv.writer(piece, delimiter=separator).writerows([_shown(value) for value in row] for row in batch)
        yield encode(piece.getvalue())


def write_xlsx(
    file: IO[bytes], sheet_name: str, headings: Iterable[Any], rows: Iterable[Sequence[Cell]], *, most: int = MOST_ROWS
) -> None:
    """Write a workbook; rows beyond ``most`` go to further sheets.

    Text stays text, whatever the content. ``file`` is a temporary file: a ZIP can't be sent while being written. Raises
    ``Misconfigured`` without openpyxl.
    """
    openpyxl = _load("openpyxl")
    book = openpyxl.Workbook(write_only=True)
    lines, titles = iter(rows), [str(heading) for heading in headings]
    name = re.sub(r"[\[\]:*?/\\]", " ", sheet_name)[:25]
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
            f"XLSX needs {name}, which is not installed: pip install pagoefectivo-django[xlsx], or take a CSV."
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
