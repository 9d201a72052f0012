"""Orders, made by the real flows, in the situations that tests begin with."""

import itertools
from decimal import Decimal
from typing import Any

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Cip, Order
from pagoefectivo_django.testing import make_payer, pay
from tests.clock import later

ANA = make_payer()
_numbers = itertools.count(1)


def make(reference: str = "", **changes: Any) -> Order:
    """Create an order over PEN 35.50, as ``make_order`` does, and leave it as the flow returned it."""
    named: dict[str, Any] = {"amount": Decimal("35.50"), "currency": "PEN", "payer": ANA}
    return create_order(reference=reference or f"MADE-{next(_numbers)}", **named | changes)


def bought(**changes: Any) -> Order:
    """Return a paid order; ``changes`` are those of the payment's message."""
    return pay(make(), **{"operation_number": "7"} | changes)


def without_code(**changes: Any) -> Order:
    """Return an order whose provider was down when a code was asked for."""
    MemoryChannel.fail("issue", Unavailable("down"))
    return make(**changes)


def lost(**changes: Any) -> Order:
    """Return an order whose code exists at the provider, though the answer that named the code was lost."""
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"), after=True)
    return make(**changes)


def lost_for_ever(**changes: Any) -> Order:
    """Return an order whose request for a code was lost before the provider made one."""
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"))
    return make(**changes)


def rejected(**changes: Any) -> Order:
    """Return an order that the provider refused."""
    MemoryChannel.fail("issue", Refused("no", codes=("111",)))
    return make(**changes)


def requested() -> Order:
    """Return an order as a process leaves it that ends before the provider's answer."""
    order = make()
    Order.objects.filter(pk=order.pk).update(state="new", cip=None, pending_action="issue", retry_at=later(minutes=1))
    Cip.objects.filter(order=order).update(status="requested", code=None)
    return order
