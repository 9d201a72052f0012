"""Where providers and memory meet; one verb a file."""

from django.views.decorators.debug import sensitive_variables

from .adopt import adopt_code
from .assign import assign_discrepancy
from .cancel import cancel_order
from .comment import comment_on
from .create import create_order
from .deposit import enter_deposit
from .extend import extend_order
from .issue import issue_code
from .mark_paid import mark_paid
from .match import match_line, unmatch_line
from .outbox.publish import publish_events
from .possible import actions_of
from .refresh import refresh_order
from .refund import approve_refund, close_refund, refund_order, send_refund
from .reissue import reissue_code
from .reopen import reopen_discrepancy
from .resolve import resolve_discrepancy
from .round import tick
from .settle import import_settlement

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

# Django's error reports show the variables of every frame; those below a flow hold keys, addresses and payers. What a
# shop calls hides them, and so does everything that it calls, the shop's own receivers too.
for _name in __all__:
    globals()[_name] = sensitive_variables()(globals()[_name])
