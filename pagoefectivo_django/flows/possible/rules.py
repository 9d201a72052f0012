"""What may be done now, and why not: pure, over situations that were loaded in bulk or under the lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...channels.base import Channel
from ...conf import conf
from ...models import Cip, Discrepancy, Order, Payment, Refund
from ...signals import refund_account_asked
from ...states import TABLE, CipStatus, Fact, Kind, OrderState, PaymentStatus, RefundStatus, Resolution

#: Each action with the code of why it can't be done; empty where it can.
Actions = dict[str, str]

#: In these states an order holds its reference: no other one of it is made, revived or paid.
STATUS = (OrderState.NEW, OrderState.PENDING, OrderState.PAID)
OVER = (OrderState.PAID, OrderState.REFUNDED)
#: In which states a code can be changed; that of an order that is ``OVER`` never.
IN_STATES = {
    "issue": (OrderState.NEW,),
    "cancel": (OrderState.NEW, OrderState.PENDING),
    "extend": (OrderState.PENDING, OrderState.EXPIRED),
    "reissue": (OrderState.NEW, OrderState.PENDING, OrderState.EXPIRED, OrderState.REJECTED),
    "renew": (OrderState.EXPIRED,),
}
#: A code of these statuses was never payable.
NEVER_PAYABLE = (CipStatus.REQUESTED, CipStatus.REFUSED)

#: What a refund can become.
STEPS: dict[RefundStatus, set[RefundStatus]] = {
    RefundStatus.REQUESTED: {RefundStatus.APPROVED, RefundStatus.FAILED},
    RefundStatus.APPROVED: {RefundStatus.SENT, RefundStatus.FAILED},
    # Back to approved: it certainly was not sent.
    RefundStatus.SENT: {RefundStatus.APPROVED, RefundStatus.DONE, RefundStatus.FAILED},
    RefundStatus.DONE: set(),
    RefundStatus.FAILED: set(),
}

#: A person reads these and says so; no answer moves money or a line.
TO_BE_READ = frozenset({Kind.FEE_MISMATCH, Kind.PAYOUT_MISMATCH, Kind.UNSETTLED_OVERDUE})
#: Of the questions about a line, those where the payer may be owed something.
MAY_BE_OWED = frozenset({Kind.DUPLICATE_PAYMENT, Kind.DUPLICATE_LINE, Kind.REFUND_UNMATCHED})

#: What somebody needs to do it, through every door, of this app; the same deed needs the same, whatever leads to it.
PERMISSIONS = {
    "issue": "change_order",
    "cancel": "change_order",
    "extend": "change_order",
    "reissue": "change_order",
    "refresh": "change_order",
    "mark_paid": "mark_paid",
    "adopt_code": "adopt_code",
    "refund": "add_refund",
    "approve": "approve_refund",
    "send": "send_refund",
    "done": "send_refund",
    "fail": "send_refund",
    "ask_account": "send_refund",
    # Answers to a discrepancy, beside ``change_discrepancy``, which all of them need.
    "accept": "mark_paid",
    "refund_due": "add_refund",
    "ignore": "change_discrepancy",
    "assign": "change_discrepancy",
    "comment": "change_discrepancy",
    "reopen": "change_discrepancy",
}


@dataclass(frozen=True)
class OrderSituation:
    """An order with everything that decides what may be done to it."""

    order: Order
    #: Oldest first.
    cips: Sequence[Cip]
    payments: Sequence[Payment]
    #: A person has yet to decide about money of it; and: about anything of it.
    in_review: bool
    asked: bool
    #: Another order stands in its place.
    ordered_again: bool
    #: By account; those that are set now.
    channels: Mapping[str, Channel]


@dataclass(frozen=True)
class RefundSituation:
    """A refund, its payment, the payer's address, and who would move it on; empty where nobody in particular would."""

    refund: Refund
    payment: Payment
    email: str
    actor: str = ""
    #: A line of a statement is matched with it: the money went.
    in_statement: bool = False


@dataclass(frozen=True)
class DiscrepancySituation:
    """A question, and the order that it is about, if any."""

    discrepancy: Discrepancy
    of: OrderSituation | None


def order_actions(of: OrderSituation) -> Actions:
    """Return what may be done to an order."""
    changes = {action: _change(of, action) for action in IN_STATES}
    return {
        **changes,
        "refresh": _ask(of),
        "mark_paid": _mark_paid(of),
        "adopt_code": "" if any(map(may_be_adopted, of.cips)) else "no_lost_code",
        "refund": "" if any(payment.refundable for payment in of.payments) else "nothing_left",
    }


def _change(of: OrderSituation, action: str) -> str:
    """Return why a code of an order can't be had, moved or taken away."""
    order, state = of.order, OrderState(of.order.state)
    if state in OVER:
        return str(state)
    if of.in_review:
        return "in_review"
    if state not in IN_STATES[action]:
        return str(state)
    if state not in STATUS and of.ordered_again:
        return "ordered_again"
    if action == "extend":
        return _extend(of)
    if action in ("reissue", "renew") and order.forgotten_at:
        return "erased"
    if action == "renew" and not conf.payer_may_renew:
        return "not_allowed"
    if action == "renew" and (order.pending_action or order.deferred_action or of.asked):
        return "asked" if of.asked and not order.pending_action else "code_pending"
    return "no_route" if action in ("reissue", "renew") and not conf.route(order.currency) else ""


def _extend(of: OrderSituation) -> str:
    if not (cip := extendable(of.cips)):
        return "no_code"
    if not (channel := of.channels.get(cip.account)):
        return "no_account"
    return "" if channel.can_extend else "cannot_extend"


def extendable(cips: Iterable[Cip]) -> Cip | None:
    """Return the code that an extension is about: the one that can be paid, else the last that expired."""
    found = [cip for cip in cips if cip.code and cip.status in (CipStatus.CURRENT, CipStatus.EXPIRED)]
    return max(found, key=lambda cip: (cip.live is True, cip.pk), default=None)


def _ask(of: OrderSituation) -> str:
    known = [cip for cip in of.cips if cip.code]
    if not known:
        return "no_code"
    asked = [of.channels[cip.account] for cip in known if cip.account in of.channels]
    if len(asked) < len(known):
        return "no_account"
    return "" if any(channel.can_search for channel in asked) else "cannot_search"


def _mark_paid(of: OrderSituation) -> str:
    state = OrderState(of.order.state)
    if TABLE[state][Fact.ACCEPTED].refused or state in OVER:
        return str(state)
    if of.in_review:
        return "in_review"
    if of.ordered_again:
        return "ordered_again"
    return "" if payable_by_hand(of.order, of.cips) else "no_code"


def payable_by_hand(order: Order, cips: Sequence[Cip]) -> Cip | None:
    """Return the code with which an order could have been paid without our hearing of it."""
    return next((cip for cip in cips if cip.pk == order.cip_id and cip.status not in NEVER_PAYABLE), None)


def may_be_adopted(cip: Cip) -> bool:
    """Return whether a code may exist whose digits nobody knows: it was asked for, and its answer got lost."""
    return not cip.code and (cip.status == CipStatus.LOST or (cip.status == CipStatus.REQUESTED and bool(cip.asked_at)))


def refund_actions(of: RefundSituation) -> Actions:
    """Return what people may do to a refund."""
    refund, status = of.refund, RefundStatus(of.refund.status)
    steps = {
        "approve": RefundStatus.APPROVED if status == RefundStatus.REQUESTED else None,
        "send": RefundStatus.SENT,
        "done": RefundStatus.DONE,
        "fail": RefundStatus.FAILED,
    }
    found = {action: "" if becomes in STEPS[status] else str(status) for action, becomes in steps.items()}
    if of.payment.status == PaymentStatus.REVERSED:
        found |= {action: found[action] or "taken_back" for action in ("approve", "send")}
    if conf.refund_four_eyes and of.actor and of.actor[:150] == refund.requested_by:
        found["approve"] = found["approve"] or "same_person"
    if refund.by_channel:
        found["send"] = found["send"] or "by_provider"
    elif not refund.cci:
        found["send"] = found["send"] or "no_cci"
    if status == RefundStatus.SENT and refund.by_channel and refund.retry_at:
        found |= {"done": "asking", "fail": "asking"}
    if of.in_statement:
        found["fail"] = found["fail"] or "in_statement"
    known = "account_known" if refund.cci else "by_provider" if refund.by_channel else str(status)
    found["give_account"] = "" if refund.needs_account else known
    written = "" if refund_account_asked.by_name else "no_message"
    found["ask_account"] = ("no_address" if not of.email else written) if refund.wants_account else known
    return found


def discrepancy_actions(of: DiscrepancySituation) -> Actions:
    """Return which answers a question can have, and what else people may do with it."""
    discrepancy = of.discrepancy
    closed = discrepancy.status == Discrepancy.Status.RESOLVED
    answers = {str(answer): "closed" if closed else _answer(of, answer) for answer in Resolution}
    return answers | {
        "reopen": "" if closed else "open",
        "assign": "closed" if closed else "",
        "comment": "",
    }


def answers_to(discrepancy: Discrepancy) -> list[Resolution]:
    """Return the answers that a question of this kind can have; a statement is no proof, so a line pays no order."""
    if discrepancy.kind in TO_BE_READ:
        return [Resolution.IGNORE]
    if discrepancy.line_id is None and discrepancy.settlement_id is None:
        return list(Resolution)
    owed = discrepancy.payment_id and discrepancy.kind in MAY_BE_OWED
    return [Resolution.REFUND_DUE, Resolution.IGNORE] if owed else [Resolution.IGNORE]


def _answer(of: DiscrepancySituation, answer: Resolution) -> str:
    """Return why a question can't be answered so; each answer leaves what it says behind, or is none."""
    if answer not in answers_to(of.discrepancy):
        return "no_proof"
    if answer == Resolution.IGNORE:
        return ""
    payments = of.of.payments if of.of else ()
    payment = next((payment for payment in payments if payment.pk == of.discrepancy.payment_id), None)
    if of.of is None or payment is None:
        return "no_payment"
    if answer == Resolution.REFUND_DUE:
        return "taken_back" if payment.status == PaymentStatus.REVERSED else ""
    return _accept(of.of, payment)


def _accept(of: OrderSituation, payment: Payment) -> str:
    state = OrderState(of.order.state)
    if payment.status == PaymentStatus.APPLIED and state == OrderState.PAID:
        return ""
    if payment.status == PaymentStatus.REVERSED:
        return "taken_back"
    if payment.refunded:
        return "being_refunded"
    if of.ordered_again:
        return "ordered_again"
    return str(state) if TABLE[state][Fact.ACCEPTED].refused else ""
