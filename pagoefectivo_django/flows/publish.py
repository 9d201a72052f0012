"""Let every receiver hear every event, each on its own and until it succeeds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from ..measures import Measure, tell
from ..models import Delivery, Discrepancy, Order
from ..models.database import Attempted, database, one_transaction
from ..signals import SIGNALS, OutboxSignal
from ..traces import traced
from .turn import Turn

logger = logging.getLogger("pagoefectivo.delivery")

#: How long the request that wrote an event goes on publishing; the rest is the worker's.
REQUEST_BUDGET = timedelta(seconds=3)


#: What to call when there is something to deliver, instead of delivering it in the process that wrote it.
_handed_to: list[Callable[[], object]] = []


class _NotYet(Exception):
    """An earlier event of the order has not reached this receiver."""


def publish_events(
    now: datetime | None = None, *, budget: timedelta | None = None, stopped: Callable[[], bool] | None = None
) -> int:
    """Deliver what is due to the receivers that this process knows, and return how many were delivered.

    ``budget`` bounds the time, ``stopped`` says whether the process shall end; a receiver that has begun is never
    interrupted. A delivery whose receiver this process doesn't know waits, uncounted, for one that does.
    """
    turn = Turn(now, budget, stopped)
    due, delivered, last = _due(turn.now), 0, Q()
    while batch := list(due.filter(last)[:50]):
        for delivery in batch:
            if turn.over:
                return delivered
            last = after(delivery)
            moment = turn.now  # receivers take time, and a lease is a whole one
            if delivery.claim(moment):
                delivered += deliver(delivery, moment)
    return delivered


def after(row: Attempted) -> Q:
    """Return what comes after a row in a queue, so that a round tries each row once and a bad one ends nothing."""
    return Q(next_attempt_at__gt=row.next_attempt_at) | Q(next_attempt_at=row.next_attempt_at, pk__gt=row.pk)


def hand_over_to(enqueue: Callable[[], object]) -> None:
    """Have a task queue deliver; for its app's ``ready()``. Called after each commit of something to be delivered."""
    if enqueue not in _handed_to:
        _handed_to.append(enqueue)


def is_handed_over() -> bool:
    """Return whether a task queue delivers what this process writes."""
    return bool(_handed_to)


def publish_written(deliveries: Sequence[Delivery]) -> None:
    """Deliver what this process has just committed and wrote as claimed by itself, or let a task queue do it.

    What nobody has claimed is the worker's: its receivers must not keep a request waiting.
    """
    for enqueue in _handed_to:
        try:
            enqueue()
        except Exception:
            logger.exception("No task could be enqueued; the next round delivers.")
    if _handed_to:
        return
    stop = time.monotonic() + REQUEST_BUDGET.total_seconds()
    mine = [delivery for delivery in deliveries if delivery.attempts]
    for position, delivery in enumerate(mine):
        if time.monotonic() > stop:
            _give_back(mine[position:], timezone.now())
            return
        deliver(delivery, timezone.now())


def deliver(delivery: Delivery, now: datetime, *, reraise: bool = False) -> bool:
    """Run the receiver of a delivery that this process has claimed, and return whether it heard the event now."""
    receiver = SIGNALS[delivery.event.kind].by_name[delivery.receiver]
    try:
        with traced(delivery.event.trace), one_transaction() if receiver.atomic else nullcontext():
            # Marked before it runs: who comes second waits here, and then finds nothing left to do.
            if receiver.atomic and not _mark(delivery, now):
                return False
            signal, about = _read_afresh(delivery)
            if receiver.sender in (None, about["sender"]):
                receiver.call(signal=signal, **about)
            if receiver.atomic:
                _fail_if_broken()
        tell(Measure.DELIVERY, 1, delivery.receiver, "ok")
        return receiver.atomic or _mark(delivery, now)
    except _NotYet:
        _give_back([delivery], now)
    except Exception as error:
        # The shop's own code failed, in whatever way: it alone is called again, and staff sees why.
        tell(Measure.DELIVERY, 1, delivery.receiver, "failed")
        logger.exception("Receiver %s failed at event %s.", delivery.receiver, delivery.event_id)
        delivery.pk = delivery.pk or _this(delivery).values_list("pk", flat=True).get()
        delivery.put_off(now, f"{type(error).__name__}: {error}")
        if reraise:
            raise
    return False


def _fail_if_broken() -> None:
    """Raise if a receiver hid an error that broke the transaction: the commit would roll back silently."""
    connections[database()].validate_no_broken_transaction()
    with transaction.atomic(using=database()):
        pass  # PostgreSQL opens no savepoint in a transaction that failed


def deliver_again(delivery: Delivery) -> None:
    """Let a receiver hear an event once more, whether or not it heard it before; for staff."""
    mine = Delivery.objects.using(database()).filter(pk=delivery.pk)
    mine.update(delivered_at=None, next_attempt_at=timezone.now(), attempts=0)


def _known() -> Q:
    """Deliveries whose receivers this process knows."""
    known = Q(pk__in=[])
    for signal in SIGNALS.values():
        known |= Q(event__kind=signal.name, receiver__in=list(signal.by_name))
    return known


def _due(now: datetime) -> QuerySet[Delivery]:
    return (
        _with_earlier(Delivery.objects.using(database()))
        .filter(earlier=False)  # type: ignore[misc]
        .filter(_known(), delivered_at__isnull=True, next_attempt_at__lte=now)
        .select_related("event")
        .order_by("next_attempt_at", "pk")
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
    return bool(mine.update(delivered_at=now, next_attempt_at=None, last_error=""))


def _read_afresh(delivery: Delivery) -> tuple[OutboxSignal, dict[str, Any]]:
    """Return the signal and what it is sent with, as it is now."""
    fresh = _with_earlier(_this(delivery)).select_related("event__order__cip", "event__discrepancy").get()
    if fresh.earlier:  # type: ignore[attr-defined]
        raise _NotYet
    event = fresh.event
    about: dict[str, Any] = {"sender": Order, "order": event.order, "event": event}
    if event.discrepancy:
        about |= {"sender": Discrepancy, "discrepancy": event.discrepancy}
    return SIGNALS[event.kind], about


def _this(delivery: Delivery) -> QuerySet[Delivery]:
    # Not by key: MySQL doesn't tell the keys of rows inserted in bulk.
    return Delivery.objects.using(database()).filter(event=delivery.event_id, receiver=delivery.receiver)


def _give_back(deliveries: Iterable[Delivery], now: datetime) -> None:
    for delivery in deliveries:
        _this(delivery).filter(delivered_at__isnull=True, attempts=delivery.attempts).update(next_attempt_at=now)
