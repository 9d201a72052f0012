"""Statements for tests, in PagoEfectivo's own shapes."""

import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from pagoefectivo_django.flows import import_settlement
from pagoefectivo_django.models import Order, Settlement

LIMA = ZoneInfo("America/Lima")
COMMISSION = Decimal("1.89")


def line(order: Order, **changes: Any) -> list[str]:
    """Return an order's line of a settlement text: 15 columns, of which some are unknown."""
    said: dict[str, Any] = {
        "code": order.code.zfill(14),
        "transaction_code": order.cip.transaction_code if order.cip else "",
        "gross": order.amount,
        "commission": COMMISSION,
        "paid_at": order.paid_at or order.created_at,
    } | changes
    moment = said["paid_at"].astimezone(LIMA).strftime("%d/%m/%Y %H:%M:%S")
    return [
        "1", "x", said["code"], said["transaction_code"], "x", f"{said['commission']:.2f}", f"{said['gross']:.2f}",
        moment, moment, "x", "x", "x", "BCP", "x", "Agente",
    ]  # fmt: skip


def text(lines: Iterable[list[str]]) -> bytes:
    """Return a settlement text."""
    return "".join(",".join(one) + "\r\n" for one in lines).encode()


def load(*lines: list[str], name: str = "LIQ-1001.txt", **named: Any) -> Settlement:
    """Import a settlement text of these lines."""
    return import_settlement(io.BytesIO(text(lines)), name, **{"actor": "ana", "currency": "PEN"} | named)
