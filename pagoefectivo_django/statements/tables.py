"""A table in a file: rows of cells, read from the beginning at each call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRequest

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
        raise refused(name, f"row {number} has more than {MOST_COLUMNS} columns; this is no statement.")
    if any(isinstance(cell, str) and len(cell) > LONGEST_CELL for cell in row):
        raise refused(name, f"row {number} has a cell of more than {LONGEST_CELL} characters; this is no statement.")
    return row


def refused(name: str, problem: str) -> InvalidRequest:
    """Return the error for a whole file; the message begins with the file's name."""
    return InvalidRequest(f"{name}: {problem}")
