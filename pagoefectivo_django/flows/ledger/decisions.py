"""Apply decisions of a person, the shop or the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.utils.translation import gettext_noop as _

from ...channels.base import Report
from ...errors import AlreadyPaid
from ...facts import Data
from ...models import Cip, Discrepancy, Order, Refund
from ...models.database import LEASE
from ...states import CipStatus, Fact, Kind, OrderState, PaymentStatus, RefundStatus, Resolution
from ...transitions import ORDER_TABLE, Rule
from ..possible.refusing import refuse_answer, refuse_change, refuse_marking
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
    """A decision of a person, the shop or the clock, with a reason; each kind is a class of its own.

    ``order``: the order that the decision is about, None for a discrepancy without an order.
    """

    order: Order | None
    reason: str = ""
    #: A program's reason, as data of the event.
    data: Data = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class Withdrawal(Decision):
    """The shop cancels the order."""


@dataclass(frozen=True)
class Supersession(Decision):
    """The shop gives up a code, or a lost link, that may still be paid; the order keeps its state."""

    code: Cip = field(kw_only=True)
    #: The provider can't be asked whether the code can be paid, so a discrepancy is opened.
    nobody_knows: bool = field(kw_only=True)


@dataclass(frozen=True)
class Lapse(Decision):
    """The clock ends an order whose deadline has passed."""

    #: The code known not to be payable any more.
    gone: Cip | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Vouching(Decision):
    """A person marks the order as paid, by a payment that the provider has not reported."""

    payment: Report = field(kw_only=True)


@dataclass(frozen=True)
class Answer(Decision):
    """A person resolves a discrepancy."""

    discrepancy: Discrepancy = field(kw_only=True)
    resolution: Resolution = field(kw_only=True)


@dataclass(frozen=True)
class RefundStep(Decision):
    """A person or the channel moves a refund on to its next status."""

    refund: Refund = field(kw_only=True)
    becomes: RefundStatus = field(kw_only=True)


def decide(unit: UnitOfWork, decision: Decision) -> None:
    """Apply a decision to its order, which the unit of work has locked."""
    locked = next((each for each in unit.locked_orders if decision.order and each.order.pk == decision.order.pk), None)
    if isinstance(decision, Answer):
        _answer(unit, locked, decision)
    elif locked:
        match decision:
            case RefundStep():
                step(locked, decision.refund, decision.becomes, decision.reason, decision.data)
            case Supersession():
                _supersede(locked, decision)
            case Withdrawal():
                _withdraw(locked, decision)
            case Lapse():
                _lapse(locked, decision)
            case Vouching():
                _vouch(locked, decision)
            case _:
                raise AssertionError(f"{type(decision).__name__} has no effect here.")


def _withdraw(locked: LockedOrder, decision: Withdrawal) -> None:
    if _may_go(locked).to:
        locked.drop_others(None)
        locked.move_order(OrderState.CANCELLED, Fact.WITHDRAWN, locked.cip, decision.data, reason=decision.reason)
        # The order has ended, so no confirmation by the provider is waited for any more.
        close_unconfirmed(locked, "order_cancelled", reason=decision.reason)


def _supersede(locked: LockedOrder, decision: Supersession) -> None:
    """Supersede a current code or a lost link that may still be paid; polling and attempts to delete the code go on."""
    cip = next(cip for cip in locked.cips if cip.pk == decision.code.pk)
    if cip.status == CipStatus.LOST and not cip.is_known:
        locked.move_cip(cip, CipStatus.SUPERSEDED)
        return
    _may_go(locked)
    if cip.status == CipStatus.CURRENT:
        locked.move_cip(cip, CipStatus.SUPERSEDED)
        locked.delete_at_provider(cip)
        locked.note(Fact.WITHDRAWN, cip, {"about": "may_still_be_paid", **decision.data})
        if decision.nobody_knows:
            locked.open_discrepancy(Kind.STILL_PAYABLE, None, cip)


def _may_go(locked: LockedOrder) -> Rule:
    """Return the rule for a withdrawal in the order's state.

    Raises ``AlreadyPaid`` for a paid order and ``InReview`` while a discrepancy about money is open.
    """
    rule = ORDER_TABLE[locked.state][Fact.WITHDRAWN]
    if rule.refused:
        raise AlreadyPaid(_("Order %(order)s is paid; refund it instead."), code="order_paid", order=str(locked.order))
    if locked.in_review():
        raise refuse_change("cancel", "in_review", locked.order)
    return rule


def _lapse(locked: LockedOrder, decision: Lapse) -> None:
    """Expire an order whose deadline has passed, or set when to try again.

    An order does not expire while a request for a code is running, a code can be paid, or money is in review.
    """
    rule, live = ORDER_TABLE[locked.state][Fact.LAPSED], locked.live_cip()
    asking = live and live.status == CipStatus.REQUESTED and live.asked_at and live.asked_at + LEASE > locked.now
    payable = live and live.status == CipStatus.CURRENT and (decision.gone is None or live.pk != decision.gone.pk)
    over = deadline(locked.order.expires_at) <= locked.now
    if rule.to and over and not asking and not payable and not locked.in_review():
        locked.move_order(rule.to, Fact.LAPSED, locked.cip, decision.data)
        now_confirmed(locked, "order_expired")
    elif rule.to:
        pause = LEASE if asking else LOOK_AGAIN
        locked.order.lapses_at = max(deadline(locked.order.expires_at), locked.now + pause)


def _vouch(locked: LockedOrder, decision: Vouching) -> None:
    """Pay an order by a payment that a person saw and the provider has not reported."""
    order = locked.order
    if why := order_actions(locked.situation())["mark_paid"]:
        raise refuse_marking(why, order)
    cip = payable_by_hand(order, locked.cips)
    assert cip  # nosec B101 # narrows the type for mypy
    mark(locked, cip, decision.payment, decision.reason)


def _answer(unit: UnitOfWork, locked: LockedOrder | None, decision: Answer) -> None:
    """Resolve a discrepancy and do what the resolution says.

    ``ACCEPT`` pays the order with the payment, ``REFUND_DUE`` requests a refund, ``IGNORE`` ignores the line.
    """
    history = unit.history
    discrepancy = lock_discrepancy(decision.discrepancy, unit.alias)
    payment = (
        next((payment for payment in locked.payments if payment.pk == discrepancy.payment_id), None) if locked else None
    )
    situation = DiscrepancySituation(discrepancy, locked.situation() if locked else None)
    if why := discrepancy_actions(situation)[decision.resolution]:
        raise refuse_answer(decision.resolution, why, discrepancy, payment)
    if locked and payment and decision.resolution == Resolution.ACCEPT:
        if payment.status != PaymentStatus.APPLIED or locked.state != OrderState.PAID:
            pay(locked, payment, Fact.ACCEPTED)
            tell_if_settled(locked, payment)
    elif locked and payment and decision.resolution == Resolution.REFUND_DUE and payment.refundable:
        # A resolved discrepancy is out of sight; the requested refund keeps the money due in the list of refunds.
        step(locked, Refund(payment=payment, amount=0, reason=decision.reason[:500]), RefundStatus.REQUESTED)
    answered = closed(history.actor, "", history.now, reason=decision.reason) | {"resolution": decision.resolution}
    Discrepancy.objects.using(unit.alias).filter(pk=discrepancy.pk).update(**answered)
    if decision.resolution == Resolution.IGNORE:
        ignore_line(discrepancy, decision.reason, unit.alias)
    order = locked.order if locked else None
    state = order.state if order else ""
    # Reopening clears the reason on the row, so the event keeps a copy.
    data = {"discrepancy": discrepancy.kind, "resolution": decision.resolution}
    history.tell(
        order, "noted", "", discrepancy.cip, data, before=state, reason=decision.reason, discrepancy=discrepancy
    )
