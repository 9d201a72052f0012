"""One way to split a poisoned batch: halves of halves, until the bad row stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Row = TypeVar("Row")


def halves(rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
    """Return the first and the second half of a batch; the second is the larger one of an odd number."""
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]


def in_halves(
    rows: Sequence[Row],
    work: Callable[[Sequence[Row]], None],
    *,
    splits: Callable[[Exception], bool],
    alone: Callable[[Row, Exception], None],
) -> None:
    """Work on rows at once; where that fails, on each half: a bad row costs a few tries, and no other row waits.

    ``splits`` says of an error whether a smaller batch may do better; any other error is raised. ``alone`` is called
    with each row that fails alone, and its error.
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
