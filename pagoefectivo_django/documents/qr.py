"""A text as a QR code."""

from __future__ import annotations

from itertools import groupby

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString

#: Modules of white around the code; readers need four (ISO/IEC 18004).
QUIET = 4


def modules(text: str) -> list[list[bool]]:
    """Return the rows of a QR code with error correction M, without the quiet zone; True is dark."""
    return [
        [bool(module) for module in row]
        for row in segno.make_qr(text, error="m", encoding="utf-8", eci=not text.isascii()).matrix
    ]


def qr_svg(text: str, label: str) -> SafeString:
    """Return a QR code as SVG: one path, without style, script or id; ``label`` is for screen readers."""
    rows, path = modules(text), ""
    for y, row in enumerate(rows, QUIET):
        x = QUIET
        for dark, run in groupby(row):
            width = len(list(run))
            path += f"M{x} {y}h{width}v1h-{width}z" if dark else ""
            x += width
    size = len(rows) + 2 * QUIET
    return format_html(
        '<svg class="pagoefectivo-qr" role="img" aria-label="{}" viewBox="0 0 {} {}" shape-rendering="crispEdges">'
        '<rect width="{}" height="{}" fill="#fff"/><path fill="#000" d="{}"/></svg>',
        *(label, size, size, size, size, path),
    )
