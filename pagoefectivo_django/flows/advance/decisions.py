"""What a person, the shop itself, or the clock decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ...channels.base import Report
from ...errors import AlreadyPaid, InQuestion, InvalidRequest
from ...models import Cip, Discrepancy, Order, Refund
from ...models.database import LEASE
from ...states import TABLE, CipStatus, Fact, OrderState, RefundStatus, Resolution, Standing
from ..book import Book, Shelf
from ..history import closed
from ..question import answers_to, ignore_line, lock_question
from ..watch import deadline
from .payments import mark, pay, tell_if_settled
from .refunds import step

#: When an order that could not end by the clock, since a person has to decide first, is looked at again.
LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Decision:
    """What was decided about an order: an answer to a question, or the fact that it is."""

    order: Order | None
    reason: str = ""
    #: ``WITHDRAWN`` by the shop, ``LAPSED`` by the clock, ``ACCEPTED`` (marked as paid) by a person.
    fact: Fact = Fact.WITHDRAWN
    question: Discrepancy | None = None
    answer: Resolution | None = None
    #: The code that is known not to be payable any more, for ``LAPSED``.
    gone: Cip | None = None
    #: The payment that a person vouches for, for ``ACCEPTED``.
    vouched: Report | None = None
    #: The refund that goes on, and what it becomes.
    refund: Refund | None = None
    becomes: RefundStatus | None = None


def decide(shelf: Shelf, decision: Decision) -> None:
    book = next((book for book in shelf.books if decision.order and book.order.pk == decision.order.pk), None)
    if decision.question:
        _answer(shelf, book, decision)
    elif book and decision.refund and decision.becomes:
        step(book, decision.refund, decision.becomes, decision.reason)
    elif book:
        _BY_FACT[decision.fact](book, decision)


def _withdraw(book: Book, decision: Decision) -> None:
    rule = TABLE[book.state][Fact.WITHDRAWN]
    if rule.refused:
        raise AlreadyPaid(f"Order {book.order} is paid; refund it instead.")
    if book.in_question():
        raise InQuestion(f"Order {book.order} has an open money question; resolve it first.")
    if rule.to:
        book.drop_others(None)
        book.move_order(rule.to, Fact.WITHDRAWN, book.cip, decision.reason)


def _lapse(book: Book, decision: Decision) -> None:
    """End an order whose date has passed, unless it moved, somebody must decide, or a code of it can be paid."""
    rule, live = TABLE[book.state][Fact.LAPSED], book.live_cip()
    asking = live and live.status == CipStatus.REQUESTED and live.asked_at and live.asked_at + LEASE > book.now
    payable = live and live.status == CipStatus.CURRENT and (decision.gone is None or live.pk != decision.gone.pk)
    over = deadline(book.order.expires_at) <= book.now
    if rule.to and over and not asking and not payable and not book.in_question():
        book.move_order(rule.to, Fact.LAPSED, book.cip, decision.reason)
    elif rule.to:
        pause = LEASE if asking else LOOK_AGAIN
        book.order.lapses_at = max(deadline(book.order.expires_at), book.now + pause)


def _vouch(book: Book, decision: Decision) -> None:
    """Pay an order by a payment that a person saw, where neither message nor answer tells of it."""
    assert decision.vouched  # nosec B101 # says what mypy must know
    report, order = decision.vouched, book.order
    if TABLE[book.state][Fact.ACCEPTED].refused or book.state == OrderState.REFUNDED:
        raise AlreadyPaid(f"Order {order} is {book.state}; it can't be paid again.")
    if book.in_question():
        raise InQuestion(f"Order {order} has an open money question; answer it instead.")
    if book.ordered_again():
        raise InvalidRequest(f"Reference {order} was ordered again; cancel that order first.")
    unpayable = (CipStatus.REQUESTED, CipStatus.REFUSED)
    cip = next((cip for cip in book.cips if cip.pk == order.cip_id and cip.status not in unpayable), None)
    if cip is None:
        raise InvalidRequest(f"Order {order} has no code that could have been paid; adopt it first.")
    mark(book, cip, report, decision.reason)


_BY_FACT: dict[Fact, Callable[[Book, Decision], None]] = {
    Fact.WITHDRAWN: _withdraw,
    Fact.LAPSED: _lapse,
    Fact.ACCEPTED: _vouch,
}


def _answer(shelf: Shelf, book: Book | None, decision: Decision) -> None:
    """Resolve a question, and pay the order with its payment if that is the answer."""
    assert decision.question  # nosec B101 # says what mypy must know
    history = shelf.history
    question = lock_question(decision.question, shelf.alias)
    if question.status == Discrepancy.Status.RESOLVED:
        raise InvalidRequest(f"Question {question.pk} was resolved by {question.resolved_by}; it stays so.")
    if decision.answer not in (possible := answers_to(question)):
        raise InvalidRequest(
            f"Question {question.pk} ({question.kind}) is about a statement, which is no proof of a payment: "
            f"it can't be answered with {decision.answer}; use {' or '.join(possible)}."
        )
    if decision.answer == Resolution.ACCEPT:
        _accept(book, question)
    payment = next((payment for payment in book.payments if payment.pk == question.payment_id), None) if book else None
    if decision.answer == Resolution.REFUND_DUE and book and payment and payment.refundable:
        # Otherwise nothing would remind anybody of the money.
        step(book, Refund(payment=payment, amount=0, reason=decision.reason[:500]), RefundStatus.REQUESTED)
    answered = closed(history.actor, decision.reason, history.now) | {"resolution": decision.answer}
    Discrepancy.objects.using(shelf.alias).filter(pk=question.pk).update(**answered)
    if decision.answer == Resolution.IGNORE:
        ignore_line(question, decision.reason, shelf.alias)
    order = book.order if book else None
    state = order.state if order else ""
    # With the reason: should it be reopened, that stands nowhere else.
    detail = f"{question.kind}: {decision.answer}: {decision.reason}"
    history.tell(order, "noted", "", question.cip, detail, state, question)


def _accept(book: Book | None, question: Discrepancy) -> None:
    if book is None or question.payment is None:
        raise InvalidRequest(
            f"Question {question.pk} ({question.kind}) has no payment of an order that could be accepted; "
            "adopt the code for its order first, or choose another answer."
        )
    payment = next(payment for payment in book.payments if payment.pk == question.payment_id)
    if payment.standing == Standing.APPLIED and book.state == OrderState.PAID:
        return
    if payment.standing == Standing.REVERSED:
        raise InvalidRequest(f"Payment {payment} was taken back; it can't pay order {book.order} any more.")
    if payment.refunded:
        raise InvalidRequest(f"Payment {payment} is being refunded; it can't pay order {book.order} any more.")
    if book.ordered_again():
        raise InvalidRequest(
            f"Reference {book.order} was ordered again; cancel that order first, or refund this payment."
        )
    if TABLE[book.state][Fact.ACCEPTED].refused:
        raise AlreadyPaid(f"Order {book.order} is paid by another payment; this one can be refunded or ignored.")
    pay(book, payment, Fact.ACCEPTED)
    tell_if_settled(book, payment)
