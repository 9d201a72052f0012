"""Take a notification: prove it, keep it, apply it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from django.db import IntegrityError, connections

from ...channels.base import Channel, Report
from ...errors import InvalidSignature, Malformed, Misconfigured
from ...models import Notification, NotificationStatus
from ...models.clock import current_time
from ...models.database import database, one_transaction
from ...states import Kind
from ...traces import applying, current_trace, traced
from ..provider.accounts import channels_at
from .apply import apply, apply_soon, ask_person, has_reversal_beside, read
from .hints import hint

logger = logging.getLogger("pagoefectivo.webhook")

#: What a message of ``pagoefectivo_doctor`` begins with, and its fact: it is kept, and nothing else.
TEST_BEGINS = b'{"eventType":"pagoefectivo_django.doctor"'
TEST = "test"


@traced()
def receive(alias: str, body: bytes, headers: Mapping[str, str], *, now: datetime | None = None) -> Notification:
    """Keep a proven message and apply it; when this returns, its money can't be lost.

    Where somebody else holds the order, the message is committed alone, and applied as soon as the order is free: here
    within a second, else by the worker. Raises ``InvalidSignature`` (nothing is kept), ``Misconfigured`` for an unknown
    channel, and ``DatabaseError`` if it could not be kept at all.
    """
    channel, signature = _verify(alias, body, headers)
    now = now or current_time()  # after the proof: a stranger's message costs no statement here
    verified_by, body = channel.verified_by(body, signature), channel.verified(body, signature)
    row = Notification(
        channel=channel.alias,
        account=channel.account,
        digest=hashlib.sha256(body).hexdigest(),
        body=body,
        signature=signature[:200],
        verified_by=verified_by,
        trace=current_trace(),
        received_at=now,
        last_received_at=now,
    )
    report = _look_at(channel, row, now)

    def begin_with(kept: Notification) -> Notification:
        if report and kept is not row and kept.status == NotificationStatus.WAITING and has_reversal_beside(kept):
            hint(report, now)  # the same bytes may tell two facts: the payment before the reversal, and one after it
        if report:
            apply(kept, channel, report, now, first=True)
        elif row.status == NotificationStatus.DEAD:
            ask_person(kept, Kind.UNPROCESSED, now)
        return kept

    try:
        with applying(row.digest):
            kept = _keep(row, begin_with)
            if report:
                apply_soon(kept, channel, report, now)
        return kept
    except Exception as error:
        # A deadlock on MariaDB takes the whole transaction with it. The message alone, then; the inbox applies it.
        logger.warning("Notification %s is kept for later: %s", row.digest[:8], type(error).__name__)
        connections[database()].close_if_unusable_or_obsolete()  # the server may have been restarted
        row.pk = None
        if row.fact != TEST:
            row.status, row.retry_at = NotificationStatus.WAITING, now
        row.last_error = f"{type(error).__name__}: {error}"[:2000]
        return _keep(row, lambda kept: kept, wait=row.fact != TEST)


def _verify(alias: str, body: bytes, headers: Mapping[str, str]) -> tuple[Channel, str]:
    """Return the channel whose message this is, and the signature; raises ``InvalidSignature`` where none fits."""
    channels = channels_at(alias)
    if not channels:
        raise Misconfigured(f"There is no channel {alias!r}, and no code was issued under that alias.")
    for channel in channels[:-1]:
        with suppress(InvalidSignature):
            return channel, channel.verify(body, headers)
    return channels[-1], channels[-1].verify(body, headers)


def _look_at(channel: Channel, row: Notification, now: datetime) -> Report | None:
    """Return what a new message says, or None, and put on its row what is known of it."""
    try:
        if bytes(row.body).startswith(TEST_BEGINS):
            row.fact = TEST
            return None
        report = read(channel, row)
        row.code, row.fact = report.code, report.fact
        return report
    except Malformed as error:
        row.status, row.last_error = NotificationStatus.DEAD, str(error)
    except Exception as error:
        # A mistake in the channel, not in the message, which waits until it can be read.
        logger.exception("Notification %s could not be read; it is tried again.", row.digest[:8])
        row.status, row.retry_at = NotificationStatus.WAITING, now
        row.last_error = f"{type(error).__name__}: {error}".replace("\0", "")[:2000]
    return None


#: What a repetition changes of a message.
_REPEATED = ["times_received", "last_received_at", "queued_at", "verified_by", "body", "signature", "forgotten"]
_REPEATED += ["code", "fact", "status", "attempts", "retry_at", "last_error"]


def _keep(row: Notification, then: Callable[[Notification], Notification], *, wait: bool = False) -> Notification:
    """Store the message, or count a repetition of it, and do the rest, in one transaction.

    A repetition begins a transaction of its own: an INSERT that finds its row there may leave a shared lock on MySQL
    and MariaDB, and two repetitions that both want more would deadlock.
    """
    with suppress(IntegrityError), one_transaction() as alias:
        row.save(using=alias, force_insert=True)
        return then(row)
    row.pk = None
    with one_transaction() as alias:
        return then(_count(row, alias, wait=wait))


def _count(row: Notification, alias: str, *, wait: bool) -> Notification:
    """Count a repetition. ``wait``: the inbox applies it, whatever became of the message before; its bytes may say
    something new, such as a payment after a reversal.
    """
    known = Notification.objects.using(alias).select_for_update().get(account=row.account, digest=row.digest)
    known.times_received += 1
    known.last_received_at, known.verified_by = row.last_received_at, row.verified_by
    # Its bytes may have been taken away by age, and what could not be read then may be read now.
    known.body, known.signature, known.forgotten = row.body, row.signature, False
    known.code, known.fact = row.code, row.fact
    # A repetition of what could not be applied was received when its first was.
    if known.status == NotificationStatus.APPLIED:
        known.queued_at = row.last_received_at
    else:
        known.retry_at = row.last_received_at
    if wait:
        known.status, known.attempts, known.retry_at = NotificationStatus.WAITING, 0, row.last_received_at
        known.last_error = row.last_error
    known.save(using=alias, update_fields=_REPEATED)
    return known
