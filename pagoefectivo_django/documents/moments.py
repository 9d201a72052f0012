"""Moments in words for a payer, by Lima's clock, whatever time zone the shop's settings name."""

from __future__ import annotations

import re
from datetime import datetime

from babel import Locale
from babel.dates import format_datetime
from django.utils.translation import gettext as _
from django.utils.translation import override

from ..workdays import LIMA
from .languages import LOCALES, known_language

#: With the day of the week: "tomorrow" would be misread in a mail that is opened a day later.
PATTERNS = {
    "es": "EEEE d 'de' MMMM, h:mm a",
    "en": "EEEE, MMMM d, h:mm a",
    "zh-hans": "M月d日EEEE HH:mm",
}

#: The blank between the time and "p. m.", at which no line may break.
_STAYS = re.compile(r"\s(?=[apAP]\.?\s?[mM])")


def moment(when: datetime, language: str) -> str:
    """Return a moment in words: ``viernes 21 de agosto, 11:59 p. m. (hora de Perú)``."""
    known = known_language(language)
    told = format_datetime(when, PATTERNS[known], tzinfo=LIMA, locale=Locale.parse(LOCALES[known]))
    with override(known):
        return _("%(moment)s (Peru time)") % {"moment": _STAYS.sub("\u00a0", told)}
