"""What the way back of money does to its payment and order."""

from __future__ import annotations

from decimal import Decimal

from ...errors import InvalidRequest, Misconfigured
from ...models import Cip, Discrepancy, Payment, Refund
from ...states import TABLE, Condition, Fact, Kind, RefundStatus, Standing
from ..possible.rules import STEPS
from ..provider.accounts import channel_of
from .book import Book
from .history import closed


def step(book: Book, refund: Refund, becomes: RefundStatus, said: str = "") -> None:
    """Let a refund go on; raises ``InvalidRequest`` if it can't, or if more would go back than came.

    One that is requested needs its payment, reason and amount (0: all that is left).
    """
    payment = next(payment for payment in book.payments if payment.pk == refund.payment_id)
    if becomes == RefundStatus.REQUESTED:
        _reserve(book, payment, refund)
        return
    row = Refund.objects.using(book.alias).select_for_update().get(pk=refund.pk)
    if becomes not in STEPS[RefundStatus(row.status)]:
        raise InvalidRequest(f"Refund {row} is {row.status}; it can't become {becomes}.")
    if payment.standing == Standing.REVERSED and becomes in (RefundStatus.APPROVED, RefundStatus.SENT):
        raise InvalidRequest(f"The provider took payment {payment} back; nothing of it is left to refund.")
    if becomes == RefundStatus.APPROVED and row.status == RefundStatus.REQUESTED:
        row.approved_by, row.approved_at = book.actor[:150], book.now
        row.next_attempt_at = book.now if row.by_channel else None
    elif becomes == RefundStatus.SENT:
        row.sent_at = book.now
    elif becomes == RefundStatus.APPROVED:
        row.sent_at = None
    _move(book, payment, row, becomes, said)
    if becomes == RefundStatus.DONE:
        _returned(book, payment, row)
        return
    book.tell_refund(row)
    if row.wants_account:
        book.ask_account(row)


def _reserve(book: Book, payment: Payment, refund: Refund) -> None:
    left = payment.refundable
    if not left:
        raise InvalidRequest(f"Of payment {payment} of order {book.order} nothing is left to refund.")
    refund.amount = refund.amount or left
    if refund.amount > left:
        raise InvalidRequest(f"Of payment {payment} {left:.2f} can be refunded; {refund.amount:.2f} is too much.")
    payment.refunded += refund.amount
    payment.save(using=book.alias, update_fields=["refunded"])
    refund.order, refund.currency, refund.by_channel = book.order, payment.currency, _by_channel(book, payment)
    refund.requested_by, refund.requested_at = book.actor[:150], book.now
    refund.save(using=book.alias)
    book.tell_refund(refund)


def _by_channel(book: Book, payment: Payment) -> bool:
    """Return whether the provider gives this money back itself; not if it failed at that before."""
    cip: Cip = next(cip for cip in book.cips if cip.pk == payment.cip_id)
    try:
        channel = channel_of(cip)
    except Misconfigured:
        return False
    failed = Refund.objects.using(book.alias).filter(payment=payment, by_channel=True, status=RefundStatus.FAILED)
    return channel.can_refund and not failed.exists()


def _move(book: Book, payment: Payment, row: Refund, becomes: RefundStatus, said: str) -> None:
    """Save where a refund stands; one that failed frees its amount, and one that ended needs no answer any more."""
    row.status, row.outcome = becomes, said[:500] or row.outcome
    if becomes in (RefundStatus.DONE, RefundStatus.FAILED):
        row.closed_at, row.next_attempt_at = book.now, None
        doubts = Discrepancy.objects.using(book.alias).filter(kind=Kind.NOT_CONFIRMED, subject=f"refund:{row.pk}")
        doubts.open().update(**closed(book.actor, said or f"The refund is {becomes}.", book.now))
    row.save(using=book.alias)
    if becomes == RefundStatus.FAILED:
        payment.refunded -= row.amount
        payment.save(using=book.alias, update_fields=["refunded"])


def _returned(book: Book, payment: Payment, refund: Refund) -> None:
    """Money went back: when nothing of what paid the order is left, it is refunded."""
    rule = TABLE[book.state][Fact.RETURNED]
    whole = payment.standing == Standing.APPLIED and returned(book, payment)
    if rule.to and (whole or rule.condition != Condition.ALL_RETURNED):
        book.move_order(rule.to, Fact.RETURNED, payment.cip, f"refund {refund.pk}")
    else:
        book.tell_refund(refund)


def returned(book: Book, payment: Payment) -> bool:
    """Return whether all of a payment went back by refunds that are done."""
    done = Refund.objects.using(book.alias).filter(payment=payment, status=RefundStatus.DONE)
    return sum(refund.amount for refund in done) == payment.amount


def given_back(book: Book, payment: Payment) -> bool:
    """Return whether the provider gave all of a payment back for us, or may have."""
    sent = Refund.objects.using(book.alias).filter(payment=payment, by_channel=True)
    sent = sent.filter(status__in=(RefundStatus.SENT, RefundStatus.DONE))
    return sum(refund.amount for refund in sent) == payment.amount


def confirmed(book: Book, payment: Payment, amount: Decimal, heard: str) -> bool:
    """Return whether a part that the provider gave back is a refund of ours; each is confirmed by one message."""
    ours = Refund.objects.using(book.alias).select_for_update().filter(payment=payment, by_channel=True, amount=amount)
    told = "The provider told of it, "
    for refund in ours.filter(status__in=(RefundStatus.SENT, RefundStatus.DONE)).order_by("pk"):
        if refund.outcome == told + heard:
            return True
        if not refund.outcome.startswith(told):
            if refund.status == RefundStatus.SENT:
                step(book, refund, RefundStatus.DONE, told + heard)
            else:
                Refund.objects.using(book.alias).filter(pk=refund.pk).update(outcome=told + heard)
            return True
    return False


def taken_back(book: Book, payment: Payment) -> tuple[bool, bool]:
    """Bring refunds in line with a payment that the provider took back.

    Returns whether that was all our doing, and whether some of the money went back twice.
    """
    ours, twice, said = [], False, "The provider took the payment back."
    for refund in Refund.objects.using(book.alias).select_for_update().filter(payment=payment).order_by("pk"):
        if refund.status in (RefundStatus.REQUESTED, RefundStatus.APPROVED):
            _move(book, payment, refund, RefundStatus.FAILED, said)
            book.tell_refund(refund)
        elif refund.status in (RefundStatus.SENT, RefundStatus.DONE) and refund.by_channel:
            ours.append(refund.amount)
            if refund.status == RefundStatus.SENT:
                _move(book, payment, refund, RefundStatus.DONE, said)
                book.tell_refund(refund)
        elif refund.status in (RefundStatus.SENT, RefundStatus.DONE):
            twice = True
    return sum(ours) == payment.amount, twice
