"""Turn the code of a reason into the error, with a sentence, that a flow raises."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ...errors import AlreadyPaid, InReview, InvalidRequest, Misconfigured, PagoEfectivoError
from ...models import Discrepancy, Order, Payment, Refund
from ...states import OrderState
from .rules import answers_to


def refuse_change(action: str, why: str, order: Order) -> PagoEfectivoError:
    """Return the error for a change of an order's code (``order_actions``) refused for the reason ``why``."""
    if why in (OrderState.PAID, OrderState.REFUNDED):
        return AlreadyPaid(f"Order {order} is {why}; a code of it can't be changed any more.")
    if why == "in_review":
        return InReview(f"Order {order} has an open money discrepancy; resolve it first.")
    if why == "no_route":
        return Misconfigured(f"No channel issues codes in {order.currency}; add one to PAGOEFECTIVO['ROUTES'].")
    if why == "no_account":
        return Misconfigured(f"The account of order {order}'s code is configured no longer; {action} it never can be.")
    sentences = {
        "ordered_again": f"Reference {order} was ordered again; {action} that order, or cancel it first.",
        "no_code": f"Order {order} is {order.state}; no code of it is known that one could {action}.",
        "cannot_extend": f"The channel of order {order}'s code can't extend codes; reissue the order.",
        "erased": f"The payer's data of order {order} was erased; make another order.",
        "not_allowed": "PAGOEFECTIVO['PAYER_MAY_RENEW'] is False: only the shop renews codes.",
        "code_pending": f"Order {order} is getting a code already.",
        "asked": f"Order {order} has an open discrepancy; a person answers it before there is a code.",
    }
    too_late = f"Order {order} is {order.state}; it is too late or too early to {action} it."
    return InvalidRequest(sentences.get(why, too_late))


def refuse_marking(why: str, order: Order) -> PagoEfectivoError:
    """Return the error for an order that can't be marked as paid for the reason ``why``."""
    if why in (OrderState.PAID, OrderState.REFUNDED):
        return AlreadyPaid(f"Order {order} is {why}; it can't be paid again.")
    if why == "in_review":
        return InReview(f"Order {order} has an open money discrepancy; answer it instead.")
    if why == "ordered_again":
        return InvalidRequest(f"Reference {order} was ordered again; cancel that order first.")
    return InvalidRequest(f"Order {order} has no code that could have been paid; adopt it first.")


def refuse_answer(answer: str, why: str, discrepancy: Discrepancy, payment: Payment | None) -> PagoEfectivoError:
    """Return the error for a resolution that a discrepancy can't have for the reason ``why``."""
    named, order = f"Discrepancy {discrepancy.pk}", discrepancy.order
    if why == "closed":
        return InvalidRequest(f"{named} was resolved by {discrepancy.resolved_by}; it stays so.")
    if why == "no_proof":
        return InvalidRequest(
            f"{named} ({discrepancy.kind}) is about a statement, which is no proof of a payment: "
            f"it can't be answered with {answer}; use {' or '.join(answers_to(discrepancy))}."
        )
    if why == OrderState.PAID:
        return AlreadyPaid(f"Order {order} is paid by another payment; this one can be refunded or ignored.")
    sentences = {
        "no_payment": f"{named} ({discrepancy.kind}) has no payment of an order that could be accepted or given "
        "back; adopt the code for its order first, or give the money back by the provider and answer with ignore.",
        "taken_back": f"Payment {payment} was taken back; it can't pay order {order} or be given back any more.",
        "being_refunded": f"Payment {payment} is being refunded; it can't pay order {order} any more.",
        "ordered_again": f"Reference {order} was ordered again; cancel that order first, or refund this payment.",
    }
    return InvalidRequest(sentences[why])


def refuse_step(action: str, why: str, refund: Refund, payment: Payment) -> PagoEfectivoError:
    """Return the error for a step of a refund (``refund_actions``) refused for the reason ``why``."""
    if why == "same_person":
        about = {"refund": refund, "who": refund.requested_by}
        return InvalidRequest(
            _("%(who)s asked for refund %(refund)s; somebody else has to approve it (REFUND_FOUR_EYES).") % about
        )
    sentences = {
        "taken_back": f"The provider took payment {payment} back; nothing of it is left to refund.",
        "by_provider": f"Refund {refund} is sent by the provider itself; it must not be sent twice.",
        "no_cci": f"Nobody knows yet to which account refund {refund} goes; ask the payer.",
        "asking": f"The provider is being asked for refund {refund}; wait for what it says.",
        "in_statement": f"A line of a statement is matched with refund {refund}: it went. Undo that match first.",
        "account_known": f"The account for refund {refund} is known already; it is named once.",
        "no_address": f"Order {refund.order} has no e-mail address any more; give the payer the link yourself.",
        "no_message": "PAGOEFECTIVO['MESSAGES'] has no 'refund_account'; give the payer the link yourself.",
    }
    if action in ("ask_account", "give_account"):
        sentences["by_provider"] = f"Refund {refund} goes back by the provider; no account is needed."
    cannot = f"it can't become {_BECOMES[action]}" if action in _BECOMES else "no account is asked for"
    return InvalidRequest(sentences.get(why, f"Refund {refund} is {refund.status}; {cannot}."))


_BECOMES = {"approve": "approved", "send": "sent", "done": "done", "fail": "failed"}
