"""Receive a notification: verify, keep and apply the message."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from datetime import datetime

from django.db import IntegrityError, connections
from django.utils.translation import gettext_noop as _

from ... import strict_json
from ...channels.base import Channel, Hint, Incoming, Proof, Report
from ...errors import InvalidSignature, Malformed, Misconfigured
from ...models import Notification, NotificationStatus
from ...models.clock import current_time
from ...models.database import database, one_transaction
from ...states import Kind, Mention
from ...traces import applying, current_trace, traced
from ..provider.accounts import channels_at
from .apply import apply, apply_again, apply_soon, ask_person, fact_of, has_reversal_beside, name_of, read_all
from .hints import hint

logger = logging.getLogger("pagoefectivo.webhook")

#: The first bytes of a test message of ``pagoefectivo_doctor``; such a message is only kept.
TEST_BEGINS = b'{"eventType":"pagoefectivo_django.doctor"'


@traced()
def receive(
    alias: str, body: bytes, headers: Mapping[str, str], query: str = "", *, now: datetime | None = None
) -> list[Notification]:
    """Verify, keep and apply a message, and return the rows kept, one for each item; then no item can be lost.

    ``alias``: the channel in the address of the webhook. If another transaction holds the order, the message is
    committed alone and applied as soon as the order is free: here within a second, else by the worker. Raises
    ``InvalidSignature`` if no current secret made the signature (nothing is kept), ``Misconfigured`` for an unknown
    channel, and ``DatabaseError`` if the message could not be kept.
    """
    channel, proof = _verify(alias, Incoming(body, headers, query))
    now = now or current_time()  # after verification: an unverified message costs no such statement
    kept = proof.kept
    if strict_json.unstorable([kept.query, dict(kept.headers)]):
        kept = Incoming(kept.body)  # PostgreSQL can't hold the rest; what the channel then misses goes to a person
    row = Notification(
        channel=channel.alias,
        account=channel.account,
        identity=proof.identity,
        trust=proof.trust,
        body=kept.body,
        headers=dict(kept.headers),
        query=kept.query,
        verified_by=proof.key_id,
        trace=current_trace(),
        received_at=now,
        last_received_at=now,
    )
    if not (items := _look_at(channel, row, now)):
        return [_receive(channel, row, None, now)]
    rows = [row, *(copy(row) for _item in items[1:])]
    for place, item in enumerate(items):
        rows[place].item, rows[place].code, rows[place].fact = place, name_of(item), fact_of(item)
    if len(rows) == 1:
        return [_receive(channel, row, items[0], now)]
    # Every item is kept before the first is applied: a process that ends in between loses none.
    for one in rows:
        one.status, one.retry_at = NotificationStatus.WAITING, now
    rows = [_keep(one, lambda kept: kept, wait=True) for one in rows]
    for one in rows:
        try:
            apply_again(one, now)
        except Exception:
            logger.exception("Notification %s is kept, and could not be applied yet.", one.identity[:8])
    return rows


def _receive(channel: Channel, row: Notification, item: Report | Hint | None, now: datetime) -> Notification:
    """Keep and apply one item of a message, and return the kept row; None for a test or an unreadable message."""

    def begin_with(kept: Notification) -> Notification:
        if item and kept is not row and kept.status == NotificationStatus.WAITING and has_reversal_beside(kept):
            hint(item, now)  # equal bytes may report a payment before and a payment after the reversal: ask
        if item:
            apply(kept, channel, item, now, first=True)
        elif row.status == NotificationStatus.DEAD:
            ask_person(kept, Kind.UNPROCESSED, now)
        return kept

    try:
        with applying(row.identity):
            kept = _keep(row, begin_with)
            if item:
                apply_soon(kept, channel, item, now)
        return kept
    except Exception as error:
        # A deadlock on MariaDB rolls the whole transaction back, so the message is stored alone in a new transaction
        # and applied later by the inbox.
        logger.warning("Notification %s is kept for later: %s", row.identity[:8], type(error).__name__)
        connections[database()].close_if_unusable_or_obsolete()  # the server may have been restarted
        row.pk = None
        if row.fact != Mention.TEST:
            row.status, row.retry_at = NotificationStatus.WAITING, now
        row.failed(error)
        return _keep(row, lambda kept: kept, wait=row.fact != Mention.TEST)


def _verify(alias: str, incoming: Incoming) -> tuple[Channel, Proof]:
    """Return the channel that verifies the message, and the proof; raises ``InvalidSignature`` if none does."""
    channels = channels_at(alias)
    if not channels:
        raise Misconfigured(
            _("There is no channel '%(channel)s', and no code was issued under that alias."),
            code="channel_unknown",
            channel=alias,
        )
    for channel in channels[:-1]:
        with suppress(InvalidSignature):
            return channel, channel.verify(incoming)
    return channels[-1], channels[-1].verify(incoming)


def _look_at(channel: Channel, row: Notification, now: datetime) -> list[Report | Hint]:
    """Return the items of a new message; none for a test or an unreadable message, which the row then says.

    A malformed message is marked dead, since the bytes stay unreadable.
    """
    try:
        if bytes(row.body).startswith(TEST_BEGINS):
            row.fact = Mention.TEST
            return []
        return read_all(channel, row)
    except Malformed as error:
        row.status = NotificationStatus.DEAD
        row.failed(error)
    except Exception as error:
        # A bug in the channel, not a fault of the message: the message waits until the channel can read it.
        logger.exception("Notification %s could not be read; it is tried again.", row.identity[:8])
        row.status, row.retry_at = NotificationStatus.WAITING, now
        row.failed(error)
    return []


#: Fields of a kept message that a repetition changes.
_REPEATED = ["times_received", "last_received_at", "queued_at", "verified_by", "body", "headers", "query", "forgotten"]
_REPEATED += ["code", "fact", "status", "attempts", "retry_at", "last_error", "error_data"]


def _keep(row: Notification, then: Callable[[Notification], Notification], *, wait: bool = False) -> Notification:
    """Store a message, or count a repetition of a kept message, and run ``then`` in the same transaction.

    A repetition is counted in a new transaction: a failed INSERT of a duplicate may leave a shared lock on MySQL and
    MariaDB, and two repetitions that then lock the row for writing would deadlock.
    """
    with suppress(IntegrityError), one_transaction() as alias:
        row.save(using=alias, force_insert=True)
        return then(row)
    row.pk = None
    with one_transaction() as alias:
        return then(_count(row, alias, wait=wait))


def _count(row: Notification, alias: str, *, wait: bool) -> Notification:
    """Count a repetition of a kept message and return the kept row.

    ``wait``: the message is to be applied by the inbox even if applied before, since equal bytes may report a new fact,
    such as a payment after a reversal.
    """
    known = (
        Notification.objects.using(alias)
        .select_for_update()
        .get(account=row.account, identity=row.identity, item=row.item)
    )
    known.times_received += 1
    known.last_received_at, known.verified_by = row.last_received_at, row.verified_by
    # The kept bytes may have been erased by age, and a message unreadable at first may be readable by now.
    known.body, known.headers, known.query, known.forgotten = row.body, row.headers, row.query, False
    known.code, known.fact = row.code, row.fact
    # The repetition of an applied message is queued as of now; a message still waiting keeps its place in the queue.
    if known.status == NotificationStatus.APPLIED:
        known.queued_at = row.last_received_at
    else:
        known.retry_at = row.last_received_at
    if wait:
        known.status, known.attempts, known.retry_at = NotificationStatus.WAITING, 0, row.last_received_at
        known.last_error, known.error_data = row.last_error, row.error_data
    known.save(using=alias, update_fields=_REPEATED)
    return known
