"""Erasure of personal data no longer needed; records of money stay."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from ...actors import PROGRAM, Actor
from ...conf import conf
from ...models import (
    ApiCall,
    ApiCallSubject,
    Cip,
    Delivery,
    Discrepancy,
    IdempotencyKey,
    Notification,
    NotificationStatus,
    Order,
    OrderEvent,
    Refund,
    SettlementLine,
    UnknownCode,
)
from ...models.clock import current_time
from ...models.database import database, lock_rows, one_transaction
from ...models.heartbeat import in_pace
from ...states import CipStatus, OrderState, PaymentStatus, RefundStatus, Remark
from ...traces import traced
from ..ledger.locked import open_unit_of_work
from ..outbox.budget import TimeBudget

logger = logging.getLogger("pagoefectivo.worker")

#: Nothing here is urgent: once an hour, in whichever process comes first.
PACE = timedelta(hours=1)
BATCH = 500
#: How long an undelivered event keeps its order's payer data.
HEARD_WITHIN = timedelta(days=30)
#: How long a failed refund keeps its order's payer data.
TRIED_AGAIN_WITHIN = timedelta(days=30)
#: How long a key of a request to the API is kept that wrote neither an order nor a refund.
REPEATED_WITHIN = timedelta(days=30)
#: The statuses of payments not reversed.
OWED = (PaymentStatus.APPLIED, PaymentStatus.HELD, PaymentStatus.DUPLICATE)
#: The longest life of a code (protocol 3.2).
LATEST_EXPIRY = timedelta(days=183)
ENDED = (OrderState.PAID, OrderState.EXPIRED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.REFUNDED)
#: The fields of an emptied message. Its identity is kept, so a repetition is recognised.
EMPTY: dict[str, object] = {"body": b"", "headers": {}, "query": "", "forgotten": True}


def forget_by_age(budget: TimeBudget) -> int:
    """Erase data older than ``KEEP_CALLS``, ``KEEP_BODIES`` and ``KEEP_PAYERS``, once an hour; return the row count."""
    if not in_pace("forget", PACE, budget.now):
        return 0
    return forget(budget)


def forget(budget: TimeBudget) -> int:
    """Erase all data old enough, within the time budget, and return the number of rows.

    Each batch is a transaction, so a killed process loses no finished work.
    """
    return sum(work(budget) for work in (_calls, _bodies, _payers, _unknown, _keys))


def _unknown(budget: TimeBudget) -> int:
    """Delete unknown codes too old to be paid, whose account could not be asked."""
    rows = UnknownCode.objects.using(database())
    old = rows.filter(hinted_at__lt=budget.now - LATEST_EXPIRY - conf.poll_after_expiry).order_by("hinted_at")

    def drop(pks: list[int]) -> None:
        for row in rows.filter(pk__in=pks):
            logger.warning("Nobody could ask account %s about code %s, of which a message told.", row.account, row.code)
        rows.filter(pk__in=pks).delete()

    return _in_batches(old, drop, budget)


def _keys(budget: TimeBudget) -> int:
    """Delete old keys that name no row; the refusals kept with them repeat what callers wrote, such as references."""
    rows = IdempotencyKey.objects.using(database())
    old = rows.filter(order=None, refund=None, created_at__lt=budget.now - REPEATED_WITHIN).order_by("pk")
    # Asked again, since a repetition of the request may name its row meanwhile.
    return _in_batches(old, lambda pks: rows.filter(pk__in=pks, order=None, refund=None).delete(), budget)


def _calls(budget: TimeBudget) -> int:
    # Calls about an order with an open discrepancy are kept as evidence for the provider's support.
    asked = ApiCallSubject.objects.filter(call=OuterRef("pk"), order__in=Discrepancy.objects.open().values("order"))
    old = ApiCall.objects.using(database()).filter(~Exists(asked), began_at__lt=budget.now - conf.keep_calls)

    def drop(pks: list[int]) -> None:
        ApiCallSubject.objects.using(database()).filter(call__in=pks).delete()
        ApiCall.objects.using(database()).filter(pk__in=pks).delete()

    return _in_batches(old.order_by("began_at"), drop, budget)


def _bodies(budget: TimeBudget) -> int:
    """Empty old messages with no need for reading any more."""
    messages = _read(Notification.objects.using(database()))
    old = messages.filter(forgotten=False, last_received_at__lt=budget.now - conf.keep_bodies)

    def empty(pks: list[int]) -> None:
        Notification.objects.using(database()).filter(pk__in=pks).exclude(status=NotificationStatus.WAITING).update(
            **EMPTY
        )

    return _in_batches(old.order_by("last_received_at"), empty, budget)


def _read(messages: QuerySet[Notification]) -> QuerySet[Notification]:
    """Filter messages with no need for reading any more: applied, or dead and resolved by a person."""
    asked = Discrepancy.objects.filter(notification=OuterRef("pk"))
    given_up = Exists(asked.exclude(status=Discrepancy.Status.OPEN)) & Q(status=NotificationStatus.DEAD)
    return messages.filter(~Exists(asked.open()), Q(status=NotificationStatus.APPLIED) | given_up)


def _in_batches(
    rows: QuerySet[ApiCall] | QuerySet[Notification] | QuerySet[UnknownCode] | QuerySet[IdempotencyKey],
    work: Callable[[list[int]], object],
    budget: TimeBudget,
) -> int:
    done = 0
    while not budget.over and (pks := list(rows.values_list("pk", flat=True)[:BATCH])):
        with one_transaction():
            work(pks)
        done += len(pks)
    return done


def _payers(budget: TimeBudget) -> int:
    orders, done, last = Order.objects.using(database()), 0, 0
    old = Q(forgotten_at__isnull=True, created_at__lt=budget.now - conf.keep_payers)
    # After the erasure, a refund of late money has named an account, and so the payer, again.
    named = Refund.objects.filter(order__forgotten_at__isnull=False).exclude(bank="", cci="", holder="")
    due = _free(orders.filter(old | Q(erase_asked_at__isnull=False) | Q(pk__in=named.values("order"))), budget.now)
    while pks := list(due.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        for pk in pks:
            if budget.over:
                return done
            last = pk
            done += anonymise(pk, actor=PROGRAM, reason="", wait=False, now=budget.now)
    return done


def _free(orders: QuerySet[Order], now: datetime) -> QuerySet[Order]:
    """Filter ended orders not needed by any discrepancy, refund, pending action, delivery or payable code."""
    discrepancies = Discrepancy.objects.open().filter(order=OuterRef("pk"))
    unclosed = (RefundStatus.REQUESTED, RefundStatus.APPROVED, RefundStatus.SENT)
    # A failed refund of money that is still owed is usually requested again.
    failed = Q(status=RefundStatus.FAILED, closed_at__gt=now - TRIED_AGAIN_WITHIN, payment__status__in=OWED)
    refunds = Refund.objects.filter(Q(status__in=unclosed) | failed, order=OuterRef("pk"))
    # A receiver may need the payer for an undelivered event: the data of a factura, say. Not for ever: the receiver may
    # be gone from the settings, or fail for good.
    unheard = Delivery.objects.filter(event__order=OuterRef("pk"), delivered_at__isnull=True)
    unheard = unheard.filter(event__created_at__gt=now - HEARD_WITHIN)
    # A code that can still be paid, whatever became of its order, may still lead to a shipment or a refund.
    over = (CipStatus.PAID, CipStatus.REFUSED, CipStatus.DELETED)
    passed = now - conf.poll_after_expiry
    undated = Q(expires_at=None, order__expires_at__gt=passed)
    payable = Cip.objects.filter(Q(expires_at__gt=passed) | undated, order=OuterRef("pk")).exclude(status__in=over)
    needed = (discrepancies, refunds, unheard, payable)
    return orders.filter(*(~Exists(rows) for rows in needed), state__in=ENDED, pending_action="", deferred_action="")


def _messages_of(pk: int, alias: str) -> QuerySet[Notification]:
    """Return the messages about an order's codes that need no reading any more."""
    mine = Q(pk__in=[])
    for cip in Cip.objects.using(alias).filter(order=pk).only("account", "code", "provider_id"):
        mine |= Q(account=cip.account, code__in=cip.message_names)
    return _read(Notification.objects.using(alias).filter(mine))


@traced()
def anonymise(pk: int, *, actor: Actor | str, reason: str, wait: bool = True, now: datetime | None = None) -> bool:
    """Erase the payer's data of an order and everything about it, and return True; False if something needs the data.

    ``wait`` False: returns False also if another process holds the order or one of its messages.
    """
    now = now or current_time()
    with one_transaction() as alias:
        mine = _messages_of(pk, alias)
        messages = lock_rows(mine, wait=wait)
        locked = next(iter(open_unit_of_work([pk], alias=alias, now=now, actor=actor, wait=wait).locked_orders), None)
        if locked is None or (not wait and mine.count() > len(messages)):
            return False
        if not _free(Order.objects.using(alias).filter(pk=pk), now).exists():
            return False
        locked.history.tell(locked.order, "noted", Remark.FORGOTTEN, before=locked.order.state, reason=reason)
        # What people wrote may name the payer; why the data was erased has to stay.
        events = OrderEvent.objects.using(alias).filter(order=pk).exclude(reason="")
        events.exclude(fact__in=(Remark.ERASURE, Remark.FORGOTTEN)).erase_reasons()
        # Every field, whatever the shop put there: none is needed to know what was paid.
        Order.objects.using(alias).filter(pk=pk).update(
            email="", payer_data={}, concept="", metadata={}, action_reason="", forgotten_at=now, erase_asked_at=None
        )
        locked.write()
        Cip.objects.using(alias).filter(order=pk).update(url="", qr="")
        Refund.objects.using(alias).filter(order=pk).update(bank="", cci="", holder="")
        SettlementLine.objects.using(alias).filter(matches__payment__cip__order=pk).update(payer="")
        Notification.objects.using(alias).filter(pk__in=messages).update(**EMPTY)
        # Calls are redacted already, and only the order, now without a payer, linked them with a person.
    return True
