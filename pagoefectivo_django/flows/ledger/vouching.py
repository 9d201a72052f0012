"""Payments vouched for by a person; one receipt pays one order."""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop as _

from ...channels.base import Report
from ...errors import InvalidRequest
from ...models import Cip, Discrepancy, Payment
from ...states import CipStatus, Fact, Kind, PaymentStatus, Resolution
from .locked import LockedOrder
from .payments import pay, receipt, same_payment, tell_if_settled

#: How long an operation number identifies one operation; later a bank may use the number again.
ONE_RECEIPT = timedelta(days=60)


def mark(locked: LockedOrder, cip: Cip, report: Report, reason: str) -> None:
    """Pay the order by a payment that a person saw; a later report of the same payment changes nothing.

    Raises ``InvalidRequest`` if the receipt paid another order, if the known payment of the receipt was reversed,
    refunded or of another amount, or if the provider reported a reversal that may be of this payment.
    """
    number, account = report.operation_number, cip.account
    _refuse_if_it_paid_another(locked, cip, number)
    alike = [each for each in locked.cips if each.account == account]
    for each in alike:  # a receipt known on another code belongs to that code, whichever code the order shows
        if number in [payment.operation_number for payment in locked.payments_of(each)]:
            cip = each
    payment = same_payment(locked.payments_of(cip), report)
    _refuse_if_it_went_back(locked, cip, payment, report)
    for each in alike if payment is None else ():
        if {"", number} & {*each.early_reversals}:
            raise InvalidRequest(
                _("The provider took a payment of code %(cip)s back before it told of one; ask it which."),
                code="reversed_before_told",
                cip=str(each),
            )
    if payment is None and report.amount:
        payment = Payment(
            cip=cip,
            account=cip.account,
            amount=report.amount,
            currency=report.currency,
            first_heard_at=locked.now,
            status=PaymentStatus.APPLIED,
        )
        locked.payments.append(payment)
    assert payment  # nosec B101 # narrows the type for mypy
    payment.operation_number = number
    _save_vouched(locked, cip, payment)
    locked.move_cip(cip, CipStatus.PAID)
    cip.retry_at = None
    pay(locked, payment, Fact.ACCEPTED, reason)
    tell_if_settled(locked, payment)


def _refuse_if_it_went_back(locked: LockedOrder, cip: Cip, payment: Payment | None, report: Report) -> None:
    """Refuse a known payment that can't pay the order: it went back, or is of another amount."""
    if payment is None:
        return
    if payment.status == PaymentStatus.REVERSED or payment.refunded:
        raise InvalidRequest(
            _("Payment %(payment)s was taken or given back; it can't pay order %(order)s any more."),
            code="payment_went_back",
            payment=str(payment),
            order=str(locked.order),
        )
    if (payment.amount, payment.currency) != (report.amount, report.currency):
        raise InvalidRequest(
            _("Code %(cip)s was paid with %(payment)s, not %(owed)s; refund that payment."),
            code="paid_with_another_amount",
            cip=str(cip),
            payment=str(payment),
            owed=locked.order.money.display,
        )
    if _asked_whether_it_went_back(locked, payment):
        raise InvalidRequest(
            _(
                "The provider took payment %(payment)s back, or a part, and a person resolved that; reopen the "
                "discrepancy."
            ),
            code="reversal_resolved",
            payment=str(payment),
        )


def _asked_whether_it_went_back(locked: LockedOrder, payment: Payment) -> bool:
    """Return whether a person resolved a reversal of a payment as "refund due" or "ignore"."""
    asked = Discrepancy.objects.using(locked.alias).filter(kind=Kind.REVERSED, payment=payment)
    return asked.filter(resolution__in=(Resolution.REFUND_DUE, Resolution.IGNORE)).exists()


def _refuse_if_it_paid_another(locked: LockedOrder, cip: Cip, number: str) -> None:
    elsewhere = Payment.objects.using(locked.alias).filter(
        cip__account=cip.account, operation_number=number, first_heard_at__gt=locked.now - ONE_RECEIPT
    )
    if other := elsewhere.exclude(cip__order=locked.order).select_related("cip__order").first():
        raise InvalidRequest(
            _("Operation %(operation)s paid order %(order)s already; one receipt is one payment."),
            code="operation_paid_order",
            operation=number,
            order=str(other.cip.order),
        )


def _save_vouched(locked: LockedOrder, cip: Cip, payment: Payment) -> None:
    """Save a vouched payment; the unique column ``vouched`` takes a receipt once, even from two people at once.

    A receipt older than ``ONE_RECEIPT`` is released first.
    """
    payment.vouched = receipt(cip, payment.operation_number)
    known = Payment.objects.using(locked.alias).filter(
        vouched=payment.vouched, first_heard_at__lte=locked.now - ONE_RECEIPT
    )
    if old := known.values_list("pk", flat=True).first():  # by key: with no row to match, MariaDB would lock a gap
        Payment.objects.using(locked.alias).filter(pk=old).update(vouched=None)
    try:
        with transaction.atomic(using=locked.alias):
            payment.save(using=locked.alias)
    except IntegrityError:
        raise InvalidRequest(
            _("Operation %(operation)s paid another order already; one receipt is one payment."),
            code="operation_paid_another",
            operation=payment.operation_number,
        ) from None
