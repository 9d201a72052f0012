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


#: Each line of the equation: what it is of, left of the sign and right of it.
_EQUATION = (
    (_("Paid by payers"), (("payments", ""),), (("in_transit", "+"), ("settled", "+"))),
    (_("In settlements, gross"), (("gross", ""),), (("matched", "+"), ("unmatched", "+"))),
    (_("In settlements, net"), (("net", ""),), (("gross", "+"), ("fees", "−"), ("tax", "−"))),
    (_("At the bank"), (("net", ""), ("refunds", "+")), (("deposits", "+"), ("open_payouts", "+"))),
)
_NAMES = {
    "payments": _("payments"),
    "in_transit": _("in transit"),
    "settled": _("settled and matched"),
    "gross": _("gross"),
    "matched": _("matched"),
    "unmatched": _("not matched"),
    "net": _("net"),
    "fees": _("fees"),
    "tax": _("IGV"),
    "refunds": _("refunds"),
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
        columns = [_("what"), _("sum"), _("of"), _("is made of"), _("adds up")]
        sections.append({"title": books.currency, "columns": columns, "rows": rows})
        sections.append(_aged(books, ages(books.currency, now)))
    return {"shown": True, "since": since, "until": until, "sections": sections}


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:  # 2026-02-30
        return None


def _row(books: Books, what: Any, left: tuple[Any, ...], right: tuple[Any, ...]) -> list[Any]:
    sums = [sum(getattr(books, name) for name, _sign in left), _told(books, left), _told(books, right)]
    whole = sum(getattr(books, name) * (-1 if sign == "−" else 1) for name, sign in right)
    return [what, display(sums[0], books.currency), sums[1], sums[2], _("yes") if whole == sums[0] else _("NO")]


def _told(books: Books, terms: tuple[Any, ...]) -> str:
    told = (f"{sign} {_NAMES[name]} {display(getattr(books, name), books.currency)}" for name, sign in terms)
    return " ".join(told).removeprefix("+").strip()


def _aged(books: Books, found: list[Age]) -> dict[str, Any]:
    title = _("Paid and in no settlement yet, by days since the payment")
    rows = [[str(age), age.count, display(age.amount, books.currency)] for age in found]
    return {"title": title, "columns": [_("days"), _("payments"), _("amount")], "rows": rows}
