"""What a person, the shop itself, or the clock decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ...channels.base import Report
from ...errors import AlreadyPaid, InQuestion
from ...models import Cip, Discrepancy, Order, Refund
from ...models.database import LEASE
from ...states import TABLE, CipStatus, Fact, Kind, OrderState, RefundStatus, Resolution, Rule, Standing
from ..possible.refusing import refuse_answer, refuse_marking
from ..possible.rules import DiscrepancySituation, discrepancy_actions, order_actions, payable_by_hand
from .book import Book, Shelf
from .doubts import close_unconfirmed, now_confirmed
from .history import closed
from .payments import pay, tell_if_settled
from .question import ignore_line, lock_question
from .refunds import step
from .vouching import mark
from .watch import deadline

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
    #: The code that is given up though it may still be paid; the order stays as it is, and so does ``fact``.
    given_up: Cip | None = None
    #: Nobody can be asked whether the code that is given up can be paid, so a person is told of it.
    nobody: bool = False
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
    elif book and decision.given_up:
        _give_up(book, decision, decision.given_up)
    elif book:
        _BY_FACT[decision.fact](book, decision)


def _withdraw(book: Book, decision: Decision) -> None:
    if _may_go(book).to:
        book.drop_others(None)
        book.move_order(OrderState.CANCELLED, Fact.WITHDRAWN, book.cip, decision.reason)
        # What nobody confirmed is not waited for any more.
        close_unconfirmed(book, decision.reason or "The order was cancelled.")


def _give_up(book: Book, decision: Decision, code: Cip) -> None:
    """Leave a code that may still be paid; it is watched, and due for deletion until it can't be."""
    _may_go(book)
    cip = next(cip for cip in book.cips if cip.pk == code.pk)
    if cip.status == CipStatus.CURRENT:
        book.move_cip(cip, CipStatus.SUPERSEDED)
        book.delete_at_provider(cip)
        book.note(Fact.WITHDRAWN, cip, f"may still be paid: {decision.reason}")
        if decision.nobody:
            book.ask(Kind.STILL_PAYABLE, None, cip)


def _may_go(book: Book) -> Rule:
    """Return what a withdrawal does; raises if the order is paid, or if a person has to decide first."""
    rule = TABLE[book.state][Fact.WITHDRAWN]
    if rule.refused:
        raise AlreadyPaid(f"Order {book.order} is paid; refund it instead.")
    if book.in_question():
        raise InQuestion(f"Order {book.order} has an open money question; resolve it first.")
    return rule


def _lapse(book: Book, decision: Decision) -> None:
    """End an order whose date has passed, unless it moved, somebody must decide, or a code of it can be paid."""
    rule, live = TABLE[book.state][Fact.LAPSED], book.live_cip()
    asking = live and live.status == CipStatus.REQUESTED and live.asked_at and live.asked_at + LEASE > book.now
    payable = live and live.status == CipStatus.CURRENT and (decision.gone is None or live.pk != decision.gone.pk)
    over = deadline(book.order.expires_at) <= book.now
    if rule.to and over and not asking and not payable and not book.in_question():
        book.move_order(rule.to, Fact.LAPSED, book.cip, decision.reason)
        now_confirmed(book, "The order has expired.")
    elif rule.to:
        pause = LEASE if asking else LOOK_AGAIN
        book.order.lapses_at = max(deadline(book.order.expires_at), book.now + pause)


def _vouch(book: Book, decision: Decision) -> None:
    """Pay an order by a payment that a person saw, where neither message nor answer tells of it."""
    assert decision.vouched  # nosec B101 # says what mypy must know
    report, order = decision.vouched, book.order
    if why := order_actions(book.situation())["mark_paid"]:
        raise refuse_marking(why, order)
    cip = payable_by_hand(order, book.cips)
    assert cip  # nosec B101 # says what mypy must know
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
    assert decision.answer  # nosec B101 # says what mypy must know
    payment = next((payment for payment in book.payments if payment.pk == question.payment_id), None) if book else None
    situation = DiscrepancySituation(question, book.situation() if book else None)
    if why := discrepancy_actions(situation)[decision.answer]:
        raise refuse_answer(decision.answer, why, question, payment)
    if book and payment and decision.answer == Resolution.ACCEPT:
        if payment.standing != Standing.APPLIED or book.state != OrderState.PAID:
            pay(book, payment, Fact.ACCEPTED)
            tell_if_settled(book, payment)
    elif book and payment and decision.answer == Resolution.REFUND_DUE and payment.refundable:
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
