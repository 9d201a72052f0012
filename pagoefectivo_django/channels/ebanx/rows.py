"""EBANX's words: error codes, states of a payment, states of a refund."""

from __future__ import annotations

from ...errors import Misconfigured, OutcomeUnknown, Refused
from ...errors import gettext_noop as _
from ...states import Fact, RefundStatus
from ..rest import Row

#: The documented error codes; all come with the HTTP status 200. Further codes are EBANX's no.
ERRORS: dict[str, Row] = {
    # The earlier request of the same number may have made the code whose answer got lost.
    "BP-DR-0": Row(_("a payment with our number exists"), OutcomeUnknown),
    # EBANX's sandbox answers with both codes to simulate failures that leave a payment in a state nobody knows.
    "BP-DR-119": Row(_("a failure inside of EBANX"), OutcomeUnknown),
    "BP-R-5": Row(_("a failure inside of EBANX"), OutcomeUnknown),
    "BP-SA-1": Row(_("the integration key is missing"), Misconfigured),
    "BP-SA-2": Row(_("the integration key is invalid"), Misconfigured),
    "BP-CH-1": Row(_("PagoEfectivo is not enabled for the account"), Misconfigured),
    "BP-DR-35": Row(_("PagoEfectivo is not enabled for the account"), Misconfigured),
    "BP-DR-36": Row(_("PagoEfectivo is not active for the account"), Misconfigured),
    "BP-DR-2": Row(_("the payment is missing"), Refused),
    "BP-DR-3": Row(_("the currency is missing"), Refused),
    "BP-DR-5": Row(_("the amount is missing"), Refused),
    "BP-DR-6": Row(_("the amount is below the minimum"), Refused),
    "BP-DR-7": Row(_("the amount is above the maximum"), Refused),
    "BP-DR-8": Row(_("the amounts of the items differ from the total"), Refused),
    "BP-DR-9": Row(_("our number is missing"), Refused),
    "BP-DR-10": Row(_("our number is too long"), Refused),
    "BP-DR-11": Row(_("the order's number is too long"), Refused),
    "BP-DR-12": Row(_("a field is too long"), Refused),
    "BP-DR-13": Row(_("the payer's name is missing or incomplete"), Refused),
    "BP-DR-15": Row(_("the payer's e-mail address is invalid"), Refused),
    "BP-DR-22": Row(_("the payer's document is missing"), Refused),
    "BP-DR-23": Row(_("the payer's document is invalid"), Refused),
    "BP-CAN-1": Row(_("the payment to cancel is not named"), Refused),
    "BP-REF-7": Row(_("the payment is not confirmed"), Refused),
    "BP-REF-CAN-2": Row(_("the payment to refund is unknown"), Refused),
}

#: The states of a payment. ``CA`` after the due date is ``CODE_EXPIRED``, and ``CO`` given back whole is
#: ``PAYMENT_REVERSED``.
STATES = {
    "OP": Fact.ISSUED,
    "PE": Fact.ISSUED,
    "PN": Fact.IN_PROCESS,
    "CO": Fact.PAYMENT,
    "CA": Fact.CODE_DELETED,
}

#: The states of a refund: requested, pending (EBANX asks the payer for a bank account), confirmed, cancelled. A refund
#: in a further state is asked about again.
REFUND_STATES = {
    "RE": RefundStatus.SENT,
    "PE": RefundStatus.SENT,
    "CO": RefundStatus.DONE,
    "CA": RefundStatus.FAILED,
}
