"""What the shop wants done at a provider: recorded first, then tried until it is done or a person looks at it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from ..errors import AlreadyPaid, InQuestion, InvalidRequest, PagoEfectivoError
from ..models import Order
from ..models.database import after_commit, database, in_shop_transaction, one_transaction
from ..states import Kind, OrderState, Wish
from ..traces import traced
from .book import STANDING, open_book

logger = logging.getLogger("pagoefectivo.provider")

#: After so many attempts, about two hours, a change that the provider doesn't confirm is a person's.
MOST_ATTEMPTS = 8

#: Does what was wished for, and returns when to go on (None: done).
Deed = Callable[[Order, datetime], datetime | None]


#: In which states something can be wished for.
POSSIBLE = {
    Wish.ISSUE: (OrderState.NEW,),
    Wish.CANCEL: (OrderState.NEW, OrderState.PENDING),
    Wish.EXTEND: (OrderState.PENDING, OrderState.EXPIRED),
    Wish.REISSUE: (OrderState.NEW, OrderState.PENDING, OrderState.EXPIRED, OrderState.REJECTED),
}


@traced()
def record(
    order: Order, wish: Wish, *, actor: str, date: datetime | None = None, now: datetime, by_payer: bool = False
) -> None:
    """Write down what is wanted instead of what was wanted before.

    ``by_payer``: only for an order that has expired and wishes nothing, so that a second click changes nothing. Raises
    ``AlreadyPaid``, ``InQuestion``, or ``InvalidRequest`` if it is impossible in the order's state.
    """
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor=actor)
        if book.state in (OrderState.PAID, OrderState.REFUNDED):
            raise AlreadyPaid(f"Order {book.order} is {book.state}; a code of it can't be changed any more.")
        if book.in_question():
            raise InQuestion(f"Order {book.order} has an open money question; resolve it first.")
        if book.state not in POSSIBLE[wish] or (wish == Wish.EXTEND and not any(cip.code for cip in book.cips)):
            raise InvalidRequest(f"Order {book.order} is {book.state}; it is too late or too early to {wish} it.")
        if book.state not in STANDING and book.ordered_again():
            raise InvalidRequest(f"Reference {book.order} was ordered again; {wish} that order, or cancel it first.")
        if by_payer and (book.state != OrderState.EXPIRED or book.order.wish):
            raise InvalidRequest(f"Order {book.order} has not expired, or is getting a code already.")
        if by_payer and book.order.discrepancies.open().exists():
            raise InvalidRequest(
                f"Order {book.order} has an open question; a person answers it before there is a code."
            )
        if wish == Wish.ISSUE and book.order.wish:
            return
        Order.objects.using(alias).filter(pk=order.pk).update(
            wish=wish, wish_date=date, wish_actor=actor[:150], wished_at=now, next_attempt_at=now, attempts=0
        )


def fulfil(order: Order, wish: Wish, deed: Deed, now: datetime) -> Order:
    """Try it now and return the order as it is then; inside a transaction of the shop's, after its commit."""
    if in_shop_transaction():
        after_commit(attempt_quietly, order.pk, wish, deed)
        return order
    attempt(order.pk, wish, deed, now)
    order.reload()
    return order


def attempt_quietly(pk: int, wish: str, deed: Deed, now: datetime | None = None) -> bool:
    """Try it once where nobody would catch an error, which is logged and kept on the order."""
    try:
        return attempt(pk, wish, deed, now or timezone.now())
    except PagoEfectivoError as error:
        logger.warning("Order %s: %s", pk, error)
        return True


@traced()
def attempt(pk: int, wish: str, deed: Deed, now: datetime) -> bool:
    """Try once what an order wishes; False if it wishes something else by now, or somebody else is at it.

    Raises what the provider's answer means: ``AlreadyPaid`` and other ``InvalidRequest`` are final, after anything
    else the wish stays and is tried again, and at last is put to a person.
    """
    order = Order.objects.using(database()).select_related("cip").get(pk=pk)
    due = order.next_attempt_at
    if order.wish != wish or due is None or due > now or not order.claim(now):
        return False
    try:
        go_on = deed(order, now)
    except InvalidRequest:
        _end(order)
        raise
    except Exception as error:  # the provider's, or a mistake of ours: nothing that was wished for is forgotten
        if order.attempts >= MOST_ATTEMPTS and order.wish != Wish.ISSUE:
            put_to_person(order, Kind.NOT_CONFIRMED, now, f"{type(error).__name__}: {error}")
            _end(order)
        else:
            order.put_off(now, f"{type(error).__name__}: {error}")
        raise
    if go_on:
        _mine(order).update(next_attempt_at=go_on)
    else:
        _end(order)
    return True


@traced()
def put_to_person(order: Order, kind: Kind, now: datetime, detail: str, about: str = "") -> None:
    """Ask a person about an order, or ``about`` something of it."""
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor="pagoefectivo")
        evidence = {"at": now.isoformat(), "detail": detail[:500]}
        # Of this wish, so that a question that was answered once doesn't silence the next.
        subject = f"order:{order.pk}:{order.wished_at.isoformat() if order.wished_at else ''}{about}"
        book.history.ask(kind, subject, evidence, order=book.order, cip=book.order.cip)
        book.write()


def _end(order: Order) -> None:
    _mine(order).update(wish="", next_attempt_at=None)


def _mine(order: Order) -> QuerySet[Order]:
    """The order, if it still wishes what this process has claimed."""
    mine = Order.objects.using(database()).filter(pk=order.pk, wish=order.wish, wished_at=order.wished_at)
    return mine.filter(attempts=order.attempts)
