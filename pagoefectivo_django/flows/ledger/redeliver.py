"""Events delivered again because a person asked for it."""

from __future__ import annotations

from ...actors import Actor
from ...models import Delivery
from ...states import Remark
from ..outbox.publish import deliver_again
from .remark import record_remark


def redeliver(delivery: Delivery, *, actor: Actor | str) -> Delivery:
    """Make a delivery due again, heard before or not, and note who asked in the order's history.

    The worker's next round calls the receiver.
    """
    data = {"event": delivery.event.kind, "receiver": delivery.receiver}
    record_remark(delivery.event.order, Remark.RETRIED, actor=actor, data=data)
    deliver_again(delivery)
    return delivery
