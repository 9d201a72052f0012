"""Open the page on which the payer pays; a link that lives shorter than its order is requested at that moment."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import PAYER
from ...channels.base import Report
from ...errors import OutcomeUnknown, PagoEfectivoError
from ...models import Cip, Order
from ...models.database import database
from ...states import CipStatus, Fact
from ...traces import traced
from ..ledger.advance import advance
from ..possible import actions_of
from ..possible.refusing import refuse_change
from ..provider.accounts import channel_of
from ..provider.look_up import look_up, report_on
from .find import find_lost
from .issue import request_code

#: Answers after which a link past its date is not opened any more.
_OVER = (Fact.PAYMENT, Fact.IN_PROCESS, Fact.CODE_EXPIRED, Fact.CODE_DELETED, Fact.CODE_FAILED, Fact.PAYMENT_REVERSED)


@traced()
def open_link(order: Order, now: datetime) -> str:
    """Return the address of the provider's page on which the payer pays an order now.

    The order's link is returned while it lasts. A link past its date is superseded, after a look at the provider, and
    another is requested. Two presses at once request one link: the second raises ``InvalidRequest``
    (``code_pending``). Raises ``AlreadyPaid``, ``InReview`` or ``InvalidRequest`` for an order that can't be paid by a
    link now, and ``Unavailable``, ``Misconfigured`` or ``OutcomeUnknown`` if no provider gives a link.
    """
    _check(order, now)
    if link := _current(order):
        if link.expires_at is None or link.expires_at > now or not _ended(link, now):
            return str(link.url)
        _check(order, now)
    if find_lost(order, now, wanted=False):  # until that provider has answered nobody else is asked
        raise refuse_change("open_link", "code_pending", order)
    _check(order, now)
    request_code(order, now, pressed=True, wait=True)
    if link := _current(order):
        return str(link.url)
    _check(order, now)
    raise OutcomeUnknown(
        _("No provider gave a link for order %(order)s; press again."), code="no_link", order=str(order)
    )


def _check(order: Order, now: datetime) -> None:
    """Read the order again, and raise the error if the payer can't pay it by a link now."""
    order.reload()
    why = actions_of([order])[order]["open_link"] or ("overdue" if order.expires_at <= now else "")
    if why:
        raise refuse_change("open_link", why, order)


def _current(order: Order) -> Cip | None:
    cips = Cip.objects.using(database()).filter(order=order, status=CipStatus.CURRENT)
    return next((cip for cip in cips.select_related("order") if cip.is_link), None)


def _ended(link: Cip, now: datetime) -> bool:
    """Return whether a link past its date is not to be opened, by the provider's answer or else by our clock.

    The answer is applied: the link may be paid, or a payment of it in process.
    """
    answer: Report | None = None
    try:
        channel = channel_of(link)
        if channel.can_look_up:
            answer = look_up(channel, [link], now).get(link.pk)
    except PagoEfectivoError:
        pass  # the declared date decides; polling goes on
    if answer and answer.fact == Fact.ISSUED:
        return False
    if answer is None or answer.fact not in _OVER:
        answer = report_on(link, Fact.CODE_EXPIRED, "by_our_clock")
    advance(answer, actor=PAYER, now=now)
    return True
