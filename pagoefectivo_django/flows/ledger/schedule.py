"""When the clock looks at a code and at an order next; pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...conf import conf
from ...models import Cip, Order
from ...models.database import LEASE
from ...states import CipStatus, OrderState

#: A code is asked about rarely while its date is far, more and more often as it comes near, and rarely again after it.
SOONEST, LATEST = timedelta(minutes=5), timedelta(hours=12)
#: How long after its deadline an order may be open before a person is asked what became of its code.
LIMIT = timedelta(days=1)
#: How often a paid code is asked about: collectors undo payments, mostly on the same day (protocol 6.6).
PAID_EVERY = timedelta(days=1)
#: After so many attempts, about two hours, a change that the provider doesn't confirm is a person's.
MOST_ATTEMPTS = 8
#: A payer who was just told the date needs no reminder of it (pretix#1106).
REMIND_AFTER = timedelta(hours=2)


def deadline(expires_at: datetime) -> datetime:
    """Return until when a payment counts as on time."""
    until: datetime = expires_at + conf.grace
    return until


def next_poll(cip: Cip, now: datetime) -> datetime | None:
    """Return when a provider is asked about a code next, None if it is not watched any more.

    One without digits can't be asked about: then is when its request is called lost, or put to a person.
    """
    if cip.status == CipStatus.REQUESTED:
        return cip.asked_at and cip.asked_at + LEASE
    if cip.status == CipStatus.LOST and not cip.code:
        return deadline(cip.expires_at)
    if cip.status == CipStatus.REFUSED or not cip.code:
        return None
    if cip.status == CipStatus.PAID:
        pause, until = PAID_EVERY, cip.changed_at + conf.poll_after_payment
    else:
        pause, until = abs(cip.expires_at - now) / 4, cip.expires_at + conf.poll_after_expiry
        pause = min(max(pause, SOONEST), LATEST)
    # In whole minutes, so that those of one batch are put back together.
    moment = (now + pause).replace(second=0, microsecond=0) + timedelta(minutes=1)
    return moment if moment <= until else None


def lapse(order: Order) -> datetime | None:
    """Return when an order ends by the clock, None if it is not open."""
    return deadline(order.expires_at) if order.state in (OrderState.NEW, OrderState.PENDING) else None


def reminder(order: Order, issued_at: datetime) -> datetime | None:
    """Return when the payer is reminded of the date that they were told, None if it is too near for that."""
    moment: datetime = max(order.expires_at - conf.remind_before, issued_at + REMIND_AFTER)
    return moment if order.state == OrderState.PENDING and moment < order.expires_at else None
