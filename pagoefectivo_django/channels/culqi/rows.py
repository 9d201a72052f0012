"""Culqi's words for the state of an order, and the types of errors (aggregators 5.1, additions B.1)."""

from __future__ import annotations

from ...errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from ...states import Fact
from ..rest import Row

#: The ``state`` of an order.
FACTS = {
    "created": Fact.ISSUED,
    "pending": Fact.ISSUED,
    "paid": Fact.PAYMENT,
    "expired": Fact.CODE_EXPIRED,
    "deleted": Fact.CODE_DELETED,
}

#: The ``type`` of an error. ``parameter_error`` is attested; its ``param`` may be ``order_number``, see ``TAKEN``.
ERRORS: dict[str, Row] = {
    "parameter_error": Row("a parameter is invalid", Refused),
    "invalid_request_error": Row("the request is invalid, or the order does not allow the change", Refused),
    "authentication_error": Row("SECRET_KEY is refused", Misconfigured),
    "limit_api_error": Row("too many calls, none of which is worked on", Unavailable),
    "resource_error": Row("the order is unknown or does not allow the change", Refused),
    "api_error": Row("Culqi failed", OutcomeUnknown),
}

#: An error about this parameter may mean that our number was used before: an earlier request may have made a code.
TAKEN = "order_number"
