"""The formats of dLocal's statements (3.9)."""

from __future__ import annotations

from typing import Any

#: By name, a format as in the setting ``STATEMENTS``. Of a cross-border report, the columns ``LOCAL_…`` are the payer's
#: money; gross, fee and net are in the currency of the payout. ``ROW_TYPE`` is not read, since its values are not
#: public: a negative line is money that goes back.
FORMATS: dict[str, dict[str, Any]] = {
    "dlocal_cross_border": {
        "KIND": "settlement",
        "REFUNDS": True,
        "COLUMNS": {
            "transaction_code": "TRANSACTION_ID",
            "payment_amount": "LOCAL_AMOUNT",
            "payment_currency": "LOCAL_CURRENCY",
            "rate": "FX_RATE",
            "currency": "SETTLEMENT_CURRENCY",
            "gross": "GROSS_AMOUNT",
            "commission": "FEE_AMOUNT",
            "net": "NET_AMOUNT",
        },
    },
}
