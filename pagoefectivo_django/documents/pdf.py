"""The voucher as a PDF: one sheet of A6, which prints on A4 too."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape  # nosec B406 # writes, never reads

from django.utils import translation
from django.utils.translation import gettext as _
from PIL import Image
from reportlab.lib.pagesizes import A6
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from ..codes import groups
from ..states import VoucherState
from . import barcode, qr
from .moments import moment
from .voucher import Voucher
from .ways import COMPANY

#: The name of a font that PDF readers provide for Chinese; an embedded font would weigh megabytes.
CHINESE = "STSong-Light"
pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))

WIDTH, HEIGHT = A6
MARGIN = 8 * mm
INNER = WIDTH - 2 * MARGIN
#: The height above which barcode and QR with their captions stand; the address is below.
SYMBOLS = MARGIN + 7 * mm
QR_SIZE, BAR_WIDTH, BAR_HEIGHT = 25 * mm, 58 * mm, 14 * mm

QUIET, BOLD, PLAIN, SMALL, TINY = (
    ParagraphStyle(name, fontName=font, fontSize=size, leading=size * 1.25, textColor=colour)
    for name, font, size, colour in (
        ("quiet", "Helvetica", 7.5, "#444444"),
        ("bold", "Helvetica-Bold", 9.5, "#000000"),
        ("plain", "Helvetica", 8.5, "#000000"),
        ("small", "Helvetica", 7.5, "#000000"),
        ("tiny", "Helvetica", 6.5, "#444444"),
    )
)
TITLE = ParagraphStyle("title", BOLD, fontSize=13, leading=15)
AMOUNT = ParagraphStyle("amount", BOLD, fontSize=14, leading=16)


def voucher_pdf(voucher: Voucher) -> bytes:
    """Return the voucher as one page in the voucher's language; equal vouchers give equal bytes.

    Code or link, barcode and QR are drawn only while the code can be paid.
    """
    file = BytesIO()
    canvas = Canvas(file, pagesize=A6, invariant=1, lang=voucher.language)
    with translation.override(voucher.language):
        _Sheet(canvas, voucher).draw()
    canvas.showPage()
    canvas.save()
    return file.getvalue()


class _Sheet:
    """A page that is filled from the top; text without room is left out."""

    def __init__(self, canvas: Canvas, voucher: Voucher) -> None:
        self.canvas, self.voucher = canvas, voucher
        self.y = HEIGHT - MARGIN
        self.end = MARGIN + 5 * mm

    def draw(self) -> None:
        found = self.voucher
        self.canvas.setTitle(f"PagoEfectivo · {_printable(found.title)}")
        self._put("" if found.by_link else "PagoEfectivo", QUIET)
        self._put(self._title(), TITLE, after=2 * mm)
        if found.payable:
            if found.by_link:
                self._page()
            else:
                self._code()
            self._symbols()
        self._facts()
        if found.payable:
            self.y -= 2 * mm
            for way in found.ways:
                said = _("%(way)s: choose %(company)s") % {
                    "way": way.means.label,
                    "company": COMPANY[found.money.currency],
                }
                names = ", ".join(f"{place.name} {place.company}".strip() for place in way.places)
                if self.y - 30 >= self.end:  # heading and names together, or neither
                    self._put(said, ParagraphStyle("way", BOLD, fontSize=7.5, leading=9.5))
                    self._put(names, SMALL, lines=2, after=1 * mm)
        if found.url:
            self._place(_fitting(found.url, TINY, INNER, 1), MARGIN, MARGIN + 3 * mm)
            self.canvas.linkURL(found.url, (MARGIN, MARGIN, WIDTH - MARGIN, MARGIN + 3 * mm))

    def _title(self) -> str:
        if self.voucher.payable:
            return _("Pay on the payment page") if self.voucher.by_link else _("Pay with this code")
        if self.voucher.state == VoucherState.PAID:
            return _("We received your payment")
        label = str(self.voucher.state.label)
        return label[:1].upper() + label[1:]

    def _code(self) -> None:
        self._put(_("Payment code (CIP)"), QUIET, after=0)
        parts, gap = groups(self.voucher.code), 3 * mm
        letters = pdfmetrics.stringWidth("".join(parts), "Helvetica-Bold", 1)
        size = min(28.0, (INNER - gap * (len(parts) - 1)) / max(letters, 1))
        self.canvas.setFont("Helvetica-Bold", size)
        self.y -= size
        x = MARGIN
        for part in parts:
            self.canvas.drawString(x, self.y + size * 0.12, part)
            x += pdfmetrics.stringWidth(part, "Helvetica-Bold", size) + gap
        self.y -= 2 * mm

    def _page(self) -> None:
        """Write the address of the payment page, which a reader on a screen may press."""
        self._put(_("Payment page"), QUIET, after=0)
        top = self.y
        self._put(self.voucher.pay_url, SMALL, lines=3, after=2 * mm)
        if self.voucher.pay_url:
            self.canvas.linkURL(self.voucher.pay_url, (MARGIN, self.y, WIDTH - MARGIN, top))

    def _facts(self) -> None:
        found = self.voucher
        owed = found.state not in (VoucherState.PAID, VoucherState.REFUNDED)
        expires = moment(found.expires_at, found.language)
        facts = [
            (_("Total to pay") if found.payable else _("Total") if owed else _("Paid"), found.money.display, AMOUNT),
            (_("Pay before") if found.payable else "", expires, BOLD),
            (_("Paid on") if found.paid_at else "", found.paid_at and moment(found.paid_at, found.language), BOLD),
            (_("Operation number") if found.operation_number else "", found.operation_number, BOLD),
            (_("You pay for") if found.concept else "", found.concept, PLAIN),
            (_("Order number"), found.reference, PLAIN),
        ]
        for name, value, style in facts:
            if name:
                self._fact(name, str(value), style)

    def _fact(self, name: str, value: str, style: ParagraphStyle) -> None:
        column = 24 * mm
        told, said = _fitting(name, QUIET, column - 2 * mm, 2), _fitting(value, style, INNER - column, 2)
        height = max(told.height, said.height) + 1.5 * mm
        if self.y - height < self.end:
            return
        self.canvas.setStrokeGray(0.75)
        self.canvas.line(MARGIN, self.y, WIDTH - MARGIN, self.y)
        self._place(told, MARGIN, self.y - 0.7 * mm)
        self._place(said, MARGIN + column, self.y - 0.7 * mm)
        self.y -= height

    def _symbols(self) -> None:
        """Draw barcode and QR above the address; the text drawn later ends above both."""
        found, low = self.voucher, SYMBOLS + 7 * mm
        self.canvas.setFillGray(0)
        if found.code:
            self._barcode(low)
        right = WIDTH - MARGIN - QR_SIZE
        pays = self._picture(right, low)
        if not pays and found.qr_text:
            self._qr(right, low)
            pays = found.qr_text != found.provider_url
        if pays or found.qr_text:
            said = _("Pays this code") if pays else _("Opens PagoEfectivo's page of this code")
            said = _("Opens the payment page") if found.by_link else said
            self._place(_fitting(said, TINY, QR_SIZE, 3), right, low - 1 * mm)
        self.end = low + QR_SIZE + 1 * mm

    def _barcode(self, low: float) -> None:
        modules = barcode.bars(self.voucher.code)
        unit = BAR_WIDTH / (len(modules) + 2 * barcode.QUIET)
        at = MARGIN  # the page's margin is the quiet zone on the left
        for module, run in groupby(modules):
            width = len(list(run)) * unit
            if module == "1":
                self.canvas.rect(at, low, width, BAR_HEIGHT, stroke=0, fill=1)
            at += width
        caption = _fitting(_("Your code as a barcode, for agents that scan"), TINY, BAR_WIDTH - 6 * mm, 2)
        self._place(caption, MARGIN, low - 1 * mm)

    def _qr(self, x: float, y: float) -> None:
        rows = qr.modules(self.voucher.qr_text)
        unit = QR_SIZE / len(rows)
        for number, row in enumerate(rows):
            at = x
            for dark, run in groupby(row):
                width = len(list(run)) * unit
                if dark:
                    self.canvas.rect(at, y + QR_SIZE - (number + 1) * unit, width, unit, stroke=0, fill=1)
                at += width

    def _picture(self, x: float, y: float) -> bool:
        """Draw the provider's own QR picture, and return whether the picture could be drawn (not broken, at most 2000
        pixels).
        """
        data = self.voucher.qr_picture.partition(",")[2]
        try:
            picture = Image.open(BytesIO(base64.b64decode(data, validate=True)))
            if max(picture.size) > 2000:
                return False
            paper = Image.new("RGBA", picture.size, "white")  # transparent parts would print black
            paper.alpha_composite(picture.convert("RGBA"))
            self.canvas.drawImage(ImageReader(paper.convert("L")), x, y, QR_SIZE, QR_SIZE)
        except Exception:  # Pillow raises many kinds of errors for broken bytes
            return False
        return True

    def _put(self, text: str, style: ParagraphStyle, *, lines: int = 1, after: float = 0.5 * mm) -> None:
        paragraph = _fitting(text, style, INNER, lines)
        if self.y - paragraph.height >= self.end:
            self._place(paragraph, MARGIN, self.y)
            self.y -= paragraph.height + after

    def _place(self, paragraph: Paragraph, x: float, top: float) -> None:
        paragraph.drawOn(self.canvas, x, top - paragraph.height)


def _fitting(text: str, style: ParagraphStyle, width: float, lines: int) -> Any:
    """Return a paragraph of at most ``lines`` lines; a longer text is cut and ends with an ellipsis."""
    text = _printable(text)
    wide = any(letter > "\u2e7f" for letter in text)
    kept, style = text, ParagraphStyle("fitting", style, wordWrap="CJK" if wide else None)
    while True:
        paragraph = Paragraph(_markup(kept if kept == text else f"{kept.rstrip()}…"), style)
        _, paragraph.height = paragraph.wrap(width, HEIGHT)
        if paragraph.height <= lines * style.leading + 0.1 or not kept:
            return paragraph
        kept = kept[: len(kept) * 9 // 10]


def _printable(text: str) -> str:
    """Return a text with a question mark for each letter that no font of the PDF has."""
    return "".join(letter if _font(letter) else "?" for letter in re.sub(r"[\s\x00-\x1f]+", " ", text))


def _markup(text: str) -> str:
    """Return a text as a paragraph's markup, with Chinese letters in a Chinese font."""
    parts = ((font, escape("".join(run))) for font, run in groupby(text, _font))
    return "".join(f'<font name="{CHINESE}">{run}</font>' if font == CHINESE else run for font, run in parts)


def _font(letter: str) -> str:
    for font, encoding in (("Helvetica", "cp1252"), (CHINESE, "gbk")):
        try:
            letter.encode(encoding)
        except UnicodeEncodeError:
            continue
        return font
    return ""
