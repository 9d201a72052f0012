"""Statements for tests, in PagoEfectivo's own shapes."""

import io
from decimal import Decimal
from typing import Any

from django.test import override_settings
from django.utils import timezone

from pagoefectivo_django import workdays
from pagoefectivo_django.conf import conf
from pagoefectivo_django.flows import import_settlement
from pagoefectivo_django.flows.settlements.imports import read_settlement
from pagoefectivo_django.models import Order, Settlement
from pagoefectivo_django.testing import statements

LIMA = workdays.LIMA
text = statements.text
COMMISSION = Decimal("1.89")
#: A statement in a format of the shop's own, which has lines of refunds.
COLUMNS = {
    "code": "CIP",
    "operation_number": "Operacion",
    "gross": "Monto",
    "commission": "Comision",
    "paid_at": "Fecha",
}
OWN = {"own": {"KIND": "settlement", "COLUMNS": COLUMNS, "REFUNDS": True}}


def line(order: Order, **changes: Any) -> list[str]:
    """Return an order's line of a settlement text, with a commission of 1.89."""
    return statements.line(order, **{"commission": COMMISSION} | changes)


def load(*lines: list[str], name: str = "LIQ-1001.txt", **named: Any) -> Settlement:
    """Import a settlement text of these lines."""
    return import_settlement(io.BytesIO(text(lines)), name, **{"actor": "ana", "currency": "PEN"} | named)


def draft(*lines: list[str]) -> Settlement:
    """Read a settlement text of these lines, which nobody confirmed yet."""
    return read_settlement(io.BytesIO(text(lines)), "LIQ-1001.txt", actor="ana", currency="PEN")


def load_own(*rows: str, name: str = "own.csv") -> Settlement:
    """Import a statement in the shop's own format: rows of code, operation number, amount, commission and date."""
    data = "\n".join(["CIP;Operacion;Monto;Comision;Fecha", *rows]).encode()
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | {"STATEMENTS": OWN}):
        return import_settlement(io.BytesIO(data), name, actor="ana", currency="PEN", format="own")


def day() -> str:
    """Return today's date in Lima, as the shop's own format has it."""
    return f"{workdays.lima_day(timezone.now()):%d/%m/%Y}"
