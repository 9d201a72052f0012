"""The only code that applies what was reported or decided, and the only writer of order states, code statuses and payments."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Q
from django.utils import timezone

from ..channels.base import Report
from ..conf import conf
from ..errors import AlreadyPaid, InQuestion, InvalidRequest, Malformed
from ..models import Cip, Discrepancy, Order, Payment
from ..models.database import database, one_transaction
from ..states import TABLE, CipStatus, Condition, Fact, Kind, OrderState, Resolution, Rule, Standing
from .book import Book, History, open_books

logger = logging.getLogger("pagoefectivo.worker")


@dataclass(frozen=True)
class Decision:
    """What a person, or the shop, decided about an order: ``WITHDRAWN``, or an answer to a question."""

    order: Order | None
    reason: str
    question: Discrepancy | None = None
    answer: Resolution | None = None


class Outcome(StrEnum):
    """What became of one report or decision."""

    APPLIED = "applied"
    #: No code of ours; nothing was written.
    NOT_OURS = "not ours"
    #: The code changed after the provider was asked; ask again.
    STALE = "stale"
    #: The provider knows when it was paid; ask it first.
    ASK_FIRST = "ask first"


def advance(
    *changes: Report | Decision,
    actor: str = "provider",
    asked: bool = False,
    may_ask: bool = False,
    now: datetime | None = None,
) -> list[Outcome]:
    """Apply reports and decisions to their codes and orders, in one transaction, and return what became of each.

    ``asked``: the shop wished for this (an extension, a new code, a code to adopt). ``may_ask``: the caller can still
    ask the provider when a payment that came late was made. Orders are locked in key order and read again.
    """
    now = now or timezone.now()
    accepted = {change for change in changes if isinstance(change, Report) and _shop_accepts(change, now)}
    outcomes = []
    with one_transaction() as alias:
        books = open_books(_orders_of(changes, alias), alias=alias, now=now, actor=actor)
        unowned = History(alias, now, actor)
        for change in changes:
            if isinstance(change, Decision):
                _decide(books, change, unowned)
                outcomes.append(Outcome.APPLIED)
                continue
            found = [(book, cip) for book in books if (cip := book.cip_of(change))]
            if not found:
                outcomes.append(Outcome.NOT_OURS)
                continue
            book, cip = found[0]
            if change.asked_at and cip.code and change.asked_at < cip.changed_at:
                outcomes.append(Outcome.STALE)
            elif may_ask and change.fact == Fact.PAYMENT and _unknown_time(book, cip, change):
                outcomes.append(Outcome.ASK_FIRST)
            else:
                _apply(book, cip, change, asked=asked, accepted=change in accepted)
                outcomes.append(Outcome.APPLIED)
        for record in (*books, unowned):
            record.write()
    return outcomes


def _orders_of(changes: tuple[Report | Decision, ...], alias: str) -> set[int]:
    pks, mine = set[int](), Q(pk__in=[])
    for change in changes:
        if isinstance(change, Decision):
            pks |= {change.order.pk} if change.order else set()
            continue
        if change.code:
            mine |= Q(account=change.account, code=change.code)
        if change.transaction_code:
            mine |= Q(account=change.account, transaction_code=change.transaction_code)
    return pks | set(Cip.objects.using(alias).filter(mine).values_list("order_id", flat=True) if mine else ())


def _apply(book: Book, cip: Cip, report: Report, *, asked: bool, accepted: bool) -> None:
    """Let a report move its own code, and through the table the order."""
    if report.fact == Fact.PAYMENT:
        _payment(book, cip, report, accepted=accepted)
    elif report.fact == Fact.PAYMENT_REVERSED:
        _reversal(book, cip, report)
    elif report.fact == Fact.ISSUED:
        _issued(book, cip, report, asked=asked)
    elif report.fact == Fact.UNKNOWN:
        book.note(report.fact, cip, report.detail)
    else:
        _ended(book, cip, report, asked=asked)


def _issued(book: Book, cip: Cip, report: Report, *, asked: bool) -> None:
    """The provider says that the code can be paid."""
    rule = TABLE[book.state][Fact.ISSUED]
    live = book.live_cip()
    was = CipStatus(cip.status)
    book.learn(cip, report)
    if was == CipStatus.PAID:
        taken = [payment for payment in book.payments_of(cip) if payment.standing != Standing.REVERSED]
        if taken:
            book.ask(Kind.REVERSED, report, cip, taken[-1])
    elif was == CipStatus.CURRENT:
        if asked and report.expires_at and book.order.expires_at != report.expires_at:
            book.order.expires_at = report.expires_at
            book.note(Fact.ISSUED, cip, f"extended until {report.expires_at.isoformat()}")
    elif _reaches(was, live, cip, asked) and rule.to and (asked or rule.condition is None):
        if live and live is not cip:
            book.move_cip(live, CipStatus.SUPERSEDED)
            book.delete_at_provider(live)
        book.move_cip(cip, CipStatus.CURRENT)
        cip.next_attempt_at = None
        book.order.expires_at = cip.expires_at
        book.move_order(rule.to, Fact.ISSUED, cip)
    else:
        if was in (CipStatus.REQUESTED, CipStatus.LOST):
            book.move_cip(cip, CipStatus.SUPERSEDED)
        book.delete_at_provider(cip)
        book.note(Fact.ISSUED, cip)


def _reaches(was: CipStatus, live: Cip | None, cip: Cip, asked: bool) -> bool:
    """Return whether a code that can be paid becomes the order's: it was requested, found again, or wished for."""
    return was == CipStatus.REQUESTED or asked or (was == CipStatus.LOST and live in (None, cip))


def _ended(book: Book, cip: Cip, report: Report, *, asked: bool) -> None:
    """The code was refused, got lost, expired or was deleted."""
    was, fact = CipStatus(cip.status), report.fact
    becomes, from_these = {
        Fact.REFUSED: (CipStatus.REFUSED, {CipStatus.REQUESTED}),
        Fact.LOST: (CipStatus.LOST, {CipStatus.REQUESTED}),
        Fact.CODE_EXPIRED: (CipStatus.EXPIRED, {CipStatus.REQUESTED, CipStatus.CURRENT, CipStatus.LOST}),
        Fact.CODE_DELETED: (
            CipStatus.SUPERSEDED if asked else CipStatus.DELETED,
            {CipStatus.REQUESTED, CipStatus.CURRENT, CipStatus.LOST, CipStatus.EXPIRED},
        ),
    }[fact]
    reaches = was == (CipStatus.REQUESTED if fact in (Fact.REFUSED, Fact.LOST) else CipStatus.CURRENT)
    if was in from_these:
        book.move_cip(cip, becomes)
    if fact == Fact.CODE_DELETED and cip.next_attempt_at:
        cip.next_attempt_at = None
        book.touch(cip)
    rule = TABLE[book.state][fact]
    early = fact == Fact.CODE_EXPIRED and book.now < book.order.expires_at
    wanted = fact == Fact.CODE_DELETED and asked
    last = rule.condition != Condition.LAST_ROUTE or _no_route_left(book)
    if reaches and rule.to and last and not early and not wanted:
        book.move_order(rule.to, fact, cip, report.detail)
    elif rule.noted or cip.status != was or rule.to:
        book.note(fact, cip, report.detail)


def _no_route_left(book: Book) -> bool:
    refused = {cip.channel for cip in book.cips if cip.status == CipStatus.REFUSED}
    return refused >= set(conf.route(book.order.currency))


# Payments.


def _payment(book: Book, cip: Cip, report: Report, *, accepted: bool) -> None:
    """A proven payment: it counts, is held, or is one that we know."""
    if report.amount is None or not report.currency:
        raise Malformed(f"The report of a payment for code {report.code} names no amount; ask the provider again.")
    book.learn(cip, report)
    if known := _same_payment(book.payments_of(cip), report):
        _more_known(book, cip, known, report)
        return
    payment = Payment(
        cip=cip,
        operation_number=report.operation_number or None,
        amount=report.amount,
        currency=report.currency,
        paid_at=report.paid_at,
        first_heard_at=report.received_at or book.now,
    )
    kind = _doubt(book, cip, payment, report, accepted=accepted)
    rule = Rule(question=kind) if kind else TABLE[book.state][Fact.PAYMENT]
    duplicate = rule.question == Kind.DUPLICATE_PAYMENT
    payment.standing = Standing.APPLIED if rule.to else Standing.DUPLICATE if duplicate else Standing.HELD
    payment.save(using=book.alias)
    book.payments.append(payment)
    book.move_cip(cip, CipStatus.PAID)
    cip.next_attempt_at = None
    if rule.to:
        _pay(book, payment, Fact.PAYMENT)
    elif rule.question:
        book.ask(rule.question, report, cip, payment)


def _same_payment(known: list[Payment], report: Report) -> Payment | None:
    """Return the payment that a report repeats.

    Same code and same operation number: the same, always. A number missing on either side: the same, unless a
    reversal lies between. Both present and different: another.
    """
    number = report.operation_number
    for payment in known if number else []:
        if payment.operation_number == number:
            return payment
    candidates = [payment for payment in known if not (number and payment.operation_number)]
    return candidates[-1] if candidates and candidates[-1].standing != Standing.REVERSED else None


def _doubt(book: Book, cip: Cip, payment: Payment, report: Report, *, accepted: bool) -> Kind | None:
    """Return why a payment can't count by itself, whatever the order's state."""
    if report.transaction_code and report.transaction_code != cip.transaction_code:
        return Kind.UNMATCHED
    if payment.currency != book.order.currency:
        return Kind.CURRENCY_MISMATCH
    if payment.amount != book.order.amount:
        return Kind.AMOUNT_MISMATCH
    for number in cip.early_reversals:
        if not number or not report.operation_number or number == report.operation_number:
            cip.early_reversals.remove(number)
            book.touch(cip)
            return Kind.REVERSED
    return Kind.LATE_PAYMENT if _late(book.order, payment) and not accepted else None


def _late(order: Order, payment: Payment) -> bool:
    """Return whether it was paid after the date and its grace; our first hearing stands in for a missing time."""
    return (payment.paid_at or payment.first_heard_at) > order.expires_at + conf.grace


def _more_known(book: Book, cip: Cip, payment: Payment, report: Report) -> None:
    """Keep what a repetition adds, and count a payment that turns out to have been on time."""
    numbered = bool(report.operation_number and not payment.operation_number)
    if numbered:
        payment.operation_number = report.operation_number
    timed = bool(report.paid_at and (numbered or not payment.paid_at) and payment.paid_at != report.paid_at)
    if timed:
        payment.paid_at = report.paid_at
    if numbered or timed:
        payment.save(using=book.alias, update_fields=["operation_number", "paid_at"])
        if payment.standing == Standing.APPLIED:
            _show_payment(book.order, payment)
            book.touch(cip)
    if (payment.amount, payment.currency) != (report.amount, report.currency):
        book.ask(Kind.AMOUNT_MISMATCH, report, cip, payment)
    elif timed and payment.standing == Standing.HELD and not _late(book.order, payment):
        late = Discrepancy.objects.using(book.alias).filter(kind=Kind.LATE_PAYMENT, payment=payment).open()
        rule = TABLE[book.state][Fact.PAYMENT]
        if late.update(**_closed("pagoefectivo", "The provider's time shows that it was paid in time.", book.now)):
            if rule.to:
                _pay(book, payment, Fact.PAYMENT)
            elif rule.question:
                book.ask(rule.question, report, cip, payment)


def _pay(book: Book, payment: Payment, fact: Fact) -> None:
    """Let a payment pay the order."""
    if payment.standing != Standing.APPLIED:
        payment.standing = Standing.APPLIED
        payment.save(using=book.alias, update_fields=["standing"])
    cip = next(cip for cip in book.cips if cip.pk == payment.cip_id)
    book.order.cip = cip
    _show_payment(book.order, payment)
    book.drop_others(cip)
    book.move_order(OrderState.PAID, fact, cip)


def _show_payment(order: Order, payment: Payment) -> None:
    order.paid_at = payment.paid_at or payment.first_heard_at
    order.operation_number = payment.operation_number or ""


def _reversal(book: Book, cip: Cip, report: Report) -> None:
    """The provider took a payment back."""
    number, mine = report.operation_number, book.payments_of(cip)
    if any(number and payment.operation_number == number and payment.standing == Standing.REVERSED for payment in mine):
        return
    standing = [payment for payment in mine if payment.standing != Standing.REVERSED]
    meant = [payment for payment in standing if not number or payment.operation_number in (None, number)]
    if not meant and mine and not number and not standing:
        return
    rule = TABLE[book.state][Fact.PAYMENT_REVERSED]
    if meant:
        payment = next((payment for payment in meant if payment.operation_number == number), meant[-1])
        made_it_paid = payment.standing == Standing.APPLIED
        payment.standing = Standing.REVERSED
        payment.save(using=book.alias, update_fields=["standing"])
        if made_it_paid and rule.to:
            book.move_order(rule.to, Fact.PAYMENT_REVERSED, cip)
            book.ask(Kind.REVERSED, report, cip, payment)
        else:
            book.note(Fact.PAYMENT_REVERSED, cip, f"payment {payment.pk}")
    elif number not in cip.early_reversals:
        # It came before its payment, or carries a number of its own: the code remembers, and a person looks at it
        # if the order is paid already.
        cip.early_reversals.append(number)
        book.touch(cip)
        book.note(Fact.PAYMENT_REVERSED, cip, "no payment of this number is known")
        if standing:
            book.ask(Kind.REVERSED, report, cip)


# The time of a payment, and what the shop says of late ones.


def _unknown_time(book: Book, cip: Cip, report: Report) -> bool:
    """Return whether a new payment would be late only because nobody said when it was made."""
    if report.paid_at or _same_payment(book.payments_of(cip), report):
        return False
    return _late(book.order, Payment(first_heard_at=report.received_at or book.now))


def _shop_accepts(report: Report, now: datetime) -> bool:
    """Return what the shop says of a late payment. Its own function runs here, before any lock on an order."""
    if report.fact != Fact.PAYMENT or conf.late_payments == "hold":
        return False
    policy = conf.late_policy
    if not callable(policy):
        return policy == "accept"
    codes = Cip.objects.using(database()).select_related("order")
    cip = codes.filter(account=report.account, code=report.code).first()
    if not cip or not _late(cip.order, Payment(paid_at=report.paid_at, first_heard_at=report.received_at or now)):
        return False
    try:
        return bool(policy(cip.order, report))
    except Exception:
        # The shop's own code failed: the payment is held, and a person decides.
        logger.exception("LATE_PAYMENTS failed for order %s; its payment is held.", cip.order_id)
        return False


# Decisions.


def _decide(books: list[Book], decision: Decision, history: History) -> None:
    book = next((book for book in books if decision.order and book.order.pk == decision.order.pk), None)
    if decision.question:
        _answer(book, decision, history)
    elif book:
        rule = TABLE[book.state][Fact.WITHDRAWN]
        if rule.refused:
            raise AlreadyPaid(f"Order {book.order} is paid; refund it instead.")
        if book.in_question():
            raise InQuestion(f"Order {book.order} has an open money question; resolve it first.")
        if rule.to:
            book.drop_others(None)
            book.move_order(rule.to, Fact.WITHDRAWN, book.order.cip, decision.reason)


def _answer(book: Book | None, decision: Decision, history: History) -> None:
    """Resolve a question, and pay the order with its payment if that is the answer."""
    assert decision.question
    questions = Discrepancy.objects.using(history.alias)
    question = questions.select_for_update().select_related("payment").get(pk=decision.question.pk)
    if question.status == Discrepancy.Status.RESOLVED:
        raise InvalidRequest(f"Question {question.pk} was resolved by {question.resolved_by}; it stays so.")
    if decision.answer == Resolution.ACCEPT:
        _accept(book, question)
    closed = _closed(history.actor, decision.reason, history.now)
    questions.filter(pk=question.pk).update(**closed, resolution=decision.answer)
    told = book.history if book else history
    order = book.order if book else None
    state = order.state if order else ""
    told.tell(order, "noted", "", question.cip, f"{question.kind}: {decision.answer}", state, question)


def _accept(book: Book | None, question: Discrepancy) -> None:
    if book is None or question.payment is None:
        raise InvalidRequest(
            f"Question {question.pk} ({question.kind}) has no payment of an order that could be accepted; "
            "adopt the code for its order first, or choose another answer."
        )
    payment = next(payment for payment in book.payments if payment.pk == question.payment_id)
    if payment.standing == Standing.APPLIED and book.state == OrderState.PAID:
        return
    if TABLE[book.state][Fact.ACCEPTED].refused:
        raise AlreadyPaid(f"Order {book.order} is paid by another payment; this one can be refunded or ignored.")
    _pay(book, payment, Fact.ACCEPTED)


def _closed(actor: str, reason: str, now: datetime) -> dict[str, Any]:
    return {
        "status": Discrepancy.Status.RESOLVED,
        "resolved_by": actor[:150],
        "resolved_at": now,
        "reason": reason[:500],
    }
