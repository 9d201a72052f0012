"""Attach a code that staff found in the provider's portal or in its mail."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from ..codes import plain
from ..errors import InvalidRequest
from ..models import Cip, Notification, Order
from ..models.database import database, in_shop_transaction
from ..traces import traced
from .accounts import channel_of
from .advance import advance
from .refresh import ask_provider


@traced()
def adopt_code(order: Order, code: str, *, actor: str, now: datetime | None = None) -> Order:
    """Attach a code to the order that asked for it, and return the order as it is then.

    The provider's answer must show the transaction code of a request of this order whose answer got lost. Raises
    ``InvalidRequest`` if it doesn't, and inside a transaction, since the provider has to be asked.
    """
    now = now or timezone.now()
    digits = plain(code)
    if not digits.isascii() or not digits.isdigit():
        raise InvalidRequest("The code is not a number; copy its digits from the portal or the mail.")
    if in_shop_transaction():
        raise InvalidRequest("adopt_code asks the provider; call it outside of a transaction.")
    cips = Cip.objects.using(database()).filter(order=order)
    for cip in cips.filter(code__isnull=True).order_by("-pk"):
        channel = channel_of(cip)
        answer = ask_provider(channel, [digits], now).get(digits) if channel.can_search else None
        if answer and answer.transaction_code == cip.transaction_code:
            advance(answer, actor=actor, asked=not cips.filter(live=True).exists(), now=now)
            waiting = Notification.objects.using(database()).filter(account=cip.account, code=digits)
            waiting.exclude(fate="applied").update(next_attempt_at=now, attempts=0)
            order.reload()
            return order
    raise InvalidRequest(f"The provider doesn't show that code {digits} was asked for order {order}; nothing changed.")
