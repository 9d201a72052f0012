"""Move refunds from step to step, with the consequences for payment and order."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext_noop as _

from ...errors import InvalidRequest, Misconfigured
from ...facts import Data, money
from ...models import Cip, Discrepancy, Payment, Refund
from ...states import Fact, Kind, PaymentStatus, RefundStatus
from ...transitions import ORDER_TABLE, Condition
from ..possible.refusing import NO_STEP, TAKEN_BACK
from ..possible.rules import STEPS
from ..provider.accounts import channel_of
from .history import closed
from .locked import LockedOrder
from .subject import Subject


def step(
    locked: LockedOrder, refund: Refund, becomes: RefundStatus, outcome: str = "", data: Data | None = None
) -> None:
    """Move a refund to the next status and change payment and order with it; ``outcome``: what a person says of it.

    To be ``REQUESTED``, ``refund`` is an unsaved row with payment, reason and amount (0: all that is left). Raises
    ``InvalidRequest`` if ``STEPS`` doesn't allow the move, if the payment was reversed, or if more would go back than
    is left of the payment.
    """
    payment = next(payment for payment in locked.payments if payment.pk == refund.payment_id)
    if becomes == RefundStatus.REQUESTED:
        _reserve(locked, payment, refund)
        return
    row = Refund.objects.using(locked.alias).select_for_update().get(pk=refund.pk)
    if becomes not in STEPS[RefundStatus(row.status)]:
        raise NO_STEP.about(refund=str(row), status=RefundStatus(row.status), becomes=becomes)
    if payment.status == PaymentStatus.REVERSED and becomes in (RefundStatus.APPROVED, RefundStatus.SENT):
        raise TAKEN_BACK.about(payment=str(payment))
    if becomes == RefundStatus.APPROVED and row.status == RefundStatus.REQUESTED:
        row.approved_by, row.approved_at = str(locked.actor), locked.now
        row.retry_at = locked.now if row.by_channel else None
    elif becomes == RefundStatus.SENT:
        row.sent_at = locked.now
    elif becomes == RefundStatus.APPROVED:
        row.sent_at = None
    _move(locked, payment, row, becomes, outcome, data)
    if becomes == RefundStatus.DONE:
        _returned(locked, payment, row)
        return
    locked.tell_refund(row)
    if row.wants_account:
        locked.ask_account(row)


def _reserve(locked: LockedOrder, payment: Payment, refund: Refund) -> None:
    left = payment.refundable
    if not left:
        raise InvalidRequest(
            _("Of payment %(payment)s of order %(order)s nothing is left to refund."),
            code="nothing_to_refund",
            payment=str(payment),
            order=str(locked.order),
        )
    refund.amount = refund.amount or left
    if refund.amount > left:
        raise InvalidRequest(
            _("Of payment %(payment)s %(left)s can be refunded; %(amount)s is too much."),
            code="refund_too_large",
            payment=str(payment),
            left=left,
            amount=refund.amount,
        )
    payment.refunded += refund.amount
    payment.save(using=locked.alias, update_fields=["refunded"])
    refund.order, refund.currency, refund.by_channel = locked.order, payment.currency, _by_channel(locked, payment)
    refund.account = payment.account
    refund.requested_by, refund.requested_at = str(locked.actor), locked.now
    refund.save(using=locked.alias)
    locked.tell_refund(refund)


def _by_channel(locked: LockedOrder, payment: Payment) -> bool:
    """Return whether the provider sends the refund: the channel can, and no refund of the payment failed there."""
    cip: Cip = next(cip for cip in locked.cips if cip.pk == payment.cip_id)
    try:
        channel = channel_of(cip)
    except Misconfigured:
        return False
    failed = Refund.objects.using(locked.alias).filter(payment=payment, by_channel=True, status=RefundStatus.FAILED)
    return channel.can_refund and not failed.exists()


def _move(
    locked: LockedOrder,
    payment: Payment,
    row: Refund,
    becomes: RefundStatus,
    outcome: str = "",
    data: Data | None = None,
) -> None:
    """Save a refund's new status. A failed refund frees the amount; an ended refund closes open discrepancies."""
    row.status, row.outcome, row.data = becomes, outcome[:500] or row.outcome, {**(data or row.data)}
    if becomes in (RefundStatus.DONE, RefundStatus.FAILED):
        row.closed_at, row.retry_at = locked.now, None
        doubts = Discrepancy.objects.using(locked.alias).filter(
            kind=Kind.NOT_CONFIRMED, subject=Subject.of_refund(row).text
        )
        doubts.open().update(**closed(locked.actor, f"refund_{becomes}", locked.now, reason=outcome))
    row.save(using=locked.alias)
    if becomes == RefundStatus.FAILED:
        payment.refunded -= row.amount
        payment.save(using=locked.alias, update_fields=["refunded"])


def _returned(locked: LockedOrder, payment: Payment, refund: Refund) -> None:
    """Move the order to refunded if all of the payment went back; else record the event of a refund that is done."""
    rule = ORDER_TABLE[locked.state][Fact.RETURNED]
    whole = payment.status == PaymentStatus.APPLIED and returned(locked, payment)
    if rule.to and (whole or rule.condition != Condition.ALL_RETURNED):
        locked.move_order(
            rule.to, Fact.RETURNED, payment.cip, {"refund": refund.pk, **money(refund.amount, refund.currency)}
        )
    else:
        locked.tell_refund(refund)


def returned(locked: LockedOrder, payment: Payment) -> bool:
    """Return whether refunds with status done add up to the whole payment."""
    done = Refund.objects.using(locked.alias).filter(payment=payment, status=RefundStatus.DONE)
    return sum(refund.amount for refund in done) == payment.amount


def given_back(locked: LockedOrder, payment: Payment) -> bool:
    """Return whether refunds by the provider, sent or done, add up to the whole payment."""
    return by_provider(locked, payment) == payment.amount


def by_provider(locked: LockedOrder, payment: Payment) -> Decimal:
    """Return the sum of a payment's refunds by the provider, sent or done."""
    sent = Refund.objects.using(locked.alias).filter(payment=payment, by_channel=True)
    sent = sent.filter(status__in=(RefundStatus.SENT, RefundStatus.DONE))
    return Decimal(sum(refund.amount for refund in sent))


def confirmed(locked: LockedOrder, payment: Payment, amount: Decimal, heard: str) -> bool:
    """Return whether a partial return is a refund of ours by the provider, of this amount, and mark the refund done.

    ``heard``: the moment of the message in ISO format, kept on the refund, so that one message confirms one refund.
    """
    ours = (
        Refund.objects.using(locked.alias).select_for_update().filter(payment=payment, by_channel=True, amount=amount)
    )
    for refund in ours.filter(status__in=(RefundStatus.SENT, RefundStatus.DONE)).order_by("pk"):
        if refund.data.get("heard") == heard:
            return True
        if "heard" not in refund.data:
            data = {"about": "told_by_provider", "heard": heard}
            if refund.status == RefundStatus.SENT:
                step(locked, refund, RefundStatus.DONE, data=data)
            else:
                Refund.objects.using(locked.alias).filter(pk=refund.pk).update(data=data)
            return True
    return False


def taken_back(locked: LockedOrder, payment: Payment) -> tuple[bool, bool]:
    """Bring the refunds of a reversed payment in line; return ``(ours, twice)``.

    ``ours``: refunds by the provider explain the whole reversal. ``twice``: the shop had sent money back by another
    way, so some money went back twice. Refunds not sent yet fail; refunds sent by the provider are done.
    """
    ours, twice, data = [], False, {"about": "payment_taken_back"}
    for refund in Refund.objects.using(locked.alias).select_for_update().filter(payment=payment).order_by("pk"):
        if refund.status in (RefundStatus.REQUESTED, RefundStatus.APPROVED):
            _move(locked, payment, refund, RefundStatus.FAILED, data=data)
            locked.tell_refund(refund)
        elif refund.status in (RefundStatus.SENT, RefundStatus.DONE) and refund.by_channel:
            ours.append(refund.amount)
            if refund.status == RefundStatus.SENT:
                _move(locked, payment, refund, RefundStatus.DONE, data=data)
                locked.tell_refund(refund)
        elif refund.status in (RefundStatus.SENT, RefundStatus.DONE):
            twice = True
    return sum(ours) == payment.amount, twice
