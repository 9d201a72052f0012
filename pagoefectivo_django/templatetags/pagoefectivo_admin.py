"""What every admin page of this app shows at its top."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from ..flows.balance import Age, Books, ages, all_books
from ..models import Discrepancy, Heartbeat
from ..money import display

#: A worker makes its round every few seconds; after this long nobody does.
ASLEEP_AFTER = timedelta(minutes=5)

register = template.Library()


@register.inclusion_tag("admin/pagoefectivo/banner.html", takes_context=True)
def pagoefectivo_banner(context: dict[str, Any]) -> dict[str, Any]:
    """Warn when no worker ran lately, and count the questions that wait for a person."""
    last = Heartbeat.objects.filter(name="tick").values_list("beaten_at", flat=True).first()
    user = context["request"].user
    may_see = user.has_perm("pagoefectivo.view_discrepancy") or user.has_perm("pagoefectivo.change_discrepancy")
    return {
        "asleep": last is None or last < timezone.now() - ASLEEP_AFTER,
        "last": last,
        "questions": Discrepancy.objects.open().count() if may_see else 0,
        "request": context["request"],  # {% url %} takes the admin site's name from it
    }


#: Each line of the equation: what it is, the sums on its left, and on its right with their signs.
_EQUATION = (
    (_("Paid by payers"), ("payments",), (("in_transit", "+"), ("settled", "+"))),
    (_("In settlements, gross"), ("gross",), (("matched", "+"), ("unmatched", "+"))),
    (_("In settlements, net"), ("net",), (("gross", "+"), ("fees", "−"), ("tax", "−"))),
    (_("Net, less refunds"), ("net", "refunds"), (("deposits", "+"), ("open_payouts", "+"))),
)
_NAMES = {
    "in_transit": _("in transit"),
    "settled": _("settled and matched"),
    "gross": _("gross"),
    "matched": _("matched"),
    "unmatched": _("not matched"),
    "fees": _("fees"),
    "tax": _("IGV"),
    "deposits": _("deposits"),
    "open_payouts": _("open payouts"),
}


@register.inclusion_tag("admin/pagoefectivo/books.html", takes_context=True)
def pagoefectivo_books(context: dict[str, Any]) -> dict[str, Any]:
    """Show the equation of the books and the age of what is not settled, to who may see settlements."""
    request = context["request"]
    if not request.user.has_perm("pagoefectivo.view_settlement"):
        return {"shown": False}
    since, until = (_day(request.GET.get(name, "")) for name in ("since", "until"))
    sections, now = list[dict[str, Any]](), timezone.now()
    for books in all_books(since, until):
        rows = [_row(books, *line) for line in _EQUATION]
        columns = [_("what"), _("sum"), _("is made of"), _("adds up")]
        sections.append({"title": books.currency, "columns": columns, "rows": rows})
        sections.append(_aged(books, ages(books.currency, now)))
    return {"shown": True, "since": since, "until": until, "sections": sections}


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:  # 2026-02-30
        return None


def _row(books: Books, what: Any, left: tuple[str, ...], right: tuple[tuple[str, str], ...]) -> list[Any]:
    whole = sum(getattr(books, name) for name in left)
    told = " ".join(f"{sign} {_NAMES[name]} {display(getattr(books, name), books.currency)}" for name, sign in right)
    parts = sum(getattr(books, name) * (-1 if sign == "−" else 1) for name, sign in right)
    return [what, display(whole, books.currency), told.removeprefix("+ "), _("yes") if parts == whole else _("NO")]


def _aged(books: Books, found: list[Age]) -> dict[str, Any]:
    title = _("Paid and in no settlement yet, by days since the payment")
    rows = [[str(age), age.count, display(age.amount, books.currency)] for age in found]
    return {"title": title, "columns": [_("days"), _("payments"), _("amount")], "rows": rows}
