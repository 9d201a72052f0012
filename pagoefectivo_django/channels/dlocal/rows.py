"""dLocal's words and numbers, each with its meaning here."""

from __future__ import annotations

from ...errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from ...errors import gettext_noop as _
from ...states import Fact, RefundStatus
from ..rest import Row

#: The codes of errors (3.8), and ``5000:param`` for a 5000 that names a parameter.
ERRORS: dict[str, Row] = {
    "3001": Row(_("LOGIN or TRANS_KEY is refused"), Misconfigured),
    "3002": Row(_("the address of this machine is not registered at dLocal"), Misconfigured),
    "3003": Row(_("the account may not use this API"), Misconfigured),
    "4000": Row(_("no such payment or order"), Refused),
    "4001": Row(_("no such refund"), Refused),
    # Also the answer to every call under a wrong key: an order would be rejected for each of them.
    "5000": Row(_("an invalid request, or a signature by a wrong SECRET_KEY"), Misconfigured),
    "5000:param": Row(_("an invalid request"), Refused),
    "5001": Row(_("a parameter is invalid"), Refused),
    "5002": Row(_("the status does not allow the request"), Refused),
    "5003": Row(_("the country is not served"), Refused),
    "5004": Row(_("the currency is not taken"), Refused),
    "5005": Row(_("the payer's data do not fit the payer's document"), Refused),
    "5006": Row(_("the payer's limit is exceeded"), Refused),
    "5007": Row(_("the amount is too high"), Refused),
    "5008": Row(_("the token is invalid"), Refused),
    # An earlier request with the same number, or the one that took too long, may have made a code.
    "5009": Row(_("the order_id was used before"), OutcomeUnknown),
    "5010": Row(_("dLocal took too long"), OutcomeUnknown),
    # The same for an earlier refund.
    "5011": Row(_("the order_refund_id was used before"), OutcomeUnknown),
    "5012": Row(_("the account's funds do not cover the refund"), Refused),
    "5013": Row(_("not supported"), Refused),
    "5014": Row(_("the payer is on dLocal's black list"), Refused),
    "5016": Row(_("the amount is too low"), Refused),
    "5017": Row(_("the version of the API is not served"), Refused),
    "6000": Row(_("too many calls, none of which is worked on"), Unavailable),
    "7000": Row(_("dLocal failed"), OutcomeUnknown),
}

#: The words for the status of a payment (3.5). The numbers beside them differ between dLocal's documents and decide
#: nothing. VERIFIED is of cards alone and stays unknown.
FACTS = {
    "PENDING": Fact.ISSUED,
    "PAID": Fact.PAYMENT,
    "REJECTED": Fact.CODE_FAILED,
    "CANCELLED": Fact.CODE_DELETED,
    "EXPIRED": Fact.CODE_EXPIRED,
    "AUTHORIZED": Fact.IN_PROCESS,
}

#: The meanings of the numbers beside REJECTED (3.5).
REJECTIONS = {
    "301": _("rejected by the bank"),
    "302": _("insufficient funds"),
    "303": _("card on the black list"),
    "304": _("rejected by dLocal's score"),
    "305": _("too many attempts"),
    "306": _("the payer has to call the bank"),
    "307": _("duplicate"),
    "308": _("card disabled"),
    "309": _("card expired"),
    "310": _("card lost"),
    "311": _("requested by the bank"),
    "312": _("card restricted"),
    "313": _("card stolen"),
    "314": _("invalid card number"),
    "315": _("invalid security code"),
    "316": _("operation not supported"),
    "317": _("high risk"),
    "318": _("invalid transaction"),
    "319": _("amount exceeded"),
    "320": _("3-D Secure needed"),
    "321": _("error of the acquirer"),
    "322": _("wallet disabled"),
    "323": _("invalid account"),
    "324": _("invalid PIN"),
    "325": _("too frequent"),
    "326": _("the payer's account is disabled"),
}

#: The words for the status of a refund (3.7); a refund with another word is under way.
REFUNDS = {
    "PENDING": RefundStatus.SENT,
    "SUCCESS": RefundStatus.DONE,
    "REJECTED": RefundStatus.FAILED,
    "CANCELLED": RefundStatus.FAILED,
}
