"""Apply decisions of a person, the shop or the clock."""

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

#: Pause before the clock tries again to end an order with a payable code or an open discrepancy about money.
LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Decision:
    """A decision about an order, given by ``fact`` or by the fields of the decision's kind.

    In this order: ``discrepancy`` (resolve), ``refund`` (move on), ``given_up`` (supersede a code), else ``fact``.
    """

    order: Order | None
    reason: str = ""
    #: ``WITHDRAWN`` by the shop, ``LAPSED`` by the clock, ``ACCEPTED`` (marked as paid) by a person.
    fact: Fact = Fact.WITHDRAWN
    discrepancy: Discrepancy | None = None
    answer: Resolution | None = None
    #: For ``LAPSED``: the code known not to be payable any more.
    gone: Cip | None = None
    #: The code given up though still payable perhaps. The order keeps its state, and ``fact`` is ignored.
    given_up: Cip | None = None
    #: The provider can't be asked whether the given-up code can be paid, so a discrepancy is opened.
    nobody: bool = False
    #: For ``ACCEPTED``: the payment that a person vouches for.
    vouched: Report | None = None
    #: The refund to move on, and the refund's next status.
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
        # The order has ended, so no confirmation by the provider is waited for any more.
        close_unconfirmed(locked, decision.reason or "The order was cancelled.")


def _give_up(locked: LockedOrder, decision: Decision, code: Cip) -> None:
    """Supersede a current code that may still be paid; polling and attempts to delete the code go on."""
    _may_go(locked)
    cip = next(cip for cip in locked.cips if cip.pk == code.pk)
    if cip.status == CipStatus.CURRENT:
        locked.move_cip(cip, CipStatus.SUPERSEDED)
        locked.delete_at_provider(cip)
        locked.note(Fact.WITHDRAWN, cip, f"may still be paid: {decision.reason}")
        if decision.nobody:
            locked.open_discrepancy(Kind.STILL_PAYABLE, None, cip)


def _may_go(locked: LockedOrder) -> Rule:
    """Return the rule for a withdrawal in the order's state.

    Raises ``AlreadyPaid`` for a paid order and ``InReview`` while a discrepancy about money is open.
    """
    rule = TABLE[locked.state][Fact.WITHDRAWN]
    if rule.refused:
        raise AlreadyPaid(f"Order {locked.order} is paid; refund it instead.")
    if locked.in_review():
        raise InReview(f"Order {locked.order} has an open money discrepancy; resolve it first.")
    return rule


def _lapse(locked: LockedOrder, decision: Decision) -> None:
    """Expire an order whose deadline has passed, or set when to try again.

    An order does not expire while a request for a code is running, a code can be paid, or money is in review.
    """
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
    """Pay an order by a payment that a person saw and the provider has not reported."""
    assert decision.vouched  # nosec B101 # narrows the type for mypy
    report, order = decision.vouched, locked.order
    if why := order_actions(locked.situation())["mark_paid"]:
        raise refuse_marking(why, order)
    cip = payable_by_hand(order, locked.cips)
    assert cip  # nosec B101 # narrows the type for mypy
    mark(locked, cip, report, decision.reason)


_BY_FACT: dict[Fact, Callable[[LockedOrder, Decision], None]] = {
    Fact.WITHDRAWN: _withdraw,
    Fact.LAPSED: _lapse,
    Fact.ACCEPTED: _vouch,
}


def _answer(unit: UnitOfWork, locked: LockedOrder | None, decision: Decision) -> None:
    """Resolve a discrepancy and do what the resolution says.

    ``ACCEPT`` pays the order with the payment, ``REFUND_DUE`` requests a refund, ``IGNORE`` ignores the line.
    """
    assert decision.discrepancy  # nosec B101 # narrows the type for mypy
    history = unit.history
    discrepancy = lock_discrepancy(decision.discrepancy, unit.alias)
    assert decision.answer  # nosec B101 # narrows the type for mypy
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
        # A resolved discrepancy is out of sight; the requested refund keeps the money due in the list of refunds.
        step(locked, Refund(payment=payment, amount=0, reason=decision.reason[:500]), RefundStatus.REQUESTED)
    answered = closed(history.actor, decision.reason, history.now) | {"resolution": decision.answer}
    Discrepancy.objects.using(unit.alias).filter(pk=discrepancy.pk).update(**answered)
    if decision.answer == Resolution.IGNORE:
        ignore_line(discrepancy, decision.reason, unit.alias)
    order = locked.order if locked else None
    state = order.state if order else ""
    # Reopening clears the reason on the row, so the event keeps a copy.
    detail = f"{discrepancy.kind}: {decision.answer}: {decision.reason}"
    history.tell(order, "noted", "", discrepancy.cip, detail, state, discrepancy)
