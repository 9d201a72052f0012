"""How old the money is that was paid and that no settlement has yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Sum

from ...models import Order
from ...models.database import database
from ...workdays import lima_day, midnight
from ..balance import AGES
from .health import MOST_COUNTED


@dataclass(frozen=True)
class Aged:
    """Orders paid so many days of Lima ago; ``at_least``: there are more, and only the newest are counted."""

    first: int
    last: int | None
    count: int
    amount: Decimal
    at_least: bool = False

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last is not None else f">{self.first - 1}"

    def within(self, now: datetime) -> dict[str, str]:
        """Return the conditions on ``paid_at``, as an address has them."""
        return {name: moment.isoformat() for name, moment in _limits(self.first, self.last, now).items()}


def aged(currency: str, now: datetime) -> list[Aged]:
    """Return the orders that are paid and not settled, by age; never more of one age than a page can count."""
    found = []
    for first, last in AGES:
        orders = Order.objects.using(database()).paid().filter(currency=currency, settled_at__isnull=True)
        orders = orders.filter(**_limits(first, last, now)).order_by("-paid_at")
        # The oldest may be all that a shop ever sold, if it imports no settlements.
        counted = orders[:MOST_COUNTED] if last is None else orders.order_by()
        sums = counted.aggregate(count=Count("pk"), sum=Sum("amount"))
        more = last is None and sums["count"] == MOST_COUNTED
        found.append(Aged(first, last, sums["count"], sums["sum"] or Decimal(0), more))
    return found


def _limits(first: int, last: int | None, now: datetime) -> dict[str, datetime]:
    today = lima_day(now)
    limits = {"paid_at__lt": midnight(today - timedelta(days=first - 1))}
    if last is not None:
        limits["paid_at__gte"] = midnight(today - timedelta(days=last))
    return limits
