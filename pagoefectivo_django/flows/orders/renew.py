"""Let the payer have a new code when theirs has expired, where the shop allows it."""

from __future__ import annotations

from datetime import datetime

from ...conf import conf
from ...models import Order
from ...states import PendingAction
from .pending_action import fulfil, record
from .reissue import reissue


def renew_code(order: Order, now: datetime) -> Order:
    """Ask for a new code of an expired order and return the order as it is then.

    Raises ``InvalidRequest`` if the shop doesn't allow it (``PAYER_MAY_RENEW``), if the order has not expired, or was
    ordered again; otherwise what ``reissue_code`` does.
    """
    record(order, PendingAction.REISSUE, actor="payer", date=now + conf.expires_after, now=now, by_payer=True)
    return fulfil(order, PendingAction.REISSUE, reissue, now)
