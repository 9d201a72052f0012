"""The evidence file for a provider's support as JSON; ``evidence_pdf.py`` makes the PDF."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from ..workdays import LIMA
from .tables import Cell, Table


def evidence_json(tables: Sequence[Table]) -> bytes:
    """Return the evidence as indented JSON in UTF-8: a list of rows for each table, of the first its only row."""
    found: dict[str, object] = {}
    for table in tables:
        rows = [{name: _value(cell) for name, cell in record.items()} for record in table.records()]
        found[str(table.title)] = rows[0] if table is tables[0] else rows
        if table.left_out:
            found[f"{table.title}_left_out"] = table.left_out
    return json.dumps(found, ensure_ascii=False, indent=2).encode()


def clocks(moment: datetime) -> dict[str, str]:
    """Return a moment by Lima's clock and in UTC."""
    return {"lima": moment.astimezone(LIMA).isoformat("T", "seconds"), "utc": moment.astimezone(UTC).isoformat()}


def _value(cell: Cell) -> object:
    if isinstance(cell, datetime):
        return clocks(cell)
    return f"{cell:.2f}" if isinstance(cell, Decimal) else cell
