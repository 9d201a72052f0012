"""A payment code as a Code 128 barcode."""

from __future__ import annotations

from itertools import groupby

from django.utils.html import format_html
from django.utils.safestring import SafeString
from reportlab.graphics.barcode.code128 import Code128

#: Modules of white on each side; readers need ten (ISO/IEC 15417).
QUIET = 10
HEIGHT = 24


def bars(code: str) -> str:
    """Return a barcode's modules from left to right: ``1`` is a bar, ``0`` a gap."""
    # By ReportLab, needed for the PDF anyway; python-barcode 0.16 loses the digits 99, as an independent reader found.
    symbol = Code128(code)
    symbol.validate()
    symbol.encode()
    # "Ba…": a bar of two modules, a gap of one, …
    widths = ((letter, ord(letter.upper()) - ord("A") + 1) for letter in symbol.decompose())
    return "".join(("1" if letter.isupper() else "0") * width for letter, width in widths)


def barcode_svg(code: str, label: str) -> SafeString:
    """Return a barcode as SVG: one path, without style, script or id; ``label`` is for screen readers."""
    modules, at, path = bars(code), QUIET, ""
    for module, run in groupby(modules):
        width = len(list(run))
        path += f"M{at} 0h{width}v{HEIGHT}h-{width}z" if module == "1" else ""
        at += width
    return format_html(
        '<svg class="pagoefectivo-barcode" role="img" aria-label="{}" viewBox="0 0 {} {}" shape-rendering="crispEdges">'
        '<rect width="{}" height="{}" fill="#fff"/><path fill="#000" d="{}"/></svg>',
        *(label, len(modules) + 2 * QUIET, HEIGHT, len(modules) + 2 * QUIET, HEIGHT, path),
    )
