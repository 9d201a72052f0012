"""The inbox: kept messages are applied at once, or as soon as that can be; what can't be goes to a person."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from ...channels.base import Channel, Report
from ...errors import Malformed, PagoEfectivoError
from ...models import Cip, Discrepancy, Notification, NotificationStatus
from ...models.database import database, in_shop_transaction, one_transaction
from ...states import Fact, Kind
from ...traces import applying, traced
from ..ledger.advance import Outcome, advance
from ..ledger.attach import attach_forgotten
from ..ledger.history import History, closed, evidence_of
from ..outbox.budget import TimeBudget
from ..provider.accounts import channel_for
from ..provider.look_up import ask_provider
from .hints import COUNTED_FROM_MESSAGES, hint, is_hint

logger = logging.getLogger("pagoefectivo.webhook")

#: With the pauses between them about four hours; then a person is asked.
MOST_ATTEMPTS = 10
#: So long a request waits for an order that somebody else holds, and so often it looks; in seconds.
PATIENCE, LOOK_EVERY = 1.0, 0.05
#: After so long the worker looks again at what it could not even try.
HELD_PAUSE = timedelta(seconds=5)
#: What is no attempt at a message: somebody else holds its order, or an earlier message of its code waits.
UNTRIED = (Outcome.LOCKED, Outcome.BEHIND)


def apply_waiting(budget: TimeBudget) -> int:
    """Apply what waits until the time is over, codes with a payment first; return on how many messages it worked.

    Within a code the order of arrival is kept: a payment, its reversal and the payment again mean something else in any
    other order. A message that waits longer holds back its own code only.
    """
    done, left = 0, set[int]()
    while batch := list(_due(budget.now).exclude(pk__in=left)[:50]):
        for row in batch:
            if budget.over:
                return done
            try:
                claimed = apply_again(row, budget.now)
            except Exception:
                # One bad row never stops the round; it was counted, and comes again after its pause.
                logger.exception("Notification %s failed in this round.", row.digest[:8])
                claimed = False
            done += claimed
            if not claimed:
                left.add(row.pk)
    return done


def _due(now: datetime) -> QuerySet[Notification]:
    due = Notification.objects.using(database()).filter(retry_at__lte=now)
    due = due.annotate(heard=Coalesce("queued_at", "received_at"))
    code = (OuterRef("account"), OuterRef("code"))
    due = due.filter(~Exists(_earlier(*code, OuterRef("heard"), OuterRef("pk"))))
    return due.annotate(urgent=Exists(_waiting(*code, [Fact.PAYMENT]))).order_by("-urgent", "retry_at", "pk")


def _waiting(account: Any, code: Any, facts: Sequence[Fact]) -> QuerySet[Notification]:
    rows = Notification.objects.using(database()).filter(
        account=account, code=code, status=NotificationStatus.WAITING, fact__in=facts
    )
    return rows.exclude(code="")


def has_reversal_beside(row: Notification) -> bool:
    """Return whether a reversal of the same code waits beside a message."""
    return _waiting(row.account, row.code, [Fact.PAYMENT_REVERSED]).exclude(pk=row.pk).exists()


def _earlier(account: Any, code: Any, heard: Any, pk: Any) -> QuerySet[Notification]:
    """Return the messages that must be applied before one of that code, which was heard then."""
    rows = _waiting(account, code, COUNTED_FROM_MESSAGES).annotate(heard=Coalesce("queued_at", "received_at"))
    return rows.filter(Q(heard__lt=heard) | Q(heard=heard, pk__lt=pk))


def apply_again(row: Notification, now: datetime) -> bool:
    """Try once more to apply a message that waits; False if somebody else is at it."""
    if not row.claim(now):
        return False
    with traced(row.trace), applying(row.digest):
        _try_again(row, now)
    return True


def _try_again(row: Notification, now: datetime) -> None:
    over = row.attempts >= MOST_ATTEMPTS
    try:
        channel = channel_for(row.account, row.channel)
        report: Report | None = None
        try:
            report = read(channel, row)
            row.code, row.fact = report.code, report.fact
        except Malformed as error:
            over, row.last_error = True, str(error)  # the bytes won't get better
        if report and row.attempts <= MOST_ATTEMPTS:  # else it killed the process that worked on it, again and again
            with one_transaction():
                outcome = apply(row, channel, report, now) if _hold(row) else Outcome.APPLIED
            if outcome != Outcome.APPLIED and outcome not in UNTRIED:
                outcome = _ask_then_apply(row, channel, report, now)
            if outcome in UNTRIED:
                _give_back(row, now)
                return
    except Exception as error:
        # Whatever it was: one bad message never stops the inbox.
        logger.exception("Notification %s could not be applied.", row.digest[:8])
        row.put_off(now, f"{type(error).__name__}: {error}")
    if over and row.status != NotificationStatus.APPLIED:
        _give_up(row, now)


def retry(row: Notification, now: datetime) -> bool:
    """Apply a message again that waits or was given up, for staff; False if it is applied already.

    Inside a transaction the next round does it.
    """
    unapplied = Notification.objects.using(database()).filter(pk=row.pk).exclude(status=NotificationStatus.APPLIED)
    if not unapplied.update(status=NotificationStatus.WAITING, attempts=0, retry_at=now):
        return False
    row.refresh_from_db(using=database())
    return in_shop_transaction() or apply_again(row, now)


def read(channel: Channel, row: Notification) -> Report:
    """Return what a kept message says; raises ``Malformed``."""
    report = channel.read(bytes(row.body))
    if max(map(len, (report.code, report.operation_number))) > 40:
        raise Malformed("The code or the operation number has more than 40 characters.")
    return replace(report, account=row.account, received_at=row.heard_at)


def _hold(row: Notification) -> bool:
    """Lock a message that waits until the transaction ends: before its order, as who receives its repetition does."""
    waiting = Notification.objects.using(database()).filter(pk=row.pk, status=NotificationStatus.WAITING)
    return bool(waiting.update(attempts=F("attempts")))


def apply(row: Notification, channel: Channel, report: Report, now: datetime, *, first: bool = False) -> Outcome:
    """Apply a kept message in a savepoint; what goes wrong is kept on its row.

    An order that somebody else holds is left to them. ``first``: the message is not committed yet, so it doesn't even
    try where the database can't leave out what is locked.
    """
    alias = database()
    report = replace(report, received_at=row.heard_at)
    may_ask = channel.can_search and row.attempts < MOST_ATTEMPTS
    hinted = is_hint(report, channel)
    try:
        with transaction.atomic(using=alias):
            outcome, error = Outcome.APPLIED, ""
            if hinted:
                hint(report, now)
            if not hinted or report.fact == Fact.UNKNOWN:
                told = _advance(row, report, now, may_ask=may_ask, first=first)
                outcome = outcome if hinted else told
    except Exception as problem:
        logger.exception("Notification %s could not be applied; it is tried again.", row.digest[:8])
        outcome, error = Outcome.STALE, f"{type(problem).__name__}: {problem}"
    _settle(row, outcome, error, now)
    return outcome


def _advance(
    row: Notification, report: Report, now: datetime, *, may_ask: bool = False, first: bool = False
) -> Outcome:
    features = connections[database()].features
    if first and features.has_select_for_update and not features.has_select_for_update_skip_locked:
        return Outcome.LOCKED
    # In one statement: a paid notification costs twelve in its request.
    mine = Cip.objects.using(database()).filter(account=row.account, code=report.code)
    behind = Exists(_earlier(row.account, report.code, row.heard_at, row.pk))
    orders = dict(mine.values_list("order_id", behind))
    if any(orders.values()):
        return Outcome.BEHIND
    return advance(report, actor="notification", may_ask=may_ask, wait=False, now=now, orders=orders)[0]


def apply_soon(row: Notification, channel: Channel, report: Report, now: datetime) -> None:
    """Apply a committed message as soon as its order is free; after a second that is left to the worker."""
    until = time.monotonic() + PATIENCE
    try:
        while (
            row.status == NotificationStatus.WAITING and row.last_error == Outcome.LOCKED and time.monotonic() < until
        ):
            time.sleep(LOOK_EVERY)
            with one_transaction():
                if not _hold(row):
                    return
                apply(row, channel, report, now)
    except Exception:
        logger.exception("Notification %s is kept, and could not be applied yet.", row.digest[:8])


def _settle(row: Notification, outcome: Outcome, error: str, now: datetime) -> None:
    """Keep what became of a message."""
    if outcome == Outcome.APPLIED:
        if row.status == NotificationStatus.APPLIED and not row.last_error and row.retry_at is None:
            return
        row.status, row.retry_at, row.last_error = NotificationStatus.APPLIED, None, ""
        discrepancies = Discrepancy.objects.using(database()).filter(notification=row).open()
        discrepancies.update(**closed("pagoefectivo", "The message was applied after all.", now))
    else:
        row.status, row.last_error = NotificationStatus.WAITING, error.replace("\0", "")[:2000] or str(outcome)
        row.retry_at = row.retry_at or now
    row.save(using=database(), update_fields=["code", "fact", "status", "retry_at", "last_error"])


def _give_back(row: Notification, now: datetime) -> None:
    """Give a claimed message back that could not be tried; that was no attempt."""
    rows = Notification.objects.using(database()).filter(
        pk=row.pk, attempts=row.attempts, status=NotificationStatus.WAITING
    )
    rows.update(attempts=F("attempts") - 1, retry_at=now + HELD_PAUSE)


def _ask_then_apply(row: Notification, channel: Channel, report: Report, now: datetime) -> Outcome:
    """Let the provider's answer complete a message: whose code it is, when it was paid, whether it expired."""
    try:
        answers = ask_provider(channel, [report.code], now) if channel.can_search else {}
    except PagoEfectivoError as error:
        row.put_off(now, str(error))
        return Outcome.STALE
    answer = answers.get(report.code)
    if answer is None:
        row.put_off(now, "The provider doesn't know this code.")
        return Outcome.NOT_OURS
    report = replace(
        report,
        transaction_code=report.transaction_code or answer.transaction_code,
        paid_at=report.paid_at or answer.paid_at,
    )
    attach_forgotten(channel, answer, now)
    with one_transaction():
        outcome = _advance(row, report, now) if _hold(row) else Outcome.APPLIED
        if outcome == Outcome.APPLIED:
            _settle(row, outcome, "", now)
    if outcome != Outcome.APPLIED:
        row.put_off(now, str(outcome))
    return outcome


def _give_up(row: Notification, now: datetime) -> None:
    """Call a message dead and put it to a person."""
    rows = Notification.objects.using(database()).filter(pk=row.pk).exclude(status=NotificationStatus.APPLIED)
    with one_transaction():
        if not rows.update(status=NotificationStatus.DEAD, retry_at=None):
            return
        if row.fact in (Fact.PAYMENT, Fact.PAYMENT_REVERSED):
            ask_person(row, Kind.UNMATCHED, now)
        elif row.fact not in (Fact.CODE_EXPIRED, Fact.CODE_DELETED):
            ask_person(row, Kind.UNPROCESSED, now)
        elif Cip.objects.using(database()).filter(account=row.account, code=row.code).exists():
            ask_person(row, Kind.NOT_CONFIRMED, now)


def ask_person(row: Notification, kind: Kind, now: datetime) -> None:
    """Put a message to a person."""
    history = History(database(), now, "pagoefectivo")
    evidence = {"digest": row.digest, "received_at": row.received_at.isoformat(), "error": row.last_error[:500]}
    with suppress(Exception):  # unreadable: the bytes are on the notification's page
        evidence |= evidence_of(read(channel_for(row.account, row.channel), row))
    history.open_discrepancy(kind, f"notification:{row.pk}", evidence, notification=row)
    history.write()
