"""The short texts: a voucher and the name of a message in, an SMS out."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.utils import translation

from ..documents.voucher import Voucher
from .compose import told

#: A single letter outside of GSM 03.38 makes every part of an SMS 67 letters long instead of 153. It has é, ñ and ü.
NEAREST = str.maketrans("áíóúÁÍÓÚ", "aiouAIOU")


def short_text(name: str, voucher: Voucher) -> str:
    """Return a message as one line, in the voucher's language: the template ``pagoefectivo/sms/<name>.txt``."""
    with translation.override(voucher.language):
        text = render_to_string(f"pagoefectivo/sms/{name}.txt", told(name, voucher))
    return " ".join(text.translate(NEAREST).split())  # also blanks that don't break, which GSM lacks
