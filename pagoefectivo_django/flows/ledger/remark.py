"""Remarks: events for actions of people, or endings, that no other flow records."""

from __future__ import annotations

from datetime import datetime

from ...actors import Actor
from ...facts import Data
from ...models import Order
from ...models.clock import current_time
from ...models.database import one_transaction
from ...states import Remark
from ...traces import traced
from .history import History
from .locked import lock_order


@traced()
def record_remark(
    order: Order | None,
    remark: Remark,
    *,
    actor: Actor | str,
    data: Data | None = None,
    reason: str = "",
    now: datetime | None = None,
) -> None:
    """Append an event that moves nothing to an order's history or, with ``order`` None, to the shop's history."""
    now = now or current_time()
    with one_transaction() as alias:
        if order is None:
            history = History(alias, now, actor)
            history.tell(None, "noted", remark, data=data, reason=reason)
            history.write()
            return
        locked = lock_order(order, alias=alias, now=now, actor=actor)
        locked.history.tell(locked.order, "noted", remark, data=data, before=locked.order.state, reason=reason)
        locked.write()
