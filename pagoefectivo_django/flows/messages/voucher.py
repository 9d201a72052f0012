"""The voucher's content: the payer's view of an order, read in a single statement."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext_noop as _

from ...conf import conf
from ...documents.languages import known_language
from ...documents.voucher import Returning, Voucher
from ...documents.ways import ways_of
from ...errors import InvalidRequest
from ...models import Discrepancy, Order, Refund
from ...models.database import database
from ...states import OPEN, CipStatus, Kind, OrderState, PendingAction, RefundStatus, VoucherState
from ..possible import actions_of
from ..provider.routes import has_links

SHOWN = {
    OrderState.NEW: VoucherState.GETTING,
    OrderState.PENDING: VoucherState.WAITING,
    OrderState.PAID: VoucherState.PAID,
    OrderState.EXPIRED: VoucherState.EXPIRED,
    OrderState.CANCELLED: VoucherState.CANCELLED,
    OrderState.REJECTED: VoucherState.REJECTED,
    OrderState.REFUNDED: VoucherState.REFUNDED,
}
#: States in which the payer's question is answered; a further payment in review is only mentioned.
ANSWERED = (OrderState.PAID, OrderState.REFUNDED)
#: Discrepancies about payments known before; the payer sent no further money.
NOT_THEIRS = (Kind.REVERSED, Kind.MISSING_THERE)
#: Refunds shown to the payer. A refund not yet approved would be a promise; a refund that made the order refunded is
#: told by the order's state.
PROMISED = Q(status__in=(RefundStatus.APPROVED, RefundStatus.SENT)) | (
    Q(status=RefundStatus.DONE) & ~Q(order__state=OrderState.REFUNDED)
)


def voucher_content(token: uuid.UUID, now: datetime) -> Voucher:
    """Return the content of the voucher with a token; raises ``InvalidRequest`` if no order has the token.

    One statement, a second if money goes back, and a few more before a link is requested.
    """
    discrepancies = Discrepancy.objects.filter(order=OuterRef("pk")).open().about_money()
    in_review = Exists(discrepancies.exclude(kind__in=NOT_THEIRS))
    taken_back = Exists(discrepancies.filter(kind=Kind.REVERSED))
    orders = Order.objects.using(database()).select_related("cip").defer("payer_data", "metadata")
    promised = Exists(Refund.objects.filter(PROMISED, order=OuterRef("pk")))
    found: Any = (
        orders.annotate(in_review=in_review, taken_back=taken_back, promised=promised).filter(token=token).first()
    )
    if found is None:
        raise InvalidRequest(_("No order has this token."), code="token_unknown")
    refunds = Refund.objects.using(database()).filter(PROMISED, order=found).order_by("pk") if found.promised else ()
    return _voucher(found, now, tuple(map(returning, refunds)), in_review=found.in_review, taken_back=found.taken_back)


def returning(refund: Refund) -> Returning:
    """Return a refund as shown to the payer."""
    url = conf.public_url.rstrip("/") + refund.account_url if refund.wants_account else ""
    return Returning(refund.money, sent=refund.was_sent, account_url=url)


def _on_press(order: Order, *, in_review: bool) -> bool:
    """Return whether the payer's press asks for the order's link: a link that ends before the order, or none yet."""
    cip = order.cip
    if order.state not in OPEN or order.pending_action or in_review:
        return False
    if cip and cip.status == CipStatus.CURRENT:
        short = cip.expires_at is not None and cip.expires_at < order.expires_at
        return cip.is_link and short and cip.in_process_at is None
    if not has_links(order):
        return False
    return not actions_of([order])[order]["open_link"]


def _by_link(order: Order) -> bool:
    if order.cip and order.cip.status not in (CipStatus.REQUESTED, CipStatus.REFUSED):
        return order.cip.is_link
    return order.state == OrderState.NEW and has_links(order)


def _state(order: Order, now: datetime, *, in_review: bool, taken_back: bool, on_press: bool) -> VoucherState:
    """Return the state shown to the payer; money that came is ``in_review``, or went (``taken_back``)."""
    state, cip = SHOWN[OrderState(order.state)], order.cip
    # Before a person has decided, nobody knows whether the payer has the money back.
    if (in_review and order.state not in ANSWERED) or (taken_back and order.state != OrderState.PAID):
        return VoucherState.IN_REVIEW
    if order.pending_action == PendingAction.REISSUE and state in (VoucherState.WAITING, VoucherState.EXPIRED):
        return VoucherState.GETTING
    if on_press and order.expires_at > now:
        return VoucherState.WAITING
    if state == VoucherState.WAITING and cip and cip.in_process_at:
        return VoucherState.IN_REVIEW
    if state == VoucherState.WAITING and (cip is None or cip.status != CipStatus.CURRENT):
        # The order's code is gone: a person judged its payment, or another code is not issued yet.
        return VoucherState.IN_REVIEW if cip and cip.status == CipStatus.PAID else VoucherState.GETTING
    if state == VoucherState.WAITING and order.expires_at <= now:
        return VoucherState.OVERDUE
    return state


def _voucher(
    order: Order, now: datetime, refunds: tuple[Returning, ...], *, in_review: bool, taken_back: bool
) -> Voucher:
    on_press, cip = _on_press(order, in_review=in_review), order.cip
    state = _state(order, now, in_review=in_review, taken_back=taken_back, on_press=on_press)
    on_press = on_press and state == VoucherState.WAITING
    url = cip.url if cip and state == VoucherState.WAITING and not on_press else ""
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
        by_link=on_press or _by_link(order),
        on_press=on_press,
        provider_url=url,
        provider_qr=cip.qr if cip and state == VoucherState.WAITING else "",
        url=site + reverse("pagoefectivo:voucher", args=[order.token]) if site else "",
        paid_at=order.paid_at,
        operation_number=order.operation_number,
        in_review=in_review,
        refunds=refunds,
        renewable=state == VoucherState.EXPIRED and conf.payer_may_renew and not actions_of([order])[order]["renew"],
        ways=ways_of(order.currency),
    )
