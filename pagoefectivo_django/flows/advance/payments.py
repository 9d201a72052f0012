"""What a payment counts for, and what its reversal undoes."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from ...channels.base import Report
from ...conf import conf
from ...errors import InvalidRequest
from ...models import Cip, Discrepancy, Match, Order, Payment
from ...models.database import database
from ...states import TABLE, CipStatus, Fact, Kind, OrderState, Resolution, Rule, Standing, StatementKind
from ..book import Book
from ..history import closed, evidence_of
from ..watch import deadline
from .refunds import taken_back

logger = logging.getLogger("pagoefectivo.worker")


def took_payment(book: Book, cip: Cip, report: Report, accepted: bool) -> None:
    """A proven payment: it counts, is held, or is one that we know."""
    book.learn(cip, report)
    if report.amount is None or not report.currency:
        # Paid, but how much can't be read: nothing is guessed and nothing forgotten.
        book.ask(Kind.AMOUNT_MISMATCH, report, cip)
        return
    if report.paid_at and not report.operation_number and cip.paid_at is None:
        cip.paid_at = report.paid_at
        book.touch(cip)
    if known := same_payment(book.payments_of(cip), report):
        _more_known(book, cip, known, report)
    else:
        payment = Payment(
            cip=cip,
            operation_number=report.operation_number or None,
            amount=report.amount,
            currency=report.currency,
            paid_at=report.paid_at or cip.paid_at,
            first_heard_at=report.received_at or book.now,
        )
        kind = _doubt(book, cip, payment, report, accepted)
        book.payments.append(payment)
        book.move_cip(cip, CipStatus.PAID)
        cip.next_attempt_at = None
        _count(book, cip, payment, report, Rule(question=kind) if kind else TABLE[book.state][Fact.PAYMENT])
    for payment in book.payments_of(cip):
        if payment.paid_at is None and cip.paid_at and payment.standing != Standing.REVERSED:
            _set_time(book, cip, payment, cip.paid_at, report)


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
    if last.standing != Standing.REVERSED:
        return last
    # No state of a search says "taken back" (protocol 4.1): an answer may go on telling of a payment that was.
    old = report.asked_at and report.paid_at and report.paid_at <= (last.paid_at or last.first_heard_at)
    return last if old else None


def _doubt(book: Book, cip: Cip, payment: Payment, report: Report, accepted: bool) -> Kind | None:
    """Return why a payment can't count by itself, whatever the order's state."""
    if report.transaction_code and report.transaction_code != cip.transaction_code:
        return Kind.UNMATCHED
    if payment.currency != book.order.currency:
        return Kind.CURRENCY_MISMATCH
    if payment.amount != book.order.amount:
        return Kind.AMOUNT_MISMATCH
    # Of an open order that is the newest of its reference no other can stand.
    if (book.order.newest is None or book.state == OrderState.EXPIRED) and book.ordered_again():
        return Kind.DUPLICATE_PAYMENT
    for number in cip.early_reversals:
        if not number or not report.operation_number or number == report.operation_number:
            cip.early_reversals.remove(number)
            book.touch(cip)
            return Kind.REVERSED
    return Kind.LATE_PAYMENT if is_late(book.order, payment) and not accepted else None


def is_late(order: Order, payment: Payment) -> bool:
    """Return whether it was paid after the date and its grace; our first hearing stands in for a missing time."""
    return (payment.paid_at or payment.first_heard_at) > deadline(order.expires_at)


def _more_known(book: Book, cip: Cip, payment: Payment, report: Report) -> None:
    """Keep what a repetition adds to a payment."""
    numbered = bool(report.operation_number and not payment.operation_number)
    if numbered:
        payment.operation_number = report.operation_number
        payment.save(using=book.alias, update_fields=["operation_number"])
        _show_payment(book, cip, payment)
    if report.paid_at and report.operation_number and (numbered or payment.paid_at is None):
        _set_time(book, cip, payment, report.paid_at, report)
    if (payment.amount, payment.currency) != (report.amount, report.currency):
        book.ask(Kind.AMOUNT_MISMATCH, report, cip, payment)


def _set_time(book: Book, cip: Cip, payment: Payment, time: datetime, report: Report) -> None:
    if payment.paid_at != time:
        payment.paid_at = time
        payment.save(using=book.alias, update_fields=["paid_at"])
        _show_payment(book, cip, payment)
        _reconsider(book, cip, payment, report)


def _reconsider(book: Book, cip: Cip, payment: Payment, report: Report) -> None:
    """Count a payment that was held because it seemed late, if its time shows that it was not."""
    if payment.standing != Standing.HELD or payment.refunded or is_late(book.order, payment):
        return
    late = Discrepancy.objects.using(book.alias).filter(kind=Kind.LATE_PAYMENT, payment=payment).open()
    if late.update(**closed("pagoefectivo", "The provider's time shows that it was paid in time.", book.now)):
        twice = Rule(question=Kind.DUPLICATE_PAYMENT) if book.ordered_again() else None
        _count(book, cip, payment, report, twice or TABLE[book.state][Fact.PAYMENT])
        tell_if_settled(book, payment)


def _count(book: Book, cip: Cip, payment: Payment, report: Report, rule: Rule) -> None:
    """Do what the rule says about a payment."""
    duplicate = rule.question == Kind.DUPLICATE_PAYMENT
    payment.standing = Standing.APPLIED if rule.to else Standing.DUPLICATE if duplicate else Standing.HELD
    payment.save(using=book.alias)
    if rule.to:
        pay(book, payment, Fact.PAYMENT)
    elif rule.question:
        book.ask(rule.question, report, cip, payment)


def pay(book: Book, payment: Payment, fact: Fact, detail: str = "") -> None:
    """Let a payment pay the order."""
    if payment.standing != Standing.APPLIED:
        payment.standing = Standing.APPLIED
        payment.save(using=book.alias, update_fields=["standing"])
    cip = next(cip for cip in book.cips if cip.pk == payment.cip_id)
    book.order.cip = cip
    _show_payment(book, cip, payment)
    book.drop_others(cip)
    book.move_order(OrderState.PAID, fact, cip, detail)


def tell_if_settled(book: Book, payment: Payment) -> None:
    """Tell the shop that the money is there, if a settlement had a payment before it came to pay the order."""
    if payment.standing != Standing.APPLIED or book.order.settled_at:
        return
    matches = Match.objects.using(book.alias).filter(
        payment=payment, kind=StatementKind.SETTLEMENT, part=0, stands=True
    )
    if match := matches.select_related("line__settlement").first():
        book.order.settled_at = book.now
        detail = f"settlement {match.line.settlement}"
        book.history.tell(book.order, "payment_settled", "", book.cip, detail, book.order.state)


def mark(book: Book, cip: Cip, report: Report, reason: str) -> None:
    """Let a payment that a person vouches for pay the order; the same one is the same, should it be told later."""
    payment = same_payment(book.payments_of(cip), report)
    if payment and (payment.standing == Standing.REVERSED or payment.refunded):
        raise InvalidRequest(f"Payment {payment} was taken or given back; it can't pay order {book.order} any more.")
    if payment and (payment.amount, payment.currency) != (report.amount, report.currency):
        owed = book.order.money.display
        raise InvalidRequest(f"Code {cip} was paid with {payment}, not {owed}; refund that payment.")
    if payment is None and any(number in ("", report.operation_number) for number in cip.early_reversals):
        raise InvalidRequest(f"The provider took a payment of code {cip} back before it told of one; ask it which.")
    if payment is None and report.amount:
        payment = Payment(
            cip=cip, amount=report.amount, currency=report.currency, first_heard_at=book.now, standing=Standing.APPLIED
        )
        book.payments.append(payment)
    assert payment  # nosec B101 # says what mypy must know
    payment.operation_number = report.operation_number
    payment.save(using=book.alias)
    book.move_cip(cip, CipStatus.PAID)
    cip.next_attempt_at = None
    pay(book, payment, Fact.ACCEPTED, reason)
    tell_if_settled(book, payment)


def _show_payment(book: Book, cip: Cip, payment: Payment) -> None:
    """Let the order show when and by which operation it was paid."""
    if payment.standing == Standing.APPLIED:
        book.order.paid_at = payment.paid_at or payment.first_heard_at
        book.order.operation_number = payment.operation_number or ""
        book.touch(cip)


def took_back(book: Book, cip: Cip, report: Report, asked: bool) -> None:
    """The provider took a payment back: one that we know, one that we have yet to hear of, or we can't tell which."""
    number, mine = report.operation_number, book.payments_of(cip)
    standing = [payment for payment in mine if payment.standing != Standing.REVERSED]
    if exact := [payment for payment in mine if number and payment.operation_number == number]:
        meant = exact
    elif number:
        meant = [payment for payment in standing if payment.operation_number is None]
    else:
        meant = mine if len(mine) == 1 else []
    if meant:
        if meant[-1].standing != Standing.REVERSED:
            _undo(book, cip, meant[-1], report)
        return
    if (number or not mine) and number not in cip.early_reversals:
        cip.early_reversals.append(number)
        book.touch(cip)
        book.note(Fact.PAYMENT_REVERSED, cip, "its payment is not known yet")
    if standing:
        book.ask(Kind.REVERSED, report, cip)


def _undo(book: Book, cip: Cip, payment: Payment, report: Report) -> None:
    made_it_paid = payment.standing == Standing.APPLIED
    payment.standing = Standing.REVERSED
    payment.operation_number = payment.operation_number or report.operation_number or None
    payment.save(using=book.alias, update_fields=["standing", "operation_number"])
    book.touch(cip)
    for question in Discrepancy.objects.using(book.alias).filter(payment=payment).open():
        question.evidence = [*question.evidence, evidence_of(report)]
        question.suggestion = Resolution.IGNORE
        question.save(using=book.alias, update_fields=["evidence", "suggestion"])
    rule, ours, twice = TABLE[book.state][Fact.PAYMENT_REVERSED], *taken_back(book, payment)
    if made_it_paid and rule.to:
        book.move_order(rule.to, Fact.PAYMENT_REVERSED, cip)
        if not ours:
            book.ask(Kind.REVERSED, report, cip, payment)
    else:
        book.note(Fact.PAYMENT_REVERSED, cip, f"payment {payment.pk}")
        if twice:
            book.ask(Kind.REVERSED, report, cip, payment)


def unknown_time(book: Book, cip: Cip, report: Report) -> bool:
    """Return whether a new payment would be late only because nobody said when it was made."""
    if report.paid_at or same_payment(book.payments_of(cip), report):
        return False
    return is_late(book.order, Payment(first_heard_at=report.received_at or book.now))


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
