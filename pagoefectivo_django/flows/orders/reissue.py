"""Reissue an order's code; the old code is deleted at the provider first."""

from __future__ import annotations

from datetime import datetime

from ...conf import conf
from ...models import Order
from ...models.clock import current_time
from ...states import PendingAction
from ..possible.refusing import refuse_change
from .cancel import remove_current_code
from .create import SOONEST, check_expiry
from .issue import issue
from .pending_action import fulfil, record


def reissue_code(
    order: Order,
    *,
    expires_at: datetime | None = None,
    actor: str = "shop",
    reason: str = "",
    now: datetime | None = None,
) -> Order:
    """Replace the code of a new, pending, expired or rejected order and return the order afterwards.

    ``expires_at`` is an aware datetime 10 minutes to 6 months ahead. Default: the order's date if at least 10 minutes
    ahead, else now plus ``EXPIRES_AFTER``. Raises like ``cancel_order``, and ``Refused`` if no provider issues another
    code. Inside a transaction the reissue is recorded, done after the commit, and the order returned unchanged.
    """
    now = now or current_time()
    if expires_at is None:
        expires_at = order.expires_at if order.expires_at >= now + SOONEST else now + conf.expires_after
    record(
        order, PendingAction.REISSUE, actor=actor, date=check_expiry(expires_at, now), now=now, reason=reason.strip()
    )
    return fulfil(order, PendingAction.REISSUE, reissue, now)


def reissue(order: Order, now: datetime, wait: bool) -> datetime | None:
    """Delete the current code of a claimed order and request another code; returns and raises like ``issue``.

    Raises ``Misconfigured``, before anything is deleted, if no channel issues codes in the order's currency.
    """
    if not conf.route(order.currency):
        raise refuse_change("reissue", "no_route", order)
    remove_current_code(order, now, asked=True, wait=wait)
    return issue(order, now, wait)
