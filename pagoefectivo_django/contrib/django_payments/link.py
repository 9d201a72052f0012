"""The link between an order and the payment of django-payments that the order was made for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...models import Order
from ...models.database import database
from ...states import OPEN, OrderState

#: The key of ``Order.metadata`` with the payment's token.
KEY = "django_payments"


def token_of(order: Order) -> str:
    """Return the token of the payment that an order was made for; empty for any other order."""
    token = order.metadata.get(KEY) if isinstance(order.metadata, dict) else None
    return token if isinstance(token, str) else ""


def number_of(order: Order) -> str:
    """Return what a payment has as its ``transaction_id``; the link that stays when the payer's data is erased."""
    return str(order.public_id)


def orders_of(reference: str, payment: Any) -> list[Order]:
    """Return the orders of a payment, oldest first: a further one only where the payment's total was changed."""
    orders = Order.objects.using(database()).select_related("cip").filter(reference=reference).order_by("pk")
    return [
        order
        for order in orders
        if (token_of(order) == payment.token if token_of(order) else number_of(order) == payment.transaction_id)
    ]


def decisive(orders: Iterable[Order]) -> Order | None:
    """Return the order that a payment follows: a paid one, else one that can be paid, else the newest; None of none."""
    return max(orders, key=lambda order: (order.state == OrderState.PAID, order.state in OPEN, order.pk), default=None)
