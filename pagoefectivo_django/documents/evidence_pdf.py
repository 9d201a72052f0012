"""The evidence file for a provider's support as PDF; ``evidence_json.py`` makes the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from xml.sax.saxutils import escape  # nosec B406 # writes, never reads

from django.utils import translation
from django.utils.translation import gettext as _
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, Preformatted, SimpleDocTemplate, Spacer, TableStyle
from reportlab.platypus import Table as Grid

from ..wording.support import FIELDS, field_value
from .evidence_json import clocks
from .tables import Cell, Table

_MARGIN = 15 * mm
_TITLE = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=14, leading=18)
_HEADING = ParagraphStyle("heading", fontName="Helvetica-Bold", fontSize=10.5, leading=14, spaceBefore=8)
_TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=8, leading=10)
_NAME = ParagraphStyle("name", _TEXT, textColor="#444444")
_BODY = ParagraphStyle("body", fontName="Courier", fontSize=7, leading=8.5, leftIndent=6)
#: The most characters in a line of a message's body, and the most lines of a body, in the PDF.
_WIDE, _LONG = 110, 60


def evidence_pdf(tables: Sequence[Table]) -> bytes:
    """Return the evidence as a PDF of A4 sheets, in the active language, or in Spanish if the fonts lack its letters.

    The first table is the order's.
    """
    with translation.override("es" if "?" in _latin(_("Order")) else translation.get_language()):
        return _written(tables)


def _written(tables: Sequence[Table]) -> bytes:
    title = _("Evidence about order %(reference)s") % next(tables[0].records())
    file = BytesIO()
    sheets = SimpleDocTemplate(
        file, pagesize=A4, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN, title=title
    )
    sheets.build([Paragraph(_latin(title), _TITLE), *_parts(tables)])
    return file.getvalue()


def _parts(tables: Sequence[Table]) -> Iterator[Flowable]:
    headings = {
        "order": _("Order"),
        "codes": _("Codes"),
        "payments": _("Payments"),
        "calls": _("Calls to the provider"),
        "notifications": _("Notifications"),
        "events": _("Events"),
    }
    for table in tables:
        yield Paragraph(_latin(headings[str(table.title)]), _HEADING)
        for record in table.records():
            told = {name: _shown(cell) for name, cell in record.items() if name != "data"}
            yield from _record({name: field_value(str(table.title), name, text) for name, text in told.items()})
        if table.left_out:
            yield Paragraph(_latin(_("%(count)d older ones are left out.") % {"count": table.left_out}), _TEXT)


def _record(fields: dict[str, str]) -> Iterator[Flowable]:
    bodies = {name: value for name, value in fields.items() if "\n" in value}
    rows = [
        [Paragraph(_name(name), _NAME), Paragraph(_latin(value), _TEXT)]
        for name, value in fields.items()
        if name not in bodies and value
    ]
    grid = Grid(rows, colWidths=[38 * mm, None])
    grid.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("PADDING", (0, 0), (-1, -1), 1)]))
    yield grid
    for name, value in bodies.items():
        yield Paragraph(_name(name), _NAME)
        lines = [line[:_WIDE] for line in value.splitlines()[:_LONG]]
        yield Preformatted(_latin("\n".join(lines), escaped=False), _BODY)
    line = Grid([[""]], colWidths=[None], rowHeights=[2])
    line.setStyle(TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.grey)]))
    yield line
    yield Spacer(0, 4)


def _shown(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return "{lima} ({utc})".format(**clocks(cell))
    if isinstance(cell, Decimal):
        return f"{cell:.2f}"
    return "" if cell is None else str(cell)


def _name(field: str) -> str:
    return _latin(str(FIELDS.get(field, field)))


def _latin(text: str, *, escaped: bool = True) -> str:
    """Return a text with a question mark for each letter that the built-in fonts lack."""
    plain = text.encode("cp1252", "replace").decode("cp1252")
    return escape(plain) if escaped else plain
