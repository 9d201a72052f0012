"""The JSON of orders, refunds and events, for the API and for outgoing webhooks: pure functions over loaded rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse

from ..models import Cip, Order, OrderEvent, Refund
from ..states import CipStatus, OrderState

#: The actions on an order that callers are told of.
ACTIONS = ("cancel", "extend", "reissue", "refresh", "refund", "mark_paid", "adopt_code")
#: The actions on a refund that callers are told of.
REFUND_ACTIONS = ("approve", "send", "done", "fail")


def amount_text(amount: Decimal) -> str:
    """Return an amount as the API writes amounts: ``120.50``."""
    return f"{amount:.2f}"


def moment_text(moment: datetime | None) -> str | None:
    """Return a moment as the API writes moments, ISO 8601 in UTC; None for no moment."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def order_data(
    order: Order,
    *,
    in_review: bool,
    refunded: Decimal,
    actions: Sequence[str] | None = None,
    personal: bool = False,
    site: str = "",
) -> dict[str, Any]:
    """Return an order's JSON; ``order.cip`` should be loaded.

    ``in_review`` and ``refunded``: see ``flows.reports.standing``. ``actions``: the names of the actions that are open
    to the caller; None: there is no caller, and the field is left out. ``personal``: with the payer. ``site``: the
    scheme and host for ``voucher_url`` and ``pdf_url``; without, both are left out, since whoever has such an address
    is taken for the payer.
    """
    cip = order.cip
    data: dict[str, Any] = {
        "id": str(order.public_id),
        "reference": order.reference,
        "state": str(order.state),
        "in_review": in_review,
        "amount": amount_text(order.amount),
        "currency": order.currency,
        "refunded": {"amount": amount_text(refunded), "currency": order.currency},
        "presents": _presents(cip),
        "code": order.code or None,
        "qr": (cip.qr or None) if cip and _payable(order, cip) else None,
        "payment_url": (cip.url or None) if cip and cip.is_link and _payable(order, cip) else None,
        "concept": order.concept,
        "language": order.language,
        "expires_at": moment_text(order.expires_at),
        "paid_at": moment_text(order.paid_at),
        "settled_at": moment_text(order.settled_at),
        "operation_number": order.operation_number or None,
        "metadata": order.metadata,
        "created_at": moment_text(order.created_at),
    }
    if actions is not None:
        data["actions"] = list(actions)
    if personal:
        data["payer"] = order.payer_data or None
    if site:
        for name, view in (("voucher_url", "voucher"), ("pdf_url", "voucher-pdf")):
            data[name] = site.rstrip("/") + reverse(f"pagoefectivo:{view}", args=[order.token])
    return data


def refund_data(refund: Refund, *, actions: Sequence[str] = ()) -> dict[str, Any]:
    """Return a refund's JSON; ``refund.order`` should be loaded. What people wrote, and the account, is left out."""
    return {
        "id": refund.pk,
        "order": str(refund.order.public_id),
        "amount": amount_text(refund.amount),
        "currency": refund.currency,
        "status": str(refund.status),
        "by_provider": refund.by_channel,
        "account_known": bool(refund.cci),
        "actions": list(actions),
        "requested_at": moment_text(refund.requested_at),
        "approved_at": moment_text(refund.approved_at),
        "sent_at": moment_text(refund.sent_at),
        "closed_at": moment_text(refund.closed_at),
    }


def event_data(event: OrderEvent, cursor: str | None) -> dict[str, Any]:
    """Return an event's JSON; ``event.order`` should be loaded. What people wrote is left out."""
    return {
        "id": str(event.pk),
        "cursor": cursor,
        "kind": event.kind,
        "order": str(event.order.public_id) if event.order else None,
        "discrepancy": event.discrepancy_id,
        "data": event.data,
        "occurred_at": moment_text(event.created_at),
    }


def _payable(order: Order, cip: Cip) -> bool:
    return order.state == OrderState.PENDING and cip.status == CipStatus.CURRENT


def _presents(cip: Cip | None) -> str | None:
    """Return what the payer pays by: ``code``, ``link``, ``qr``; None while there is nothing to pay by."""
    if cip is None or not (cip.code or cip.url or cip.qr):
        return None
    return "code" if cip.code else "link" if cip.url else "qr"
