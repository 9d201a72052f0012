"""Refunds at each step of their way."""

from decimal import Decimal
from typing import Any

from pagoefectivo_django.flows import close_refund, refund_order
from pagoefectivo_django.flows.refunds.refund import approve_refund, give_account, send_refund
from pagoefectivo_django.models import Order, Refund
from tests.factories.orders import bought

CCI = "01136600010003254221"
ACCOUNT: dict[str, Any] = {"bank": "BBVA", "cci": CCI, "holder": "Ana Quispe"}


def refund_at(step: str, order: Order | None = None, amount: str | None = None, **changes: Any) -> Refund:
    """Return a refund at a step: requested, approved, named (the payer's account is known), sent, done or failed.

    ``amount``: a part of the order's money; ``changes`` are those of the request.
    """
    asked: dict[str, Any] = {"actor": "rosa", "reason": "It is sold out."} | changes
    return bring(refund_order(order or bought(), Decimal(amount) if amount else None, **asked), step)


def bring(refund: Refund, step: str) -> Refund:
    """Take a requested refund on to a step, and return the refund."""
    if step != "requested":
        refund = approve_refund(refund, actor="eva")
    if step in ("named", "sent", "done"):
        refund = give_account(refund, **ACCOUNT)
    if step in ("sent", "done"):
        refund = send_refund(refund, actor="eva")
    if step in ("done", "failed"):
        refund = close_refund(refund, done=step == "done", actor="eva", reason="The bank says so.")
    return refund
