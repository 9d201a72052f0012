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
from ...states import TABLE, CipStatus, Fact, Kind, OrderState, Resolution, Rule, Standing, StatementKind
from .book import Book
from .doubts import doubt, now_confirmed
from .history import closed, evidence_of
from .refunds import confirmed, returned, taken_back
from .watch import deadline

logger = logging.getLogger("pagoefectivo.worker")


#: The questions about how much was paid.
AMOUNTS = (Kind.AMOUNT_MISMATCH, Kind.CURRENCY_MISMATCH)


def took_payment(book: Book, cip: Cip, report: Report, accepted: bool) -> None:
    """A proven payment: it counts, is held, or is one that we know."""
    book.learn(cip, report)
    if report.amount is None or not report.currency:
        # Paid, but how much can't be read: nothing is guessed and nothing forgotten.
        doubt(book, Kind.AMOUNT_MISMATCH, report, cip)
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
        if cip.next_attempt_at:  # it should have been deleted; what follows from its payment is another question
            asked = Discrepancy.objects.using(book.alias).filter(kind=Kind.STILL_PAYABLE, cip=cip).open()
            asked.update(**closed(book.actor, "It was paid.", book.now))
        book.move_cip(cip, CipStatus.PAID)
        cip.next_attempt_at = None
        _count(book, cip, payment, report, Rule(question=kind) if kind else TABLE[book.state][Fact.PAYMENT])
    for payment in book.payments_of(cip):
        if payment.paid_at is None and cip.paid_at and payment.standing != Standing.REVERSED:
            _set_time(book, cip, payment, cip.paid_at, report)


def receipt(cip: Cip, number: str | None) -> str:
    """Return what a payment that a person vouches for is one by: the account and the operation's number."""
    return f"{cip.account} {number}"


def _vouched_elsewhere(book: Book, cip: Cip, number: str | None) -> list[Payment]:
    """Return the payments on other codes that a person vouched for by this receipt, knowing nothing of its code."""
    mine = [payment for payment in book.payments if number and payment.vouched == receipt(cip, number)]
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
    if last.standing != Standing.REVERSED:
        return last
    # No state of a search says "taken back" (protocol 4.1): an answer may go on telling of a payment that was.
    old = report.asked_at and report.paid_at and report.paid_at <= (last.paid_at or last.first_heard_at)
    return last if old else None


def _doubt(book: Book, cip: Cip, payment: Payment, report: Report, accepted: bool) -> Kind | None:
    """Return why a payment can't count by itself, whatever the order's state."""
    # First of all: a person who is asked about the amount only would accept money that went back long ago.
    if _went_back_early(book, cip, payment):
        return Kind.REVERSED
    if report.transaction_code and report.transaction_code != cip.transaction_code:
        return Kind.UNMATCHED
    if payment.currency != book.order.currency:
        return Kind.CURRENCY_MISMATCH
    if payment.amount != book.order.amount:
        return Kind.AMOUNT_MISMATCH
    # Of an open order that is the newest of its reference no other can stand.
    if (book.order.newest is None or book.state == OrderState.EXPIRED) and book.ordered_again():
        return Kind.DUPLICATE_PAYMENT
    return Kind.LATE_PAYMENT if is_late(book.order, payment) and not accepted else None


def _went_back_early(book: Book, cip: Cip, payment: Payment) -> bool:
    """Return whether a reversal that came before its payment may be this one's; it has the reversal's number then.

    Without a number it would take the reversal from the payment that has it, and that one would count when it is told.
    """
    known = {each.operation_number for each in book.payments_of(cip)}
    numbered = [payment.operation_number] if payment.operation_number else [*filter(None, cip.early_reversals)]
    meant = [number for number in (*numbered, "") if number in cip.early_reversals and number not in known]
    if not meant:
        return False
    cip.early_reversals.remove(meant[0])
    payment.operation_number = payment.operation_number or meant[0] or None
    book.touch(cip)
    return True


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
    if report.transaction_code and report.transaction_code != cip.transaction_code:
        asked = Discrepancy.objects.using(book.alias).filter(payment=payment)
        shown = [said.get("transaction_code") for question in asked for said in question.evidence]
        if report.transaction_code not in shown:
            doubt(book, Kind.UNMATCHED, report, cip, payment)
    told, owed = (report.amount, report.currency), (book.order.amount, book.order.currency)
    accepted = payment.standing == Standing.APPLIED and told == owed  # as what the provider says by now
    if told != (payment.amount, payment.currency) and not accepted:
        doubt(book, Kind.AMOUNT_MISMATCH, report, cip, payment)
    if report.asked_at and told == owed:
        # The provider's own answer is the order's amount, so nothing is usually right any more.
        doubts = Discrepancy.objects.using(book.alias).filter(kind__in=AMOUNTS, payment=payment).open()
        doubts.update(suggestion="")


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
        if _vouched_elsewhere(book, cip, payment.operation_number):
            # One receipt: a refund of what seems to be paid twice would give the only payment back.
            Discrepancy.objects.using(book.alias).filter(kind=rule.question, payment=payment).update(suggestion="")


def pay(book: Book, payment: Payment, fact: Fact, detail: str = "") -> None:
    """Let a payment pay the order."""
    if payment.standing != Standing.APPLIED:
        payment.standing = Standing.APPLIED
        payment.save(using=book.alias, update_fields=["standing"])
    cip = next(cip for cip in book.cips if cip.pk == payment.cip_id)
    book.order.cip = cip
    book.order.settled_at = None  # what settled a payment that was taken back since is not this one's money
    _show_payment(book, cip, payment)
    book.drop_others(cip)
    book.move_order(OrderState.PAID, fact, cip, detail)
    now_confirmed(book, "It was paid.")


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


def _pays(book: Book, payment: Payment) -> bool:
    """Return whether the order is, or was, paid by a payment; a paid one is not by what was given back before."""
    if payment.standing != Standing.APPLIED:
        return False
    return book.state != OrderState.PAID or payment.refunded < payment.amount or not returned(book, payment)


def _show_payment(book: Book, cip: Cip, payment: Payment) -> None:
    """Let the order show when and by which operation it was paid."""
    if _pays(book, payment):
        book.order.paid_at = payment.paid_at or payment.first_heard_at
        book.order.operation_number = payment.operation_number or ""
        book.touch(cip)


def took_back(book: Book, cip: Cip, report: Report, asked: bool) -> None:
    """The provider took a payment back: one that we know, one that we have yet to hear of, or we can't tell which."""
    number, mine = report.operation_number, book.payments_of(cip)
    for elsewhere in _vouched_elsewhere(book, cip, number):
        _went_back(book, elsewhere, report)
    standing = [payment for payment in mine if payment.standing != Standing.REVERSED]
    if exact := [payment for payment in mine if number and payment.operation_number == number]:
        meant = exact
    elif number:
        meant = [payment for payment in standing if payment.operation_number is None]
    else:
        meant = mine if len(mine) == 1 else []
    if meant:
        _went_back(book, meant[-1], report)
        return
    if (number or not mine) and number not in cip.early_reversals:
        cip.early_reversals.append(number)
        book.touch_reversed(cip)
        book.note(Fact.PAYMENT_REVERSED, cip, "its payment is not known yet")
    if standing:
        doubt(book, Kind.REVERSED, report, cip)


def _went_back(book: Book, payment: Payment, report: Report) -> None:
    """Take a payment back, unless it was, or what the provider says came back of it."""
    if payment.standing == Standing.REVERSED:
        return
    cip = next(cip for cip in book.cips if cip.pk == payment.cip_id)
    told = (payment.amount if report.amount is None else report.amount, report.currency or payment.currency)
    if told == (payment.amount, payment.currency):
        _undo(book, cip, payment, report)
    else:
        _part_came_back(book, cip, payment, report)


def _part_came_back(book: Book, cip: Cip, payment: Payment, report: Report) -> None:
    """The provider took another amount back than the payment's: it stands, and a person is asked if it wasn't ours."""
    heard = (report.received_at or report.asked_at or book.now).isoformat()
    evidence = evidence_of(report) | {"heard": heard}
    subject = f"payment:{payment.pk}"
    asked = Discrepancy.objects.using(book.alias).filter(kind=Kind.REVERSED, subject=subject).first()
    if asked and evidence in asked.evidence:
        return
    if report.amount and report.currency in ("", payment.currency) and confirmed(book, payment, report.amount, heard):
        return
    book.history.ask(
        Kind.REVERSED, subject, evidence, order=book.order, cip=cip, payment=payment, amount=report.amount,
        currency=report.currency or payment.currency, anew=True,
    )  # fmt: skip


def _undo(book: Book, cip: Cip, payment: Payment, report: Report) -> None:
    made_it_paid = _pays(book, payment)
    payment.standing = Standing.REVERSED
    payment.operation_number = payment.operation_number or report.operation_number or None
    payment.save(using=book.alias, update_fields=["standing", "operation_number"])
    book.touch_reversed(cip)
    for question in Discrepancy.objects.using(book.alias).filter(payment=payment).open():
        question.evidence = [*question.evidence, evidence_of(report)]
        question.suggestion = Resolution.IGNORE
        question.save(using=book.alias, update_fields=["evidence", "suggestion"])
    rule, ours, twice = TABLE[book.state][Fact.PAYMENT_REVERSED], *taken_back(book, payment)
    if made_it_paid and rule.to:
        book.move_order(rule.to, Fact.PAYMENT_REVERSED, cip)
        if not ours:
            doubt(book, Kind.REVERSED, report, cip, payment)
    else:
        book.note(Fact.PAYMENT_REVERSED, cip, f"payment {payment.pk}")
        if twice:
            doubt(book, Kind.REVERSED, report, cip, payment)


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
