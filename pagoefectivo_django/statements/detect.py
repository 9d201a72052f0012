"""Recognition of a statement: format, sheet or separator, currency, decimal mark. An ambiguous file is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from hashlib import sha256
from itertools import islice
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple

from django.utils.translation import gettext_noop as _

from ..errors import InvalidRequest, PagoEfectivoError, Param
from .base import Statement
from .dates import style_of
from .formats import OPTIONAL, Format, known_formats
from .lines import Plan, is_aside, is_empty, lines_of, trimmed
from .tables import LARGEST_FILE, Table, refused
from .text import open_texts
from .values import (
    OtherCurrency,
    Unreadable,
    amounts,
    any_currency_of,
    currency_of,
    flat,
    folded,
    mark_of,
    sign_of,
    unwrapped,
)
from .xlsx import open_sheets

#: The number of first rows that are searched for the headings.
HEADER_WITHIN = 50
#: The number of rows after the headings whose values show the notation of amounts and dates.
SAMPLE = 1_000
MONEY = ("gross", "fee", "tax", "commission", "net")
#: The columns whose numbers show the file's decimal mark.
NUMBERS = (*MONEY, "payment_amount", "rate")

_MAGIC = {
    b"\x89PNG": ("file_is_png", _("%(file)s: is a PNG picture.")),
    b"\xff\xd8\xff": ("file_is_jpeg", _("%(file)s: is a JPEG picture.")),
    b"GIF8": ("file_is_gif", _("%(file)s: is a GIF picture.")),
    b"%PDF": ("file_is_pdf", _("%(file)s: is a PDF.")),
    b"\xd0\xcf\x11\xe0": (
        "file_is_xls",
        _("%(file)s: is an old .xls workbook, or one with a password; save it as .xlsx without a password."),
    ),
    b"\x1f\x8b": ("file_is_gzip", _("%(file)s: is a gzip archive; unpack it.")),
    b"Rar!": ("file_is_rar", _("%(file)s: is a RAR archive; unpack it.")),
}
_AMOUNTISH = re.compile(r"(?=.*[\d-])[\sSPENUDOLAR/.,'$()+\-\d]+", re.IGNORECASE)
#: A currency at the end of a heading: "Monto (S/)".
_UNIT = re.compile(r"[\s(\[]+(S/|S/\.|US\$|PEN|USD|soles|d[oó]lares)[)\]\s]*$", re.IGNORECASE)
_CODEISH = re.compile(r"[\s\d.,E+]*", re.IGNORECASE)


class _Misfit(PagoEfectivoError):
    """Why a format doesn't fit a table."""


def _and(one: _Misfit, other: _Misfit) -> _Misfit:
    return _Misfit(_("%(one)s; %(other)s"), code="misfit_and", one=one, other=other)


class _Fit(NamedTuple):
    """A table that fits a format, with the positions of the columns."""

    form: Format
    table: Table
    #: The number of the row with the headings; 0: the file has none.
    header: int
    #: Our column name → positions from 0; then position → heading.
    places: dict[str, tuple[int, ...]]
    headings: dict[int, str]
    width: int


def open_statement(
    source: BinaryIO,
    name: str,
    *,
    format: str = "",
    currency: str = "",
    decimal: str = "",
    formats: Mapping[str, Any],
) -> Statement:
    """Recognise a file and return a ``Statement`` that reads the file; ``source`` is binary, seekable and stays open.

    ``formats``: by name, as in the setting ``STATEMENTS``. ``format``, ``currency`` (``PEN``, ``USD``) and ``decimal``
    (``.``, ``,``) are needed only where the file is ambiguous. Raises ``InvalidRequest`` for a file that can't be read;
    the message begins with the file's name. ``lines()`` raises ``InvalidRequest`` too for a later problem of the whole
    file.
    """
    # A ZIP from Windows can give a name that is no UTF-8, which Python keeps as lone surrogates; no database stores
    # them.
    name = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "?", PurePath(name).name)[:100] or "file"
    known = known_formats(formats)
    if format and format not in known:
        raise refused(
            name,
            _("%(file)s: format is %(format)s; use one of %(known)s."),
            code="format_unknown",
            format=repr(format[:40]),
            known=", ".join(known),
        )
    if currency not in ("", "PEN", "USD") or decimal not in ("", ".", ","):
        raise refused(
            name,
            _("%(file)s: currency is PEN, USD or empty; decimal is '.', ',' or empty."),
            code="currency_or_decimal_unknown",
        )
    tables = _tables(source, name)
    fit = _fit(tables, [known[format]] if format else list(known.values()), name)
    plan, reading, notes = _plan(fit, name, currency, decimal)
    digest = sha256()
    source.seek(0)
    while piece := source.read(1024**2):
        digest.update(piece)
    return Statement(
        name, fit.form.kind, plan.currency, digest.hexdigest(), reading, lambda: lines_of(fit.table, plan, name), notes
    )


def _tables(source: BinaryIO, name: str) -> Iterable[Table]:
    size = source.seek(0, os.SEEK_END)
    if not size:
        raise refused(name, _("%(file)s: is empty."), code="file_empty")
    if size > LARGEST_FILE:
        raise refused(
            name,
            _("%(file)s: has %(size)d bytes; at most %(most)d are read. Export a shorter period."),
            code="file_too_large",
            size=size,
            most=LARGEST_FILE,
        )
    source.seek(0)
    first = source.read(8)
    for magic, (code, message) in _MAGIC.items():
        if first.startswith(magic):
            raise refused(name, message, code=code)
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise refused(
            name,
            _("%(file)s: is a web page or XML, whatever its name says; open it in a spreadsheet, save it as XLSX."),
            code="file_is_web_page",
        )
    if first.startswith(b"PK"):
        return open_sheets(source, name)
    if name.casefold().endswith((".xlsx", ".xlsm")):
        raise refused(
            name,
            _("%(file)s: is no workbook, whatever its name says; export it again as XLSX or CSV."),
            code="file_is_no_workbook",
        )
    return open_texts(source, name)


def _fit(tables: Iterable[Table], forms: list[Format], name: str) -> _Fit:
    fits: dict[str, list[_Fit]] = {}
    missing: dict[str, _Misfit] = {}
    broken: InvalidRequest | None = None
    for table in tables:
        try:
            head = list(islice(table.rows(), HEADER_WITHIN))
        except InvalidRequest as error:  # read with a wrong separator, correct quoting looks broken
            broken = broken or error
            continue
        if not any(not is_empty(row) for _, row in head):
            continue
        for form in forms:
            found = _by_headings(form, table, head) if form.has_headings else _by_numbers(form, table, head)
            if isinstance(found, _Misfit):
                # Of all separators and sheets, the nearest to the format has the shortest list of missing columns.
                missing[form.name] = min(missing.get(form.name, found), found, key=lambda misfit: len(str(misfit)))
            else:
                fits.setdefault(form.name, []).append(found)
    if broken and not fits and not missing:
        raise broken
    if not fits:
        raise _no_fit(forms, missing, name)
    if len(fits) > 1:
        raise refused(
            name,
            _("%(file)s: several formats fit: %(formats)s; say which it is (format)."),
            code="several_formats_fit",
            formats=", ".join(fits),
        )
    (same,) = fits.values()
    if len(same) > 1:
        words = ", ".join(fit.table.reading.get("sheet") or fit.table.reading["separator"] for fit in same)
        raise refused(
            name,
            _("%(file)s: may be read in several ways (%(ways)s); save one sheet alone, or export it with quotes."),
            code="several_readings",
            ways=words,
        )
    return same[0]


def _no_fit(forms: list[Format], missing: dict[str, _Misfit], name: str) -> InvalidRequest:
    no_table = (
        _Misfit(_("%(format)s: nothing that looks like a table"), code="misfit_no_table", format=form.name)
        for form in forms
    )
    tried = [missing.get(form.name, nothing) for form, nothing in zip(forms, no_table, strict=True)]
    return refused(
        name,
        _("%(file)s: no format fits (%(tried)s). Pass the right file, or describe it in PAGOEFECTIVO['STATEMENTS']."),
        code="no_format_fits",
        tried=reduce(_and, tried),
    )


def _key(heading: Any) -> str:
    return "".join(letter for letter in folded(heading) if letter.isalnum())


def _by_headings(form: Format, table: Table, head: Sequence[tuple[int, Sequence[Any]]]) -> _Fit | _Misfit:
    least: list[str] | None = None
    for number, row in head:
        keys = [_key(cell) if isinstance(cell, str) else "" for cell in row]
        bare = [_key(_UNIT.sub("", cell)) if isinstance(cell, str) else "" for cell in row]
        places, lacking = {}, []
        for ours, headings in form.columns.items():
            wanted = [(one, keys if one in keys else bare) for one in map(_key, headings)]
            found = tuple(named.index(one) for one, named in wanted if one in named)
            if any(named.count(one) > 1 for one, named in wanted):
                lacking += [f"{heading} (1×)" for heading in headings]
            elif found:
                places[ours] = found
            elif ours not in OPTIONAL:
                lacking += [str(heading) for heading in headings]
        if not lacking:
            named = {place: str(row[place]).strip()[:60] for found in places.values() for place in found}
            width = max(place for place, cell in enumerate(row, 1) if not is_empty([cell]))
            return _Fit(form, table, number, places, named, width)
        if least is None or len(lacking) < len(least):
            least = lacking
    return _Misfit(
        _("%(format)s: no row of the first %(within)d has %(headings)s"),
        code="misfit_headings",
        format=form.name,
        within=HEADER_WITHIN,
        headings=", ".join(least or []),
    )


def _by_numbers(form: Format, table: Table, head: Sequence[tuple[int, Sequence[Any]]]) -> _Fit | _Misfit:
    places = {ours: tuple(int(place) - 1 for place in found) for ours, found in form.columns.items()}
    last = max(max(found) for ours, found in places.items() if ours not in OPTIONAL) + 1
    rows = [trimmed(row, form.width) for _, row in head if not is_empty(row)]
    fitting = [row for row in rows if (len(row) == form.width if form.width else len(row) >= last)]
    if not fitting:
        about: dict[str, Param] = {"format": form.name, "count": len(rows[0]), "wanted": form.width or last}
        if form.width:
            return _Misfit(_("%(format)s: a line has %(count)d columns, not %(wanted)d"), code="misfit_width", **about)
        return _Misfit(
            _("%(format)s: a line has %(count)d columns, not at least %(wanted)d"), code="misfit_least_width", **about
        )
    if not any(_looks_right(row, places) for row in fitting):
        return _Misfit(
            _("%(format)s: columns %(columns)s don't hold %(names)s"),
            code="misfit_columns",
            format=form.name,
            columns=", ".join(str(at[0] + 1) for at in places.values()),
            names=", ".join(places),
        )
    return _Fit(form, table, 0, places, {}, form.width)


def _looks_right(row: Sequence[Any], places: dict[str, tuple[int, ...]]) -> bool:
    """Return whether most cells of a row fit their columns, and at most one does not."""
    right = wrong = 0
    for ours, (place, *_others) in places.items():
        cell = row[place] if place < len(row) else None
        cell = unwrapped(cell) if isinstance(cell, str) else cell
        if ours != "gross" and is_empty([cell]):
            continue
        if ours in MONEY:
            fits = isinstance(cell, int | float) or bool(_AMOUNTISH.fullmatch(flat(str(cell))))
        elif ours in ("code", "paid_at"):
            fits = bool(style_of(cell) if ours == "paid_at" else _CODEISH.fullmatch(str(cell)))
        else:
            continue
        right, wrong = right + fits, wrong + (not fits)
    return wrong <= 1 and right > wrong


def _plan(fit: _Fit, name: str, currency: str, decimal: str) -> tuple[Plan, dict[str, Any], list[str]]:
    sample = [
        (number, [unwrapped(cell) if isinstance(cell, str) else cell for cell in row])
        for number, row in islice(fit.table.rows(), fit.header + SAMPLE)
        if number > fit.header and not is_empty(row) and not is_aside(row, fit.places, fit.headings)
    ]
    mark = decimal or _mark(fit, sample, name)
    of_file = _currency(fit, sample, name, currency)
    order = fit.form.dates
    styles = frozenset(style for _, _, cell in _cells(fit, sample, ("paid_at",)) if (style := style_of(cell, order)))
    columns = {
        ours: " + ".join(fit.headings.get(place) or fit.table.column(place) for place in places)
        for ours, places in fit.places.items()
    }
    deducted = _deducted(fit, sample, amounts(mark, of_file))
    plan = Plan(fit.form, fit.header, fit.places, fit.headings, columns, fit.width, of_file, mark, styles, deducted)
    reading = fit.table.reading | {
        "format": fit.form.name,
        "header": str(fit.header or "none"),
        "decimal": mark or "none",
        "dates": ", ".join(sorted(styles)) or "none",
        "columns": columns,
    }
    if deducted:
        reading["fees"] = "deducted"
    lengths = {len("".join(str(cell).split())) for _, _, cell in _cells(fit, sample, ("code",)) if not is_empty([cell])}
    notes = ["codes_of_different_lengths"] if len(lengths) > 1 else []
    return plan, reading, notes


def _deducted(fit: _Fit, sample: Sequence[tuple[int, Sequence[Any]]], amount: Callable[[Any], Decimal | None]) -> bool:
    """Return whether a file writes fees as negative amounts."""
    signs = set()
    for _number, row in sample:
        try:
            gross, *parts = (
                amount(row[fit.places[ours][0]])
                for ours in ("gross", "fee", "tax", "commission")
                if ours in fit.places and fit.places[ours][0] < len(row)
            )
        except (Unreadable, ValueError):
            continue
        if gross and gross > 0:
            signs |= {part > 0 for part in parts if part}
    return signs == {False}


def _cells(
    fit: _Fit, sample: Sequence[tuple[int, Sequence[Any]]], names: Sequence[str]
) -> Iterable[tuple[int, int, Any]]:
    for number, row in sample:
        for ours in names:
            for place in fit.places.get(ours, ()):
                if place < len(row):
                    yield number, place, row[place]


def _where(fit: _Fit, number: int, place: int) -> _Misfit:
    return _Misfit(
        _("line %(line)d, column %(column)s"),
        code="statement_cell",
        line=number,
        column=fit.headings.get(place) or fit.table.column(place),
    )


def _mark(fit: _Fit, sample: Sequence[tuple[int, Sequence[Any]]], name: str) -> str:
    seen: dict[str, _Misfit] = {}
    for number, place, cell in _cells(fit, sample, NUMBERS):
        if mark := mark_of(cell):
            seen.setdefault(mark, _where(fit, number, place))
    if "." in seen and "," in seen:
        raise refused(
            name,
            _("%(file)s: %(point)s has a decimal point, %(comma)s a decimal comma; say which it is (decimal)."),
            code="decimal_mark_unclear",
            point=seen["."],
            comma=seen[","],
        )
    if "?" in seen and len(seen) == 1:
        raise refused(
            name,
            _("%(file)s: %(where)s: the amount may be thousands or thousandths; say the decimal mark (decimal)."),
            code="thousands_or_thousandths",
            where=seen["?"],
        )
    return next((mark for mark in seen if mark != "?"), "")


def _currency(fit: _Fit, sample: Sequence[tuple[int, Sequence[Any]]], name: str, asked: str) -> str:
    found = asked
    for number, place, cell, read in _currency_cells(fit, sample):
        try:
            seen = read(cell, asked)
        except OtherCurrency as error:
            raise refused(
                name,
                _("%(file)s: %(where)s %(problem)s"),
                code="currency_unclear",
                where=_where(fit, number, place),
                problem=error,
            ) from None
        if seen and found and seen != found:
            about: dict[str, Param] = {"where": _where(fit, number, place), "seen": seen, "found": found}
            if found == asked:
                raise refused(
                    name,
                    _("%(file)s: %(where)s is in %(seen)s, but you say %(found)s; import each alone."),
                    code="another_currency_than_said",
                    **about,
                )
            raise refused(
                name,
                _("%(file)s: %(where)s is in %(seen)s, but other lines are in %(found)s; import each alone."),
                code="several_currencies",
                **about,
            )
        found = found or seen
    if not found:
        raise refused(
            name, _("%(file)s: doesn't say its currency; say it (currency: PEN or USD)."), code="currency_not_said"
        )
    return found


def _currency_cells(
    fit: _Fit, sample: Sequence[tuple[int, Sequence[Any]]]
) -> Iterable[tuple[int, int, Any, Callable[[Any, str], str]]]:
    """Yield the cells that may name a currency: the currency column, then headings of amounts, then the amounts."""
    for number, place, cell in _cells(fit, sample, ("currency",)):
        yield number, place, cell, any_currency_of if fit.form.exchanges else currency_of
    for place in (place for ours in MONEY for place in fit.places.get(ours, ())):
        if unit := _UNIT.search(fit.headings.get(place, "")):
            yield fit.header, place, unit[1], currency_of
    for number, place, cell in _cells(fit, sample, MONEY):
        yield number, place, cell, sign_of
