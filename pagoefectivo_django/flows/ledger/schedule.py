"""The schedule: when the worker looks at a code or an order next; no database."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...conf import conf
from ...models import Cip, Order
from ...models.database import LEASE
from ...states import OPEN, CipStatus, OrderState

#: Shortest and longest pause between two polls of an unpaid code: short near the code's date, long before and after.
SOONEST, LATEST = timedelta(minutes=5), timedelta(hours=12)
#: How long after the deadline an order may stay open before a discrepancy about the order's code is opened.
LIMIT = timedelta(days=1)
#: How long a payment may be in process at a provider before a discrepancy is opened: reviews take one or two days.
IN_PROCESS_LIMIT = timedelta(days=3)
#: Pause between two polls of a paid code: collectors undo payments, mostly on the same day (protocol 6.6).
PAID_EVERY = timedelta(days=1)
#: Attempts (about two hours) after which a change not confirmed by the provider becomes a discrepancy.
MOST_ATTEMPTS = 8
#: Pause between telling the payer the date and the reminder: right after, a reminder is useless (pretix#1106).
REMIND_AFTER = timedelta(hours=2)


def deadline(expires_at: datetime) -> datetime:
    """Return the last moment at which a payment is on time: the date plus ``GRACE``."""
    until: datetime = expires_at + conf.grace
    return until


def next_poll(cip: Cip, now: datetime) -> datetime | None:
    """Return when the provider is asked about a code next, None if the code is not polled any more.

    The provider can't be asked about a code without digits: for a requested code the moment is when the request counts
    as lost; for a lost code, when a discrepancy is opened; for a lost link, when its provider is asked by our number.
    """
    if cip.status == CipStatus.REQUESTED:
        return cip.asked_at and cip.asked_at + LEASE
    if cip.status == CipStatus.LOST and not cip.is_known:
        return deadline(cip.until)
    if not (cip.is_known or cip.status == CipStatus.SUPERSEDED):
        return None
    if cip.status == CipStatus.PAID:
        pause, until = PAID_EVERY, cip.changed_at + conf.poll_after_payment
    else:
        pause, until = abs(cip.until - now) / 4, cip.until + conf.poll_after_expiry
        pause = min(max(pause, SOONEST), LATEST)
    if cip.in_process_at:
        until = max(until, cip.in_process_at + IN_PROCESS_LIMIT + conf.poll_after_expiry)
    # In whole minutes, so that codes polled in one batch get the same moment and are saved by one statement.
    moment = (now + pause).replace(second=0, microsecond=0) + timedelta(minutes=1)
    return moment if moment <= until else None


def lapse(order: Order) -> datetime | None:
    """Return when the clock ends an order: the deadline of a new or pending order, else None."""
    return deadline(order.expires_at) if order.state in OPEN else None


def reminder(order: Order, issued_at: datetime) -> datetime | None:
    """Return when the payer of a pending order is reminded of the date, None if that is not before the date."""
    moment: datetime = max(order.expires_at - conf.remind_before, issued_at + REMIND_AFTER)
    return moment if order.state == OrderState.PENDING and moment < order.expires_at else None
