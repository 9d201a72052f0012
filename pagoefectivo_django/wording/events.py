"""What an event of an order's history was, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from ..signals import LABELS
from ..states import Fact, Mention, Remark


def kind_label(kind: str) -> str:
    """Return the label of an event's kind, or an unknown kind as stored."""
    return str(LABELS.get(kind, kind))


def fact_label(fact: str) -> str:
    """Return the label of a fact, of what else a message tells, or of a remark; an unknown fact as stored."""
    known = next((words for words in (Fact, Mention, Remark) if fact in words.values), None)
    return str(known(fact).label) if known else fact


def deed_label(kind: str, fact: str, data: Mapping[str, Any]) -> str:
    """Return what was done to a discrepancy: opened, answered, or a person's remark."""
    if kind != "noted":
        return kind_label(kind)
    return _("answered") if "resolution" in data else fact_label(fact)
