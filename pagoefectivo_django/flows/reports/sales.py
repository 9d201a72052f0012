"""Sales: payments by day, the time from code to payment, and open amounts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from ...models import Order
from ...models.database import database
from ...states import OrderState
from ...workdays import lima_day, midnight

#: Peru's time as an offset, for databases without time zone tables; no daylight saving time since 1994.
_LIMA = timezone(timedelta(hours=-5))
#: Ranges of hours from order to payment, and ranges of hours until a code expires; None is no limit.
SPEEDS = ((0, 1), (1, 6), (6, 24), (24, None))
TERMS = ((None, 0), (0, 6), (6, 24), (24, 48), (48, None))


@dataclass(frozen=True)
class Bucket:
    """The number of orders in a range of hours from ``first`` to ``last``; ``amounts`` has sums by currency."""

    first: int | None
    last: int | None
    count: int
    amounts: dict[str, Decimal]


@dataclass(frozen=True)
class Paid:
    """The payments of a day in Lima, on an account and in a currency."""

    day: date
    account: str
    currency: str
    count: int
    amount: Decimal


@dataclass(frozen=True)
class Conversion:
    """Of the orders with a code created since a day: how many were paid, and how soon."""

    issued: int
    paid: int
    speeds: list[Bucket]


def paid_per_day(accounts: Iterable[str], days: Sequence[date]) -> list[Paid]:
    """Return the sums paid on these days of Lima, including orders refunded since."""
    orders = _of(accounts).filter(paid_at__gte=midnight(days[0]), paid_at__lt=midnight(days[-1] + timedelta(days=1)))
    rows = orders.annotate(day=TruncDate("paid_at", tzinfo=_LIMA)).values("day", "cip__account", "currency")
    found = rows.annotate(count=Count("pk"), sum=Sum("amount")).order_by("day", "cip__account", "currency")
    return [Paid(row["day"], row["cip__account"], row["currency"], row["count"], row["sum"]) for row in found]


def conversion(accounts: Iterable[str], since: date) -> Conversion:
    """Return how many orders with a code or a link, created since a day, were paid, and how soon."""
    known = Q(cip__code__isnull=False) | Q(cip__provider_id__isnull=False)
    orders = _of(accounts).filter(known, created_at__gte=midnight(since))
    took = ExpressionWrapper(F("paid_at") - F("created_at"), output_field=DurationField())
    sums: dict[str, Any] = {"issued": Count("pk"), "paid": Count("pk", filter=Q(paid_at__isnull=False))}
    for place, limits in enumerate(SPEEDS):
        within = Q(paid_at__isnull=False) & _between("took", *limits, zero=timedelta(0))
        sums[f"speed_{place}"] = Count("pk", filter=within)
    found = orders.annotate(took=took).aggregate(**sums)
    speeds = [Bucket(*limits, found[f"speed_{place}"], {}) for place, limits in enumerate(SPEEDS)]
    return Conversion(found["issued"], found["paid"], speeds)


def open_amounts(accounts: Iterable[str], now: datetime) -> list[Bucket]:
    """Return the amounts of pending orders by hours until expiry; the first range awaits the last look."""
    orders = _of(accounts).filter(state=OrderState.PENDING)
    rows = {
        place: orders.filter(_between("expires_at", *limits, zero=now)).values_list("currency").order_by("currency")
        for place, limits in enumerate(TERMS)
    }
    found = []
    for place, limits in enumerate(TERMS):
        sums = list(rows[place].annotate(count=Count("pk"), sum=Sum("amount")))
        amounts = {currency: amount for currency, _, amount in sums}
        found.append(Bucket(*limits, sum(count for _, count, _ in sums), amounts))
    return found


def days_until(now: datetime, count: int) -> list[date]:
    """Return the last ``count`` days of Lima, today last."""
    today = lima_day(now)
    return [today - timedelta(days=ago) for ago in reversed(range(count))]


def _of(accounts: Iterable[str]) -> QuerySet[Order]:
    return Order.objects.using(database()).filter(cip__account__in=list(accounts))


def _between(name: str, first: int | None, last: int | None, *, zero: Any) -> Q:
    within = Q()
    if first is not None:
        within &= Q(**{f"{name}__gte": zero + timedelta(hours=first)})
    if last is not None:
        within &= Q(**{f"{name}__lt": zero + timedelta(hours=last)})
    return within
