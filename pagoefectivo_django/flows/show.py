"""What a payer is shown of an order; read in one statement."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.urls import reverse

from ..conf import conf
from ..documents.voucher import Voucher
from ..documents.ways import ways_of
from ..documents.words import known_language
from ..errors import InvalidRequest
from ..models import Discrepancy, Order
from ..models.database import database
from ..states import Kind, OrderState, VoucherState

SHOWN = {
    OrderState.NEW: VoucherState.GETTING,
    OrderState.PENDING: VoucherState.WAITING,
    OrderState.PAID: VoucherState.PAID,
    OrderState.EXPIRED: VoucherState.EXPIRED,
    OrderState.CANCELLED: VoucherState.CANCELLED,
    OrderState.REJECTED: VoucherState.REJECTED,
    OrderState.REFUNDED: VoucherState.REFUNDED,
}
#: Here the payer has their answer; another payment that is looked at is an aside.
ANSWERED = (OrderState.PAID, OrderState.REFUNDED)
#: About payments that were known before, and nothing that the payer could have done.
NOT_THEIRS = (Kind.REVERSED, Kind.MISSING_THERE)


def show(token: uuid.UUID, now: datetime) -> Voucher:
    """Return the voucher that a token opens; raises ``InvalidRequest`` for one that opens none."""
    questions = Discrepancy.objects.filter(order=OuterRef("pk")).open().about_money()
    orders = Order.objects.using(database()).select_related("cip").defer("payer_data", "metadata")
    found = orders.annotate(asked=Exists(questions.exclude(kind__in=NOT_THEIRS))).filter(token=token).first()
    if found is None:
        raise InvalidRequest("No order has this token.")
    return voucher_of(found, now, in_question=found.asked)  # type: ignore[attr-defined]


def voucher_of(order: Order, now: datetime, *, in_question: bool) -> Voucher:
    """Return what the payer of an order is shown. ``in_question``: a person looks at money that came for it."""
    state, cip = SHOWN[OrderState(order.state)], order.cip
    if in_question and order.state not in ANSWERED:
        state = VoucherState.IN_REVIEW
    elif state == VoucherState.WAITING and order.expires_at <= now:
        state = VoucherState.OVERDUE
    site = conf.public_url.rstrip("/")
    return Voucher(
        state=state,
        order_state=order.state,
        reference=order.reference,
        money=order.money,
        expires_at=order.expires_at,
        language=known_language(order.language),
        concept=order.concept,
        code=order.code,
        provider_url=cip.url if cip and state == VoucherState.WAITING else "",
        provider_qr=cip.qr if cip and state == VoucherState.WAITING else "",
        url=site + reverse("pagoefectivo:voucher", args=[order.token]) if site else "",
        paid_at=order.paid_at,
        operation_number=order.operation_number,
        in_question=in_question,
        renewable=state == VoucherState.EXPIRED and conf.payer_may_renew,
        ways=ways_of(order.currency),
    )
