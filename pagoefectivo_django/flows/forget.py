"""Take personal data away when nothing needs it any more; the facts of money stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from ..conf import conf
from ..models import (
    ApiCall,
    ApiCallSubject,
    Cip,
    Delivery,
    Discrepancy,
    Fate,
    Notification,
    Order,
    Refund,
    SettlementLine,
)
from ..models.database import database, one_transaction
from ..models.heartbeat import in_pace
from ..states import OrderState, RefundStatus, Remark
from ..traces import traced
from .book import open_book
from .turn import Turn

#: Nothing here is urgent: one look an hour, by whichever process comes first.
PACE = timedelta(hours=1)
BATCH = 500
ENDED = (OrderState.PAID, OrderState.EXPIRED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.REFUNDED)
#: The same bytes stay one message: what tells it is its digest, which is kept.
EMPTY: dict[str, object] = {"body": b"", "signature": "", "forgotten": True}


def forget_by_age(turn: Turn) -> int:
    """Forget what is older than ``KEEP_CALLS``, ``KEEP_BODIES`` and ``KEEP_PAYERS``; return how many rows."""
    if not in_pace("forget", PACE, turn.now):
        return 0
    return forget(turn)


def forget(turn: Turn) -> int:
    """Forget everything that is old enough, until the turn is over; batches of their own, so a killed one goes on."""
    return sum(work(turn) for work in (_calls, _bodies, _payers))


def _calls(turn: Turn) -> int:
    old = ApiCall.objects.using(database()).filter(began_at__lt=turn.now - conf.keep_calls).order_by("began_at")

    def drop(pks: list[int]) -> None:
        ApiCallSubject.objects.using(database()).filter(call__in=pks).delete()
        ApiCall.objects.using(database()).filter(pk__in=pks).delete()

    return _in_batches(old, drop, turn)


def _bodies(turn: Turn) -> int:
    """Empty old messages; not those that wait, were given up, or are part of an open question: somebody reads them."""
    asked = Discrepancy.objects.open().filter(notification=OuterRef("pk"))
    old = Notification.objects.using(database()).filter(
        ~Exists(asked), forgotten=False, fate=Fate.APPLIED, last_received_at__lt=turn.now - conf.keep_bodies
    )

    def empty(pks: list[int]) -> None:
        Notification.objects.using(database()).filter(pk__in=pks, fate=Fate.APPLIED).update(**EMPTY)

    return _in_batches(old.order_by("last_received_at"), empty, turn)


def _in_batches(rows: QuerySet[ApiCall] | QuerySet[Notification], work: Callable[[list[int]], None], turn: Turn) -> int:
    done = 0
    while not turn.over and (pks := list(rows.values_list("pk", flat=True)[:BATCH])):
        with one_transaction():
            work(pks)
        done += len(pks)
    return done


def _payers(turn: Turn) -> int:
    orders, done, last = Order.objects.using(database()), 0, 0
    old = Q(forgotten_at__isnull=True, created_at__lt=turn.now - conf.keep_payers)
    due = _free(orders.filter(old | Q(erase_asked_at__isnull=False)))
    while pks := list(due.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        for pk in pks:
            if turn.over:
                return done
            last = pk
            done += anonymise(pk, actor="pagoefectivo", reason="", now=turn.now)
    return done


def _free(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Keep the orders that have ended and that no question, no refund and no wish needs."""
    questions = Discrepancy.objects.open().filter(order=OuterRef("pk"))
    unclosed = (RefundStatus.REQUESTED, RefundStatus.APPROVED, RefundStatus.SENT)
    refunds = Refund.objects.filter(order=OuterRef("pk"), status__in=unclosed)
    # A receiver that has still to hear of the order may need its payer: the data of a factura, say.
    unheard = Delivery.objects.filter(event__order=OuterRef("pk"), delivered_at__isnull=True)
    return orders.filter(~Exists(questions), ~Exists(refunds), ~Exists(unheard), state__in=ENDED, wish="")


@traced()
def anonymise(pk: int, *, actor: str, reason: str, now: datetime | None = None) -> bool:
    """Take the payer out of one order and of all that is about it; False if something still needs them."""
    now = now or timezone.now()
    with one_transaction() as alias:
        book = open_book(Order(pk=pk), alias=alias, now=now, actor=actor)
        if not _free(Order.objects.using(alias).filter(pk=pk)).exists():
            return False
        book.history.tell(book.order, "noted", Remark.FORGOTTEN, detail=reason, before=book.order.state)
        # Not a field less, whatever the shop put there: none of them is needed to know what was paid.
        Order.objects.using(alias).filter(pk=pk).update(
            email="", payer_data={}, concept="", metadata={}, forgotten_at=now, erase_asked_at=None
        )
        book.write()
        mine = Cip.objects.using(alias).filter(order=pk)
        mine.update(url="", qr="")
        Refund.objects.using(alias).filter(order=pk).update(bank="", cci="", holder="")
        SettlementLine.objects.using(alias).filter(matches__payment__cip__order=pk).update(payer="")
        for account, code in mine.filter(code__isnull=False).values_list("account", "code"):
            messages = Notification.objects.using(alias).filter(account=account, code=code, fate=Fate.APPLIED)
            messages.update(**EMPTY)
        # The calls are redacted already; what links them with a person is the order, which names nobody any more.
    return True
