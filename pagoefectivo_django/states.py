"""States of orders, codes, payments and statements, and facts about codes; ``transitions`` says what a fact moves."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class OrderState(TextChoices):
    """The state of an order.

    ``paid`` means: the payer paid. Whether the money has reached the shop is a fact of its own, ``Order.settled_at``.
    """

    NEW = "new", _("new")
    PENDING = "pending", _("pending")
    PAID = "paid", _("paid")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")
    REJECTED = "rejected", _("rejected")
    REFUNDED = "refunded", _("refunded")


#: The states of an order that waits for its payment.
OPEN = (OrderState.NEW, OrderState.PENDING)


class VoucherState(TextChoices):
    """The state shown to the payer of an order: the order's own state, or the fact that concerns the payer more."""

    GETTING = "getting", _("getting your code")
    WAITING = "waiting", _("waiting for your payment")
    #: The order's date has passed, but the provider is still to be asked a last time whether the code was paid.
    OVERDUE = "overdue", _("its time is over")
    PAID = "paid", _("paid")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")
    REJECTED = "rejected", _("rejected")
    IN_REVIEW = "in_review", _("in review")
    REFUNDED = "refunded", _("refunded")


class CipStatus(TextChoices):
    """The status of a payment code (CIP)."""

    REQUESTED = "requested", _("requested")
    LOST = "lost", _("lost: answer not known")
    CURRENT = "current", _("current")
    SUPERSEDED = "superseded", _("superseded")
    PAID = "paid", _("paid")
    EXPIRED = "expired", _("expired")
    DELETED = "deleted", _("deleted")
    REFUSED = "refused", _("refused")


#: The statuses of a code that is being requested or can be paid; an order has at most one such code.
LIVE = frozenset({CipStatus.REQUESTED, CipStatus.CURRENT})


class PaymentStatus(TextChoices):
    """The status of a payment confirmed by a provider: whether the payment counts for the order."""

    APPLIED = "applied", _("applied")
    HELD = "held", _("held")
    DUPLICATE = "duplicate", _("duplicate")
    REVERSED = "reversed", _("reversed")


class Fact(TextChoices):
    """A fact about a code, from a report of the provider or a decision of ours.

    ``in_process``: the provider examines a payment, or a payment is authorised or in dispute. ``code_failed``: a code
    that was issued can't be paid any more. ``reinstated`` is no report but a conclusion of the ledger: a payment that
    was reversed, and that the provider's answer shows as paid again.
    ``accepted``, ``withdrawn``, ``lapsed`` and ``returned`` come from staff, the shop, the clock and a refund.
    """

    ISSUED = "issued", _("issued")
    REFUSED = "refused", _("refused")
    LOST = "lost", _("answer not known")
    PAYMENT = "payment", _("payment")
    CODE_EXPIRED = "code_expired", _("code expired")
    CODE_DELETED = "code_deleted", _("code deleted")
    PAYMENT_REVERSED = "payment_reversed", _("payment reversed")
    IN_PROCESS = "in_process", _("in process")
    CODE_FAILED = "code_failed", _("code failed")
    REINSTATED = "reinstated", _("payment reinstated")
    UNKNOWN = "unknown", _("unknown")
    ABSENT = "absent", _("not there")
    ACCEPTED = "accepted", _("accepted by a person")
    WITHDRAWN = "withdrawn", _("withdrawn by the shop")
    LAPSED = "lapsed", _("its date has passed")
    RETURNED = "returned", _("given back by us")


class Mention(TextChoices):
    """What a message tells instead of a fact."""

    HINT = "hint", _("look this code up")
    TEST = "test", _("test message")


class Kind(TextChoices):
    """The kinds of discrepancy: cases decided by no rule, which a person resolves."""

    AMOUNT_MISMATCH = "amount_mismatch", _("paid another amount")
    CURRENCY_MISMATCH = "currency_mismatch", _("paid in another currency")
    UNMATCHED = "unmatched", _("paid for an unknown code")
    LATE_PAYMENT = "late_payment", _("paid late")
    DUPLICATE_PAYMENT = "duplicate_payment", _("paid twice")
    PAID_AFTER_CANCEL = "paid_after_cancel", _("paid after it was cancelled")
    PAID_AFTER_REFUND = "paid_after_refund", _("paid after it was refunded")
    CONFLICT = "conflict", _("paid though no code was issued")
    REVERSED = "reversed", _("the provider took the payment back")
    REINSTATED = "reinstated", _("taken back, and paid again at the provider")
    MISSING_THERE = "missing_there", _("paid here, not at the provider")
    LOST_CODE = "lost_code", _("a code may exist that we don't know")
    NOT_CONFIRMED = "not_confirmed", _("the provider doesn't confirm a change")
    STILL_PAYABLE = "still_payable", _("a code may still be paid")
    IN_PROCESS = "in_process", _("a payment stays in process")
    UNPROCESSED = "unprocessed", _("a verified message could not be applied")
    MISSING_HERE = "missing_here", _("in a statement, without an order here")
    STATUS_MISMATCH = "status_mismatch", _("in a statement, not paid here")
    DUPLICATE_LINE = "duplicate_line", _("settled twice")
    UNCLEAR_LINE = "unclear_line", _("a line of a statement that is not clear")
    REFUND_UNMATCHED = "refund_unmatched", _("a refund in a statement that we did not make")
    FEE_MISMATCH = "fee_mismatch", _("another fee than the contract's")
    PAYOUT_MISMATCH = "payout_mismatch", _("another deposit than the settlement's sum")
    UNSETTLED_OVERDUE = "unsettled_overdue", _("paid, and in no settlement in time")


#: Discrepancies about money that came. While one is open, its order cannot be cancelled, extended, reissued or expired.
MONEY_KINDS = frozenset(
    {
        Kind.AMOUNT_MISMATCH,
        Kind.CURRENCY_MISMATCH,
        Kind.UNMATCHED,
        Kind.LATE_PAYMENT,
        Kind.DUPLICATE_PAYMENT,
        Kind.PAID_AFTER_CANCEL,
        Kind.PAID_AFTER_REFUND,
        Kind.CONFLICT,
        Kind.REVERSED,
        Kind.REINSTATED,
        Kind.MISSING_THERE,
    }
)


class Resolution(TextChoices):
    """The resolutions by which a person closes a discrepancy."""

    ACCEPT = "accept", _("accept as paid")
    REFUND_DUE = "refund_due", _("a refund is due")
    IGNORE = "ignore", _("ignore")


class Remark(TextChoices):
    """The ``fact`` of an event without effect on the order's state: staff's remarks, and work given up."""

    ASSIGNED = "assigned", _("assigned")
    COMMENTED = "commented", _("commented")
    REOPENED = "reopened", _("reopened")
    REASON = "reason", _("reason")
    ASKED = "asked", _("asked the provider")
    RETRIED = "retried", _("tried again by hand")
    DOWNLOADED = "downloaded", _("personal data downloaded")
    ERASURE = "erasure", _("erasure asked for")
    FORGOTTEN = "forgotten", _("payer's data erased")
    UNSENT = "unsent", _("a message is given up")
    ENDED = "ended", _("ended without being done")


class PendingAction(TextChoices):
    """An action requested by the shop and still to be done at the provider."""

    ISSUE = "issue", _("issue a code")
    CANCEL = "cancel", _("cancel")
    EXTEND = "extend", _("extend")
    REISSUE = "reissue", _("reissue")


class RefundStatus(TextChoices):
    """The status of a refund."""

    REQUESTED = "requested", _("requested")
    APPROVED = "approved", _("approved")
    SENT = "sent", _("sent")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class StatementKind(TextChoices):
    """The kind of a provider's statement: payments paid out to the shop, or only payments taken."""

    SETTLEMENT = "settlement", _("settlement")
    SALES = "sales", _("sales report")


class SettlementStatus(TextChoices):
    """The status of a statement's import."""

    DRAFT = "draft", _("waits for a person")
    MATCHING = "matching", _("being matched")
    DONE = "done", _("done")


class LineStatus(TextChoices):
    """The status of a statement's line; ``new`` and ``asking`` are not final."""

    NEW = "new", _("to be matched")
    ASKING = "asking", _("the provider is being asked")
    MATCHED = "matched", _("matched")
    DUPLICATE = "duplicate", _("duplicate")
    DISCREPANCY = "discrepancy", _("discrepancy")
    IGNORED = "ignored", _("ignored")
