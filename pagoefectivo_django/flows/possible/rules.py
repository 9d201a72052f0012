"""The rules of possible actions: pure functions over situations loaded in bulk or under the order's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...actors import Actor, ActorKind
from ...channels.base import Channel
from ...conf import conf
from ...models import Cip, Discrepancy, Order, Payment, Refund
from ...signals import refund_account_asked
from ...states import OPEN, CipStatus, Fact, Kind, OrderState, PaymentStatus, RefundStatus, Resolution
from ...transitions import ORDER_TABLE
from ..provider.routes import has_links

#: By action, the code of the reason why the action can't be done; empty if possible.
Actions = dict[str, str]

#: States in which an order holds its reference: no second order with the reference is created, revived or paid.
HOLDING = (*OPEN, OrderState.PAID)
OVER = (OrderState.PAID, OrderState.REFUNDED)
#: By action on an order's code, the states of the order in which the action is possible.
IN_STATES = {
    "issue": (OrderState.NEW,),
    "cancel": OPEN,
    "extend": (OrderState.PENDING, OrderState.EXPIRED),
    "reissue": (*OPEN, OrderState.EXPIRED, OrderState.REJECTED),
    "renew": (OrderState.EXPIRED,),
    "open_link": OPEN,
}
#: Statuses of a code that was never payable.
NEVER_PAYABLE = (CipStatus.REQUESTED, CipStatus.REFUSED)

#: By status of a refund, the possible next statuses.
STEPS: dict[RefundStatus, set[RefundStatus]] = {
    RefundStatus.REQUESTED: {RefundStatus.APPROVED, RefundStatus.FAILED},
    RefundStatus.APPROVED: {RefundStatus.SENT, RefundStatus.FAILED},
    # Back to approved if the request to the provider was certainly not sent.
    RefundStatus.SENT: {RefundStatus.APPROVED, RefundStatus.DONE, RefundStatus.FAILED},
    RefundStatus.DONE: set(),
    RefundStatus.FAILED: set(),
}

#: Kinds of discrepancy that a person only reads: the resolution moves neither money nor a settlement line.
TO_BE_READ = frozenset({Kind.FEE_MISMATCH, Kind.PAYOUT_MISMATCH, Kind.UNSETTLED_OVERDUE})
#: Kinds of discrepancy about a settlement line in which the payer may be owed money.
MAY_BE_OWED = frozenset({Kind.DUPLICATE_PAYMENT, Kind.DUPLICATE_LINE, Kind.REFUND_UNMATCHED})


def full_name(permission: str) -> str:
    """Return a permission's name with its app: ours where none is named."""
    return permission if "." in permission else f"pagoefectivo.{permission}"


#: By action, the permission of this app that a person needs, the same in the admin, the API and every other place.
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
    # Resolutions of a discrepancy, each in addition to ``change_discrepancy``.
    "accept": "mark_paid",
    "refund_due": "add_refund",
    "ignore": "change_discrepancy",
    "assign": "change_discrepancy",
    "comment": "change_discrepancy",
    "reopen": "change_discrepancy",
}


@dataclass(frozen=True)
class OrderSituation:
    """An order with all facts from which ``order_actions`` decides."""

    order: Order
    #: Oldest first.
    cips: Sequence[Cip]
    payments: Sequence[Payment]
    #: ``in_review``: a discrepancy about the order's money is open. ``in_discrepancy``: any about the order is open.
    in_review: bool
    in_discrepancy: bool
    #: Another order holds the reference.
    ordered_again: bool
    #: By account, the channels configured now.
    channels: Mapping[str, Channel]


@dataclass(frozen=True)
class RefundSituation:
    """A refund with payment, payer's e-mail address, and the person who would act (empty: nobody in particular)."""

    refund: Refund
    payment: Payment
    email: str
    actor: Actor | str = ""
    #: A line of a statement is matched with the refund, so the money was sent.
    in_statement: bool = False


@dataclass(frozen=True)
class DiscrepancySituation:
    """A discrepancy, with the situation of the order concerned, if any."""

    discrepancy: Discrepancy
    of: OrderSituation | None


def order_actions(of: OrderSituation) -> Actions:
    """Return the actions on an order, each with the reason why not."""
    changes = {action: _change(of, action) for action in IN_STATES}
    return {
        **changes,
        "refresh": _ask(of),
        "mark_paid": _mark_paid(of),
        "adopt_code": "" if any(map(may_be_adopted, of.cips)) else "no_lost_code",
        "refund": "" if any(payment.refundable for payment in of.payments) else "nothing_left",
    }


def _change(of: OrderSituation, action: str) -> str:
    """Return the reason why an order's code can't be issued, extended, cancelled, reissued or renewed; else empty."""
    state = OrderState(of.order.state)
    if state in OVER:
        return str(state)
    if of.in_review:
        return "in_review"
    if state not in IN_STATES[action]:
        return str(state)
    if state not in HOLDING and of.ordered_again:
        return "ordered_again"
    if _is_in_process(of, action):
        return "in_process"
    rule = {"extend": _extend, "open_link": _open_link, "reissue": _reissue, "renew": _renew}.get(action)
    return rule(of) if rule else ""


def _is_in_process(of: OrderSituation, action: str) -> bool:
    """Return whether a payment under review at the provider stands in an action's way; see ``Cip.in_process_at``."""
    marked = [cip for cip in of.cips if cip.in_process_at and action not in ("issue", "cancel")]
    return any(action != "extend" or cip.status == CipStatus.CURRENT for cip in marked)


def _reissue(of: OrderSituation) -> str:
    if of.order.forgotten_at:
        return "erased"
    return "" if conf.route(of.order.currency) else "no_route"


def _renew(of: OrderSituation) -> str:
    """Return the reason why the payer can't have another code now; staff's reissue has fewer conditions."""
    order = of.order
    if order.forgotten_at:
        return "erased"
    if not conf.payer_may_renew:
        return "not_allowed"
    if of.in_discrepancy and not order.pending_action:
        return "asked"
    if order.pending_action or order.deferred_action:
        return "code_pending"
    return _reissue(of)


def _extend(of: OrderSituation) -> str:
    if not (cip := extendable(of.cips)):
        return "no_code"
    if not (channel := of.channels.get(cip.account)):
        return "no_account"
    return "" if channel.can_extend else "cannot_extend"


def _open_link(of: OrderSituation) -> str:
    """Return the reason why the payer can't open a payment page now, or have a link requested; else empty."""
    live = next((cip for cip in of.cips if cip.live), None)
    if live and live.status == CipStatus.CURRENT:
        return "" if live.is_link else "has_code"
    if of.order.pending_action or of.order.deferred_action or (live and live.asked_at):
        return "code_pending"
    return "" if has_links(of.order) else "has_code"


def extendable(cips: Iterable[Cip]) -> Cip | None:
    """Return the code to extend: the current code, else the last expired code; None if the order has no such code."""
    found = [cip for cip in cips if cip.is_known and cip.status in (CipStatus.CURRENT, CipStatus.EXPIRED)]
    return max(found, key=lambda cip: (cip.live is True, cip.pk), default=None)


def _ask(of: OrderSituation) -> str:
    known = [cip for cip in of.cips if cip.is_known]
    if not known:
        return "no_code"
    asked = [of.channels[cip.account] for cip in known if cip.account in of.channels]
    if len(asked) < len(known):
        return "no_account"
    return "" if any(channel.can_look_up for channel in asked) else "cannot_search"


def _mark_paid(of: OrderSituation) -> str:
    state = OrderState(of.order.state)
    if ORDER_TABLE[state][Fact.ACCEPTED].refused or state in OVER:
        return str(state)
    if of.in_review:
        return "in_review"
    if of.ordered_again:
        return "ordered_again"
    return "" if payable_by_hand(of.order, of.cips) else "no_code"


def payable_by_hand(order: Order, cips: Sequence[Cip]) -> Cip | None:
    """Return the code shown by an order, if the code can have been paid without a report to us; else None."""
    shown = next((cip for cip in cips if cip.pk == order.cip_id), None)
    return shown if shown and (shown.is_known or shown.status not in NEVER_PAYABLE) else None


def may_be_adopted(cip: Cip) -> bool:
    """Return whether a code may exist at the provider without known digits: requested, with no answer yet or lost."""
    return not cip.is_known and (
        cip.status == CipStatus.LOST or (cip.status == CipStatus.REQUESTED and bool(cip.asked_at))
    )


def refund_actions(of: RefundSituation) -> Actions:
    """Return a person's actions on a refund, each with the reason why not."""
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
    if conf.refund_four_eyes and of.actor and _person(of.actor) == _person(Actor.parse(refund.requested_by)):
        found["approve"] = found["approve"] or "same_person"
    if refund.by_channel or not refund.cci:
        found["send"] = found["send"] or ("by_provider" if refund.by_channel else "no_cci")
    if status == RefundStatus.SENT and refund.by_channel and refund.retry_at:
        found |= {"done": "asking", "fail": "asking"}
    if of.in_statement:
        found["fail"] = found["fail"] or "in_statement"
    return found | _account_actions(of)


def _account_actions(of: RefundSituation) -> Actions:
    """Return the actions on the bank account that a refund goes to: staff enters the account, or the payer is asked."""
    refund = of.refund
    known = "account_known" if refund.cci else "by_provider" if refund.by_channel else str(RefundStatus(refund.status))
    written = "" if refund_account_asked.by_name else "no_message"
    return {
        "give_account": "" if refund.needs_account else known,
        "ask_account": ("no_address" if not of.email else written) if refund.wants_account else known,
    }


def _person(actor: Actor | str) -> Actor:
    """Return who acts, the same whether by the admin or by the API: a token has its user's name."""
    who = Actor.of(actor)
    return Actor(ActorKind.PERSON, who.name) if who.kind == ActorKind.API else who


def discrepancy_actions(of: DiscrepancySituation) -> Actions:
    """Return the resolutions of a discrepancy and a person's further actions, each with the reason why not."""
    discrepancy = of.discrepancy
    closed = discrepancy.status == Discrepancy.Status.RESOLVED
    answers = {str(answer): "closed" if closed else _answer(of, answer) for answer in Resolution}
    return answers | {
        "reopen": "" if closed else "open",
        "assign": "closed" if closed else "",
        "comment": "",
    }


def answers_to(discrepancy: Discrepancy) -> list[Resolution]:
    """Return the resolutions possible for a discrepancy's kind.

    A statement proves no payment, so ``ACCEPT`` is never possible for a discrepancy about a line or a settlement.
    """
    if discrepancy.kind in TO_BE_READ:
        return [Resolution.IGNORE]
    if discrepancy.line_id is None and discrepancy.settlement_id is None:
        return list(Resolution)
    owed = discrepancy.payment_id and discrepancy.kind in MAY_BE_OWED
    return [Resolution.REFUND_DUE, Resolution.IGNORE] if owed else [Resolution.IGNORE]


def _answer(of: DiscrepancySituation, answer: Resolution) -> str:
    """Return the reason why a discrepancy can't have a resolution, empty if possible.

    A resolution is possible only if its consequence can be carried out: ``ACCEPT`` needs a payment that can pay the
    order, ``REFUND_DUE`` a payment that was not reversed.
    """
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
    return str(state) if ORDER_TABLE[state][Fact.ACCEPTED].refused else ""
