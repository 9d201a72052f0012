"""Refresh an order: ask the provider about the order's codes and apply the answers."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...channels.base import Report
from ...errors import OutcomeUnknown
from ...models import Cip, Order
from ...models.clock import current_time
from ...models.database import after_commit, database, in_shop_transaction
from ...models.orders import KNOWN
from ...traces import traced
from ..ledger.advance import Outcome, advance
from ..provider.accounts import channel_of
from ..provider.look_up import look_up

#: Most questions about a code in a row while the answers are stale.
MOST_ASKED = 3
_STALE = _("Code %(cip)s changed while the provider was asked; ask it again.")


@traced()
def refresh_order(order: Order, *, now: datetime | None = None) -> Order:
    """Ask the provider about every code of an order, apply the answers, and return the order afterwards.

    Inside a transaction the provider is asked after the commit, and the order is returned unchanged. Codes whose
    provider can't be asked are skipped. Raises ``Unavailable`` or ``OutcomeUnknown`` if the provider doesn't answer, or
    knows none of our codes; ``Misconfigured`` if the account of a code is no longer configured.
    """
    if in_shop_transaction():
        after_commit(refresh_order, order)
        return order
    cips = Cip.objects.using(database()).filter(KNOWN, order=order)
    for cip in cips.order_by("pk"):
        channel = channel_of(cip)
        for _attempt in range(MOST_ASKED if channel.can_look_up else 0):
            answers = look_up(channel, list(cips.filter(pk=cip.pk)), now or current_time())
            if Outcome.STALE not in advance(*answers.values(), now=now):
                break
        else:
            if channel.can_look_up:
                raise OutcomeUnknown(_STALE, code="changed_meanwhile", cip=str(cip))
    order.reload()
    return order


def apply_answer(answer: Report, *, actor: Actor | str, wanted: bool = False, wait: bool = True, now: datetime) -> None:
    """Apply a provider's answer; raises ``OutcomeUnknown`` if the code changed while the provider was asked.

    With ``wait`` False raises ``OutcomeUnknown`` also if another transaction holds the order.
    """
    if {Outcome.STALE, Outcome.LOCKED} & {*advance(answer, actor=actor, wanted=wanted, wait=wait, now=now)}:
        raise OutcomeUnknown(_STALE, code="changed_meanwhile", cip=answer.code)
