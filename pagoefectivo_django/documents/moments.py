"""How moments are written for a payer; by Lima's clock, whatever the shop's is."""

from __future__ import annotations

import re
from datetime import datetime

from babel import Locale
from babel.dates import format_datetime
from django.utils.translation import gettext as _
from django.utils.translation import override

from ..workdays import LIMA
from .words import LOCALES, known_language

#: With the day of the week, since "tomorrow" is misread in a mail that is a day old.
PATTERNS = {
    "es": "EEEE d 'de' MMMM, h:mm a",
    "en": "EEEE, MMMM d, h:mm a",
    "zh-hans": "M月d日EEEE HH:mm",
}

#: Between the time and its "p. m." no line breaks.
_STAYS = re.compile(r"\s(?=[apAP]\.?\s?[mM])")


def moment(when: datetime, language: str) -> str:
    """Return a moment in words: ``viernes 21 de agosto, 11:59 p. m. (hora de Perú)``."""
    known = known_language(language)
    told = format_datetime(when, PATTERNS[known], tzinfo=LIMA, locale=Locale.parse(LOCALES[known]))
    with override(known):
        return _("%(moment)s (Peru time)") % {"moment": _STAYS.sub("\u00a0", told)}
