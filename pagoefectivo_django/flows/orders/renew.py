"""Renew an expired code on the payer's request, where the shop allows renewals."""

from __future__ import annotations

from datetime import datetime

from ...actors import PAYER
from ...conf import conf
from ...models import Order
from ...states import PendingAction
from .pending_action import fulfil, record
from .reissue import reissue


def renew_code(order: Order, now: datetime) -> Order:
    """Request a new code for an expired order, valid for ``EXPIRES_AFTER``, and return the order afterwards.

    Raises ``InvalidRequest`` if the shop doesn't allow renewals (``PAYER_MAY_RENEW``), if the order has not expired, or
    if the reference was ordered again; otherwise raises like ``reissue_code``.
    """
    record(order, PendingAction.REISSUE, actor=PAYER, date=now + conf.expires_after, now=now, by_payer=True)
    return fulfil(order, PendingAction.REISSUE, reissue, now)
