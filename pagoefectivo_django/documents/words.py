"""How codes and moments are written for a payer; by Lima's clock, whatever the shop's is."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from django.utils.translation import gettext as _
from django.utils.translation import override

LIMA = ZoneInfo("America/Lima")

#: Our languages as Babel knows them; Spanish is Peru's.
LOCALES = {"es": "es_PE", "en": "en_US", "zh-hans": "zh_Hans_CN"}
#: With the day of the week, since "tomorrow" is misread in a mail that is a day old.
PATTERNS = {
    "es": "EEEE d 'de' MMMM, h:mm a",
    "en": "EEEE, MMMM d, h:mm a",
    "zh-hans": "M月d日EEEE HH:mm",
}

#: Between the time and its "p. m." no line breaks.
_STAYS = re.compile(r"\s(?=[apAP]\.?\s?[mM])")


def known_language(language: str) -> str:
    """Return which of our languages serves somebody who wants this one; Spanish for all that we don't have."""
    wanted = language.lower().replace("_", "-")
    return next((known for known in LOCALES if wanted.split("-")[0] == known.split("-")[0]), "es")


def moment(when: datetime, language: str) -> str:
    """Return a moment in words: ``viernes 21 de agosto, 11:59 p. m. (hora de Perú)``."""
    known = known_language(language)
    told = format_datetime(when, PATTERNS[known], tzinfo=LIMA, locale=Locale.parse(LOCALES[known]))
    with override(known):
        return _("%(moment)s (Peru time)") % {"moment": _STAYS.sub("\u00a0", told)}


def groups(code: str) -> list[str]:
    """Return a code's digits in groups that can be read out: of three if that comes out even, else of four."""
    size = 3 if len(code) % 3 == 0 and len(code) % 4 else 4
    first = len(code) % size
    return [part for part in (code[:first], *(code[at : at + size] for at in range(first, len(code), size))) if part]
