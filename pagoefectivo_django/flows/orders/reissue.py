"""Reissue an order's code; the old code is deleted at the provider first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ...actors import SHOP, Actor
from ...conf import conf
from ...errors import Misconfigured
from ...models import Order
from ...models.clock import current_time
from ...states import PendingAction
from ..possible.refusing import refuse_change
from ..provider.routes import expiry_range, preferred, sift
from .cancel import remove_current_code
from .create import check_expiry
from .issue import issue
from .pending_action import fulfil, record


def reissue_code(
    order: Order,
    *,
    expires_at: datetime | None = None,
    actor: Actor | str = SHOP,
    reason: str = "",
    now: datetime | None = None,
    on_write: Callable[[Order], None] | None = None,
) -> Order:
    """Replace the code of a new, pending, expired or rejected order and return the order afterwards.

    ``expires_at`` is an aware datetime as ``create_order`` takes it. Default: the order's date if a channel can still
    take it, else now plus ``EXPIRES_AFTER``. Raises like ``cancel_order``, and ``Refused`` if no provider issues
    another code. Inside a transaction the reissue is recorded, done after the commit, and the order returned unchanged.
    ``on_write``: as in ``cancel_order``.
    """
    now = now or current_time()
    if expires_at is None:
        fit, _left_out = sift(order.money, order.payer)
        least, _most = expiry_range(fit.values()) or (timedelta(0), timedelta(0))
        expires_at = order.expires_at if order.expires_at >= now + least else now + conf.expires_after
    date = check_expiry(expires_at, now, order.money, order.payer)
    record(order, PendingAction.REISSUE, actor=actor, date=date, now=now, reason=reason.strip(), on_write=on_write)
    return fulfil(order, PendingAction.REISSUE, reissue, now)


def reissue(order: Order, now: datetime, wait: bool) -> datetime | None:
    """Delete the current code of a claimed order and request another code; returns and raises like ``issue``.

    Raises ``Misconfigured``, before anything is deleted, if no channel may take the order.
    """
    channels = list(preferred(order, now).values())
    errors = [channel for channel in channels if isinstance(channel, Misconfigured)]
    if len(errors) == len(channels):
        raise errors[0] if errors else refuse_change("reissue", "no_route", order)
    remove_current_code(order, now, reissue=True, wait=wait)
    return issue(order, now, wait)
