"""The evidence of a discrepancy, and why the discrepancy was closed, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from ..states import Fact
from .data import sentences_of, value_of
from .sentences import ANSWERS, CLOSED, NAMES

#: The codes of closings for which the provider told a fact.
_TOLD = {f"told_{fact}": fact for fact in Fact}
#: Keys that the first column says.
_IN_SENTENCES = {"about", "answer", "error", "told", "exception"}


def evidence_table(evidence: Sequence[Mapping[str, Any]], currency: str) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows for the pieces of evidence; ``currency``: of amounts without a currency of their own."""
    used = {name for piece in evidence for name in piece} - _IN_SENTENCES
    names = [*(name for name in NAMES if name in used), *sorted(used - {*NAMES})]
    sentences = [sentences_of(piece) for piece in evidence]
    headings = [str(NAMES.get(name, name)) for name in names]
    rows = [[value_of(name, piece, currency) for name in names] for piece in evidence]
    if any(sentences):
        place = names[:1].count("at")
        headings.insert(place, _("what"))
        rows = [[*row[:place], sentence, *row[place:]] for sentence, row in zip(sentences, rows, strict=True)]
    return headings, rows


def closing_words(because: str, reason: str) -> str:
    """Return why a discrepancy was closed: a program's reason in words, and what a person wrote."""
    if because in _TOLD:
        words = str(ANSWERS["told"]) % {"told": _TOLD[because].label}
    else:
        words = str(CLOSED.get(because, because))
    return " ".join(filter(None, [words, reason]))
