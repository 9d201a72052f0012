"""Pending actions, the shop's requests to a provider: recorded first, then tried until done or put to a person."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from ...actors import PROGRAM, Actor
from ...conf import conf
from ...errors import AlreadyPaid, InReview, InvalidRequest, PagoEfectivoError
from ...facts import Data, of_error, utc
from ...models import Discrepancy, Order
from ...models.clock import current_time
from ...models.database import after_commit, database, in_shop_transaction, one_transaction
from ...states import Fact, Kind, PendingAction, Remark
from ...traces import traced
from ..ledger.locked import lock_free_order, lock_order, lock_orders
from ..ledger.schedule import MOST_ATTEMPTS
from ..ledger.subject import Subject
from ..outbox.budget import TimeBudget
from ..possible.refusing import refuse_change
from ..possible.rules import order_actions

logger = logging.getLogger("pagoefectivo.provider")

#: A function that does the pending action of a claimed order, at the moment ``now``, and returns when to go on (None:
#: done). The last argument: whether to wait for the order's lock.
Step = Callable[[Order, datetime, bool], datetime | None]


@traced()
def record(
    order: Order,
    pending_action: PendingAction,
    *,
    actor: Actor | str,
    date: datetime | None = None,
    now: datetime,
    by_payer: bool = False,
    reason: str = "",
    on_write: Callable[[Order], None] | None = None,
) -> None:
    """Record a pending action on an order, in place of any earlier pending action; ``reason`` is kept in the history.

    The same action with the same date, recorded again, keeps its moment and its attempts.

    ``date``: the expiry date asked for. ``by_payer``: a renewal by the payer, allowed only for an expired order without
    a pending action, so that a second click changes nothing. ``on_write``: called with the locked order before anything
    changes, in the transaction that records the action. Raises ``AlreadyPaid``, ``InReview``, ``InvalidRequest``
    or ``Misconfigured`` if the action can't be done to the order now.
    """
    with one_transaction() as alias:
        locked = lock_order(order, alias=alias, now=now, actor=actor)
        if on_write:
            on_write(locked.order)
        action = "renew" if by_payer else str(pending_action)
        if why := order_actions(locked.situation())[action]:
            raise refuse_change(action, why, locked.order)
        if pending_action == PendingAction.ISSUE and locked.order.pending_action:
            return
        wanted = locked.order
        same = pending_action in (wanted.pending_action, wanted.deferred_action) and date == wanted.action_date
        locked.end_action("another_action", but=pending_action, wanted=pending_action)
        wanted.pending_action, wanted.action_date, wanted.action_requested_by, wanted.action_reason = (
            pending_action,
            date,
            str(Actor.of(actor)),
            reason[:500],
        )
        wanted.retry_at = now
        if not same:  # repetitions are counted as attempts, else a person would never be told
            wanted.action_requested_at, wanted.attempts = now, 0
        if reason:
            locked.history.tell(locked.order, "noted", Remark.REASON, before=locked.order.state, reason=reason)
        locked.write()


def fulfil(order: Order, pending_action: PendingAction, step: Step, now: datetime) -> Order:
    """Try a recorded action now and return the order afterwards; in a transaction of the shop, after the commit."""
    if in_shop_transaction():
        after_commit(attempt_quietly, order.pk, pending_action, step, None, True)
        return order
    attempt(order.pk, pending_action, step, now, wait=True, heard=True)
    order.reload()
    return order


def attempt_quietly(pk: int, pending_action: str, step: Step, now: datetime | None = None, wait: bool = False) -> bool:
    """Try a pending action once and log the provider's error instead of raising; returns like ``attempt``."""
    try:
        return attempt(pk, pending_action, step, now or current_time(), wait=wait)
    except PagoEfectivoError as error:
        logger.warning("Order %s: %s", pk, error)
    return True


@traced()
def attempt(pk: int, pending_action: str, step: Step, now: datetime, *, wait: bool, heard: bool = False) -> bool:
    """Try an order's pending action once; False if the action is no longer pending or due, or claimed elsewhere.

    ``wait``: wait for the order's lock; without, an order locked by another transaction while the provider is asked is
    tried again once the claim has run out. ``heard``: a caller receives the error, so no discrepancy is needed.

    Raises the errors of ``step``. ``InReview`` defers the action until no discrepancy about money is open; any other
    ``InvalidRequest``, such as ``AlreadyPaid``, ends the action. After an error of another class the action stays
    pending and is tried again; after ``MOST_ATTEMPTS`` a discrepancy is opened instead (not for ``ISSUE``).
    """
    order = Order.objects.using(database()).select_related("cip").get(pk=pk)
    due = order.retry_at
    if order.pending_action != pending_action or due is None or due > now or not order.claim(now, wait=wait):
        return False
    problem: Exception | None = None
    go_on: datetime | None = None
    try:
        if (
            pending_action != PendingAction.ISSUE
            and Discrepancy.objects.using(database()).filter(order=pk).open().about_money().exists()
        ):
            raise refuse_change(pending_action, "in_review", order)  # before the provider changes anything
        go_on = step(order, now, wait)
    except Exception as error:  # an error of the provider or a bug of ours: the pending action must not be forgotten
        problem = error
    if not (problem or go_on or _mine(order).exists()):
        return True  # the step's own change has ended the action, as nearly always, or another took its place
    with one_transaction() as alias:
        if not lock_orders([pk], alias, wait=wait):
            logger.warning(
                "Order %s was taken by somebody while it was worked on; %s is tried again.", pk, pending_action
            )
            return True
        if problem:
            _go_wrong(order, pending_action, problem, now, heard=heard)
        elif go_on:
            _mine(order).update(retry_at=go_on)
        else:
            _end(order)
    if problem:
        raise problem
    return True


def _go_wrong(order: Order, pending_action: str, error: Exception, now: datetime, *, heard: bool) -> None:
    """Record the consequence of an error for a pending action: deferred, ended or tried again. The order is locked."""
    if isinstance(error, InReview):
        _defer(order, pending_action, now)
    elif isinstance(error, InvalidRequest):
        note(order, {"action": pending_action, **of_error(error)}, now, Fact.REFUSED)
        _end(order)
        # If no caller receives the error, a person must learn that the action failed. A payment needs no discrepancy:
        # the order's state shows the payment.
        if not heard and pending_action != PendingAction.ISSUE and not isinstance(error, AlreadyPaid):
            put_to_person(order, Kind.NOT_CONFIRMED, now, {"action": pending_action, **of_error(error)})
    elif order.attempts >= MOST_ATTEMPTS and pending_action != PendingAction.ISSUE:
        put_to_person(order, Kind.NOT_CONFIRMED, now, of_error(error))
        _end(order)
    else:
        order.put_off(now, error)


@traced()
def put_to_person(order: Order, kind: Kind, now: datetime, data: Data) -> None:
    """Open a discrepancy about an order's pending action."""
    with one_transaction() as alias:
        locked = lock_order(order, alias=alias, now=now, actor=PROGRAM)
        evidence = {"at": utc(now), **data}
        order = locked.order
        # The subject names the pending action by its moment, so that a discrepancy resolved for an earlier action does
        # not silence the present one.
        moment = order.action_requested_at.isoformat() if order.action_requested_at else ""
        locked.history.open_discrepancy(kind, Subject.of_order(order, order.cip, moment), evidence)
        locked.write()


def take_up(budget: TimeBudget) -> int:
    """Make deferred actions pending again on orders without an open discrepancy about money; return how many.

    By whom the discrepancy was closed, a person or the facts, makes no difference.
    """
    asked, taken, last = Discrepancy.objects.open().about_money().filter(order=OuterRef("pk")), 0, 0
    waiting = (
        Order.objects.using(database()).filter(~Exists(asked), deferred_action__in=PendingAction.values).order_by("pk")
    )
    while orders := list(waiting.filter(pk__gt=last)[: conf.batch_size]):
        for order in orders:
            if budget.over:
                return taken
            last = order.pk
            taken += _taken_up(order, budget)
    return taken


def _taken_up(order: Order, budget: TimeBudget) -> bool:
    with one_transaction() as alias:
        locked = lock_free_order(order, alias=alias, now=budget.now, actor=PROGRAM)
        if locked is None or locked.in_review() or not (pending_action := locked.order.deferred_action):
            return False
        locked.order.pending_action, locked.order.deferred_action = pending_action, ""
        locked.order.attempts, locked.order.retry_at = 0, budget.now
        data = {"action": pending_action, "about": "taken_up_again"}
        locked.history.tell(locked.order, "noted", "", locked.cip, data, before=locked.order.state)
        locked.write()
    return True


def _defer(order: Order, pending_action: str, now: datetime) -> None:
    """Defer a pending action until no discrepancy about the order's money is open."""
    with one_transaction() as alias:
        locked = lock_order(order, alias=alias, now=now, actor=PROGRAM)
        if _mine(order).update(pending_action="", deferred_action=pending_action, retry_at=None):
            data = {"action": pending_action, "about": "waits_for_answer"}
            locked.history.tell(locked.order, "noted", "", locked.cip, data, before=locked.order.state)
            locked.write()


def note(order: Order, data: Data, now: datetime, remark: str = "") -> None:
    """Record an event about an order's pending action, which changes nothing else."""
    with one_transaction() as alias:
        locked = lock_order(order, alias=alias, now=now, actor=PROGRAM)
        locked.history.tell(locked.order, "noted", remark, locked.cip, data, before=locked.order.state)
        locked.write()


def _end(order: Order) -> None:
    _mine(order).update(pending_action="", action_reason="", retry_at=None)


def _mine(order: Order) -> QuerySet[Order]:
    """Return a query for the order's row, empty unless the action and attempt claimed by this process are pending."""
    mine = Order.objects.using(database()).filter(
        pk=order.pk, pending_action=order.pending_action, action_requested_at=order.action_requested_at
    )
    return mine.filter(attempts=order.attempts)
