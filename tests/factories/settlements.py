"""Rows of settlements and their lines, as an import leaves them."""

import itertools
from decimal import Decimal
from typing import Any

from django.utils import timezone

from pagoefectivo_django.models import Settlement, SettlementLine
from pagoefectivo_django.states import LineStatus, SettlementStatus, StatementKind

_numbers = itertools.count(1)


def settlement(**changes: Any) -> Settlement:
    """Return a settlement that was imported, without lines."""
    number, now = next(_numbers), timezone.now()
    named: dict[str, Any] = {
        "kind": StatementKind.SETTLEMENT,
        "account": "memory:default",
        "reference": f"LIQ-{number}",
        "dated": timezone.localdate(now),
        "currency": "PEN",
        "status": SettlementStatus.DONE,
        "file_name": f"liq-{number}.txt",
        "digest": f"{number:064}",
        "once": True,
        "imported_by": "rosa",
        "created_at": now,
    }
    return Settlement.objects.create(**named | changes)


def settlement_line(of: Settlement | None = None, **changes: Any) -> SettlementLine:
    """Return a line of a settlement that nobody could match."""
    number = next(_numbers)
    named: dict[str, Any] = {
        "settlement": of or settlement(),
        "number": number,
        "code": f"77{number}",
        "currency": "PEN",
        "gross": Decimal("35.50"),
        "fee": Decimal("1.00"),
        "tax": Decimal("0.18"),
        "paid_at": timezone.now(),
        "digest": f"{number:064}",
        "first": True,
        "status": LineStatus.DISCREPANCY,
        "about": "no_such_order",
    }
    named |= changes
    return SettlementLine.objects.create(net=named["gross"] - named["fee"] - named["tax"], **named)
