"""The tables of Pagadito: error codes, words for a status, names of signature algorithms."""

from __future__ import annotations

from ...errors import Misconfigured, OutcomeUnknown, Refused
from ...errors import gettext_noop as _
from ...states import Fact
from ..rest import Row

#: ``PG3018`` is documented for this interface; the further codes are known from Pagadito's older one. A ``PG`` code
#: without a row is a no.
ERRORS: dict[str, Row] = {
    "PG2001": Row(_("incomplete data"), Refused),
    "PG2002": Row(_("data of a wrong form"), Refused),
    "PG3001": Row(_("the keys are unknown; check UID and WSK"), Misconfigured),
    "PG3002": Row(_("an error of Pagadito's own"), OutcomeUnknown),
    "PG3003": Row(_("no such transaction"), Refused),
    "PG3004": Row(_("the details' sum is not the amount"), Refused),
    "PG3005": Row(_("the connection is disabled at Pagadito"), Misconfigured),
    "PG3007": Row(_("access is denied; check UID and WSK"), Misconfigured),
    # A number is sent once, so a number known to Pagadito is of a request of ours that arrived after all.
    "PG3018": Row(_("the number was sent before"), OutcomeUnknown),
}
#: The code of a token that Pagadito does not know.
NO_TRANSACTION = "PG3003"

FACTS: dict[str, Fact] = {
    "REGISTERED": Fact.ISSUED,
    "PENDING": Fact.IN_PROCESS,
    "VERIFYING": Fact.IN_PROCESS,
    "COMPLETED": Fact.PAYMENT,
    # No call of a merchant cancels, so the payer left the page, or a try failed: the link is over and the order is not,
    # so the payer's next press asks for another link.
    "CANCELED": Fact.CODE_EXPIRED,
    "EXPIRED": Fact.CODE_EXPIRED,
    "FAILED": Fact.CODE_EXPIRED,
    "UNCOLLECTABLE": Fact.CODE_EXPIRED,
    # The end of VERIFYING without a payment, or perhaps a payment taken back: where a payment is known, the answer
    # contradicts the payment and comes to a person.
    "REVOKED": Fact.CODE_FAILED,
}

#: The digests of the algorithms that a message may name, in lower case. The real names are not published; these are
#: OpenSSL's and the common ones.
DIGESTS: dict[str, str] = {
    "sha256": "SHA256",
    "sha256withrsa": "SHA256",
    "sha256withrsaencryption": "SHA256",
    "rsa-sha256": "SHA256",
    "sha1": "SHA1",
    "sha1withrsa": "SHA1",
    "sha1withrsaencryption": "SHA1",
    "rsa-sha1": "SHA1",
}
