"""Publish events: every receiver hears every event, independently of further receivers, until the receiver succeeds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import Count, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery

from ...measures import Measure, tell
from ...models import Delivery, Discrepancy, FailingReceiver, Order, OrderEvent
from ...models.clock import current_time
from ...models.database import Attempted, ExactCharField, database, failure, lock_rows, one_transaction
from ...signals import SIGNALS, OutboxSignal
from ...traces import traced
from .budget import TimeBudget
from .feed import number_events

logger = logging.getLogger("pagoefectivo.delivery")
#: For lines that are of no single order.
of_all = logging.getLogger("pagoefectivo.worker")

#: How long the request that wrote events goes on publishing; the worker delivers the rest. Each receiver is called at
#: least once, however long earlier receivers took.
REQUEST_BUDGET = timedelta(seconds=3)
#: How long one receiver is served before the next receiver is served, and how long events are numbered before that.
SHARE = timedelta(seconds=1)
BATCH = 50
NEVER_BACK = "never_back"
#: Pause before a delivery that was given back is due again, so that the same query does not find the delivery twice.
A_MOMENT = timedelta(milliseconds=100)
#: Functions that enqueue a delivery task, called instead of delivering in the process that wrote the events.
_handed_to: list[Callable[[], object]] = []


class _NotYet(Exception):
    """The receiver must not be called now: an earlier event of the order comes first, or the receiver is paused."""


def publish_events(
    now: datetime | None = None, *, budget: timedelta | None = None, stopped: Callable[[], bool] | None = None
) -> int:
    """Deliver due events to the receivers connected in this process, and return the number of deliveries made.

    Receivers are served in turn, so that a slow receiver delays no further receiver; a receiver that keeps failing is
    paused. ``budget``: the time after which no receiver is called any more; ``stopped``: a function that returns
    whether the process is to end. A receiver that has begun is never interrupted. A delivery for a receiver not
    connected here waits, without counting an attempt, for a process with the receiver.
    """
    remaining, delivered = TimeBudget(now, budget, stopped), 0
    _number(remaining)
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
            waiting = set(used)  # after a slow receiver all are served again: events may have come meanwhile
    return delivered


def _number(budget: TimeBudget) -> None:
    """Number new events for the feed; neither an error, which is logged, nor a long backlog holds back deliveries."""
    try:
        number_events(TimeBudget(budget.now, SHARE, lambda: budget.stopped))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        of_all.exception("New events got no number in the feed; the next round numbers them.")


def _count_those_that_never_came_back(now: datetime) -> None:
    """Count a failure for each receiver with attempts that never ended: the receiver hangs or killed the process.

    Several such attempts of a receiver count once, since a machine switched off loses many at a time. The worker whose
    statement marks the deliveries counts; a second worker at the same moment finds none left to mark. A delivery in
    whose transaction a receiver still hangs is locked and skipped: else every worker would hang with the receiver.
    """
    lost = Delivery.objects.using(database()).filter(
        delivered_at__isnull=True, retry_at__lte=now, attempts__gt=0, last_error=""
    )
    for name, event in dict(lost.order_by("pk").values_list("receiver", "event_id")[:BATCH]).items():
        with one_transaction():
            free = lock_rows(lost.filter(receiver=name), wait=False)
            marked = lost.filter(pk__in=free).update(**failure(NEVER_BACK))
        if marked:
            FailingReceiver.count(name, event, now, lost=True)


def _those_least_busy_first(now: datetime) -> list[str]:
    """Return the receivers' names, last the receivers being called, or left unfinished, by other processes."""
    claimed = Delivery.objects.using(database()).filter(
        delivered_at__isnull=True, retry_at__gt=now, attempts__gt=0, last_error=""
    )
    busy = dict(claimed.values_list("receiver").annotate(Count("pk")))
    names = dict.fromkeys(name for signal in SIGNALS.values() for name in signal.by_name)
    return sorted(names, key=lambda name: busy.get(name, 0))


def _serve(name: str, budget: TimeBudget) -> tuple[int, bool]:
    """Serve one receiver for ``SHARE``; return how many events were heard, and whether more may be waiting."""
    due, heard = _due(budget.now).filter(receiver=name), 0
    batch = list(due[:BATCH])
    failing = FailingReceiver.objects.using(database()).filter(receiver=name).first() if batch else None
    if failing and failing.paused_until:
        if not failing.claim(budget.now):
            return 0, False
        # A paused receiver is tried with the delivery of the fewest attempts: bad rows don't hold back good rows.
        batch = list(due.order_by("attempts", "retry_at", "pk")[:1])
    stop, claimed = time.monotonic() + SHARE.total_seconds(), False
    for delivery in batch:
        if budget.over:
            return heard, True
        moment = budget.now  # read for each delivery, since receivers take time and a lease must not start in the past
        if not delivery.claim(moment):
            continue
        claimed = True
        success = deliver(delivery, moment)
        heard += success
        if not success or time.monotonic() > stop:
            return heard, True
    return heard, claimed  # without any claim here, other processes are at work, and looking again at once is useless


def after(row: Attempted) -> Q:
    """Return a filter for the rows after a row in a queue by ``retry_at``, so that a round tries each row once."""
    return Q(retry_at__gt=row.retry_at) | Q(retry_at=row.retry_at, pk__gt=row.pk)


def hand_over_to(enqueue: Callable[[], object]) -> None:
    """Register a function that enqueues a delivery task; called after each commit with events to deliver.

    For ``ready()`` of the app of a task queue. From then on a process no longer delivers after its own commits.
    """
    if enqueue not in _handed_to:
        _handed_to.append(enqueue)


def is_handed_over() -> bool:
    """Return whether a task queue delivers the events written by this process."""
    return bool(_handed_to)


def publish_written(deliveries: Sequence[Delivery]) -> None:
    """Deliver events just committed by this process, or enqueue a task where a task queue is registered.

    Only deliveries inserted as claimed are made here, each receiver at least once, however long an earlier receiver
    took. Deliveries to receivers with ``in_request=False`` and to paused receivers are left to the worker, so that no
    request waits for a slow receiver.
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
    """Run the receiver of a delivery claimed by this process, and return whether the receiver heard the event now.

    A receiver's error is logged, counted and kept on the delivery; ``reraise`` True: raised, too. ``in_request``: a
    paused receiver is not called but left to the worker.
    """
    receiver = SIGNALS[delivery.event.kind].by_name[delivery.receiver]
    try:
        with traced(delivery.event.trace), one_transaction() if receiver.atomic else nullcontext():
            # The delivery is marked before the receiver runs: a second process waits here for the row, and then finds
            # the delivery done.
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
        # The receiver, the shop's own code, failed: only this receiver is called again, and staff sees the error.
        tell(Measure.DELIVERY, 1, delivery.receiver, "failed")
        told = (delivery.receiver, delivery.event_id, _order_of(delivery.event))
        logger.exception("Receiver %s failed at event %s of %s.", *told)
        delivery.pk = delivery.pk or _this(delivery).values_list("pk", flat=True).get()
        delivery.put_off(now, error)
        FailingReceiver.count(delivery.receiver, delivery.event_id, now)
        if reraise:
            raise
    return False


def _order_of(event: OrderEvent) -> str:
    """Return the order of an event for the log: the reference, or the key if the database can't be reached."""
    if event.order_id is None:
        return "no order"
    with suppress(Exception):
        return f"order {event.order.reference}" if event.order else ""
    return f"order {event.order_id} (its key)"


def _fail_if_broken() -> None:
    """Raise if a receiver hid a database error, which broke the transaction: the commit would roll back silently."""
    connections[database()].validate_no_broken_transaction()
    with transaction.atomic(using=database()):
        pass  # PostgreSQL refuses a savepoint in a failed transaction


def deliver_again(delivery: Delivery, *, heard: bool = True) -> bool:
    """Make a delivery due again and end the receiver's pause, for staff; False if nothing was changed.

    ``heard``: also a delivery that was heard, or that a process is just making; False: neither of them.
    """
    now, alias = current_time(), database()
    mine = Delivery.objects.using(alias).filter(pk=delivery.pk)
    if not heard:
        mine = mine.filter(delivered_at__isnull=True).exclude(attempts__gt=0, last_error="", retry_at__gt=now)
    if not mine.update(delivered_at=None, retry_at=now, attempts=0):
        return False
    FailingReceiver.objects.using(alias).filter(receiver=delivery.receiver).delete()
    return True


def end_pause(failing: FailingReceiver) -> bool:
    """End a receiver's pause, so that the next worker tries the receiver, for staff; False if no pause is running.

    The receiver counts as failing until an event is heard: a further failure begins a new pause.
    """
    now, alias = current_time(), database()
    paused = FailingReceiver.objects.using(alias).filter(pk=failing.pk, paused_until__isnull=False)
    if not paused.update(paused_until=now):
        return False
    if not _due(now).filter(receiver=failing.receiver).exists():
        # All deliveries are put off, so the first is made due. A delivery without an error is being tried right now.
        waiting = Delivery.objects.using(alias).filter(receiver=failing.receiver, delivered_at__isnull=True)
        of_budget: Any = _with_earlier(waiting).filter(earlier=False)  # type: ignore[misc]
        if first := of_budget.exclude(last_error="").order_by("retry_at", "pk").first():
            waiting.filter(pk=first.pk, attempts=first.attempts).update(retry_at=now)
    return True


def _known(kind: str = "event__kind") -> Q:
    """Return a filter for deliveries to the receivers connected here; ``kind``: the path to the kind of the event."""
    known = Q(pk__in=[])
    for signal in SIGNALS.values():
        if signal.by_name:
            known |= Q(**{kind: signal.name, "receiver__in": list(signal.by_name)})
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
    """Annotate deliveries with ``earlier``: whether an earlier event of the order has yet to reach the receiver.

    An earlier event of a kind to which the receiver is no longer connected holds nothing back. A scalar subquery looks
    for the delivery of each earlier event, since PostgreSQL would plan a join by the table statistics of its last
    ANALYZE: after a first day's burst, with statistics of a nearly empty shop, the time of the join grew with the cube
    of the number of waiting deliveries.
    """
    waiting = Delivery.objects.filter(
        event=OuterRef("pk"), receiver=OuterRef(OuterRef("receiver")), delivered_at__isnull=True
    )
    earlier = (
        OrderEvent.objects.filter(order=OuterRef("event__order"), number__lt=OuterRef("event__number"))
        .annotate(receiver=ExpressionWrapper(OuterRef("receiver"), ExactCharField()))
        .filter(_known("kind"))
        .annotate(waiting=Subquery(waiting.values("pk")[:1]))
        .filter(waiting__isnull=False)
    )
    return deliveries.annotate(earlier=Exists(earlier))


def _mark(delivery: Delivery, now: datetime) -> bool:
    mine = _this(delivery).filter(delivered_at__isnull=True)
    return bool(mine.update(delivered_at=now, retry_at=None, last_error="", error_data=None))


def _read_afresh(delivery: Delivery, in_request: bool) -> tuple[OutboxSignal, dict[str, Any], int]:
    """Return the signal, the keyword arguments read afresh, and the receiver's number of failures in a row.

    Raises ``_NotYet`` if an earlier event comes first, or ``in_request`` if the receiver is paused.
    """
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
    # Found by event and receiver, not by key, since MySQL doesn't tell the keys of rows inserted in bulk.
    return Delivery.objects.using(database()).filter(event=delivery.event_id, receiver=delivery.receiver)


def _give_back(delivery: Delivery, now: datetime) -> None:
    """Make a delivery due again whose receiver was not called by the claiming process; no attempt is counted."""
    mine = _this(delivery).filter(delivered_at__isnull=True, attempts=delivery.attempts)
    mine.update(attempts=F("attempts") - 1, retry_at=now + A_MOMENT)
