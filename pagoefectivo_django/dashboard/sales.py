"""The sales part of the dashboard: payments of the last days, time from code to payment, amounts still payable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from ..documents.charts import columns
from ..documents.tables import Amount, Table
from ..flows.reports.sales import Bucket, Paid, conversion, days_until, open_amounts, paid_per_day
from ..money import CURRENCIES, display
from ..states import OrderState
from ..workdays import midnight
from .panels import Row, link

#: Days in the charts. A large shop's database can sum a week while the page loads.
DAYS = 7


def sales_panels(accounts: Mapping[str, str], now: datetime) -> list[Table]:
    """Return charts of payments per day and channel, one for each currency, the conversion, and the open amounts."""
    days = days_until(now, DAYS)
    paid = paid_per_day(accounts, days)
    charts = [_per_day([one for one in paid if one.currency == currency], days, accounts) for currency in CURRENCIES]
    return [*filter(None, charts), _conversion(accounts, days[0]), _open(accounts, now)]


def _per_day(paid: list[Paid], days: list[date], accounts: Mapping[str, str]) -> Table | None:
    if not paid:
        return None
    currency, by_place = paid[0].currency, {(one.day, one.account): one for one in paid}
    used = sorted({one.account for one in paid})
    nothing = Decimal(0)

    def told(day: date, account: str) -> tuple[Decimal, str]:
        one = by_place.get((day, account))
        amount = one.amount if one else nothing
        return (
            amount,
            f"{date_format(day, 'SHORT_DATE_FORMAT')} {_name(account, accounts)}: {display(amount, currency)}",
        )

    sums = {day: sum((told(day, account)[0] for account in used), nothing) for day in days}
    series = [(_name(account, accounts), [told(day, account) for day in days]) for account in used]
    chart = columns([f"{day.day}/{day.month}" for day in days], series, display(max(sums.values()), currency))
    rows: list[Row] = []
    for day in reversed(days):
        count = sum(one.count for one in paid if one.day == day)
        rows.append(
            [
                link(date_format(day, "SHORT_DATE_FORMAT"), "order", **_paid_on(day), currency__exact=currency),
                count,
                *(Amount(told(day, account)[0], currency) for account in used),
                *([Amount(sums[day], currency)] if len(used) > 1 else []),
            ]
        )
    headings = [_("day"), _("orders"), *(_name(account, accounts) for account in used)]
    total = display(sum(sums.values(), nothing), currency)
    note = _("%(total)s in the last %(days)d days, by Lima's clock.") % {"total": total, "days": DAYS}
    title = _("Paid per day and channel, %(currency)s") % {"currency": currency}
    return Table(title, [*headings, *([_("sum")] if len(used) > 1 else [])], rows, note, chart)


def _conversion(accounts: Mapping[str, str], since: date) -> Table:
    found = conversion(accounts, since)
    part = f"{100 * found.paid / found.issued:.0f} %" if found.issued else "–"
    made = {"created_at__gte": midnight(since).isoformat()}
    rows: list[Row] = [
        [_("got a code"), link(found.issued, "order", **made, cip__isnull=0), ""],
        [_("were paid"), link(found.paid, "order", **made, paid_at__isnull=0), part],
    ]
    for speed in found.speeds:
        share = f"{100 * speed.count / found.paid:.0f} %" if found.paid else "–"
        rows.append([_("… paid within %(hours)s") % {"hours": _hours(speed)}, speed.count, share])
    title = _("From the code to the payment, orders of the last %(days)d days") % {"days": DAYS}
    return Table(title, [_("orders that"), _("count"), _("share")], rows)


def _open(accounts: Mapping[str, str], now: datetime) -> Table:
    rows: list[Row] = []
    for bucket in open_amounts(accounts, now):
        wanted = {"state__exact": OrderState.PENDING.value}
        if bucket.first is not None:
            wanted["expires_at__gte"] = (now + timedelta(hours=bucket.first)).isoformat()
        if bucket.last is not None:
            wanted["expires_at__lt"] = (now + timedelta(hours=bucket.last)).isoformat()
        amounts = ", ".join(display(amount, currency) for currency, amount in sorted(bucket.amounts.items()))
        late = bucket.first is None
        label = _("is over: waits for the last look") if late else _("in %(hours)s") % {"hours": _hours(bucket)}
        rows.append([label, link(bucket.count, "order", **wanted), amounts])
    return Table(_("Can still be paid, by the time until it expires"), [_("expiry"), _("orders"), _("amount")], rows)


def _hours(bucket: Bucket) -> str:
    if bucket.last is None:
        return _("more than %(first)d h") % {"first": bucket.first or 0}
    return _("%(first)d to %(last)d h") % {"first": bucket.first or 0, "last": bucket.last}


def _name(account: str, accounts: Mapping[str, str]) -> str:
    """Return an account's alias, which staff knows, or the account where the settings have no alias."""
    return accounts.get(account) or account


def _paid_on(day: date) -> dict[str, str]:
    return {
        "paid_at__gte": midnight(day).isoformat(),
        "paid_at__lt": midnight(day + timedelta(days=1)).isoformat(),
    }
