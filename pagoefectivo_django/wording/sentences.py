"""The words for the codes and keys of data: the manual's page "Events and evidence" lists both."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

#: What happened, by ``about``.
SENTENCES: dict[str, Any] = {
    "account_asked": _("The payer is asked for an account."),
    "account_named": _("The payer named an account."),
    "another_action": _("Wanted instead: %(wanted)s."),
    "answer_lost": _("Its answer got lost; look in the provider's portal whether it exists and was paid."),
    "answers_lost": _("Twice the provider's answer got lost; both codes may be payable."),
    "by_our_clock": _("By our clock; the provider can't be asked."),
    "cannot_be_deleted": _("By our clock; the code can't be deleted, and is watched."),
    "code_not_confirmed": _(
        "The provider doesn't say what became of code %(code)s; the order stays open until it does."
    ),
    "code_failed": _("The code failed, and another is asked for."),
    "code_of_another_order": _("The provider gave code %(code)s, which it gave for another order before."),
    "codes_disagree": _("Its CIP and its transaction code are not of one order."),
    "deletion_ended": _("Code %(code)s can't be deleted; it is watched."),
    "draft_not_confirmed": _("Nobody confirmed draft %(settlement)s."),
    "extended": _("It can be paid until %(until)s."),
    "headings": _("The headings, once more."),
    "imported_before": _("The same line was imported before."),
    "made_otherwise": _("The provider made a code, and not as it was requested."),
    "known_without_state": _("The provider knows the request, and doesn't say more."),
    "link_lost": _("The answer to the request for a link got lost."),
    "lost_code_not_deleted": _("A code may exist that could not be deleted, since its answer is not known."),
    "match_undone": _("Its match was undone."),
    "may_be_adjustment": _("It has words, and no code or number: an adjustment?"),
    "may_be_total": _("It has no code, and may be a total."),
    "may_still_be_paid": _("The code may still be paid."),
    "mistake": _("A mistake of a program (%(exception)s); the log has it."),
    "never_asked": _("The provider could not be asked; attempts: %(count)s."),
    "no_mobile_of_countries": _("The number is no mobile of the countries that are written to (TEXT_COUNTRIES)."),
    "no_phone_number": _("What the payer gave is no phone number."),
    "no_such_mailbox": _("The mail server knows no such mailbox."),
    "no_such_order": _("We have no order with this code or number."),
    "no_such_refund": _("We made no refund of this amount."),
    "not_paid": _("Not paid."),
    "not_paid_here": _("Its order is %(state)s here."),
    "number_named": _(
        "A message of the provider names nothing but this transaction code; look in the provider's portal whether it "
        "was paid."
    ),
    "ordered_again": _("It was ordered again."),
    "order_ended": _("The order is %(state)s."),
    "other_fee": _("The contract says %(contract_fee)s and IGV %(contract_tax)s."),
    "paid_again": _("The provider says paid again."),
    "paid_at_other_time": _("Its code was paid with %(payments)s, weeks before or after."),
    "paid_by_other_operation": _("By another operation its code was paid with %(payments)s."),
    "paid_otherwise": _("Its code was paid with %(payments)s."),
    "payment_not_known": _("Its payment is not known yet."),
    "payment_taken_back": _("The provider took the payment back."),
    "rate_disagrees": _("Its two amounts are not of its exchange rate."),
    "refund_not_ended": _("The provider has not ended the refund in %(days)s days."),
    "refund_refused": _("The provider refused; the next refund of this payment is by hand."),
    "refused_by_carrier": _("The carrier refuses it."),
    "remark": _("A remark."),
    "reopened": _("Its discrepancy was reopened."),
    "replaced": _("The cart changed: another order takes its place."),
    "request_ended": _("The process that asked the provider ended before the answer."),
    "restored_backup": _("A restored backup had forgotten this code."),
    "settled_already": _("Another line has its payment already."),
    "status_unknown": _("The format doesn't know its status."),
    "taken_up_again": _("Taken up again, since no discrepancy about money is open."),
    "told_by_provider": _("The provider told of it: %(heard)s."),
    "too_old": _("It is too old."),
    "total": _("A total."),
    "waits_for_answer": _("It waits for the answer to a discrepancy about money."),
    "waits_for_press": _(
        "No code could be requested; the payer is offered a page to pay on, by a press on the voucher."
    ),
    "watch_ended": _("The watch of code %(code)s has passed, and nobody could be asked."),
    "watch_passed": _("The provider gave no answer: the code's date and its watch have passed."),
}

#: What the provider answered about the line of a statement, by ``answer``.
ANSWERS: dict[str, Any] = {
    "cannot_be_asked": _("This provider can't be asked."),
    "code_unknown": _("The provider doesn't know the code."),
    "knows_none": _("The provider did not answer: it knows none of the codes of this batch."),
    "none": _("The provider did not answer."),
    "of_another": _("The provider says: %(told)s, for an order that is not ours."),
    "paid_by_now": _("It is paid by now."),
    "refused": _("The provider refuses to tell."),
    "told": _("The provider says: %(told)s."),
}

#: Why a program closed a discrepancy, by ``Discrepancy.closed_because``.
CLOSED: dict[str, Any] = {
    "another_kind": _("It is another discrepancy now."),
    "code_told": _("The provider told of the code."),
    "date_told": _("The provider says until when it can be paid."),
    "deposits_agree": _("The deposits are the settlement's sum now."),
    "line_matched": _("Its line is matched."),
    "message_applied": _("The message was applied after all."),
    "order_cancelled": _("The order was cancelled."),
    "order_expired": _("The order has expired."),
    "paid": _("It was paid."),
    "paid_again": SENTENCES["paid_again"],
    "paid_in_time": _("The provider's time shows that it was paid in time."),
    "refund_done": _("The refund is done."),
    "refund_failed": _("The refund failed."),
    "settled": _("It is in a settlement."),
    "watch_passed": _("Its date and its watch have passed."),
}

SOURCES: dict[str, Any] = {
    "answer": _("the provider's answer"),
    "notification": _("a message of the provider"),
    "statement": _("a statement"),
}
WAYS: dict[str, Any] = {"mail": _("mail"), "text": _("short text")}
#: The names of the messages to the payer.
MESSAGES: dict[str, Any] = {
    "created": _("how to pay"),
    "reminder": _("reminder"),
    "paid": _("paid"),
    "expired": _("expired"),
    "in_review": _("in review"),
    "refund_account": _("which account the refund goes to"),
    "refunded": _("refunded"),
}

#: The names of the keys, in the order of the columns of evidence: first what staff decides by.
NAMES: dict[str, Any] = {
    "at": _("when"),
    "fact": _("fact"),
    "amount": _("amount"),
    "currency": _("currency"),
    "difference": _("difference from the order"),
    "payer_total": _("paid with the provider's taxes and fees"),
    "together": _("with the order's other payments"),
    "returned": _("went back so far"),
    "left": _("open"),
    "deposit": _("deposit"),
    "counted_out": _("counted out"),
    "due": _("due"),
    "paid_at": _("paid"),
    "operation_number": _("operation number"),
    "code": "CIP",
    "transaction_code": _("transaction code"),
    "provider_id": _("provider's id"),
    "payment_id": _("payment's id at the provider"),
    "account": _("account"),
    "source": _("source"),
    "settlement": _("settlement"),
    "line": _("line"),
    "settled_amount": _("settled"),
    "settled_currency": _("settled in"),
    "rate": _("exchange rate"),
    "fee": _("fee"),
    "tax": "IGV",
    "contract_fee": _("fee"),
    "contract_tax": "IGV",
    "action": _("pending action"),
    "wanted": _("pending action"),
    "state": _("state"),
    "status": _("status"),
    "discrepancy": _("discrepancy"),
    "resolution": _("answer"),
    "refund": _("refund"),
    "payment": _("payment"),
    "payments": _("payments"),
    "to": _("assigned to"),
    "way": _("by"),
    "message": _("message"),
    "event": _("event"),
    "receiver": _("receiver"),
    "notification": _("notification"),
    "identity": _("digest"),
    "received_at": _("first received"),
    "heard": _("first heard"),
    "file": _("file"),
    "count": _("attempts"),
    "days": _("days"),
    "until": _("until"),
    "said": _("in their words"),
    "last_error": _("last error"),
}
