"""The formats of dLocal's statements (3.9)."""

from __future__ import annotations

from typing import Any

#: By name, a format as in the setting ``STATEMENTS``. A cross-border report states fee and net in the currency of the
#: payout, at a rate that a line of ours can't hold; so only the payer's side is read, and the report settles nothing.
FORMATS: dict[str, dict[str, Any]] = {
    "dlocal_cross_border": {
        "KIND": "sales",
        "COLUMNS": {
            "transaction_code": "TRANSACTION_ID",
            "gross": "LOCAL_AMOUNT",
            "currency": "LOCAL_CURRENCY",
        },
    },
}
