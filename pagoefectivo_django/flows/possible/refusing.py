"""Turn the code of a reason into the error, with a sentence, that a flow raises."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import AlreadyPaid, InReview, InvalidRequest, Misconfigured, PagoEfectivoError, Param
from ...models import Discrepancy, Order, Payment, Refund
from ...states import Kind, OrderState, PendingAction, RefundStatus, Resolution
from ..provider.routes import fitting, left_out
from .rules import answers_to


class ErrorTemplate(NamedTuple):
    """The class, the code and the sentence of the error for one reason."""

    error: type[PagoEfectivoError]
    code: str
    message: str

    def about(self, **params: Param) -> PagoEfectivoError:
        """Return the error with the parameters of its sentence."""
        return self.error(self.message, code=self.code, **params)


_PAID = ErrorTemplate(
    AlreadyPaid, "code_of_paid_order", _("Order %(order)s is %(state)s; a code of it can't be changed any more.")
)
_TOO_LATE = ErrorTemplate(
    InvalidRequest,
    "order_in_another_state",
    _("Order %(order)s is %(state)s; it is too late or too early to %(action)s it."),
)
_ORDERED_AGAIN = ErrorTemplate(
    InvalidRequest, "ordered_again", _("Reference %(order)s was ordered again; cancel that order first.")
)

NO_ROUTE = ErrorTemplate(
    Misconfigured,
    "no_route",
    _(
        "No channel takes this order over %(money)s (left out: %(left_out)s); look at PAGOEFECTIVO['ROUTES'] and at "
        "what the channels take."
    ),
)

#: By the reason why an order's code can't be changed; a reason without an entry is the order's state.
_CHANGES = {
    "paid": _PAID,
    "refunded": _PAID,
    "in_review": ErrorTemplate(
        InReview, "order_in_review", _("Order %(order)s has an open money discrepancy; resolve it first.")
    ),
    "in_process": ErrorTemplate(
        InvalidRequest,
        "payment_in_process",
        _("The provider examines a payment of order %(order)s; wait for the outcome before you %(action)s it."),
    ),
    "no_route": NO_ROUTE,
    "no_account": ErrorTemplate(
        Misconfigured,
        "account_of_order_not_configured",
        _("The account of order %(order)s's code is configured no longer; put it back first."),
    ),
    "ordered_again": _ORDERED_AGAIN,
    "no_code": ErrorTemplate(
        InvalidRequest,
        "no_code_to_extend",
        _("Order %(order)s is %(state)s; no code of it is known that one could extend."),
    ),
    "cannot_extend": ErrorTemplate(
        InvalidRequest,
        "cannot_extend",
        _("The channel of order %(order)s's code can't extend codes; reissue the order."),
    ),
    "erased": ErrorTemplate(
        InvalidRequest, "payer_erased", _("The payer's data of order %(order)s was erased; make another order.")
    ),
    "not_allowed": ErrorTemplate(
        InvalidRequest,
        "renewing_not_allowed",
        _("PAGOEFECTIVO['PAYER_MAY_RENEW'] is False: only the shop renews codes."),
    ),
    "given_up": ErrorTemplate(
        InvalidRequest,
        "change_given_up",
        _("The request to %(action)s order %(order)s was given up; the order's history says why."),
    ),
    "code_pending": ErrorTemplate(InvalidRequest, "code_pending", _("Order %(order)s is getting a code already.")),
    "has_code": ErrorTemplate(
        InvalidRequest, "order_paid_by_code", _("Order %(order)s is paid by a code, not by a link.")
    ),
    "asked": ErrorTemplate(
        InvalidRequest,
        "order_in_discrepancy",
        _("Order %(order)s has an open discrepancy; a person answers it before there is a code."),
    ),
}


#: The payer's actions, by what the provider is asked for.
_ACTIONS = {"renew": PendingAction.REISSUE, "open_link": PendingAction.ISSUE}


def refuse_change(action: str, why: str, order: Order) -> PagoEfectivoError:
    """Return the error for a change of an order's code (``order_actions``) refused for the reason ``why``."""
    further = {"left_out": left_out(fitting(order)[1])} if why == "no_route" else {}
    return _CHANGES.get(why, _TOO_LATE).about(
        **further,
        order=str(order),
        state=OrderState(order.state),
        money=str(order.money),
        action=_ACTIONS.get(action) or PendingAction(action),
    )


_PAID_BEFORE = ErrorTemplate(
    AlreadyPaid, "order_paid_before", _("Order %(order)s is %(state)s; it can't be paid again.")
)
_NO_PAYABLE_CODE = ErrorTemplate(
    InvalidRequest, "no_payable_code", _("Order %(order)s has no code that could have been paid; adopt it first.")
)
_MARKING = {
    "paid": _PAID_BEFORE,
    "refunded": _PAID_BEFORE,
    "in_review": ErrorTemplate(
        InReview, "answer_instead_of_marking", _("Order %(order)s has an open money discrepancy; answer it instead.")
    ),
    "ordered_again": _ORDERED_AGAIN,
}


def refuse_marking(why: str, order: Order) -> PagoEfectivoError:
    """Return the error for an order that can't be marked as paid for the reason ``why``."""
    return _MARKING.get(why, _NO_PAYABLE_CODE).about(order=str(order), state=OrderState(order.state))


_NO_PROOF_BUT_REFUND = ErrorTemplate(
    InvalidRequest,
    "statement_proves_no_payment",
    _(
        "Discrepancy %(discrepancy)s (%(kind)s) is about a statement, which is no proof of a payment: it can't be "
        "answered with %(answer)s; use %(refund_due)s or %(ignore)s."
    ),
)
_ANSWERS = {
    "closed": ErrorTemplate(
        InvalidRequest,
        "discrepancy_closed",
        _("Discrepancy %(discrepancy)s was resolved by %(who)s; it stays so."),
    ),
    "no_proof": ErrorTemplate(
        InvalidRequest,
        "statement_proves_nothing",
        _(
            "Discrepancy %(discrepancy)s (%(kind)s) is about a statement, which is no proof of a payment: it can't be "
            "answered with %(answer)s; use %(ignore)s."
        ),
    ),
    "paid": ErrorTemplate(
        AlreadyPaid,
        "paid_by_another_payment",
        _("Order %(order)s is paid by another payment; this one can be refunded or ignored."),
    ),
    "no_payment": ErrorTemplate(
        InvalidRequest,
        "no_payment_to_accept",
        _(
            "Discrepancy %(discrepancy)s (%(kind)s) has no payment of an order that could be accepted or given back; "
            "adopt the code for its order first, or give the money back by the provider and answer with %(ignore)s."
        ),
    ),
    "taken_back": ErrorTemplate(
        InvalidRequest,
        "payment_reversed",
        _("Payment %(payment)s was taken back; it can't pay order %(order)s or be given back any more."),
    ),
    "being_refunded": ErrorTemplate(
        InvalidRequest,
        "payment_being_refunded",
        _("Payment %(payment)s is being refunded; it can't pay order %(order)s any more."),
    ),
    "ordered_again": ErrorTemplate(
        InvalidRequest,
        "ordered_again_or_refund",
        _("Reference %(order)s was ordered again; cancel that order first, or refund this payment."),
    ),
}


def refuse_answer(answer: str, why: str, discrepancy: Discrepancy, payment: Payment | None) -> PagoEfectivoError:
    """Return the error for a resolution that a discrepancy can't have for the reason ``why``."""
    refundable = why == "no_proof" and Resolution.REFUND_DUE in answers_to(discrepancy)
    return (_NO_PROOF_BUT_REFUND if refundable else _ANSWERS[why]).about(
        discrepancy=discrepancy.pk,
        kind=Kind(discrepancy.kind),
        order=str(discrepancy.order),
        payment=str(payment),
        who=Actor.parse(discrepancy.resolved_by),
        answer=Resolution(answer),
        refund_due=Resolution.REFUND_DUE,
        ignore=Resolution.IGNORE,
    )


NO_STEP = ErrorTemplate(
    InvalidRequest, "refund_step_impossible", _("Refund %(refund)s is %(status)s; it can't become %(becomes)s.")
)
TAKEN_BACK = ErrorTemplate(
    InvalidRequest,
    "refund_of_reversed",
    _("The provider took payment %(payment)s back; nothing of it is left to refund."),
)
_STEPS = {
    "same_person": ErrorTemplate(
        InvalidRequest,
        "approved_by_who_asked",
        _("%(who)s asked for refund %(refund)s; somebody else has to approve it (REFUND_FOUR_EYES)."),
    ),
    "taken_back": TAKEN_BACK,
    "by_provider": ErrorTemplate(
        InvalidRequest,
        "refund_sent_by_provider",
        _("Refund %(refund)s is sent by the provider itself; it must not be sent twice."),
    ),
    "no_cci": ErrorTemplate(
        InvalidRequest,
        "refund_without_account",
        _("Nobody knows yet to which account refund %(refund)s goes; ask the payer."),
    ),
    "asking": ErrorTemplate(
        InvalidRequest,
        "refund_being_asked",
        _("The provider is being asked for refund %(refund)s; wait for what it says."),
    ),
    "in_statement": ErrorTemplate(
        InvalidRequest,
        "refund_in_statement",
        _("A line of a statement is matched with refund %(refund)s: it went. Undo that match first."),
    ),
}
_NO_ACCOUNT_ASKED = ErrorTemplate(
    InvalidRequest, "refund_asks_no_account", _("Refund %(refund)s is %(status)s; no account is asked for.")
)
_ACCOUNTS = {
    "by_provider": ErrorTemplate(
        InvalidRequest,
        "refund_needs_no_account",
        _("Refund %(refund)s goes back by the provider; no account is needed."),
    ),
    "account_known": ErrorTemplate(
        InvalidRequest,
        "refund_account_known",
        _("The account for refund %(refund)s is known already; it is named once."),
    ),
    "no_address": ErrorTemplate(
        InvalidRequest,
        "payer_without_address",
        _("Order %(order)s has no e-mail address any more; give the payer the link yourself."),
    ),
    "no_message": ErrorTemplate(
        InvalidRequest,
        "refund_account_not_sent",
        _("PAGOEFECTIVO['MESSAGES'] has no 'refund_account'; give the payer the link yourself."),
    ),
}
_BECOMES = {
    "approve": RefundStatus.APPROVED,
    "send": RefundStatus.SENT,
    "done": RefundStatus.DONE,
    "fail": RefundStatus.FAILED,
}


def refuse_step(action: str, why: str, refund: Refund, payment: Payment) -> PagoEfectivoError:
    """Return the error for a step of a refund (``refund_actions``) refused for the reason ``why``."""
    about: dict[str, Param] = {
        "refund": str(refund),
        "status": RefundStatus(refund.status),
        "order": str(refund.order),
        "payment": str(payment),
        "who": Actor.parse(refund.requested_by),
    }
    if action in _BECOMES:
        return _STEPS.get(why, NO_STEP).about(**about, becomes=_BECOMES[action])
    return _ACCOUNTS.get(why, _NO_ACCOUNT_ASKED).about(**about)
