"""Mercado Pago's words for the status of a payment and of a refund, and what each means (aggregators 5.2, B.2)."""

from __future__ import annotations

from ...states import Fact, RefundStatus

#: The ``status`` of a payment. A final ``expired`` is named beside ``cancelled`` in additions B.2.
STATUSES = {
    "pending": Fact.ISSUED,
    "in_process": Fact.IN_PROCESS,
    "authorized": Fact.IN_PROCESS,
    "in_mediation": Fact.IN_PROCESS,
    "approved": Fact.PAYMENT,
    "rejected": Fact.CODE_FAILED,
    "cancelled": Fact.CODE_DELETED,
    "expired": Fact.CODE_EXPIRED,
    "refunded": Fact.PAYMENT_REVERSED,
    "charged_back": Fact.PAYMENT_REVERSED,
}
#: The pairs of ``status`` and ``status_detail`` that mean something else than the status alone.
DETAILS = {("cancelled", "expired"): Fact.CODE_EXPIRED}
#: The ``status`` of a refund; a refund with any further word is under way.
REFUNDS = {"approved": RefundStatus.DONE, "rejected": RefundStatus.FAILED, "cancelled": RefundStatus.FAILED}
#: The ``error`` of an answer about a payment or refund that Mercado Pago has not.
NOT_FOUND = "not_found"
