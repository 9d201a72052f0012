"""Where providers and memory meet; one verb a file."""

from .adopt import adopt_code
from .cancel import cancel_order
from .create import create_order
from .extend import extend_order
from .issue import issue_code
from .mark_paid import mark_paid
from .publish import publish_events
from .refresh import refresh_order
from .refund import approve_refund, close_refund, refund_order, send_refund
from .reissue import reissue_code
from .resolve import resolve_discrepancy
from .round import tick

__all__ = [
    "adopt_code",
    "approve_refund",
    "cancel_order",
    "close_refund",
    "create_order",
    "extend_order",
    "issue_code",
    "mark_paid",
    "publish_events",
    "refresh_order",
    "refund_order",
    "reissue_code",
    "resolve_discrepancy",
    "send_refund",
    "tick",
]
