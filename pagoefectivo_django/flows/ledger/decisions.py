"""What a person, the shop itself, or the clock decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from ...channels.base import Report
from ...errors import AlreadyPaid, InReview
from ...models import Cip, Discrepancy, Order, Refund
from ...models.database import LEASE
from ...states import TABLE, CipStatus, Fact, Kind, OrderState, PaymentStatus, RefundStatus, Resolution, Rule
from ..possible.refusing import refuse_answer, refuse_marking
from ..possible.rules import DiscrepancySituation, discrepancy_actions, order_actions, payable_by_hand
from .contradictions import close_unconfirmed, now_confirmed
from .discrepancy import ignore_line, lock_discrepancy
from .history import closed
from .locked import LockedOrder, UnitOfWork
from .payments import pay, tell_if_settled
from .refunds import step
from .schedule import deadline
from .vouching import mark

#: When an order that could not end by the clock, since a person has to decide first, is looked at again.
LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Decision:
    """What was decided about an order: an answer to a question, or the fact that it is."""

    order: Order | None
    reason: str = ""
    #: ``WITHDRAWN`` by the shop, ``LAPSED`` by the clock, ``ACCEPTED`` (marked as paid) by a person.
    fact: Fact = Fact.WITHDRAWN
    discrepancy: Discrepancy | None = None
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


def decide(unit: UnitOfWork, decision: Decision) -> None:
    locked = next(
        (locked for locked in unit.locked_orders if decision.order and locked.order.pk == decision.order.pk), None
    )
    if decision.discrepancy:
        _answer(unit, locked, decision)
    elif locked and decision.refund and decision.becomes:
        step(locked, decision.refund, decision.becomes, decision.reason)
    elif locked and decision.given_up:
        _give_up(locked, decision, decision.given_up)
    elif locked:
        _BY_FACT[decision.fact](locked, decision)


def _withdraw(locked: LockedOrder, decision: Decision) -> None:
    if _may_go(locked).to:
        locked.drop_others(None)
        locked.move_order(OrderState.CANCELLED, Fact.WITHDRAWN, locked.cip, decision.reason)
        # What nobody confirmed is not waited for any more.
        close_unconfirmed(locked, decision.reason or "The order was cancelled.")


def _give_up(locked: LockedOrder, decision: Decision, code: Cip) -> None:
    """Leave a code that may still be paid; it is watched, and due for deletion until it can't be."""
    _may_go(locked)
    cip = next(cip for cip in locked.cips if cip.pk == code.pk)
    if cip.status == CipStatus.CURRENT:
        locked.move_cip(cip, CipStatus.SUPERSEDED)
        locked.delete_at_provider(cip)
        locked.note(Fact.WITHDRAWN, cip, f"may still be paid: {decision.reason}")
        if decision.nobody:
            locked.open_discrepancy(Kind.STILL_PAYABLE, None, cip)


def _may_go(locked: LockedOrder) -> Rule:
    """Return what a withdrawal does; raises if the order is paid, or if a person has to decide first."""
    rule = TABLE[locked.state][Fact.WITHDRAWN]
    if rule.refused:
        raise AlreadyPaid(f"Order {locked.order} is paid; refund it instead.")
    if locked.in_review():
        raise InReview(f"Order {locked.order} has an open money discrepancy; resolve it first.")
    return rule


def _lapse(locked: LockedOrder, decision: Decision) -> None:
    """End an order whose date has passed, unless it moved, somebody must decide, or a code of it can be paid."""
    rule, live = TABLE[locked.state][Fact.LAPSED], locked.live_cip()
    asking = live and live.status == CipStatus.REQUESTED and live.asked_at and live.asked_at + LEASE > locked.now
    payable = live and live.status == CipStatus.CURRENT and (decision.gone is None or live.pk != decision.gone.pk)
    over = deadline(locked.order.expires_at) <= locked.now
    if rule.to and over and not asking and not payable and not locked.in_review():
        locked.move_order(rule.to, Fact.LAPSED, locked.cip, decision.reason)
        now_confirmed(locked, "The order has expired.")
    elif rule.to:
        pause = LEASE if asking else LOOK_AGAIN
        locked.order.lapses_at = max(deadline(locked.order.expires_at), locked.now + pause)


def _vouch(locked: LockedOrder, decision: Decision) -> None:
    """Pay an order by a payment that a person saw, where neither message nor answer tells of it."""
    assert decision.vouched  # nosec B101 # says what mypy must know
    report, order = decision.vouched, locked.order
    if why := order_actions(locked.situation())["mark_paid"]:
        raise refuse_marking(why, order)
    cip = payable_by_hand(order, locked.cips)
    assert cip  # nosec B101 # says what mypy must know
    mark(locked, cip, report, decision.reason)


_BY_FACT: dict[Fact, Callable[[LockedOrder, Decision], None]] = {
    Fact.WITHDRAWN: _withdraw,
    Fact.LAPSED: _lapse,
    Fact.ACCEPTED: _vouch,
}


def _answer(unit: UnitOfWork, locked: LockedOrder | None, decision: Decision) -> None:
    """Resolve a question, and pay the order with its payment if that is the answer."""
    assert decision.discrepancy  # nosec B101 # says what mypy must know
    history = unit.history
    discrepancy = lock_discrepancy(decision.discrepancy, unit.alias)
    assert decision.answer  # nosec B101 # says what mypy must know
    payment = (
        next((payment for payment in locked.payments if payment.pk == discrepancy.payment_id), None) if locked else None
    )
    situation = DiscrepancySituation(discrepancy, locked.situation() if locked else None)
    if why := discrepancy_actions(situation)[decision.answer]:
        raise refuse_answer(decision.answer, why, discrepancy, payment)
    if locked and payment and decision.answer == Resolution.ACCEPT:
        if payment.status != PaymentStatus.APPLIED or locked.state != OrderState.PAID:
            pay(locked, payment, Fact.ACCEPTED)
            tell_if_settled(locked, payment)
    elif locked and payment and decision.answer == Resolution.REFUND_DUE and payment.refundable:
        # Otherwise nothing would remind anybody of the money.
        step(locked, Refund(payment=payment, amount=0, reason=decision.reason[:500]), RefundStatus.REQUESTED)
    answered = closed(history.actor, decision.reason, history.now) | {"resolution": decision.answer}
    Discrepancy.objects.using(unit.alias).filter(pk=discrepancy.pk).update(**answered)
    if decision.answer == Resolution.IGNORE:
        ignore_line(discrepancy, decision.reason, unit.alias)
    order = locked.order if locked else None
    state = order.state if order else ""
    # With the reason: should it be reopened, that stands nowhere else.
    detail = f"{discrepancy.kind}: {decision.answer}: {decision.reason}"
    history.tell(order, "noted", "", discrepancy.cip, detail, state, discrepancy)
