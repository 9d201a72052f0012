"""Attach a code found by staff in the provider's portal or mail."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...channels.base import CodeRef
from ...codes import plain
from ...errors import InvalidRequest
from ...models import Cip, Notification, NotificationStatus, Order
from ...models.clock import current_time
from ...models.database import database, in_shop_transaction
from ...traces import traced
from ..ledger.advance import advance
from ..ledger.attach import attach_forgotten
from ..possible.rules import may_be_adopted
from ..provider.accounts import accounts, channel_of
from ..provider.look_up import ask_provider


@traced()
def adopt_code(order: Order, code: str | int, *, actor: Actor | str, now: datetime | None = None) -> Order:
    """Attach a code to the order from which the code was requested, and return the order afterwards.

    The provider is asked about the code, and the answer must show the transaction code of a request of this order: a
    request whose answer got lost, or a request missing since a backup was restored. Raises ``InvalidRequest`` if the
    answer shows no such code, if ``code`` has anything but digits, and inside a transaction; errors of the provider
    (``Unavailable``, ``OutcomeUnknown``, ``Misconfigured``) are raised too.
    """
    now = now or current_time()
    digits = plain(str(code))
    if not digits.isascii() or not digits.isdigit():
        raise InvalidRequest(
            _("The code is not a number; copy its digits from the portal or the mail."), code="code_not_a_number"
        )
    if in_shop_transaction():
        raise InvalidRequest(
            _("adopt_code asks the provider; call it outside of a transaction."), code="adopting_in_transaction"
        )
    ref, cips = CodeRef(digits), Cip.objects.using(database()).filter(order=order)
    for cip in filter(may_be_adopted, cips.order_by("-pk")):
        channel = channel_of(cip)
        answer = ask_provider(channel, [ref], now).get(ref) if channel.can_look_up else None
        if answer and answer.transaction_code == cip.transaction_code:
            advance(answer, actor=actor, wanted=not cips.filter(live=True).exists(), now=now)
            _try_messages(cip.account, digits, now)
            order.reload()
            return order
    for channel in accounts().values() if not cips.filter(code=digits).exists() else ():
        answer = ask_provider(channel, [ref], now).get(ref) if channel.can_look_up else None
        if answer and attach_forgotten(channel, answer, now, order):
            advance(answer, actor=actor, wanted=not cips.filter(live=True).exists(), now=now)
            _try_messages(channel.account, digits, now)
            order.reload()
            return order
    raise InvalidRequest(
        _("The provider doesn't show that code %(cip)s was asked for order %(order)s; nothing changed."),
        code="code_of_another",
        cip=digits,
        order=str(order),
    )


def _try_messages(account: str, code: str, now: datetime) -> None:
    """Make messages about a code due that came before the code's order was known, also messages given up."""
    waiting = Notification.objects.using(database()).filter(account=account, code=code)
    waiting.exclude(status=NotificationStatus.APPLIED).update(
        status=NotificationStatus.WAITING, retry_at=now, attempts=0
    )
