"""Paddle's words: the statuses of a transaction and of a refund, and the errors with a meaning of their own."""

from __future__ import annotations

from ...errors import Misconfigured, Refused
from ...errors import gettext_noop as _
from ...states import Fact, RefundStatus
from ..rest import Row

#: Paid: the money is captured, and Paddle's own books follow. Past due: a try failed, and another may pay.
STATUSES = {
    "draft": Fact.ISSUED,
    "ready": Fact.ISSUED,
    "billed": Fact.ISSUED,
    "past_due": Fact.ISSUED,
    "paid": Fact.PAYMENT,
    "completed": Fact.PAYMENT,
    "canceled": Fact.CODE_DELETED,
}
#: Of an adjustment. Any further word leaves a refund under way.
REFUNDS = {
    "pending_approval": RefundStatus.SENT,
    "approved": RefundStatus.DONE,
    "rejected": RefundStatus.FAILED,
    "reversed": RefundStatus.FAILED,
}
#: The adjustments that bring money back to the payer, once approved.
BACK = ("refund", "chargeback")
ERRORS = {
    "not_found": Row(_("unknown"), Refused),
    "adjustment_pending_refund_request": Row(_("another refund of the transaction waits for approval"), Refused),
    "transaction_default_checkout_url_not_set": Row(_("the account has no default payment link"), Misconfigured),
}
