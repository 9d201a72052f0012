"""The meaning of each kind of discrepancy, for staff."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ..states import Kind

#: By kind of discrepancy: the meaning, and the usual action of staff.
EXPLANATIONS = {
    Kind.AMOUNT_MISMATCH: _(
        "The amount that was paid is not the order's. Usually: give the payment back, or accept it if the shop agreed; "
        "for a line of a statement, ask the provider which amount is right."
    ),
    Kind.CURRENCY_MISMATCH: _(
        "The currency that was paid is not the order's. Usually: give the payment back; it is never converted here."
    ),
    Kind.UNMATCHED: _(
        "The provider took money for a code that we don't know. Usually: find its order in the provider's portal and "
        "attach the code to it; if there is none, give the money back by the provider."
    ),
    Kind.LATE_PAYMENT: _("The payer paid after the order's date. Usually: accept it if there is stock, else refund."),
    Kind.DUPLICATE_PAYMENT: _("The order was paid already, and came to be paid again. Usually: refund this payment."),
    Kind.PAID_AFTER_CANCEL: _("The order was cancelled before it was paid. Usually: refund, or accept if it can go."),
    Kind.PAID_AFTER_REFUND: _("The order's money went back before this payment came. Usually: refund this one too."),
    Kind.CONFLICT: _(
        "The provider refused a code for this order, and then told of a payment. Usually: look at the payment in the "
        "provider's portal; accept it if it is there."
    ),
    Kind.REVERSED: _(
        "The provider told of a payment, and took it back. Usually: stop what was not shipped, and ask the provider "
        "why."
    ),
    Kind.REINSTATED: _(
        "The provider took this payment back, and says paid now. Usually: look in the provider's portal; accept the "
        "payment if it stands there."
    ),
    Kind.MISSING_THERE: _(
        "The order is paid here, and the provider does not know of it. Usually: stop what was not shipped, and ask the "
        "provider again."
    ),
    Kind.LOST_CODE: _(
        "The provider may have issued a code whose answer got lost; the payer may have it by mail. Usually: look in "
        "the provider's portal, and attach the code to the order."
    ),
    Kind.NOT_CONFIRMED: _(
        "The provider was asked to change a code and does not say that it did. Usually: look in its portal, and ask "
        "again from the order's page."
    ),
    Kind.STILL_PAYABLE: _(
        "The order has ended or has another code, and nobody can be asked whether its old code can still be paid. "
        "Usually: cancel the code in the provider's portal; the discrepancy closes by itself once it can't be paid."
    ),
    Kind.IN_PROCESS: _(
        "The provider has examined a payment of this code, or a claim about one, for days. Usually: ask the provider "
        "how long; the discrepancy closes by itself with the outcome."
    ),
    Kind.UNPROCESSED: _(
        "A message that is verified to be the provider's could not be applied. Usually: mend what its last error says, "
        "and apply it again from its page."
    ),
    Kind.MISSING_HERE: _(
        "The provider settled a payment of which we have no order. Never drop it: find the order by hand and match the "
        "line with its payment; if it is not yours, tell the provider."
    ),
    Kind.STATUS_MISMATCH: _(
        "The provider settled an order that is not paid here, and does not confirm the payment when asked. Usually: "
        "ask again from the order's page, or mark it as paid once you have seen the money."
    ),
    Kind.DUPLICATE_LINE: _(
        "Another line of a statement has this payment already. Usually: ignore it if the provider listed it twice; "
        "look for a second payment if it paid you twice."
    ),
    Kind.UNCLEAR_LINE: _(
        "The statement has an amount here, and does not say plainly what it is: a status that the format does not "
        "know, an adjustment, perhaps a total. Usually: look at the file; match the line with its payment, or ignore "
        "it."
    ),
    Kind.REFUND_UNMATCHED: _(
        "The provider gave money back that we did not ask for. Usually: ask the provider why; the payer must not get "
        "it a second time."
    ),
    Kind.FEE_MISMATCH: _(
        "The provider's fee, with its IGV, is not what the contract in the settings says. Usually: claim it from the "
        "provider, or correct the contract; the line stays matched."
    ),
    Kind.PAYOUT_MISMATCH: _(
        "The deposits at the bank are not the settlement's net. Usually: wait for the rest, correct the deposit, or "
        "claim the difference from the provider."
    ),
    Kind.UNSETTLED_OVERDUE: _(
        "The order is paid, and no settlement has its money in the time agreed. Usually: import the settlements that "
        "are missing, or ask the provider."
    ),
}
