"""What the shop wants done at a provider: recorded first, then tried until it is done or a person looks at it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from ...conf import conf
from ...errors import AlreadyPaid, InQuestion, InvalidRequest, PagoEfectivoError
from ...models import Discrepancy, Order
from ...models.clock import current_time
from ...models.database import after_commit, database, in_shop_transaction, one_transaction
from ...states import Fact, Kind, Remark, Wish
from ...traces import traced
from ..ledger.book import lock_orders, open_book, open_free_book
from ..ledger.watch import MOST_ATTEMPTS
from ..outbox.turn import Turn
from ..possible.refusing import refuse_change
from ..possible.rules import order_actions

logger = logging.getLogger("pagoefectivo.provider")

#: Does what was wished for, and returns when to go on (None: done). The last argument: wait for who holds the order.
Deed = Callable[[Order, datetime, bool], datetime | None]


@traced()
def record(
    order: Order,
    wish: Wish,
    *,
    actor: str,
    date: datetime | None = None,
    now: datetime,
    by_payer: bool = False,
    reason: str = "",
) -> None:
    """Write down what is wanted instead of what was wanted before, and why, if a person said so.

    ``by_payer``: only for an order that has expired and wishes nothing, so that a second click changes nothing. Raises
    ``AlreadyPaid``, ``InQuestion``, or ``InvalidRequest`` if it is impossible in the order's state.
    """
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor=actor)
        action = "renew" if by_payer else str(wish)
        if why := order_actions(book.situation())[action]:
            raise refuse_change(action, why, book.order)
        if wish == Wish.ISSUE and book.order.wish:
            return
        book.end_wish(f"{wish} is wanted instead", but=wish)
        wanted = book.order
        wanted.wish, wanted.wish_date, wanted.wish_actor, wanted.wish_reason = wish, date, actor[:150], reason[:500]
        wanted.wished_at, wanted.next_attempt_at, wanted.attempts = now, now, 0
        if reason:
            book.history.tell(book.order, "noted", Remark.REASON, detail=reason, before=book.order.state)
        book.write()


def fulfil(order: Order, wish: Wish, deed: Deed, now: datetime) -> Order:
    """Try it now and return the order as it is then; inside a transaction of the shop's, after its commit."""
    if in_shop_transaction():
        after_commit(attempt_quietly, order.pk, wish, deed, None, True)
        return order
    attempt(order.pk, wish, deed, now, wait=True, heard=True)
    order.reload()
    return order


def attempt_quietly(pk: int, wish: str, deed: Deed, now: datetime | None = None, wait: bool = False) -> bool:
    """Try it once where nobody would catch an error, which is logged and kept on the order."""
    try:
        return attempt(pk, wish, deed, now or current_time(), wait=wait)
    except PagoEfectivoError as error:
        logger.warning("Order %s: %s", pk, error)
    return True


@traced()
def attempt(pk: int, wish: str, deed: Deed, now: datetime, *, wait: bool, heard: bool = False) -> bool:
    """Try once what an order wishes; False if it wishes something else by now, or somebody else is at it.

    ``wait``: for whoever has locked the order; otherwise, if somebody takes it while the provider is asked, it is tried
    again when the claim is over. ``heard``: somebody gets the error. Raises what the provider's answer means:
    ``AlreadyPaid`` and other ``InvalidRequest`` are final, after anything else the wish stays and is tried again, and
    at last is put to a person.
    """
    order = Order.objects.using(database()).select_related("cip").get(pk=pk)
    due = order.next_attempt_at
    if order.wish != wish or due is None or due > now or not order.claim(now, wait=wait):
        return False
    problem: Exception | None = None
    go_on: datetime | None = None
    try:
        if wish != Wish.ISSUE and Discrepancy.objects.using(database()).filter(order=pk).open().about_money().exists():
            raise refuse_change(wish, "in_question", order)  # before the provider changes anything
        go_on = deed(order, now, wait)
    except Exception as error:  # the provider's, or a mistake of ours: nothing that was wished for is forgotten
        problem = error
    with one_transaction() as alias:
        if not lock_orders([pk], alias, wait=wait):
            logger.warning("Order %s was taken by somebody while it was worked on; %s is tried again.", pk, wish)
            return True
        if problem:
            _go_wrong(order, wish, problem, now, heard=heard)
        elif go_on:
            _mine(order).update(next_attempt_at=go_on)
        else:
            _end(order)
    if problem:
        raise problem
    return True


def _go_wrong(order: Order, wish: str, error: Exception, now: datetime, *, heard: bool) -> None:
    """Write down what becomes of a wish after an error; its order is locked."""
    detail = f"{type(error).__name__}: {error}"
    if isinstance(error, InQuestion):
        _defer(order, wish, now)
    elif isinstance(error, InvalidRequest):
        _tell(order, wish, error, now)
        _end(order)
        # A payment tells by itself; else, where nobody hears the error, nothing comes of what was wished for.
        if not heard and wish != Wish.ISSUE and not isinstance(error, AlreadyPaid):
            put_to_person(order, Kind.NOT_CONFIRMED, now, f"Refused: {wish}. {error}")
    elif order.attempts >= MOST_ATTEMPTS and wish != Wish.ISSUE:
        put_to_person(order, Kind.NOT_CONFIRMED, now, detail)
        _end(order)
    else:
        order.put_off(now, detail)


@traced()
def put_to_person(order: Order, kind: Kind, now: datetime, detail: str, about: str = "") -> None:
    """Ask a person about an order, or ``about`` something of it."""
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor="pagoefectivo")
        evidence = {"at": now.isoformat(), "detail": detail[:500]}
        order = book.order
        # Of this wish, so that a question that was answered once doesn't silence the next.
        subject = f"order:{order.pk}:{order.wished_at.isoformat() if order.wished_at else ''}{about}"
        book.history.ask(kind, subject, evidence, order=book.order, cip=book.order.cip)
        book.write()


def take_up(turn: Turn) -> int:
    """Wish again for what met a question about money, where none is open any more; return for how many orders.

    However the question was closed: a person answered it, or the facts did.
    """
    asked, taken, last = Discrepancy.objects.open().about_money().filter(order=OuterRef("pk")), 0, 0
    waiting = Order.objects.using(database()).filter(~Exists(asked), deferred_wish__in=Wish.values).order_by("pk")
    while orders := list(waiting.filter(pk__gt=last)[: conf.batch_size]):
        for order in orders:
            if turn.over:
                return taken
            last = order.pk
            taken += _taken_up(order, turn)
    return taken


def _taken_up(order: Order, turn: Turn) -> bool:
    with one_transaction() as alias:
        book = open_free_book(order, alias=alias, now=turn.now, actor="pagoefectivo")
        if book is None or book.in_question() or not (wish := book.order.deferred_wish):
            return False
        book.order.wish, book.order.deferred_wish = wish, ""
        book.order.attempts, book.order.next_attempt_at = 0, turn.now
        detail = f"{wish}: taken up again, since no question about money is open"
        book.history.tell(book.order, "noted", "", book.cip, detail, book.order.state)
        book.write()
    return True


def _defer(order: Order, wish: str, now: datetime) -> None:
    """Have a wish wait until no question about money is open."""
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor="pagoefectivo")
        if _mine(order).update(wish="", deferred_wish=wish, next_attempt_at=None):
            detail = f"{wish}: waits for the answer to a question about money"
            book.history.tell(book.order, "noted", "", book.cip, detail, book.order.state)
            book.write()


def _tell(order: Order, wish: str, error: Exception, now: datetime) -> None:
    """Write down that what was wished for is refused."""
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor="pagoefectivo")
        book.history.tell(book.order, "noted", Fact.REFUSED, book.cip, f"{wish}: {error}", book.order.state)
        book.write()


def _end(order: Order) -> None:
    _mine(order).update(wish="", wish_reason="", next_attempt_at=None)


def _mine(order: Order) -> QuerySet[Order]:
    """The order, if it still wishes what this process has claimed."""
    mine = Order.objects.using(database()).filter(pk=order.pk, wish=order.wish, wished_at=order.wished_at)
    return mine.filter(attempts=order.attempts)
