"""Orders for tests, made by the real flows."""

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Cip, Order
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact

ANA = Payer(email="ana@example.com", name="Ana", phone="999888777")
_numbers = itertools.count(1)


def make(**changes: Any) -> Order:
    """Create an order over PEN 35.50 with a code, unless ``changes`` say otherwise."""
    named: dict[str, Any] = {
        "reference": f"ORDER-{next(_numbers)}",
        "amount": Decimal("35.50"),
        "currency": "PEN",
        "payer": ANA,
    }
    return create_order(**named | changes)


def report(cip: Cip, fact: Fact = Fact.PAYMENT, **changes: Any) -> Report:
    """Return what the provider would say of a code."""
    named: dict[str, Any] = {"account": cip.account, "fact": fact, "code": cip.code or ""}
    if fact == Fact.PAYMENT:
        named |= {"amount": cip.order.amount, "currency": cip.order.currency, "paid_at": timezone.now()}
    return Report(**named | changes)


def later(**of: float) -> datetime:
    return timezone.now() + timedelta(**of)
