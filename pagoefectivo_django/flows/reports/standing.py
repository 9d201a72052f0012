"""The standing of orders: in review or not, and the sum that went back; for lists, in two queries."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from ...models import Discrepancy, Order, Refund
from ...models.database import database


class Standing(NamedTuple):
    """``in_review``: a discrepancy about the order's money is open. ``refunded``: the sum of the refunds sent."""

    in_review: bool
    refunded: Decimal


def standings(orders: Iterable[Order]) -> dict[int, Standing]:
    """Return the standing of each order, by primary key."""
    pks = [order.pk for order in orders]
    alias = database()
    asked = Discrepancy.objects.using(alias).filter(order__in=pks).open().about_money()
    in_review = set(asked.values_list("order", flat=True)) if pks else set()
    sums = Refund.objects.using(alias).filter(order__in=pks).sent().order_by().values_list("order")
    refunded = dict(sums.annotate(Sum("amount"))) if pks else {}
    return {pk: Standing(pk in in_review, Decimal(refunded.get(pk, 0))) for pk in pks}
