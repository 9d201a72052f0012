"""Apply kept messages, at once or as soon as possible; a message that can't be applied becomes a discrepancy."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_noop as _

from ... import strict_json
from ...actors import NOTIFICATION, PROGRAM
from ...channels.base import Channel, Hint, Incoming, Report
from ...errors import Malformed, PagoEfectivoError
from ...facts import LONGEST, utc
from ...models import Cip, Discrepancy, Notification, NotificationStatus
from ...models.database import database, in_shop_transaction, one_transaction
from ...states import Fact, Kind, Mention
from ...traces import applying, traced
from ..ledger.advance import Outcome, advance, names_order
from ..ledger.attach import attach_forgotten
from ..ledger.history import History, closed, evidence_of
from ..ledger.subject import Subject
from ..outbox.budget import TimeBudget
from ..provider.accounts import channel_for
from ..provider.foreign import is_foreign
from ..provider.look_up import ask_provider
from .hints import COUNTED_FROM_MESSAGES, hint, is_hint

logger = logging.getLogger("pagoefectivo.webhook")

#: Attempts to apply a message, with the pauses about four hours, before a discrepancy is opened.
MOST_ATTEMPTS = 10
#: How long a request waits for an order held by another transaction, and the pause between two looks; in seconds.
PATIENCE, LOOK_EVERY = 1.0, 0.05
#: Pause before the worker looks again at a message that could not be tried.
HELD_PAUSE = timedelta(seconds=5)
#: Outcomes that count as no attempt: another transaction holds the order, or an earlier message of the code waits.
UNTRIED = (Outcome.LOCKED, Outcome.BEHIND)


def apply_waiting(budget: TimeBudget) -> int:
    """Apply waiting messages until the budget is over, codes with a payment first; return how many were tried.

    Messages about one code are applied in order of arrival: a payment, a reversal and the payment again mean something
    else in another order. A message that keeps waiting holds back the message's own code only.
    """
    done, left = 0, set[int]()
    while batch := list(_due(budget.now).exclude(pk__in=left)[:50]):
        for row in batch:
            if budget.over:
                return done
            try:
                claimed = apply_again(row, budget.now)
            except Exception:
                # One bad row never stops the round: the attempt was counted, and the row is due again after a pause.
                logger.exception("Notification %s failed in this round.", row.identity[:8])
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
    """Return whether another message, a reversal of the same code, is waiting."""
    return _waiting(row.account, row.code, [Fact.PAYMENT_REVERSED]).exclude(pk=row.pk).exists()


def _earlier(account: Any, code: Any, heard: Any, pk: Any) -> QuerySet[Notification]:
    """Return waiting messages about a code to be applied before the message heard at ``heard`` with key ``pk``."""
    rows = _waiting(account, code, COUNTED_FROM_MESSAGES).annotate(heard=Coalesce("queued_at", "received_at"))
    return rows.filter(Q(heard__lt=heard) | Q(heard=heard, pk__lt=pk))


def apply_again(row: Notification, now: datetime) -> bool:
    """Try once more to apply a waiting message; False if another process is working on the message."""
    if not row.claim(now):
        return False
    with traced(row.trace), applying(row.identity):
        _try_again(row, now)
    return True


def _try_again(row: Notification, now: datetime) -> None:
    over = row.attempts >= MOST_ATTEMPTS
    try:
        channel = channel_for(row.account, row.channel)
        item: Report | Hint | None = None
        try:
            item = read(channel, row)
            row.code, row.fact = name_of(item), fact_of(item)
        except Malformed as error:
            over = True  # the bytes stay unreadable, so no further attempt helps
            row.failed(error)
        if item and row.attempts <= MOST_ATTEMPTS:  # else the message kills each process working on it
            with one_transaction():
                outcome = apply(row, channel, item, now) if _hold(row) else Outcome.APPLIED
            if isinstance(item, Report) and outcome != Outcome.APPLIED and outcome not in UNTRIED:
                outcome = _ask_then_apply(row, channel, item, now)
            if outcome in UNTRIED:
                _give_back(row, now)
                return
    except Exception as error:
        # Whatever the error, one bad message must not stop the inbox.
        logger.exception("Notification %s could not be applied.", row.identity[:8])
        row.put_off(now, error)
    if over and row.status != NotificationStatus.APPLIED:
        _give_up(row, now)


def retry(row: Notification, now: datetime) -> bool:
    """Apply a waiting or dead message again, for staff; False if the message is applied already.

    Inside a transaction the message is made due, and the worker's next round applies the message.
    """
    unapplied = Notification.objects.using(database()).filter(pk=row.pk).exclude(status=NotificationStatus.APPLIED)
    if not unapplied.update(status=NotificationStatus.WAITING, attempts=0, retry_at=now):
        return False
    row.refresh_from_db(using=database())
    return in_shop_transaction() or apply_again(row, now)


def read(channel: Channel, row: Notification) -> Report | Hint:
    """Return a kept message, or the item of it that the row keeps; raises ``Malformed`` if the bytes can't be read.

    A message that could not be read when it came may turn out to be a list: its further items get rows of their own.
    """
    items = read_all(channel, row)
    if row.item == 0 and len(items) > 1:
        others = [copy(row) for _item in items[1:]]
        for place, other in enumerate(others, start=1):
            other.pk, other.item, other.attempts, other.retry_at = None, place, 0, row.last_received_at
            other.status, other.code, other.fact = (
                NotificationStatus.WAITING,
                name_of(items[place]),
                fact_of(items[place]),
            )
        Notification.objects.using(database()).bulk_create(others, ignore_conflicts=True)
    return items[row.item]


def read_all(channel: Channel, row: Notification) -> list[Report | Hint]:
    """Return the items of a kept message; raises ``Malformed`` if the bytes can't be read."""
    items = channel.read(Incoming(bytes(row.body), row.headers, row.query))
    if not items:
        raise Malformed(_("The message names no code."), code="message_names_nothing")
    if any(not (item.code or item.provider_id or item.transaction_code) for item in items):
        raise Malformed(_("The message names no code."), code="message_names_nothing")
    if not channel.can_look_up and any(is_hint(item, channel, row.trust) for item in items):
        raise Malformed(
            _("The message proves no payment by itself, and this provider can't be asked."), code="nobody_to_ask"
        )
    texts = ("provider_id", "code", "transaction_code", "operation_number", "payment_id", "other_code")
    if strict_json.unstorable([getattr(item, name, "") for item in items for name in texts]):
        raise Malformed(_("A name in the message has characters that no database holds."), code="name_unstorable")
    most = {"code": 40, "provider_id": 64, "operation_number": 40, "payment_id": 64, "other_code": 40}
    if any(len(getattr(item, name, "")) > longest for item in items for name, longest in most.items()):
        raise Malformed(_("The code, the id or the operation number is too long."), code="number_too_long")
    heard = {"account": row.account, "received_at": row.heard_at}
    return [replace(one, **heard) if isinstance(one, Report) else replace(one, account=row.account) for one in items]


def name_of(item: Report | Hint) -> str:
    """Return the digits of the code that a message names, else the provider's id; the row keeps its order by this."""
    return item.code or item.provider_id


def fact_of(item: Report | Hint) -> str:
    """Return what a message tells, as its row keeps it."""
    return item.fact if isinstance(item, Report) else Mention.HINT


def _hold(row: Notification) -> bool:
    """Lock a waiting message until the transaction ends; False if the message waits no more.

    The message is locked before the order, as by a request that receives a repetition; else the two could deadlock.
    """
    waiting = Notification.objects.using(database()).filter(pk=row.pk, status=NotificationStatus.WAITING)
    return bool(waiting.update(attempts=F("attempts")))


def apply(row: Notification, channel: Channel, item: Report | Hint, now: datetime, *, first: bool = False) -> Outcome:
    """Apply a kept message in a savepoint, save the outcome on the message's row, and return the outcome.

    Errors are logged and kept on the row. An order held by another transaction is not waited for (``LOCKED``).
    ``first``: the message is not committed yet, so where the database has row locks but no SKIP LOCKED (old MariaDB)
    nothing is tried: a wait for the lock would delay the commit of the message.
    """
    alias = database()
    may_ask = channel.can_look_up and row.attempts < MOST_ATTEMPTS
    hinted = is_hint(item, channel, row.trust)
    try:
        with transaction.atomic(using=alias):
            outcome, failed = Outcome.APPLIED, None
            if hinted:
                hint(item, now)
            if isinstance(item, Report) and (not hinted or item.fact == Fact.UNKNOWN):
                report = replace(item, received_at=row.heard_at)
                told = _advance(row, report, now, may_ask=may_ask, first=first)
                outcome = outcome if hinted else told
    except Exception as problem:
        logger.exception("Notification %s could not be applied; it is tried again.", row.identity[:8])
        outcome, failed = Outcome.STALE, problem
    _conclude(row, outcome, failed, now)
    return outcome


def _advance(
    row: Notification, report: Report, now: datetime, *, may_ask: bool = False, first: bool = False
) -> Outcome:
    features = connections[database()].features
    if first and features.has_select_for_update and not features.has_select_for_update_skip_locked:
        return Outcome.LOCKED
    # The orders and any earlier messages are read in one statement: a request with a payment runs only twelve.
    name = {"code": report.code} if report.code else {"provider_id": report.provider_id}
    mine = Cip.objects.using(database()).filter(**name, account=row.account)
    behind = Exists(_earlier(row.account, name_of(report), row.heard_at, row.pk))
    orders = dict(mine.values_list("order_id", behind))
    if any(orders.values()):
        return Outcome.BEHIND
    return advance(report, actor=NOTIFICATION, may_ask=may_ask, wait=False, now=now, orders=orders)[0]


def apply_soon(row: Notification, channel: Channel, item: Report | Hint, now: datetime) -> None:
    """Apply a committed message as soon as the order is free; after ``PATIENCE`` seconds the worker's job."""
    until = time.monotonic() + PATIENCE
    try:
        while (
            row.status == NotificationStatus.WAITING and row.last_error == Outcome.LOCKED and time.monotonic() < until
        ):
            time.sleep(LOOK_EVERY)
            with one_transaction():
                if not _hold(row):
                    return
                apply(row, channel, item, now)
    except Exception:
        logger.exception("Notification %s is kept, and could not be applied yet.", row.identity[:8])


def _conclude(row: Notification, outcome: Outcome, error: Exception | None, now: datetime) -> None:
    """Save the outcome on a message's row: applied, or waiting with the error.

    An applied message closes open discrepancies about the message.
    """
    if outcome == Outcome.APPLIED:
        if row.status == NotificationStatus.APPLIED and not row.last_error and row.retry_at is None:
            return
        row.status, row.retry_at, row.last_error, row.error_data = NotificationStatus.APPLIED, None, "", None
        discrepancies = Discrepancy.objects.using(database()).filter(notification=row).open()
        discrepancies.update(**closed(PROGRAM, "message_applied", now))
    else:
        row.status, row.retry_at = NotificationStatus.WAITING, row.retry_at or now
        row.failed(error or outcome.value)
    row.save(using=database(), update_fields=["code", "fact", "status", "retry_at", "last_error", "error_data"])


def _give_back(row: Notification, now: datetime) -> None:
    """Give back a claimed message that could not be tried; the attempt is not counted."""
    rows = Notification.objects.using(database()).filter(
        pk=row.pk, attempts=row.attempts, status=NotificationStatus.WAITING
    )
    rows.update(attempts=F("attempts") - 1, retry_at=now + HELD_PAUSE)


def _ask_then_apply(row: Notification, channel: Channel, report: Report, now: datetime) -> Outcome:
    """Complete a message with transaction code and payment time from the provider's answer, and apply the message.

    A message whose code the provider doesn't know, or for which no answer comes, is put off.
    """
    try:
        answers = ask_provider(channel, [report.ref], now) if channel.can_look_up else {}
    except PagoEfectivoError as error:
        row.put_off(now, error)
        return Outcome.STALE
    answer = answers.get(report.ref)
    if answer is None:
        row.put_off(now, "code_unknown_to_provider")
        return Outcome.NOT_OURS
    report = replace(
        report,
        transaction_code=report.transaction_code or answer.transaction_code,
        paid_at=report.paid_at or answer.paid_at,
    )
    attach_forgotten(channel, answer, now)
    with one_transaction():
        outcome = _advance(row, report, now) if _hold(row) else Outcome.APPLIED
        if outcome == Outcome.NOT_OURS and is_foreign(channel, name_of(report)):
            outcome = Outcome.APPLIED
        if outcome == Outcome.APPLIED:
            _conclude(row, outcome, None, now)
    if outcome != Outcome.APPLIED:
        row.put_off(now, outcome.value)
    return outcome


def _give_up(row: Notification, now: datetime) -> None:
    """Mark a message as dead and open a discrepancy.

    A message about the expiry or deletion of a code that is not ours needs no discrepancy; neither does one about a
    payment on an account that is shared with other systems.
    """
    if row.fact in COUNTED_FROM_MESSAGES and _is_foreign(row):
        _conclude(row, Outcome.APPLIED, None, now)
        return
    rows = Notification.objects.using(database()).filter(pk=row.pk).exclude(status=NotificationStatus.APPLIED)
    with one_transaction():
        failure = {"last_error": row.last_error, "error_data": row.error_data}
        if not rows.update(status=NotificationStatus.DEAD, retry_at=None, **failure):
            return
        if row.fact in (Fact.PAYMENT, Fact.PAYMENT_REVERSED):
            ask_person(row, Kind.UNMATCHED, now)
        elif row.fact not in (Fact.CODE_EXPIRED, Fact.CODE_DELETED):
            ask_person(row, Kind.UNPROCESSED, now)
        elif Cip.objects.using(database()).filter(account=row.account, code=row.code).exists():
            ask_person(row, Kind.NOT_CONFIRMED, now)


def _is_foreign(row: Notification) -> bool:
    """Return whether a message that could not be applied is about a code of another system on a shared account.

    Neither the message nor the provider's answer may name a code of ours. Without an answer nothing is foreign: the
    message may be of a request whose answer got lost.
    """
    with suppress(PagoEfectivoError):
        channel = channel_for(row.account, row.channel)
        item = read_all(channel, row)[row.item]
        if not channel.shared_account or not isinstance(item, Report):
            return False
        answers = ask_provider(channel, [item.ref]) if channel.can_look_up else {}
        return not any(map(names_order, (item, *answers.values()))) and is_foreign(channel, name_of(item))
    return False


def ask_person(row: Notification, kind: Kind, now: datetime) -> None:
    """Open a discrepancy about a message, with the message's facts as evidence."""
    history = History(database(), now, PROGRAM)
    evidence: dict[str, object] = {
        "identity": row.identity,
        "received_at": utc(row.received_at),
        **(row.error_data or {"said": row.last_error[:LONGEST]}),
    }
    with suppress(Exception):  # an unreadable message adds no facts; the notification's page shows the bytes
        item = read_all(channel_for(row.account, row.channel), row)[row.item]
        evidence |= evidence_of(item) if isinstance(item, Report) else {"code": name_of(item)}
    history.open_discrepancy(kind, Subject.of_message(row), evidence)
    history.write()
