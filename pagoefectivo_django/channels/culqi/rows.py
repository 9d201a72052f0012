"""Culqi's words for the state of an order, and the types of errors (aggregators 5.1, additions B.1)."""

from __future__ import annotations

from ...errors import Refused
from ...errors import gettext_noop as _
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

#: The ``type`` of an error. One is public; by any other the status decides.
ERRORS: dict[str, Row] = {"parameter_error": Row(_("a parameter is invalid"), Refused)}

#: An error about this parameter may mean that our number was used before: an earlier request may have made a code.
TAKEN = "order_number"
