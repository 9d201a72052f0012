"""One order in each state that a payer can be shown."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from pagoefectivo_django.flows import cancel_order
from pagoefectivo_django.models import Order
from pagoefectivo_django.states import VoucherState
from pagoefectivo_django.testing import expire, notify, pay
from tests.factories.orders import make, rejected, without_code
from tests.factories.refunds import refund_at


def _getting(**of: Any) -> Order:
    return without_code(**of)


def _overdue(**of: Any) -> Order:
    order = make(**of)
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    return order


def _rejected(**of: Any) -> Order:
    return rejected(**of)


def _in_review(**of: Any) -> Order:
    order = make(**of)
    assert notify(order, amount=order.amount + Decimal(1)) == 200
    return order


def _refunded(**of: Any) -> Order:
    order = pay(make(**of), operation_number="OP-314159")
    refund_at("done", order)
    return order


MAKERS: dict[VoucherState, Callable[..., Order]] = {
    VoucherState.GETTING: _getting,
    VoucherState.WAITING: make,
    VoucherState.OVERDUE: _overdue,
    VoucherState.PAID: lambda **of: pay(make(**of), operation_number="OP-314159"),
    VoucherState.EXPIRED: lambda **of: expire(make(**of)),
    VoucherState.CANCELLED: lambda **of: cancel_order(make(**of)),
    VoucherState.REJECTED: _rejected,
    VoucherState.IN_REVIEW: _in_review,
    VoucherState.REFUNDED: _refunded,
}


def order_in(state: VoucherState, **of: Any) -> Order:
    """Make an order of which the payer is shown this state."""
    order = MAKERS[state](**{"concept": "Dos polos de algodón"} | of)
    order.reload()
    return order
