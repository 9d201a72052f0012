"""Split a failing batch into halves of halves, until the bad row is alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Row = TypeVar("Row")


def halves(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    """Return the first and the second half of a batch; of an odd number the second is larger."""
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]


def in_halves(
    rows: Sequence[Row],
    work: Callable[[Sequence[Row]], None],
    *,
    splits: Callable[[Exception], bool],
    alone: Callable[[Row, Exception], None],
) -> None:
    """Call ``work`` with all rows; after an error, with each half, so a bad row costs a few tries and delays no row.

    ``splits`` returns whether a smaller batch may help against an error; else the error is raised. ``alone`` is called
    with each row that fails alone, and the error.
    """
    try:
        work(rows)
    except Exception as error:
        if not splits(error):
            raise
        if len(rows) > 1:
            for half in halves(rows):
                in_halves(half, work, splits=splits, alone=alone)
        else:
            alone(rows[0], error)
