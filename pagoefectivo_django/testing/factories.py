"""Payers, orders, refunds and discrepancies for tests, made by the real flows."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from ..flows import create_order, refund_order
from ..models import Discrepancy, Order, Refund
from ..payer import Payer
from .orders import pay, run_commit_callbacks

_numbers = itertools.count(1)


def make_payer(**changes: Any) -> Payer:
    """Return a payer, Ana, with an e-mail address and a mobile number; ``changes`` are fields of ``Payer``."""
    return Payer(**{"email": "ana@example.com", "name": "Ana", "phone": "999888777"} | changes)


def make_order(reference: str = "", **changes: Any) -> Order:
    """Create an order over PEN 35.50 with a code and a reference of its own; ``changes`` as of ``create_order``.

    Inside of ``TestCase`` too the code is issued, and receivers have been called.
    """
    named: dict[str, Any] = {"amount": Decimal("35.50"), "currency": "PEN", "payer": make_payer()}
    order = create_order(reference=reference or f"ORDER-{next(_numbers)}", **named | changes)
    run_commit_callbacks()
    order.reload()
    return order


def make_refund(order: Order | None = None, amount: Decimal | None = None, **changes: Any) -> Refund:
    """Return a refund that somebody asked for, of a paid order (by default a new one); ``changes``: actor, reason."""
    asked = {"actor": "rosa", "reason": "It is sold out."} | changes
    refund = refund_order(order or pay(make_order()), amount, **asked)
    run_commit_callbacks()
    return refund


def make_discrepancy(order: Order | None = None) -> Discrepancy:
    """Return an open discrepancy *amount_mismatch*: an order, by default a new one, was paid a céntimo too much."""
    order = order or make_order()
    pay(order, amount=order.amount + Decimal("0.01"))
    return order.discrepancies.open().latest("pk")
