"""Take personal data away when nothing needs it any more; the facts of money stay."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from ...conf import conf
from ...models import (
    ApiCall,
    ApiCallSubject,
    Cip,
    Delivery,
    Discrepancy,
    Notification,
    NotificationStatus,
    Order,
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

#: Nothing here is urgent: one look an hour, by whichever process comes first.
PACE = timedelta(hours=1)
BATCH = 500
#: How long a receiver that has still to hear of an order keeps its payer.
HEARD_WITHIN = timedelta(days=30)
#: How long a refund that failed keeps its payer.
TRIED_AGAIN_WITHIN = timedelta(days=30)
#: Payments that were not taken back.
OWED = (PaymentStatus.APPLIED, PaymentStatus.HELD, PaymentStatus.DUPLICATE)
#: No code lives longer (protocol 3.2).
LATEST_EXPIRY = timedelta(days=183)
ENDED = (OrderState.PAID, OrderState.EXPIRED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.REFUNDED)
#: The same bytes stay one message: what tells it is its digest, which is kept.
EMPTY: dict[str, object] = {"body": b"", "signature": "", "forgotten": True}


def forget_by_age(budget: TimeBudget) -> int:
    """Forget what is older than ``KEEP_CALLS``, ``KEEP_BODIES`` and ``KEEP_PAYERS``; return how many rows."""
    if not in_pace("forget", PACE, budget.now):
        return 0
    return forget(budget)


def forget(budget: TimeBudget) -> int:
    """Forget everything that is old enough, until the turn is over; batches of their own, so a killed one goes on."""
    return sum(work(budget) for work in (_calls, _bodies, _payers, _unknown))


def _unknown(budget: TimeBudget) -> int:
    """Drop digits that nobody knew, of an account that nobody could ask since: they can't be paid any more."""
    rows = UnknownCode.objects.using(database())
    old = rows.filter(hinted_at__lt=budget.now - LATEST_EXPIRY - conf.poll_after_expiry).order_by("hinted_at")

    def drop(pks: list[int]) -> None:
        for row in rows.filter(pk__in=pks):
            logger.warning("Nobody could ask account %s about code %s, of which a message told.", row.account, row.code)
        rows.filter(pk__in=pks).delete()

    return _in_batches(old, drop, budget)


def _calls(budget: TimeBudget) -> int:
    # Evidence for the provider's support, as long as somebody is asked about the order.
    asked = ApiCallSubject.objects.filter(call=OuterRef("pk"), order__in=Discrepancy.objects.open().values("order"))
    old = ApiCall.objects.using(database()).filter(~Exists(asked), began_at__lt=budget.now - conf.keep_calls)

    def drop(pks: list[int]) -> None:
        ApiCallSubject.objects.using(database()).filter(call__in=pks).delete()
        ApiCall.objects.using(database()).filter(pk__in=pks).delete()

    return _in_batches(old.order_by("began_at"), drop, budget)


def _bodies(budget: TimeBudget) -> int:
    """Empty old messages that nobody has to read any more."""
    messages = _read(Notification.objects.using(database()))
    old = messages.filter(forgotten=False, last_received_at__lt=budget.now - conf.keep_bodies)

    def empty(pks: list[int]) -> None:
        Notification.objects.using(database()).filter(pk__in=pks).exclude(status=NotificationStatus.WAITING).update(
            **EMPTY
        )

    return _in_batches(old.order_by("last_received_at"), empty, budget)


def _read(messages: QuerySet[Notification]) -> QuerySet[Notification]:
    """Keep the messages that nobody has to read any more: applied, or given up and then decided about by a person."""
    asked = Discrepancy.objects.filter(notification=OuterRef("pk"))
    given_up = Exists(asked.exclude(status=Discrepancy.Status.OPEN)) & Q(status=NotificationStatus.DEAD)
    return messages.filter(~Exists(asked.open()), Q(status=NotificationStatus.APPLIED) | given_up)


def _in_batches(
    rows: QuerySet[ApiCall] | QuerySet[Notification] | QuerySet[UnknownCode],
    work: Callable[[list[int]], None],
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
    # Money that came after the erasure went back to an account, which says again whose it was.
    named = Refund.objects.filter(order__forgotten_at__isnull=False).exclude(bank="", cci="", holder="")
    due = _free(orders.filter(old | Q(erase_asked_at__isnull=False) | Q(pk__in=named.values("order"))), budget.now)
    while pks := list(due.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        for pk in pks:
            if budget.over:
                return done
            last = pk
            done += anonymise(pk, actor="pagoefectivo", reason="", wait=False, now=budget.now)
    return done


def _free(orders: QuerySet[Order], now: datetime) -> QuerySet[Order]:
    """Keep the orders that have ended and that no question, refund, wish or code that can be paid needs."""
    discrepancies = Discrepancy.objects.open().filter(order=OuterRef("pk"))
    unclosed = (RefundStatus.REQUESTED, RefundStatus.APPROVED, RefundStatus.SENT)
    # One that failed is made once more, or is nobody's wish any more.
    failed = Q(status=RefundStatus.FAILED, closed_at__gt=now - TRIED_AGAIN_WITHIN, payment__status__in=OWED)
    refunds = Refund.objects.filter(Q(status__in=unclosed) | failed, order=OuterRef("pk"))
    # A receiver that has still to hear of the order may need its payer: the data of a factura, say. Not for ever: it
    # may be gone from the settings, or fail for good.
    unheard = Delivery.objects.filter(event__order=OuterRef("pk"), delivered_at__isnull=True)
    unheard = unheard.filter(event__created_at__gt=now - HEARD_WITHIN)
    # What can still be paid, whatever became of its order, may still have to be shipped, or given back.
    over = (CipStatus.PAID, CipStatus.REFUSED, CipStatus.DELETED)
    payable = Cip.objects.filter(order=OuterRef("pk"), expires_at__gt=now - conf.poll_after_expiry).exclude(
        status__in=over
    )
    needed = (discrepancies, refunds, unheard, payable)
    return orders.filter(*(~Exists(rows) for rows in needed), state__in=ENDED, pending_action="", deferred_action="")


def _messages_of(pk: int, alias: str) -> QuerySet[Notification]:
    """Return the messages about the codes of an order that nobody has to read any more."""
    mine = Q(pk__in=[])
    for account, code in Cip.objects.using(alias).filter(order=pk, code__isnull=False).values_list("account", "code"):
        mine |= Q(account=account, code=code)
    return _read(Notification.objects.using(alias).filter(mine))


@traced()
def anonymise(pk: int, *, actor: str, reason: str, wait: bool = True, now: datetime | None = None) -> bool:
    """Take the payer out of one order and of all that is about it; False if something still needs them.

    ``wait`` False: or if somebody else holds the order or a message of it.
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
        locked.history.tell(locked.order, "noted", Remark.FORGOTTEN, detail=reason, before=locked.order.state)
        # Not a field less, whatever the shop put there: none of them is needed to know what was paid.
        Order.objects.using(alias).filter(pk=pk).update(
            email="", payer_data={}, concept="", metadata={}, action_reason="", forgotten_at=now, erase_asked_at=None
        )
        locked.write()
        Cip.objects.using(alias).filter(order=pk).update(url="", qr="")
        Refund.objects.using(alias).filter(order=pk).update(bank="", cci="", holder="")
        SettlementLine.objects.using(alias).filter(matches__payment__cip__order=pk).update(payer="")
        Notification.objects.using(alias).filter(pk__in=messages).update(**EMPTY)
        # The calls are redacted already; what links them with a person is the order, which names nobody any more.
    return True
