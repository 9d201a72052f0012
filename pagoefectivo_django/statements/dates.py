"""Readers of dates in statements: a cell becomes a moment by Lima's clock, or ``Unreadable`` is raised."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext_noop as _

from ..errors import InvalidRequest
from ..workdays import LIMA
from .values import Unreadable, flat, hint

#: Dates that are parsed once and remembered; a statement has fewer days.
_DAYS = 1_000
_SIXTY = {f"{number:02}": number for number in range(60)}
_CLOCK = (
    r"(?:(?:,? +(?:[-|] |a las )?|T)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?: ?(?P<half>[ap])\.? ?m\.?| ?(?:h|hrs?|horas)\.?)?(?: ?(?P<zone>Z|(?:UTC|GMT)?(?:[+-]\d\d(?::?\d\d)?)?))?)?"
)
#: A weekday before a date. Tried after the date alone, because "mar" (martes) is also a month (marzo).
_WEEKDAY = re.compile(
    r"(?:lun|mar|mi[eé]|jue|vie|s[aá]b|dom|mon|tue|wed|thu|fri|sat|sun)[a-zé]*[.,]* +(?=.*\d)", re.IGNORECASE
)
#: The last year that is read. A later date is a mistake, and comparisons with it would overflow.
LAST_YEAR = 2199
#: The notations of a date. Only the last notation leaves the order of day, month and year open.
_DATES = tuple(
    re.compile(date + _CLOCK, re.ASCII | re.IGNORECASE)
    for date in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})",
        r"(?P<mark>)(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)",
        r"(?P<day>\d{1,2})(?:(?P<mark>[-/. ])| de )?(?P<name>[a-z]{3,10})(?:\.?[-/ ]|\.| del? )?(?P<year>\d{4}|\d\d)",
        r"(?P<mark>)(?P<name>[a-z]{3,10})\.? (?P<day>\d{1,2}),? (?P<year>\d{4})",
        r"(?P<one>\d{1,4})(?P<mark>[-/.])(?P<two>\d{1,2})(?P=mark)(?P<three>\d{4}|\d{1,2})",
    )
)
_MONTHS = {
    word: number
    for number, words in enumerate(
        ("enero january", "febrero february", "marzo march", "abril april", "mayo may", "junio june", "julio july",
         "agosto august", "septiembre setiembre september", "octubre october", "noviembre november",
         "diciembre december"), 1,
    )
    for whole in words.split() for word in (whole, whole[:3], whole[:4])
}  # fmt: skip
#: The possible orders of day, month and year, for the last notation: the format's ``DATES``.
ORDERS = ("dmy", "mdy", "ymd")


def style_of(cell: Any, order: str = "dmy") -> str:
    """Return the notation of a date: ``dd/mm/yyyy``, ``yyyy-mm-dd``, ``workbook``, …; "" for no date."""
    if isinstance(cell, date):
        return "workbook"
    found = _dated(cell)
    if not found:
        return ""
    parts, mark = found.groupdict(), found["mark"] or ""
    if "name" in parts:
        return "dd mmm yyyy"
    if "month" in parts:
        return mark.join(("yyyy", "mm", "dd"))
    year = "yyyy" if max(len(parts["one"]), len(parts["three"])) == 4 else "yy"
    return mark.join({"d": "dd", "m": "mm", "y": year}[part] for part in order)


def moments(styles: frozenset[str], order: str = "dmy") -> Callable[[Any], datetime | None]:
    """Return a function that reads a cell as a moment by Lima's clock; empty cells and 1900-01-01 (protocol 8) give
    None.

    The function raises ``Unreadable`` for any other text or a notation not in ``styles``, and ``InvalidRequest`` for a
    date that contradicts ``order``.
    """

    def read(cell: Any) -> datetime | None:
        if not isinstance(cell, str):
            return None if cell is None else _moment_of_workbook(cell)
        if len(cell) == 19 and cell[10] == " " and cell[13] == cell[16] == ":":  # the usual notation
            try:
                return datetime(
                    *day(cell[:10]), _SIXTY[cell[11:13]], _SIXTY[cell[14:16]], _SIXTY[cell[17:]], tzinfo=LIMA
                )
            except (KeyError, ValueError):
                pass  # written() raises the error, or reads another notation
        return written(cell)

    @lru_cache(_DAYS)
    def day(cell: str) -> tuple[int, int, int]:
        moment = written(cell)
        if moment is None:
            raise Unreadable(_("is no date."), code="no_date")
        return moment.year, moment.month, moment.day

    def written(cell: str) -> datetime | None:
        if not cell.strip():
            return None
        found = _dated(cell)
        if not found or style_of(cell, order) not in styles:
            raise Unreadable(
                _("is %(cell)s; dates of this file are written: %(styles)s."),
                code="date_in_another_style",
                cell=hint(cell),
                styles=", ".join(sorted(styles)) or "–",
            )
        try:
            moment = _moment(found, order)
        except (ValueError, OverflowError) as error:
            if isinstance(error, InvalidRequest):
                raise
            code, message = _NO_DATE[order[0]]
            raise Unreadable(message, code=code, cell=hint(cell)) from None
        return _plausible(moment)

    return read


_NO_DATE = {
    "d": ("no_date_day_first", _("is %(cell)s, which is no date; the day comes first.")),
    "m": ("no_date_month_first", _("is %(cell)s, which is no date; the month comes first.")),
    "y": ("no_date_year_first", _("is %(cell)s, which is no date; the year comes first.")),
}


def _dated(cell: Any) -> re.Match[str] | None:
    if isinstance(cell, int) and not isinstance(cell, bool):
        cell = str(cell)  # a workbook may hold 20261123 as a number
        return _DATES[1].fullmatch(cell)
    if not isinstance(cell, str):
        return None
    cell = flat(cell)
    tried = (cell, _WEEKDAY.sub("", cell, 1)) if cell[:1].isalpha() else (cell,)
    return next((found for one in tried for form in _DATES if (found := form.fullmatch(one))), None)


def _moment(found: re.Match[str], order: str) -> datetime:
    """Return the moment of a matched date by Lima's clock; raises ``InvalidRequest`` if day and month must be
    exchanged.
    """
    parts = found.groupdict()
    if "one" in parts:
        named = dict(zip(order, (parts["one"], parts["two"], parts["three"]), strict=True))
        year, month, day = (named[part] for part in "ymd")
        if len(month) > 2 or len(day) > 2:
            raise ValueError("a year where the day or the month should be")
        if int(month) > 12 >= int(day) and int(month) <= 31:
            # The whole file is refused, not the line: in other lines a day up to 12 would be read as a month.
            if order == "dmy":
                raise InvalidRequest(
                    _(
                        "A date is written %(cell)s: this file has the month before the day; say so in its format "
                        "(DATES), or export it as yyyy-mm-dd. Nothing is imported."
                    ),
                    code="month_before_day",
                    cell=hint(found[0]),
                )
            raise InvalidRequest(
                _(
                    "A date is written %(cell)s: this file has the day before the month; say so in its format "
                    "(DATES), or export it as yyyy-mm-dd. Nothing is imported."
                ),
                code="day_before_month",
                cell=hint(found[0]),
            )
    else:
        year, day = parts["year"], parts["day"]
        month = parts["month"] if "month" in parts else str(_MONTHS.get(parts["name"].lower(), 0))
    hour = int(parts["hour"] or 0)
    if parts["half"] and hour <= 12:  # some files write 15:04 p. m.
        hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
    elif parts["half"] in ("a", "A"):
        raise ValueError("no hour of the morning")
    moment = datetime(
        int(year) + (2000 if len(year) < 3 else 0), int(month), int(day), hour, int(parts["minute"] or 0),
        int(parts["second"] or 0), tzinfo=_zone(parts["zone"]),
    )  # fmt: skip
    return moment.astimezone(LIMA)


def _zone(written: str | None) -> tzinfo:
    if not written:
        return LIMA
    digits = re.sub("[^0-9]", "", written)
    ahead = timedelta(hours=int(digits[:2] or 0), minutes=int(digits[2:] or 0))
    return timezone(-ahead if "-" in written else ahead)


def _moment_of_workbook(cell: Any) -> datetime | None:
    if not isinstance(cell, date):
        if found := _dated(cell):
            try:
                moment = _moment(found, "ymd")
            except ValueError:
                moment = None
            if moment:
                return _plausible(moment)
        raise Unreadable(
            _("is a number, not a date; format the column as a date and export again."), code="number_not_a_date"
        )
    if not isinstance(cell, datetime):
        cell = datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 (Lima's clock comes below)
    return _plausible(cell.replace(microsecond=0, tzinfo=LIMA))


def _plausible(moment: datetime) -> datetime | None:
    """Return a moment, or None for the year 1900, by which some programs mean an empty cell.

    Raises ``Unreadable`` for a year after ``LAST_YEAR``.
    """
    if moment.year > LAST_YEAR:
        raise Unreadable(
            _("is of the year %(year)d; the last that is read is %(last)d."),
            code="year_too_late",
            year=moment.year,
            last=LAST_YEAR,
        )
    return None if moment.year <= 1900 else moment
