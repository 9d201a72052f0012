"""The equation of the books, and the age of payments that are not settled."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.dateparse import parse_date
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from ..documents.tables import Amount, Table
from ..flows.reports.balance import Age, Books, ages, all_books, limits
from ..flows.reports.health import MOST_COUNTED
from ..money import CURRENCIES, display
from ..workdays import lima_day
from .panels import Row, link

#: The default period in days: for a large shop the sum over all days takes seconds.
EQUATION_DAYS = 2

#: Each line of the equation: a label, the names of the sums on the left, and the signed names on the right.
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


def books(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Return the context of the books' template; ``{"shown": False}`` for users who may not see settlements."""
    if not request.user.has_perm("pagoefectivo.view_settlement"):
        return {"shown": False}
    since, until = (_day(request.GET.get(name, "")) for name in ("since", "until"))
    if not {"since", "until"} & set(request.GET):
        since = lima_day(now) - timedelta(days=EQUATION_DAYS - 1)
    found, panels = {book.currency: book for book in all_books(since, until)}, list[Table]()
    for currency in dict.fromkeys((*CURRENCIES, *found)):
        if currency in found:
            rows = [_row(found[currency], *line) for line in _EQUATION]
            panels.append(Table(currency, [_("what"), _("sum"), _("is made of"), _("adds up")], rows))
        waiting = ages(currency, now, most=MOST_COUNTED)
        if currency in found or any(age.count for age in waiting):
            panels.append(_aged(currency, waiting, now))
    return {"shown": True, "since": since, "until": until, "panels": panels}


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:  # 2026-02-30
        return None


def _row(books: Books, what: Any, left: tuple[str, ...], right: tuple[tuple[str, str], ...]) -> Row:
    whole = sum(getattr(books, name) for name in left)
    told = " ".join(f"{sign} {_NAMES[name]} {display(getattr(books, name), books.currency)}" for name, sign in right)
    parts = sum(getattr(books, name) * (-1 if sign == "−" else 1) for name, sign in right)
    return [what, Amount(whole, books.currency), told.removeprefix("+ "), _("yes") if parts == whole else _("NO")]


def _aged(currency: str, found: list[Age], now: datetime) -> Table:
    title = format_lazy("{}, {}", _("Paid and in no settlement yet, by days since the payment"), currency)
    rows: list[Row] = []
    for age in found:
        within = {name: moment.isoformat() for name, moment in limits(age.first, age.last, now, "paid_at").items()}
        wanted = {"currency__exact": currency, "settled_at__isnull": 1, **within}
        more = _("or more") if age.at_least else ""
        rows.append([str(age), link(f"{age.count} {more}".strip(), "order", **wanted), Amount(age.amount, currency)])
    return Table(title, [_("days"), _("payments"), _("amount")], rows)
