"""Flows, the only place where channels (providers) and models (the database) meet; one folder a subject.

The functions exported here are the shop's Python interface. They may be imported once Django's apps are loaded.
"""

from django.views.decorators.debug import sensitive_variables

from .discrepancies.assign import assign_discrepancy
from .discrepancies.comment import comment_on
from .discrepancies.reopen import reopen_discrepancy
from .discrepancies.resolve import resolve_discrepancy
from .orders.adopt import adopt_code
from .orders.cancel import cancel_order
from .orders.create import create_order
from .orders.extend import extend_order
from .orders.issue import issue_code
from .orders.mark_paid import mark_paid
from .orders.refresh import refresh_order
from .orders.reissue import reissue_code
from .outbox.publish import publish_events
from .possible import actions_of
from .refunds.refund import approve_refund, close_refund, refund_order, send_refund
from .settlements.deposit import enter_deposit
from .settlements.imports import import_settlement
from .settlements.match import match_line, unmatch_line
from .worker.tick import tick

__all__ = [
    "actions_of",
    "adopt_code",
    "approve_refund",
    "assign_discrepancy",
    "cancel_order",
    "close_refund",
    "comment_on",
    "create_order",
    "enter_deposit",
    "extend_order",
    "import_settlement",
    "issue_code",
    "mark_paid",
    "match_line",
    "publish_events",
    "refresh_order",
    "refund_order",
    "reissue_code",
    "reopen_discrepancy",
    "resolve_discrepancy",
    "send_refund",
    "tick",
    "unmatch_line",
]

# Django's error reports show the local variables of every frame, and frames below a flow hold keys, addresses and
# payers. ``sensitive_variables`` on a flow hides the variables of the flow and of all frames below, the shop's own
# receivers included.
for _name in __all__:
    globals()[_name] = sensitive_variables()(globals()[_name])
