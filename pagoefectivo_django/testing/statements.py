"""Statements as PagoEfectivo writes them, about orders of a test."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ..fees import expected_fee
from ..models import Order
from ..workdays import LIMA, lima_day


def line(order: Order, **changes: Any) -> list[str]:
    """Return an order's line of a settlement text: 15 columns, of which some are unknown.

    ``changes``: another ``code``, ``transaction_code``, ``gross``, ``commission`` or ``paid_at``.
    """
    paid_at = order.paid_at or order.created_at
    fee = None if "commission" in changes else expected_fee(order.amount, order.currency, lima_day(paid_at))
    said: dict[str, Any] = {
        "code": order.code.zfill(14),
        "transaction_code": order.cip.transaction_code if order.cip else "",
        "gross": order.amount,
        "commission": fee.total if fee else Decimal(0),
        "paid_at": paid_at,
    } | changes
    moment = said["paid_at"].astimezone(LIMA).strftime("%d/%m/%Y %H:%M:%S")
    return [
        "1", "x", said["code"], said["transaction_code"], "x", f"{said['commission']:.2f}", f"{said['gross']:.2f}",
        moment, moment, "x", "x", "x", "BCP", "x", "Agente",
    ]  # fmt: skip


def text(lines: Iterable[list[str]]) -> bytes:
    """Return a settlement text of these lines."""
    return "".join(",".join(one) + "\r\n" for one in lines).encode()
