"""Let the payer have a new code when theirs has expired, where the shop allows it."""

from __future__ import annotations

from datetime import datetime

from ...conf import conf
from ...models import Order
from ...states import Wish
from .reissue import reissue
from .wish import fulfil, record


def renew_code(order: Order, now: datetime) -> Order:
    """Ask for a new code of an expired order and return the order as it is then.

    Raises ``InvalidRequest`` if the shop doesn't allow it (``PAYER_MAY_RENEW``), if the order has not expired, or was
    ordered again; otherwise what ``reissue_code`` does.
    """
    record(order, Wish.REISSUE, actor="payer", date=now + conf.expires_after, now=now, by_payer=True)
    return fulfil(order, Wish.REISSUE, reissue, now)
