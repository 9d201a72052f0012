"""Events delivered again because a person asked for it."""

from __future__ import annotations

from ...actors import Actor
from ...errors import InvalidRequest
from ...errors import gettext_noop as _
from ...models import Delivery
from ...models.database import one_transaction
from ...states import Remark
from ..outbox.publish import deliver_again
from .remark import record_remark


def redeliver(delivery: Delivery, *, actor: Actor | str) -> Delivery:
    """Make a delivery due again, heard before or not, and note who asked in the order's history.

    The worker's next round calls the receiver. Raises ``InvalidRequest`` for a delivery that was waiting when it was
    chosen, and was heard, or begun, since: a receiver that ships would ship twice.
    """
    data = {"event": delivery.event.kind, "receiver": delivery.receiver}
    with one_transaction():
        if not deliver_again(delivery, heard=delivery.delivered_at is not None):
            raise InvalidRequest(
                _("The receiver has heard the event meanwhile, or hears it just now; nothing was changed."),
                code="delivery_heard_meanwhile",
            )
        record_remark(delivery.event.order, Remark.RETRIED, actor=actor, data=data)
    return delivery
