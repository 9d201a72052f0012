"""The sums of settlements, for lists, in one query."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from ...fees import CENT
from ...models import Settlement, SettlementLine
from ...models.database import database
from ...states import LineStatus

#: The names of the sums.
SUMS = ("gross", "fee", "tax", "net")


def sums_of_lines(settlements: Iterable[Settlement]) -> dict[int, dict[str, Decimal]]:
    """Return, by a settlement's primary key, the sums of the lines that are no duplicates."""
    pks = [settlement.pk for settlement in settlements]
    lines = SettlementLine.objects.using(database()).filter(settlement__in=pks).exclude(status=LineStatus.DUPLICATE)
    rows = lines.order_by().values("settlement").annotate(**{f"sum_{name}": Sum(name) for name in SUMS})
    found: dict[int, dict[str, Any]] = {row["settlement"]: dict(row) for row in rows}
    return {
        pk: {name: Decimal(str(found.get(pk, {}).get(f"sum_{name}") or 0)).quantize(CENT) for name in SUMS}
        for pk in pks
    }
