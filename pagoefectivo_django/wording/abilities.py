"""The abilities of channels in words: the headings of the table, and a text for each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: By the field's name, in the table's order.
HEADINGS: dict[str, Promise] = {
    "presents": _("the payer gets"),
    "currencies": _("currencies"),
    "amounts": _("amounts"),
    "countries": _("countries of payers"),
    "needs_document": _("needs a document"),
    "expires_within": _("date of the code"),
    "life": _("life of a link"),
    "can_look_up": _("look-up"),
    "can_find": _("finds lost answers"),
    "can_delete": _("deletes"),
    "can_extend": _("extends"),
    "can_refund": _("refunds"),
    "tells_reversals": _("tells reversals"),
    "statement_formats": _("reads settlements"),
}
PRESENTS = {"code": _("a code"), "link": _("a link")}


def in_words(abilities: DataclassInstance) -> dict[str, str | Promise]:
    """Return the cell of each ability, by the names of ``HEADINGS``."""
    return {each.name: _cell(each.name, getattr(abilities, each.name)) for each in fields(abilities)}


def _cell(name: str, value: Any) -> str | Promise:
    if isinstance(value, bool) or name == "statement_formats":
        return _("yes") if value else _("no")
    if name == "presents":
        return PRESENTS[value]
    if name in ("currencies", "countries"):
        return ", ".join(sorted(value)) or _("any")
    if name == "needs_document":
        return ", ".join(value) or _("no")
    if name == "amounts":
        return _amounts(value)
    if value is None:
        return _("any or none") if name == "expires_within" else "–"
    if name == "expires_within":
        return format_lazy("{} – {}", *map(_span, value))
    return _span(value)


def _amounts(limits: Mapping[str, tuple[Decimal, Decimal]]) -> str | Promise:
    if not limits:
        return _("not declared")
    return ", ".join(f"{currency} {least:,.2f}–{most:,.2f}" for currency, (least, most) in limits.items())


def _span(span: timedelta) -> Promise:
    if span >= timedelta(days=2):
        return format_lazy(ngettext_lazy("{} day", "{} days", span.days), span.days)
    minutes = round(span.total_seconds() / 60)
    if minutes % 60 == 0:
        return format_lazy(ngettext_lazy("{} hour", "{} hours", minutes // 60), minutes // 60)
    return format_lazy(ngettext_lazy("{} minute", "{} minutes", minutes), minutes)
