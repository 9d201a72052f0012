"""Where providers and memory meet; one verb a file."""

from .adopt import adopt_code
from .cancel import cancel_order
from .create import create_order
from .extend import extend_order
from .issue import issue_code
from .publish import publish_events
from .refresh import refresh_order
from .reissue import reissue_code
from .resolve import resolve_discrepancy
from .round import tick

__all__ = [
    "adopt_code",
    "cancel_order",
    "create_order",
    "extend_order",
    "issue_code",
    "publish_events",
    "refresh_order",
    "reissue_code",
    "resolve_discrepancy",
    "tick",
]
