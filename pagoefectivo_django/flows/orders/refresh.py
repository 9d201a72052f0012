"""Ask the provider what it knows, and apply its answer."""

from __future__ import annotations

from datetime import datetime

from ...channels.base import Report
from ...errors import OutcomeUnknown
from ...models import Cip, Order
from ...models.clock import current_time
from ...models.database import after_commit, database, in_shop_transaction
from ...traces import traced
from ..ledger.advance import Outcome, advance
from ..provider.accounts import channel_of
from ..provider.look_up import look_up

#: How often a stale answer is asked again before the next round does.
MOST_ASKED = 3
_STALE = "Code {} changed while the provider was asked; ask it again."


@traced()
def refresh_order(order: Order, *, now: datetime | None = None) -> Order:
    """Ask about every code of an order and return the order as it is then; inside a transaction, after its commit.

    Raises ``Unavailable`` or ``OutcomeUnknown`` if the provider doesn't answer, or suddenly knows none of our codes.
    """
    if in_shop_transaction():
        after_commit(refresh_order, order)
        return order
    cips = Cip.objects.using(database()).filter(order=order, code__isnull=False)
    for cip in cips.order_by("pk"):
        channel = channel_of(cip)
        for _attempt in range(MOST_ASKED if channel.can_search else 0):
            answers = look_up(channel, list(cips.filter(pk=cip.pk)), now or current_time())
            if Outcome.STALE not in advance(*answers.values(), now=now):
                break
        else:
            if channel.can_search:
                raise OutcomeUnknown(_STALE.format(cip))
    order.reload()
    return order


def apply_answer(answer: Report, *, actor: str, asked: bool = False, wait: bool = True, now: datetime) -> None:
    """Apply what a provider answered; raises ``OutcomeUnknown`` if the code changed while it was asked.

    ``wait`` False: or if somebody else holds its order.
    """
    if {Outcome.STALE, Outcome.LOCKED} & {*advance(answer, actor=actor, asked=asked, wait=wait, now=now)}:
        raise OutcomeUnknown(_STALE.format(answer.code))
