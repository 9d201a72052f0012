"""Take a notification: prove it, keep it, apply it; and apply again what could not be."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from ..channels import get_channel
from ..channels.base import Channel, Report
from ..errors import Malformed, Misconfigured, PagoEfectivoError
from ..models import Cip, Discrepancy, Fate, Notification
from ..models.database import database, in_shop_transaction, one_transaction
from ..states import Fact, Kind
from ..traces import current_trace, traced
from .advance import Outcome, advance
from .history import History, closed, evidence_of
from .refresh import ask_provider

logger = logging.getLogger("pagoefectivo.webhook")

#: What a message of ``pagoefectivo_doctor`` begins with, and its fact: it is kept, and nothing else.
TEST_BEGINS = b'{"eventType":"pagoefectivo_django.doctor"'
TEST = "test"
#: With the pauses between them about four hours; then a person is asked.
MOST_ATTEMPTS = 10


@traced()
def receive(alias: str, body: bytes, headers: Mapping[str, str], *, now: datetime | None = None) -> Notification:
    """Keep a proven message and apply it; when this returns, its money can't be lost.

    Raises ``Unproven`` (nothing is kept), ``Misconfigured`` for an unknown channel, and ``DatabaseError`` if it could
    not be kept at all.
    """
    now = now or timezone.now()
    channel = get_channel(alias)
    signature = channel.prove(body, headers)
    row = Notification(
        channel=alias,
        account=channel.account,
        digest=hashlib.sha256(body).hexdigest(),
        body=body,
        signature=signature[:200],
        proved_by=channel.proved_by(body, signature),
        trace=current_trace(),
        received_at=now,
        last_received_at=now,
    )
    report = _look_at(channel, row, now)
    try:
        with one_transaction() as database_alias:
            kept = _keep(row, database_alias)
            if report:
                # A repetition of what could not be applied was received when its first was.
                heard = now if kept.fate == Fate.APPLIED else kept.received_at
                apply(kept, channel, replace(report, received_at=heard), now)
            elif row.fate == Fate.DEAD:
                _ask_person(kept, Kind.UNPROCESSED, now)
        return kept
    except Exception as error:
        # A deadlock on MariaDB takes the whole transaction with it. The message alone, then; the inbox applies it.
        logger.warning("Notification %s is kept for later: %s", row.digest[:8], type(error).__name__)
        connections[database()].close_if_unusable_or_obsolete()  # the server may have been restarted
        row.pk = None
        if row.fact != TEST:
            row.fate, row.next_attempt_at = Fate.WAITING, now
        row.last_error = f"{type(error).__name__}: {error}"[:2000]
        with one_transaction() as database_alias:
            return _keep(row, database_alias)


def apply_again(row: Notification, now: datetime) -> bool:
    """Try once more to apply a message that waits; False if somebody else is at it."""
    if not row.claim(now):
        return False
    with traced(row.trace):
        _try_again(row, now)
    return True


def _try_again(row: Notification, now: datetime) -> None:
    over = row.attempts >= MOST_ATTEMPTS
    try:
        channel = get_channel(row.channel)
        report: Report | None = None
        try:
            report = _read(channel, row)
            row.code, row.fact = report.code, report.fact
        except Malformed as error:
            over, row.last_error = True, str(error)  # the bytes won't get better
        if report and row.attempts <= MOST_ATTEMPTS:  # else it killed the process that worked on it, again and again
            with one_transaction():
                apply(row, channel, report, now)
            if row.fate == Fate.WAITING:
                _ask_then_apply(row, channel, report, now)
    except Exception as error:
        # Whatever it was: one bad message never stops the inbox.
        logger.exception("Notification %s could not be applied.", row.digest[:8])
        row.put_off(now, f"{type(error).__name__}: {error}")
    if over and row.fate != Fate.APPLIED:
        _give_up(row, now)


def retry(row: Notification, now: datetime) -> bool:
    """Apply a message again that waits or was given up, for staff; False if it is applied already.

    Inside a transaction the next round does it.
    """
    unapplied = Notification.objects.using(database()).filter(pk=row.pk).exclude(fate=Fate.APPLIED)
    if not unapplied.update(fate=Fate.WAITING, attempts=0, next_attempt_at=now):
        return False
    row.refresh_from_db(using=database())
    return in_shop_transaction() or apply_again(row, now)


def _look_at(channel: Channel, row: Notification, now: datetime) -> Report | None:
    """Return what a new message says, or None, and put on its row what is known of it."""
    try:
        if bytes(row.body).startswith(TEST_BEGINS):
            row.fact = TEST
            return None
        report = _read(channel, row)
        row.code, row.fact = report.code, report.fact
        return report
    except Malformed as error:
        row.fate, row.last_error = Fate.DEAD, str(error)
    except Exception as error:
        # A mistake in the channel, not in the message, which waits until it can be read.
        logger.exception("Notification %s could not be read; it is tried again.", row.digest[:8])
        row.fate, row.next_attempt_at = Fate.WAITING, now
        row.last_error = f"{type(error).__name__}: {error}".replace("\0", "")[:2000]
    return None


def _read(channel: Channel, row: Notification) -> Report:
    report = channel.read(bytes(row.body))
    if max(map(len, (report.code, report.operation_number))) > 40:
        raise Malformed("The code or the operation number has more than 40 characters.")
    return replace(report, account=row.account, received_at=row.received_at)


def _keep(row: Notification, alias: str) -> Notification:
    """Store the message, or count a repetition of it."""
    try:
        with transaction.atomic(using=alias):
            row.save(using=alias, force_insert=True)
        return row
    except IntegrityError:
        rows = Notification.objects.using(alias).select_for_update()
        known = rows.get(account=row.account, digest=row.digest)
        known.times_received += 1
        known.last_received_at, known.proved_by = row.last_received_at, row.proved_by
        if known.fate != Fate.APPLIED:
            known.next_attempt_at = row.last_received_at
        known.save(using=alias, update_fields=["times_received", "last_received_at", "proved_by", "next_attempt_at"])
        return known


def apply(row: Notification, channel: Channel, report: Report, now: datetime) -> None:
    """Apply a kept message in a savepoint; what goes wrong is kept on its row."""
    alias = database()
    may_ask = channel.can_search and row.attempts < MOST_ATTEMPTS
    if report.fact == Fact.CODE_EXPIRED and channel.can_search:
        # A hint, not a fact: the provider is asked before an order ends.
        _settle(row, Outcome.ASK_FIRST, "", now)
        return
    try:
        with transaction.atomic(using=alias):
            outcome, error = advance(report, actor="notification", may_ask=may_ask, now=now)[0], ""
    except Exception as problem:
        logger.exception("Notification %s could not be applied; it is tried again.", row.digest[:8])
        outcome, error = Outcome.STALE, f"{type(problem).__name__}: {problem}"
    _settle(row, outcome, error, now)


def _settle(row: Notification, outcome: Outcome, error: str, now: datetime) -> None:
    """Keep what became of a message."""
    if outcome == Outcome.APPLIED:
        if row.fate == Fate.APPLIED and not row.last_error and row.next_attempt_at is None:
            return
        row.fate, row.next_attempt_at, row.last_error = Fate.APPLIED, None, ""
        questions = Discrepancy.objects.using(database()).filter(notification=row).open()
        questions.update(**closed("pagoefectivo", "The message was applied after all.", now))
    else:
        row.fate, row.last_error = Fate.WAITING, error.replace("\0", "")[:2000] or str(outcome)
        row.next_attempt_at = row.next_attempt_at or now
    row.save(using=database(), update_fields=["code", "fact", "fate", "next_attempt_at", "last_error"])


def _ask_then_apply(row: Notification, channel: Channel, report: Report, now: datetime) -> None:
    """Let the provider's answer complete a message: whose code it is, when it was paid, whether it expired."""
    try:
        if channel.account != row.account:
            raise Misconfigured(f"Channel {row.channel!r} is {channel.account} now; the message is of {row.account}.")
        answers = ask_provider(channel, [report.code], now) if channel.can_search else {}
    except PagoEfectivoError as error:
        row.put_off(now, str(error))
        return
    answer = answers.get(report.code)
    if answer is None:
        row.put_off(now, "The provider doesn't know this code.")
        return
    if report.fact == Fact.CODE_EXPIRED:
        report = answer
    else:
        report = replace(
            report,
            transaction_code=report.transaction_code or answer.transaction_code,
            paid_at=report.paid_at or answer.paid_at,
        )
    with one_transaction():
        outcome = advance(report, actor="notification", now=now)[0]
        if outcome == Outcome.APPLIED:
            _settle(row, outcome, "", now)
    if outcome != Outcome.APPLIED:
        row.put_off(now, str(outcome))


def _give_up(row: Notification, now: datetime) -> None:
    """Call a message dead and put it to a person."""
    rows = Notification.objects.using(database()).filter(pk=row.pk).exclude(fate=Fate.APPLIED)
    with one_transaction():
        if not rows.update(fate=Fate.DEAD, next_attempt_at=None):
            return
        if row.fact in (Fact.PAYMENT, Fact.PAYMENT_REVERSED):
            _ask_person(row, Kind.UNMATCHED, now)
        elif row.fact not in (Fact.CODE_EXPIRED, Fact.CODE_DELETED):
            _ask_person(row, Kind.UNPROCESSED, now)
        elif Cip.objects.using(database()).filter(account=row.account, code=row.code).exists():
            _ask_person(row, Kind.NOT_CONFIRMED, now)


def _ask_person(row: Notification, kind: Kind, now: datetime) -> None:
    history = History(database(), now, "pagoefectivo")
    evidence = {"digest": row.digest, "received_at": row.received_at.isoformat(), "error": row.last_error[:500]}
    with suppress(Exception):  # unreadable: the bytes are on the notification's page
        evidence |= evidence_of(_read(get_channel(row.channel), row))
    history.ask(kind, f"notification:{row.pk}", evidence, notification=row)
    history.write()
