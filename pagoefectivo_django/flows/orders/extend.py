"""Extend a code: move the date until which the code can be paid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils.translation import gettext_noop as _

from ...actors import SHOP, Actor
from ...errors import AlreadyPaid, OutcomeUnknown, Refused
from ...models import Cip, Order
from ...models.clock import current_time
from ...models.database import database
from ...states import Fact, PendingAction
from ..possible.refusing import refuse_change
from ..possible.rules import extendable
from ..provider.accounts import channel_of
from ..provider.look_up import ask_provider, ref_of
from ..provider.record import recorded
from .create import check_expiry
from .pending_action import fulfil, record
from .refresh import apply_answer

#: Largest difference between the date asked for and the date shown: the provider rounds (protocol 3.2, low confidence).
ROUNDING = timedelta(minutes=1)


def extend_order(
    order: Order,
    expires_at: datetime,
    *,
    actor: Actor | str = SHOP,
    reason: str = "",
    now: datetime | None = None,
    on_write: Callable[[Order], None] | None = None,
) -> Order:
    """Move the expiry date of an order's code, reviving an expired code, and return the order afterwards.

    ``expires_at`` is an aware datetime as ``create_order`` takes it. The new date counts once the provider shows the
    date. Raises like ``cancel_order``, and ``InvalidRequest`` if no code can be extended or the channel can't extend.
    Inside a transaction the extension is recorded, done after the commit, and the order returned unchanged.
    ``on_write``: as in ``cancel_order``.
    """
    now = now or current_time()
    date = check_expiry(expires_at, now, order.money, order.payer)
    record(order, PendingAction.EXTEND, actor=actor, date=date, now=now, reason=reason.strip(), on_write=on_write)
    return fulfil(order, PendingAction.EXTEND, extend, now)


def extend(order: Order, now: datetime, wait: bool) -> None:
    """Ask the provider for the date in the pending action of a claimed order, and apply the date shown."""
    cip, date = extendable(Cip.objects.using(database()).filter(order=order)), order.action_date
    if cip is None or not cip.is_known or date is None:
        raise refuse_change("extend", "no_code", order)
    if cip.live and cip.retry_at:
        raise OutcomeUnknown(
            _("Code %(cip)s is being deleted at this moment; whether it can be extended is tried later."),
            code="being_deleted",
            cip=str(cip),
        )
    channel = channel_of(cip)
    if not channel.can_extend:
        raise refuse_change("extend", "cannot_extend", order)
    refusal: Refused | None = None
    try:
        with recorded(channel, order=order):
            channel.extend(ref_of(cip), date)
    except Refused as error:
        refusal = error
    except OutcomeUnknown:
        refusal = None  # the question to the provider below tells whether the date moved
    answer = ask_provider(channel, [ref_of(cip)], now).get(ref_of(cip))
    if answer is None or answer.fact == Fact.UNKNOWN:
        raise OutcomeUnknown(
            _("The provider doesn't say until when code %(cip)s can be paid; it is asked again."),
            code="date_not_told",
            cip=str(cip),
        )
    shown = answer.expires_at
    moved = answer.fact == Fact.ISSUED and shown is not None and abs(shown - date) <= ROUNDING
    apply_answer(answer, actor=Actor.parse(order.action_requested_by), wanted=moved, wait=wait, now=now)
    if answer.fact == Fact.PAYMENT:
        raise AlreadyPaid(
            _("Order %(order)s was paid meanwhile with code %(cip)s."),
            code="paid_meanwhile",
            order=str(order),
            cip=str(cip),
        )
    if refusal:
        raise refusal
    if not moved:
        raise OutcomeUnknown(
            _("The provider doesn't show the new date of code %(cip)s; it will be asked again."),
            code="extension_not_confirmed",
            cip=str(cip),
        )
