"""Let every receiver hear every event, each on its own and until it succeeds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery

from ...measures import Measure, tell
from ...models import Delivery, Discrepancy, FailingReceiver, Order, OrderEvent
from ...models.clock import current_time
from ...models.database import Attempted, database, lock_rows, one_transaction
from ...signals import SIGNALS, OutboxSignal
from ...traces import traced
from .budget import TimeBudget

logger = logging.getLogger("pagoefectivo.delivery")

#: How long the request that wrote an event goes on publishing; the rest is the worker's. Each receiver is called once,
#: however long the others took.
REQUEST_BUDGET = timedelta(seconds=3)
#: How long one receiver is served before it is the turn of another.
SHARE = timedelta(seconds=1)
BATCH = 50
NEVER_BACK = "The process that tried it ended, or its receiver took longer than its lease."
#: When a delivery that was given back is due again: not within the same look.
A_MOMENT = timedelta(milliseconds=100)
#: What to call when there is something to deliver, instead of delivering it in the process that wrote it.
_handed_to: list[Callable[[], object]] = []


class _NotYet(Exception):
    """An earlier event of the order has not reached this receiver, or the receiver is left to the worker."""


def publish_events(
    now: datetime | None = None, *, budget: timedelta | None = None, stopped: Callable[[], bool] | None = None
) -> int:
    """Deliver what is due to the receivers that this process knows, and return how many were delivered.

    The receivers take turns, so that a slow one keeps no other waiting; one that keeps failing is left alone for a
    pause. ``budget`` bounds the time, ``stopped`` says whether the process shall end; a receiver that has begun is
    never interrupted. A delivery whose receiver this process doesn't know waits, uncounted, for one that does.
    """
    remaining, delivered = TimeBudget(now, budget, stopped), 0
    if not _due(remaining.now).exists():
        return 0
    _count_those_that_never_came_back(remaining.now)
    used = dict.fromkeys(_those_least_busy_first(remaining.now), 0.0)
    waiting = set(used)
    while waiting and not remaining.over:
        name = min((name for name in used if name in waiting), key=used.__getitem__)
        began = time.monotonic()
        heard, more = _serve(name, remaining)
        delivered += heard
        used[name] += time.monotonic() - began
        if not more:
            waiting.discard(name)
        elif time.monotonic() - began > SHARE.total_seconds():
            waiting = set(used)  # something may have come for the others meanwhile
    return delivered


def _count_those_that_never_came_back(now: datetime) -> None:
    """Count the receivers with attempts of which nobody wrote down the end: they hang, or kill their processes.

    However many attempts a receiver lost, they count once: a machine that was switched off loses many at a time. The
    worker whose statement marks them counts; for another worker at the same moment there are none left. A delivery in
    whose transaction a receiver still hangs is locked: waiting for it, every worker would hang with that receiver.
    """
    lost = Delivery.objects.using(database()).filter(
        delivered_at__isnull=True, retry_at__lte=now, attempts__gt=0, last_error=""
    )
    for name, event in dict(lost.order_by("pk").values_list("receiver", "event_id")[:BATCH]).items():
        with one_transaction():
            free = lock_rows(lost.filter(receiver=name), wait=False)
            marked = lost.filter(pk__in=free).update(last_error=NEVER_BACK)
        if marked:
            FailingReceiver.count(name, event, now, lost=True)


def _those_least_busy_first(now: datetime) -> list[str]:
    """Return the receivers' names; last those on which other processes are at work, or died."""
    claimed = Delivery.objects.using(database()).filter(
        delivered_at__isnull=True, retry_at__gt=now, attempts__gt=0, last_error=""
    )
    busy = dict(claimed.values_list("receiver").annotate(Count("pk")))
    names = dict.fromkeys(name for signal in SIGNALS.values() for name in signal.by_name)
    return sorted(names, key=lambda name: busy.get(name, 0))


def _serve(name: str, budget: TimeBudget) -> tuple[int, bool]:
    """Let one receiver hear for its share of the time; return how many events, and whether more may wait for it."""
    due, heard = _due(budget.now).filter(receiver=name), 0
    batch = list(due[:BATCH])
    failing = FailingReceiver.objects.using(database()).filter(receiver=name).first() if batch else None
    if failing and failing.paused_until:
        if not failing.claim(budget.now):
            return 0, False
        # What was tried least, so that bad rows don't hold back the good ones behind them.
        batch = list(due.order_by("attempts", "retry_at", "pk")[:1])
    stop, claimed = time.monotonic() + SHARE.total_seconds(), False
    for delivery in batch:
        if budget.over:
            return heard, True
        moment = budget.now  # receivers take time, and a lease is a whole one
        if not delivery.claim(moment):
            continue
        claimed = True
        success = deliver(delivery, moment)
        heard += success
        if not success or time.monotonic() > stop:
            return heard, True
    return heard, claimed  # what only others are at would be found due again and again


def after(row: Attempted) -> Q:
    """Return what comes after a row in a queue, so that a round tries each row once and a bad one ends nothing."""
    return Q(retry_at__gt=row.retry_at) | Q(retry_at=row.retry_at, pk__gt=row.pk)


def hand_over_to(enqueue: Callable[[], object]) -> None:
    """Have a task queue deliver; for its app's ``ready()``. Called after each commit of something to be delivered."""
    if enqueue not in _handed_to:
        _handed_to.append(enqueue)


def is_handed_over() -> bool:
    """Return whether a task queue delivers what this process writes."""
    return bool(_handed_to)


def publish_written(deliveries: Sequence[Delivery]) -> None:
    """Deliver what this process has just committed and wrote as claimed by itself, or let a task queue do it.

    Each receiver has its turn, however long another one took. What nobody has claimed is the worker's: its receivers
    must not keep a request waiting; nor must one that keeps failing.
    """
    for enqueue in _handed_to:
        try:
            enqueue()
        except Exception:
            told = ", ".join(sorted({_order_of(delivery.event) for delivery in deliveries}))
            logger.exception("No task could be enqueued; the next round delivers. It was told of %s.", told)
    if _handed_to:
        return
    stop = time.monotonic() + REQUEST_BUDGET.total_seconds()
    served = set[str]()
    for delivery in (delivery for delivery in deliveries if delivery.attempts):
        if delivery.receiver in served and time.monotonic() > stop:
            _give_back(delivery, current_time())
        else:
            served.add(delivery.receiver)
            deliver(delivery, current_time(), in_request=True)


def deliver(delivery: Delivery, now: datetime, *, reraise: bool = False, in_request: bool = False) -> bool:
    """Run the receiver of a delivery that this process has claimed, and return whether it heard the event now.

    ``in_request``: not a receiver that keeps failing; it is left to the worker.
    """
    receiver = SIGNALS[delivery.event.kind].by_name[delivery.receiver]
    try:
        with traced(delivery.event.trace), one_transaction() if receiver.atomic else nullcontext():
            # Marked before it runs: who comes second waits here, and then finds nothing left to do.
            if receiver.atomic and not _mark(delivery, now):
                return False
            signal, about, failures = _read_afresh(delivery, in_request)
            if receiver.sender in (None, about["sender"]):
                receiver.call(signal=signal, **about)
            if receiver.atomic:
                _fail_if_broken()
        tell(Measure.DELIVERY, 1, delivery.receiver, "ok")
        heard = receiver.atomic or _mark(delivery, now)
        if failures:
            FailingReceiver.objects.using(database()).filter(receiver=delivery.receiver).delete()
        return heard
    except _NotYet:
        _give_back(delivery, now)
    except Exception as error:
        # The shop's own code failed, in whatever way: it alone is called again, and staff sees why.
        tell(Measure.DELIVERY, 1, delivery.receiver, "failed")
        told = (delivery.receiver, delivery.event_id, _order_of(delivery.event))
        logger.exception("Receiver %s failed at event %s of %s.", *told)
        delivery.pk = delivery.pk or _this(delivery).values_list("pk", flat=True).get()
        delivery.put_off(now, f"{type(error).__name__}: {error}")
        FailingReceiver.count(delivery.receiver, delivery.event_id, now)
        if reraise:
            raise
    return False


def _order_of(event: OrderEvent) -> str:
    """Return the order of an event by the shop's reference, for the log; its key where the database is away."""
    if event.order_id is None:
        return "no order"
    with suppress(Exception):
        return f"order {event.order.reference}" if event.order else ""
    return f"order {event.order_id} (its key)"


def _fail_if_broken() -> None:
    """Raise if a receiver hid an error that broke the transaction: the commit would roll back silently."""
    connections[database()].validate_no_broken_transaction()
    with transaction.atomic(using=database()):
        pass  # PostgreSQL opens no savepoint in a transaction that failed


def deliver_again(delivery: Delivery) -> None:
    """Let a receiver hear an event once more, whether or not it heard it before, and end its pause; for staff."""
    FailingReceiver.objects.using(database()).filter(receiver=delivery.receiver).delete()
    mine = Delivery.objects.using(database()).filter(pk=delivery.pk)
    mine.update(delivered_at=None, retry_at=current_time(), attempts=0)


def end_pause(failing: FailingReceiver) -> bool:
    """Have a receiver that is left alone tried by the next worker, for staff; False if it is not, or not any more.

    It goes on counting as failing until it hears something: another failure begins another pause.
    """
    now, alias = current_time(), database()
    paused = FailingReceiver.objects.using(alias).filter(pk=failing.pk, paused_until__isnull=False)
    if not paused.update(paused_until=now):
        return False
    if not _due(now).filter(receiver=failing.receiver).exists():
        # All were put off. The first is tried; one without an error is being tried now.
        waiting = Delivery.objects.using(alias).filter(receiver=failing.receiver, delivered_at__isnull=True)
        of_budget: Any = _with_earlier(waiting).filter(earlier=False)  # type: ignore[misc]
        if first := of_budget.exclude(last_error="").order_by("retry_at", "pk").first():
            waiting.filter(pk=first.pk, attempts=first.attempts).update(retry_at=now)
    return True


def _known() -> Q:
    """Deliveries whose receivers this process knows."""
    known = Q(pk__in=[])
    for signal in SIGNALS.values():
        if signal.by_name:
            known |= Q(event__kind=signal.name, receiver__in=list(signal.by_name))
    return known


def _due(now: datetime) -> QuerySet[Delivery]:
    return (
        _with_earlier(Delivery.objects.using(database()))
        .filter(earlier=False)  # type: ignore[misc]
        .filter(_known(), delivered_at__isnull=True, retry_at__lte=now)
        .select_related("event")
        .order_by("retry_at", "pk")
    )


def _with_earlier(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Add whether an earlier event of the same order has still to reach the same receiver.

    One that the receiver doesn't listen to any more holds nothing back.
    """
    earlier = Delivery.objects.filter(
        _known(),
        receiver=OuterRef("receiver"),
        event__order=OuterRef("event__order"),
        event__number__lt=OuterRef("event__number"),
        delivered_at__isnull=True,
    )
    return deliveries.annotate(earlier=Exists(earlier))


def _mark(delivery: Delivery, now: datetime) -> bool:
    mine = _this(delivery).filter(delivered_at__isnull=True)
    return bool(mine.update(delivered_at=now, retry_at=None, last_error=""))


def _read_afresh(delivery: Delivery, in_request: bool) -> tuple[OutboxSignal, dict[str, Any], int]:
    """Return the signal, what it is sent with as it is now, and how often in a row its receiver has failed."""
    failing = FailingReceiver.objects.filter(receiver=OuterRef("receiver"))
    rows = _with_earlier(_this(delivery)).annotate(
        failures=Subquery(failing.values("failures")), paused_until=Subquery(failing.values("paused_until"))
    )
    fresh: Any = rows.select_related("event__order__cip", "event__discrepancy", "event__refund").get()
    if fresh.earlier or (in_request and fresh.paused_until):
        raise _NotYet
    event = fresh.event
    about: dict[str, Any] = {"sender": Order, "order": event.order, "event": event}
    if event.discrepancy:
        about |= {"sender": Discrepancy, "discrepancy": event.discrepancy}
    if event.refund:
        about["refund"] = event.refund
    return SIGNALS[event.kind], about, fresh.failures or 0


def _this(delivery: Delivery) -> QuerySet[Delivery]:
    # Not by key: MySQL doesn't tell the keys of rows inserted in bulk.
    return Delivery.objects.using(database()).filter(event=delivery.event_id, receiver=delivery.receiver)


def _give_back(delivery: Delivery, now: datetime) -> None:
    """Let a delivery that this process has claimed, and whose receiver it didn't call, be due again at once."""
    mine = _this(delivery).filter(delivered_at__isnull=True, attempts=delivery.attempts)
    mine.update(attempts=F("attempts") - 1, retry_at=now + A_MOMENT)
