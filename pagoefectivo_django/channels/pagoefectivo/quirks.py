"""Tables of PagoEfectivo's error codes, statuses, states, events and surprises."""

from __future__ import annotations

from typing import NamedTuple

from ...errors import Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused
from ...errors import gettext_noop as _
from ...states import Fact


class Row(NamedTuple):
    """The meaning of an answer, and the class of error raised; None for success."""

    meaning: str
    error: type[PagoEfectivoError] | None


#: The error codes of protocol 3.4. No further codes are attested; the SDKs' own codes (protocol 9) share numbers with
#: these and are not the server's. A code missing here is a no if the answer's status says no.
CODES: dict[str, Row] = {
    "100": Row(_("success"), None),
    "111": Row(_("the request contains invalid data"), Refused),
    "112": Row(_("a required item is missing"), Refused),
    "113": Row(_("a value is not valid"), Refused),
    "166": Row(_("internal error"), OutcomeUnknown),
    "508": Row(_("the service bound to the token is not valid"), Misconfigured),
    "511": Row(_("the amount is above the maximum allowed for this merchant"), Refused),
}

#: The HTTP statuses of protocol 1.3. A status missing here, redirects included, leaves the outcome unknown. Assumption:
#: 403, 404 and 405, which one source handles generically, are about the address or the service's rights and never about
#: one order, so nothing was done. On a call about one code, 404 may be about that code.
STATUSES: dict[int, Row] = {
    200: Row(_("success of search, PATCH and DELETE"), None),
    201: Row(_("success of authorizations and cips"), None),
    400: Row(_("validation or business error"), Refused),
    401: Row(_("the token is missing, invalid or expired"), Misconfigured),
    403: Row(_("forbidden"), Misconfigured),
    404: Row(_("not found"), Misconfigured),
    405: Row(_("method not allowed"), Misconfigured),
    500: Row(_("internal error"), OutcomeUnknown),
    503: Row(_("service down"), OutcomeUnknown),
}
UNKNOWN_STATUS = Row(_("a status that it has no meaning for"), OutcomeUnknown)

#: The state ids of protocol 4.1. The meaning of 24 is unknown to every source, so 24 is missing.
STATES: dict[str, Fact] = {
    "21": Fact.CODE_EXPIRED,  # Expirado; of the older interface, inferred for this one
    "22": Fact.ISSUED,  # Generado; seen
    "23": Fact.PAYMENT,  # "Cancelado", which means PAID; inferred as 21
    "25": Fact.CODE_DELETED,  # Eliminado; inferred as 21
}

#: The event types of protocol 6.4, compared exactly.
EVENTS: dict[str, Fact] = {
    "cip.paid": Fact.PAYMENT,  # attested very well
    "cip.expired": Fact.CODE_EXPIRED,  # one merchant's code
    "cip.refunded": Fact.PAYMENT_REVERSED,  # one merchant's code, which then cancels the tickets
    "cip.reversed": Fact.PAYMENT_REVERSED,  # no trustworthy source; costs nothing to understand
}

#: The document types of protocol 3.1. RUC, CE and every other type are sent as NAN (protocol 8).
DOCUMENT_TYPES = ("DNI", "PAS", "LMI", "PAR")

#: The rows of protocol 8 that concern this channel: a surprise that integrators met → our handling. Each has a test of
#: its name.
QUIRKS: dict[str, str] = {
    "success_code_text_or_number": "codes are compared as text",
    "service_id_number": "sent as a number, hashed as plain decimal text",
    "cip_number_or_text": "read from both, kept as text",
    "two_decimals_in_notice": "the bytes received are hashed, the amount is a Decimal",
    "offset_lost_or_malformed": "dates have 25 characters and -05:00 when written, any attested offset when read",
    "cancelado_is_paid": "state 23 is a payment; the name of a state is not looked at",
    "date_of_1900": "no date",
    "trailing_dot_in_status_name": "the id decides",
    "transaction_code_not_unique": "a create that may have been sent is never repeated",
    "empty_or_foreign_error_body": "a 401 may have no body and a 503 need not be JSON",
    "token_life": "tokenExpires decides, with a margin",  # nosec B105 # no password
    "no_document_type_for_foreigners": "what is not DNI, PAS, LMI or PAR is sent as NAN",
    "passport_is_pas": "PAS is sent, not the PASS of one SDK",
    "document_number_spelt_out": "userDocumentNumber, not the cut name of a table's line break",
    "secret_key_never_sent": "the body of authorizations has four fields, the secret is in the hash alone",  # nosec B105 # no password
    "short_time_out": "the time-out is ours (8 s): the payer waits, and a lost code is looked after",
    "any_top_level_domain": "e-mail addresses are not held to the SDK's 2 to 6 letters",
}
