"""A payer's requests under Ley 29733: erasure of the payer's data, and a copy of the data kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from django.db.models import CharField, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Replace, Upper
from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...models import Notification, Order, Payment, Refund
from ...models.clock import current_time
from ...models.database import database
from ...payer import bare
from ...states import Remark
from ...texts import one_line
from ..ledger.remark import record_remark
from .forget import anonymise


@dataclass(frozen=True)
class Erased:
    """The references of orders whose payer data was erased, and of orders that still need the data."""

    erased: list[str]
    kept: list[str]


def erase_payer(
    *, email: str = "", document_number: str = "", actor: Actor | str, reason: str, now: datetime | None = None
) -> Erased:
    """Erase a payer's data in every order, and return the references; an order that still needs the data follows later.

    Raises ``InvalidRequest`` without an e-mail address or document number, without an actor or without a reason.
    """
    if not Actor.of(actor) or not reason.strip():
        raise InvalidRequest(
            _("A payer is erased by somebody, for a reason; pass actor and reason."), code="erasing_needs_reason"
        )
    now = now or current_time()
    erased, kept = [], []
    for order in orders_of(email=email, document_number=document_number).order_by("pk"):
        if anonymise(order.pk, actor=actor, reason=reason, now=now):
            erased.append(order.reference)
        else:
            Order.objects.using(database()).filter(pk=order.pk).update(erase_asked_at=now)
            record_remark(order, Remark.ERASURE, actor=actor, reason=reason, now=now)
            kept.append(order.reference)
    return Erased(erased, kept)


def orders_of(*, email: str = "", document_number: str = "") -> QuerySet[Order]:
    """Return the orders of a payer, by e-mail address or document number, however written or pasted.

    Raises ``InvalidRequest`` without either.
    """
    orders = Order.objects.using(database())
    if email := one_line(email):
        return orders.filter(email__iexact=email)
    if document_number := bare(document_number):
        # A document number may be stored with blanks, points or hyphens, as the shop passed it.
        written: Any = Cast(KT("payer_data__document_number"), CharField())
        plain = Upper(reduce(lambda text, mark: Replace(text, Value(mark), Value("")), " -.", written))
        return orders.alias(plain_document=plain).filter(plain_document=document_number)
    raise InvalidRequest(_("Whose data? Pass an e-mail address or a document number."), code="payer_not_named")


def hand_out(
    *, email: str = "", document_number: str = "", actor: Actor | str, accounts: bool = True
) -> dict[str, Any]:
    """Return ``payer_data`` for a download, recorded in each order's history with the actor."""
    found = payer_data(email=email, document_number=document_number, accounts=accounts)
    for order in orders_of(email=email, document_number=document_number):
        record_remark(order, Remark.DOWNLOADED, actor=actor, data={"file": "payer.json"})
    return found


def payer_data(*, email: str = "", document_number: str = "", accounts: bool = True) -> dict[str, Any]:
    """Return all data kept about a payer, as values for JSON.

    ``accounts`` False: the numbers of the accounts for refunds are cut to their last four digits.
    """
    orders = orders_of(email=email, document_number=document_number)
    return {"orders": [_of_order(order, accounts) for order in orders]}


def _of_order(order: Order, accounts: bool) -> dict[str, Any]:
    alias = database()
    cips = list(order.cips.using(alias).order_by("pk"))
    codes = {(cip.account, name) for cip in cips for name in cip.message_names}
    messages = Notification.objects.using(alias).filter(code__in=[code for _, code in codes]).order_by("pk")
    payments = Payment.objects.using(alias).filter(cip__order=order).order_by("pk")
    refunds = Refund.objects.using(alias).filter(order=order).order_by("pk")
    return {
        "reference": order.reference,
        "amount": f"{order.amount:.2f} {order.currency}",
        "state": order.state,
        "created_at": order.created_at.isoformat(),
        "email": order.email,
        "payer": order.payer_data,
        "concept": order.concept,
        "metadata": order.metadata,
        "language": order.language,
        "codes": [
            {"code": cip.code, "expires_at": cip.expires_at and cip.expires_at.isoformat(), "page": cip.url}
            for cip in cips
        ],
        "payments": [
            {
                "amount": f"{payment.amount:.2f} {payment.currency}",
                "operation_number": payment.operation_number,
                "paid_at": payment.paid_at.isoformat() if payment.paid_at else None,
            }
            for payment in payments
        ],
        "refunds": [
            {
                "amount": f"{one.amount:.2f} {one.currency}",
                "bank": one.bank,
                "cci": one.cci if accounts or not one.cci else f"…{one.cci[-4:]}",
                "holder": one.holder,
            }
            for one in refunds
        ],
        "messages_from_the_provider": [
            bytes(row.body).decode(errors="replace") for row in messages if (row.account, row.code) in codes
        ],
    }
