"""SMS texts to the payer, composed from a voucher and the name of a message."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.utils import translation

from ..documents.voucher import Voucher
from .compose import told

#: Letters replaced because GSM 03.38 lacks them (it has é, ñ and ü): a single such letter shortens every part of an SMS
#: from 153 to 67 characters.
NEAREST = str.maketrans("áíóúÁÍÓÚ", "aiouAIOU")


def short_text(name: str, voucher: Voucher) -> str:
    """Return a message as one line in the voucher's language, from the template ``pagoefectivo/sms/<name>.txt``."""
    with translation.override(voucher.language):
        text = render_to_string(f"pagoefectivo/sms/{name}.txt", told(name, voucher))
    return " ".join(text.translate(NEAREST).split())  # also replaces no-break spaces, which GSM 03.38 lacks
