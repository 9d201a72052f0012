"""What a payment counts for, and what its reversal undoes."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from ...channels.base import Report
from ...conf import conf
from ...models import Cip, Discrepancy, Match, Order, Payment
from ...models.database import database
from ...states import TABLE, CipStatus, Fact, Kind, OrderState, PaymentStatus, Resolution, Rule, StatementKind
from .contradictions import doubt, now_confirmed
from .history import closed, evidence_of
from .locked import LockedOrder
from .refunds import confirmed, returned, taken_back
from .schedule import deadline

logger = logging.getLogger("pagoefectivo.worker")


#: The questions about how much was paid.
AMOUNTS = (Kind.AMOUNT_MISMATCH, Kind.CURRENCY_MISMATCH)


def took_payment(locked: LockedOrder, cip: Cip, report: Report, accepted: bool) -> None:
    """A proven payment: it counts, is held, or is one that we know."""
    locked.learn(cip, report)
    if report.amount is None or not report.currency:
        # Paid, but how much can't be read: nothing is guessed and nothing forgotten.
        doubt(locked, Kind.AMOUNT_MISMATCH, report, cip)
        return
    if report.paid_at and not report.operation_number and cip.paid_at is None:
        cip.paid_at = report.paid_at
        locked.touch(cip)
    if known := same_payment(locked.payments_of(cip), report):
        _more_known(locked, cip, known, report)
    else:
        payment = Payment(
            cip=cip,
            operation_number=report.operation_number or None,
            amount=report.amount,
            currency=report.currency,
            paid_at=report.paid_at or cip.paid_at,
            first_heard_at=report.received_at or locked.now,
        )
        kind = _doubt(locked, cip, payment, report, accepted)
        locked.payments.append(payment)
        if cip.retry_at:  # it should have been deleted; what follows from its payment is another question
            asked = Discrepancy.objects.using(locked.alias).filter(kind=Kind.STILL_PAYABLE, cip=cip).open()
            asked.update(**closed(locked.actor, "It was paid.", locked.now))
        locked.move_cip(cip, CipStatus.PAID)
        cip.retry_at = None
        _count(locked, cip, payment, report, Rule(discrepancy=kind) if kind else TABLE[locked.state][Fact.PAYMENT])
    for payment in locked.payments_of(cip):
        if payment.paid_at is None and cip.paid_at and payment.status != PaymentStatus.REVERSED:
            _set_time(locked, cip, payment, cip.paid_at, report)


def receipt(cip: Cip, number: str | None) -> str:
    """Return what a payment that a person vouches for is one by: the account and the operation's number."""
    return f"{cip.account} {number}"


def _vouched_elsewhere(locked: LockedOrder, cip: Cip, number: str | None) -> list[Payment]:
    """Return the payments on other codes that a person vouched for by this receipt, knowing nothing of its code."""
    mine = [payment for payment in locked.payments if number and payment.vouched == receipt(cip, number)]
    return [payment for payment in mine if payment.cip_id != cip.pk]


def same_payment(known: list[Payment], report: Report) -> Payment | None:
    """Return the payment that a report repeats.

    Same code and same operation number: the same, always. A number missing on either side: the same, unless a
    reversal lies between. Both present and different: another.
    """
    number = report.operation_number
    for payment in known if number else []:
        if payment.operation_number == number:
            return payment
    candidates = [payment for payment in known if not (number and payment.operation_number)]
    if not candidates:
        return None
    last = candidates[-1]
    if last.status != PaymentStatus.REVERSED:
        return last
    # No state of a search says "taken back" (protocol 4.1): an answer may go on telling of a payment that was.
    old = report.asked_at and report.paid_at and report.paid_at <= (last.paid_at or last.first_heard_at)
    return last if old else None


def _doubt(locked: LockedOrder, cip: Cip, payment: Payment, report: Report, accepted: bool) -> Kind | None:
    """Return why a payment can't count by itself, whatever the order's state."""
    # First of all: a person who is asked about the amount only would accept money that went back long ago.
    if _went_back_early(locked, cip, payment):
        return Kind.REVERSED
    if report.transaction_code and report.transaction_code != cip.transaction_code:
        return Kind.UNMATCHED
    if payment.currency != locked.order.currency:
        return Kind.CURRENCY_MISMATCH
    if payment.amount != locked.order.amount:
        return Kind.AMOUNT_MISMATCH
    # Of an open order that is the newest of its reference no other can stand.
    if (locked.order.newest is None or locked.state == OrderState.EXPIRED) and locked.ordered_again():
        return Kind.DUPLICATE_PAYMENT
    return Kind.LATE_PAYMENT if is_late(locked.order, payment) and not accepted else None


def _went_back_early(locked: LockedOrder, cip: Cip, payment: Payment) -> bool:
    """Return whether a reversal that came before its payment may be this one's; it has the reversal's number then.

    Without a number it would take the reversal from the payment that has it, and that one would count when it is told.
    """
    known = {each.operation_number for each in locked.payments_of(cip)}
    numbered = [payment.operation_number] if payment.operation_number else [*filter(None, cip.early_reversals)]
    meant = [number for number in (*numbered, "") if number in cip.early_reversals and number not in known]
    if not meant:
        return False
    cip.early_reversals.remove(meant[0])
    payment.operation_number = payment.operation_number or meant[0] or None
    locked.touch(cip)
    return True


def is_late(order: Order, payment: Payment) -> bool:
    """Return whether it was paid after the date and its grace; our first hearing stands in for a missing time."""
    return (payment.paid_at or payment.first_heard_at) > deadline(order.expires_at)


def _more_known(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """Keep what a repetition adds to a payment."""
    numbered = bool(report.operation_number and not payment.operation_number)
    if numbered:
        payment.operation_number = report.operation_number
        payment.save(using=locked.alias, update_fields=["operation_number"])
        _show_payment(locked, cip, payment)
    if report.paid_at and report.operation_number and (numbered or payment.paid_at is None):
        _set_time(locked, cip, payment, report.paid_at, report)
    if report.transaction_code and report.transaction_code != cip.transaction_code:
        asked = Discrepancy.objects.using(locked.alias).filter(payment=payment)
        shown = [said.get("transaction_code") for discrepancy in asked for said in discrepancy.evidence]
        if report.transaction_code not in shown:
            doubt(locked, Kind.UNMATCHED, report, cip, payment)
    told, owed = (report.amount, report.currency), (locked.order.amount, locked.order.currency)
    accepted = payment.status == PaymentStatus.APPLIED and told == owed  # as what the provider says by now
    if told != (payment.amount, payment.currency) and not accepted:
        doubt(locked, Kind.AMOUNT_MISMATCH, report, cip, payment)
    if report.asked_at and told == owed:
        # The provider's own answer is the order's amount, so nothing is usually right any more.
        doubts = Discrepancy.objects.using(locked.alias).filter(kind__in=AMOUNTS, payment=payment).open()
        doubts.update(suggestion="")


def _set_time(locked: LockedOrder, cip: Cip, payment: Payment, time: datetime, report: Report) -> None:
    if payment.paid_at != time:
        payment.paid_at = time
        payment.save(using=locked.alias, update_fields=["paid_at"])
        _show_payment(locked, cip, payment)
        _reconsider(locked, cip, payment, report)


def _reconsider(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """Count a payment that was held because it seemed late, if its time shows that it was not."""
    if payment.status != PaymentStatus.HELD or payment.refunded or is_late(locked.order, payment):
        return
    late = Discrepancy.objects.using(locked.alias).filter(kind=Kind.LATE_PAYMENT, payment=payment).open()
    if late.update(**closed("pagoefectivo", "The provider's time shows that it was paid in time.", locked.now)):
        twice = Rule(discrepancy=Kind.DUPLICATE_PAYMENT) if locked.ordered_again() else None
        _count(locked, cip, payment, report, twice or TABLE[locked.state][Fact.PAYMENT])
        tell_if_settled(locked, payment)


def _count(locked: LockedOrder, cip: Cip, payment: Payment, report: Report, rule: Rule) -> None:
    """Do what the rule says about a payment."""
    duplicate = rule.discrepancy == Kind.DUPLICATE_PAYMENT
    payment.status = PaymentStatus.APPLIED if rule.to else PaymentStatus.DUPLICATE if duplicate else PaymentStatus.HELD
    payment.save(using=locked.alias)
    if rule.to:
        pay(locked, payment, Fact.PAYMENT)
    elif rule.discrepancy:
        locked.open_discrepancy(rule.discrepancy, report, cip, payment)
        if _vouched_elsewhere(locked, cip, payment.operation_number):
            # One receipt: a refund of what seems to be paid twice would give the only payment back.
            Discrepancy.objects.using(locked.alias).filter(kind=rule.discrepancy, payment=payment).update(suggestion="")


def pay(locked: LockedOrder, payment: Payment, fact: Fact, detail: str = "") -> None:
    """Let a payment pay the order."""
    if payment.status != PaymentStatus.APPLIED:
        payment.status = PaymentStatus.APPLIED
        payment.save(using=locked.alias, update_fields=["status"])
    cip = next(cip for cip in locked.cips if cip.pk == payment.cip_id)
    locked.order.cip = cip
    locked.order.settled_at = None  # what settled a payment that was taken back since is not this one's money
    _show_payment(locked, cip, payment)
    locked.drop_others(cip)
    locked.move_order(OrderState.PAID, fact, cip, detail)
    now_confirmed(locked, "It was paid.")


def tell_if_settled(locked: LockedOrder, payment: Payment) -> None:
    """Tell the shop that the money is there, if a settlement had a payment before it came to pay the order."""
    if payment.status != PaymentStatus.APPLIED or locked.order.settled_at:
        return
    matches = Match.objects.using(locked.alias).filter(
        payment=payment, kind=StatementKind.SETTLEMENT, part=0, stands=True
    )
    if match := matches.select_related("line__settlement").first():
        locked.order.settled_at = locked.now
        detail = f"settlement {match.line.settlement}"
        locked.history.tell(locked.order, "payment_settled", "", locked.cip, detail, locked.order.state)


def _pays(locked: LockedOrder, payment: Payment) -> bool:
    """Return whether the order is, or was, paid by a payment; a paid one is not by what was given back before."""
    if payment.status != PaymentStatus.APPLIED:
        return False
    return locked.state != OrderState.PAID or payment.refunded < payment.amount or not returned(locked, payment)


def _show_payment(locked: LockedOrder, cip: Cip, payment: Payment) -> None:
    """Let the order show when and by which operation it was paid."""
    if _pays(locked, payment):
        locked.order.paid_at = payment.paid_at or payment.first_heard_at
        locked.order.operation_number = payment.operation_number or ""
        locked.touch(cip)


def took_back(locked: LockedOrder, cip: Cip, report: Report, asked: bool) -> None:
    """The provider took a payment back: one that we know, one that we have yet to hear of, or we can't tell which."""
    number, mine = report.operation_number, locked.payments_of(cip)
    for elsewhere in _vouched_elsewhere(locked, cip, number):
        _went_back(locked, elsewhere, report)
    status = [payment for payment in mine if payment.status != PaymentStatus.REVERSED]
    if exact := [payment for payment in mine if number and payment.operation_number == number]:
        meant = exact
    elif number:
        meant = [payment for payment in status if payment.operation_number is None]
    else:
        meant = mine if len(mine) == 1 else []
    if meant:
        _went_back(locked, meant[-1], report)
        return
    if (number or not mine) and number not in cip.early_reversals:
        cip.early_reversals.append(number)
        locked.touch_reversed(cip)
        locked.note(Fact.PAYMENT_REVERSED, cip, "its payment is not known yet")
    if status:
        doubt(locked, Kind.REVERSED, report, cip)


def _went_back(locked: LockedOrder, payment: Payment, report: Report) -> None:
    """Take a payment back, unless it was, or what the provider says came back of it."""
    if payment.status == PaymentStatus.REVERSED:
        return
    cip = next(cip for cip in locked.cips if cip.pk == payment.cip_id)
    told = (payment.amount if report.amount is None else report.amount, report.currency or payment.currency)
    if told == (payment.amount, payment.currency):
        _undo(locked, cip, payment, report)
    else:
        _part_came_back(locked, cip, payment, report)


def _part_came_back(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """The provider took another amount back than the payment's: it stands, and a person is asked if it wasn't ours."""
    heard = (report.received_at or report.asked_at or locked.now).isoformat()
    evidence = evidence_of(report) | {"heard": heard}
    subject = f"payment:{payment.pk}"
    asked = Discrepancy.objects.using(locked.alias).filter(kind=Kind.REVERSED, subject=subject).first()
    if asked and evidence in asked.evidence:
        return
    if report.amount and report.currency in ("", payment.currency) and confirmed(locked, payment, report.amount, heard):
        return
    locked.history.open_discrepancy(
        Kind.REVERSED, subject, evidence, order=locked.order, cip=cip, payment=payment, amount=report.amount,
        currency=report.currency or payment.currency, anew=True,
    )  # fmt: skip


def _undo(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    made_it_paid = _pays(locked, payment)
    payment.status = PaymentStatus.REVERSED
    payment.operation_number = payment.operation_number or report.operation_number or None
    payment.save(using=locked.alias, update_fields=["status", "operation_number"])
    locked.touch_reversed(cip)
    for discrepancy in Discrepancy.objects.using(locked.alias).filter(payment=payment).open():
        discrepancy.evidence = [*discrepancy.evidence, evidence_of(report)]
        discrepancy.suggestion = Resolution.IGNORE
        discrepancy.save(using=locked.alias, update_fields=["evidence", "suggestion"])
    rule, ours, twice = TABLE[locked.state][Fact.PAYMENT_REVERSED], *taken_back(locked, payment)
    if made_it_paid and rule.to:
        locked.move_order(rule.to, Fact.PAYMENT_REVERSED, cip)
        if not ours:
            doubt(locked, Kind.REVERSED, report, cip, payment)
    else:
        locked.note(Fact.PAYMENT_REVERSED, cip, f"payment {payment.pk}")
        if twice:
            doubt(locked, Kind.REVERSED, report, cip, payment)


def unknown_time(locked: LockedOrder, cip: Cip, report: Report) -> bool:
    """Return whether a new payment would be late only because nobody said when it was made."""
    if report.paid_at or same_payment(locked.payments_of(cip), report):
        return False
    return is_late(locked.order, Payment(first_heard_at=report.received_at or locked.now))


def shop_accepts(report: Report, now: datetime) -> bool:
    """Return what the shop says of a late payment. Its own function runs here, before any lock on an order."""
    if report.fact != Fact.PAYMENT or conf.late_payments == "hold":
        return False
    if conf.late_payments == "accept":
        return True
    about = Q(code=report.code) if report.code else Q(pk__in=[])
    if report.transaction_code:
        about |= Q(transaction_code=report.transaction_code)
    codes = Cip.objects.using(database()).select_related("order").filter(about, account=report.account)
    cip = max(codes, key=lambda cip: cip.code == report.code, default=None)
    if not cip or not is_late(cip.order, Payment(paid_at=report.paid_at, first_heard_at=report.received_at or now)):
        return False
    if same_payment(list(cip.payments.using(database()).order_by("pk")), report):
        return False  # it was asked about this one before
    try:
        policy = conf.late_policy
        with transaction.atomic(using=database()):  # an error in its SQL is its own
            return callable(policy) and bool(policy(cip.order, report))
    except Exception:
        # The shop's own code failed: the payment is held, and a person decides.
        logger.exception("LATE_PAYMENTS failed for order %s; its payment is held.", cip.order_id)
        return False
