"""Ask the provider what it knows, and apply its answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from ..channels.base import Channel, Report
from ..errors import OutcomeUnknown
from ..models import Cip, Order
from ..models.database import after_commit, database, in_shop_transaction
from ..traces import traced
from .accounts import channel_of
from .advance import Outcome, advance
from .record import recorded

#: How often a stale answer is asked again before the next round does.
MOST_ASKED = 3
_STALE = "Code {} changed while the provider was asked; ask it again."


@traced()
def refresh_order(order: Order, *, now: datetime | None = None) -> Order:
    """Ask about every code of an order and return the order as it is then; inside a transaction, after its commit.

    Raises ``Unavailable`` or ``OutcomeUnknown`` if the provider doesn't answer.
    """
    if in_shop_transaction():
        after_commit(refresh_order, order)
        return order
    cips = Cip.objects.using(database()).filter(order=order, code__isnull=False)
    for cip in cips.order_by("pk"):
        channel = channel_of(cip)
        for _attempt in range(MOST_ASKED if channel.can_search else 0):
            answers = ask_provider(channel, [cip.code or ""], now)
            if Outcome.STALE not in advance(*answers.values(), now=now):
                break
        else:
            if channel.can_search:
                raise OutcomeUnknown(_STALE.format(cip))
    order.reload()
    return order


def ask_provider(channel: Channel, codes: Iterable[str], now: datetime | None = None) -> dict[str, Report]:
    """Return what a provider says of codes, with the time at which it was asked."""
    asked_at, wanted = now or timezone.now(), list(codes)
    with recorded(channel, codes=wanted):
        return {code: replace(report, asked_at=asked_at) for code, report in channel.search(wanted).items()}


def apply_answer(answer: Report, *, actor: str, asked: bool = False, now: datetime) -> None:
    """Apply what a provider answered; raises ``OutcomeUnknown`` if the code changed while it was asked."""
    if Outcome.STALE in advance(answer, actor=actor, asked=asked, now=now):
        raise OutcomeUnknown(_STALE.format(answer.code))
