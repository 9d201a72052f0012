"""The formats of PagoEfectivo's statements (protocol 7.5)."""

from __future__ import annotations

from typing import Any

#: By name, a format as in the setting ``STATEMENTS``. Columns of unknown meaning are not read.
FORMATS: dict[str, dict[str, Any]] = {
    "cip_report": {
        "KIND": "sales",
        "COLUMNS": {
            "code": "CIP",
            "transaction_code": "Nro.Ord.Comercio",
            "gross": "Monto",
            "status": "Estado",
            "paid_at": "Fec.Cancelación",
            "payer": ("Cliente Email", "Nro Documento"),
            "collector": "Canal",
        },
        # In Peru a debt that is "cancelada" has been paid, so the provider's status "Cancelada" means paid.
        "PAID": ("Cancelada", "Cancelado", "Pagada", "Pagado"),
    },
    "settlement_text": {
        "KIND": "settlement",
        "WIDTH": 15,
        "COLUMNS": {
            "code": 3,
            "transaction_code": 4,
            "commission": 6,
            "gross": 7,
            "paid_at": 9,
            "collector": (13, 15),
        },
    },
}
