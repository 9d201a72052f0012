"""What a person, or the shop itself, decided."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import AlreadyPaid, InQuestion, InvalidRequest
from ...models import Discrepancy, Order
from ...states import TABLE, Fact, OrderState, Resolution, Standing
from ..book import Book
from ..history import History, closed
from .payments import ordered_again, pay


@dataclass(frozen=True)
class Decision:
    """What a person, or the shop, decided about an order: ``WITHDRAWN``, or an answer to a question."""

    order: Order | None
    reason: str
    question: Discrepancy | None = None
    answer: Resolution | None = None


def decide(books: list[Book], decision: Decision, history: History) -> None:
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
    question = questions.select_for_update().get(pk=decision.question.pk)
    if question.status == Discrepancy.Status.RESOLVED:
        raise InvalidRequest(f"Question {question.pk} was resolved by {question.resolved_by}; it stays so.")
    if decision.answer == Resolution.ACCEPT:
        _accept(book, question)
    answered = closed(history.actor, decision.reason, history.now) | {"resolution": decision.answer}
    questions.filter(pk=question.pk).update(**answered)
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
    if payment.standing == Standing.REVERSED:
        raise InvalidRequest(f"Payment {payment} was taken back; it can't pay order {book.order} any more.")
    if ordered_again(book):
        raise InvalidRequest(
            f"Reference {book.order} was ordered again; cancel that order first, or refund this payment."
        )
    if TABLE[book.state][Fact.ACCEPTED].refused:
        raise AlreadyPaid(f"Order {book.order} is paid by another payment; this one can be refunded or ignored.")
    pay(book, payment, Fact.ACCEPTED)
