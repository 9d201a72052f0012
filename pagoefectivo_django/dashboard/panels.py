"""The verdicts of the dashboard, and links to the filtered lists behind each figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.formats import localize
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from ..documents.tables import Cell, Link

Row = list[Cell]


@dataclass(frozen=True)
class Verdict:
    """One of the three answers at the top of the dashboard; ``mood`` is "good", "wait" or "bad"."""

    subject: Any
    answer: Any
    mood: str


#: The name of the admin site whose page is being made. A shop may have several, with different users.
_site: ContextVar[str | None] = ContextVar("pagoefectivo admin site", default=None)


@contextmanager
def on_site_of(request: HttpRequest) -> Iterator[None]:
    """Have ``address`` and ``link`` lead to the admin site of a request, inside a ``with`` block."""
    match = request.resolver_match
    token = _site.set(getattr(request, "current_app", None) or (match.namespace if match else None))
    try:
        yield
    finally:
        _site.reset(token)


def address(model: str, **wanted: Any) -> str:
    """Return the path of a model's filtered list, or "" where the admin has no such list."""
    try:
        path = reverse(f"admin:pagoefectivo_{model}_changelist", current_app=_site.get())
    except NoReverseMatch:
        return ""
    return f"{path}?{urlencode(wanted)}" if wanted else path


def link(text: Any, model: str, **wanted: Any) -> Link:
    """Return a text as a link to a model's filtered list; without an address where the admin has no such list."""
    return Link(text, address(model, **wanted))


def ago(moment: datetime | None, now: datetime) -> str:
    """Return a moment with the time since then, such as "Nov. 23, 2026, 3 p.m. (2 hours ago)"; "never" for None."""
    if moment is None:
        return _("never")
    return _("%(when)s (%(ago)s ago)") % {"when": localize(localtime(moment)), "ago": timesince(moment, now)}
