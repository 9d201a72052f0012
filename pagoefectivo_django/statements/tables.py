"""A table in a file: rows of cells, read from the beginning at each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop as _

from ..errors import InvalidRequest, Param

#: The largest file, in bytes; a larger file is refused unread.
LARGEST_FILE = 512 * 1024**2
#: More columns than any statement has, and the most characters in a cell of Excel.
MOST_COLUMNS = 1_000
LONGEST_CELL = 32_767


@dataclass(frozen=True)
class Table:
    """A table of a file: a text file read with one separator, or one sheet of a workbook."""

    #: How the table is read, for the preview; texts only.
    reading: dict[str, str]
    #: Yields each row's number, from 1, and cells: texts, or a workbook's own values.
    rows: Callable[[], Iterator[tuple[int, Sequence[Any]]]]
    #: Whether columns have letters, as in a workbook; a text file's columns have numbers.
    has_letters: bool = False

    def column(self, index: int) -> str:
        """Return the usual name of a column: ``C`` in a workbook, ``3`` in a text file."""
        if not self.has_letters:
            return str(index + 1)
        letters, rest = "", index + 1
        while rest:
            rest, letter = divmod(rest - 1, 26)
            letters = chr(65 + letter) + letters
        return letters


def measured(name: str, number: int, row: Sequence[Any]) -> Sequence[Any]:
    """Return a row unchanged; raises ``InvalidRequest`` if the row is too large to try every format on."""
    if len(row) > MOST_COLUMNS:
        raise refused(
            name,
            _("%(file)s: row %(row)d has more than %(most)d columns; this is no statement."),
            code="row_too_wide",
            row=number,
            most=MOST_COLUMNS,
        )
    if any(isinstance(cell, str) and len(cell) > LONGEST_CELL for cell in row):
        raise refused(
            name,
            _("%(file)s: row %(row)d has a cell of more than %(most)d characters; this is no statement."),
            code="cell_too_long",
            row=number,
            most=LONGEST_CELL,
        )
    return row


def refused(name: str, message: str, *, code: str, **params: Param) -> InvalidRequest:
    """Return the error for a whole file; the message begins with the file's name."""
    return InvalidRequest(message, code=code, file=name, **params)
