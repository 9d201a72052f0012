"""One order under its lock, with its codes and payments: what ``advance`` reads from and writes with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import connections
from django.db.models import F
from django.utils import timezone

from ..channels.base import Report
from ..errors import InvalidRequest
from ..models import Cip, Discrepancy, Order, OrderEvent, Payment, Refund
from ..models.database import Attempted
from ..states import LIVE, CipStatus, Fact, Kind, OrderState, Wish
from .history import History, evidence_of
from .watch import lapse, next_poll, reminder

#: What is told when an order moves.
TOLD = {
    OrderState.PENDING: "cip_issued",
    OrderState.PAID: "payment_confirmed",
    OrderState.EXPIRED: "payment_expired",
    OrderState.CANCELLED: "payment_cancelled",
    OrderState.REJECTED: "payment_rejected",
    OrderState.REFUNDED: "payment_refunded",
}
#: In these states an order holds its reference: no other one of it is made, revived or paid.
STANDING = (OrderState.NEW, OrderState.PENDING, OrderState.PAID)
_SAVED = ["state", "paid_at", "operation_number", "cip_id", "expires_at", "event_count", "wish", "next_attempt_at"]
_SAVED += ["lapses_at", "remind_at", "settled_at"]

#: Not what claims change without the order's lock.
_SAVED_OF_CIP = ["code", "status", "live", "expires_at", "url", "qr", "changed_at", "paid_at", "early_reversals"]
_SAVED_OF_CIP += ["next_attempt_at", "poll_at"]


class Shelf:
    """What the books of one transaction share: their history, and what is read once for all of them."""

    def __init__(self, alias: str, now: datetime, actor: str) -> None:
        self.alias, self.now, self.actor = alias, now, actor
        self.history = History(alias, now, actor)
        self.books: list[Book] = []
        #: The same on every code that is touched; an answer that was asked for before it is stale.
        self.touched_at = max(now, timezone.now())

    @cached_property
    def payments(self) -> dict[int, list[Payment]]:
        """Every payment on any code of these orders, by order, oldest first."""
        found: dict[int, list[Payment]] = {book.order.pk: [] for book in self.books}
        orders = {cip.pk: book.order.pk for book in self.books for cip in book.cips}
        for payment in Payment.objects.using(self.alias).filter(cip__in=list(orders)).order_by("pk"):
            found[orders[payment.cip_id]].append(payment)
        return found

    @cached_property
    def questioned(self) -> set[int]:
        """The orders about whose money a person had yet to decide when this was first asked."""
        orders = [book.order.pk for book in self.books]
        questions = Discrepancy.objects.using(self.alias).filter(order__in=orders).open().about_money()
        return set(questions.values_list("order", flat=True))

    def write(self) -> None:
        """Save what changed, in as few statements as there are different changes."""
        for book in self.books:
            book.settle()
        cips = [cip for book in self.books for cip in book.changed_cips]
        # Codes that stop being live first: an order has at most one that is.
        _save([cip for cip in cips if not cip.live], _SAVED_OF_CIP, self.alias)
        _save([cip for cip in cips if cip.live], _SAVED_OF_CIP, self.alias)
        _save([book.order for book in self.books], _SAVED, self.alias)
        self.history.write()


class Book:
    """An order that is locked until the transaction ends."""

    def __init__(self, order: Order, cips: list[Cip], shelf: Shelf) -> None:
        self.order, self.cips, self.shelf = order, cips, shelf
        self.alias, self.now, self.actor, self.history = shelf.alias, shelf.now, shelf.actor, shelf.history
        self._changed: set[int] = set()
        for row in (order, *cips):
            _remember(row, _SAVED if row is order else _SAVED_OF_CIP)

    @property
    def payments(self) -> list[Payment]:
        """Every payment on any code of the order, oldest first."""
        return self.shelf.payments[self.order.pk]

    @property
    def changed_cips(self) -> list[Cip]:
        return [cip for cip in self.cips if cip.pk in self._changed]

    @property
    def cip(self) -> Cip | None:
        """The code that the order shows."""
        return next((cip for cip in self.cips if cip.pk == self.order.cip_id), None)

    @property
    def state(self) -> OrderState:
        return OrderState(self.order.state)

    def payments_of(self, cip: Cip) -> list[Payment]:
        return [payment for payment in self.payments if payment.cip_id == cip.pk]

    def cip_of(self, report: Report) -> Cip | None:
        """Return the code that a report is about: by its digits, else by its transaction code."""
        mine = [cip for cip in self.cips if cip.account == report.account]
        for cip in mine:
            if report.code and cip.code == report.code:
                return cip
        for cip in mine:
            if report.transaction_code == cip.transaction_code and (not cip.code or not report.code):
                return cip
        return None

    def live_cip(self) -> Cip | None:
        return next((cip for cip in self.cips if cip.live), None)

    def in_question(self) -> bool:
        """Return whether a person has yet to decide about money of this order."""
        return self.order.pk in self.shelf.questioned or self.order.pk in self.history.questioned

    def ordered_again(self) -> bool:
        """Return whether another order of the same reference stands in this one's place."""
        others = Order.objects.using(self.alias).filter(reference=self.order.reference).exclude(pk=self.order.pk)
        return others.filter(state__in=STANDING).exists()

    # Writing.

    def move_cip(self, cip: Cip, status: CipStatus) -> None:
        """Give a code another status."""
        if cip.status != status:
            cip.status, cip.live = status, True if status in LIVE else None
            self.touch(cip)

    def touch(self, cip: Cip) -> None:
        """Have a code saved, and its order. An answer that was asked for before now is stale."""
        cip.changed_at = self.shelf.touched_at
        self._changed.add(cip.pk)

    def learn(self, cip: Cip, report: Report) -> None:
        """Keep what a report tells about its code."""
        news = {
            "code": None if cip.code else report.code or None,
            "url": report.url,
            "qr": report.qr,
            "expires_at": report.expires_at,
        }
        for name, value in news.items():
            if value and getattr(cip, name) != value:
                setattr(cip, name, value)
                self.touch(cip)

    def delete_at_provider(self, cip: Cip) -> None:
        """Let a code that must not be paid any more be deleted, once its digits are known."""
        if cip.code and cip.next_attempt_at is None:
            cip.next_attempt_at = self.now
            self.touch(cip)

    def drop_others(self, keep: Cip | None) -> None:
        """Make every other code of the order unpayable, as far as we know it."""
        for cip in self.cips:
            if cip is keep or cip.status not in (CipStatus.CURRENT, CipStatus.LOST):
                continue
            if cip.status == CipStatus.CURRENT:
                self.move_cip(cip, CipStatus.SUPERSEDED)
            self.delete_at_provider(cip)

    def move_order(
        self, to: OrderState, fact: Fact, cip: Cip | None, detail: str = "", *, ended: Wish | None = None
    ) -> None:
        """Give the order another state and tell of it. ``ended``: the wish that is fulfilled by it."""
        before = self.order.state
        self.order.state = to
        vain = {*Wish} - {Wish.EXTEND, Wish.REISSUE} if to == OrderState.EXPIRED else {*Wish}
        over = to != OrderState.PENDING and self.order.wish in vain
        if over or self.order.wish == ended:
            self.order.wish, self.order.next_attempt_at = "", None
        self.history.tell(self.order, TOLD[to], fact, cip, detail, before)

    def note(self, fact: Fact, cip: Cip | None, detail: str = "") -> None:
        """Write down what moved nothing, once."""
        if cip is not None and cip.pk in self._changed:
            known = False
        else:
            known = (
                OrderEvent.objects.using(self.alias)
                .filter(order=self.order, kind="noted", fact=fact, cip=cip, detail=detail[:500])
                .exists()
            )
        if not known:
            self.history.tell(self.order, "noted", fact, cip, detail, self.order.state)

    def ask(self, kind: Kind, report: Report | None, cip: Cip | None = None, payment: Payment | None = None) -> None:
        """Put a question to a person."""
        subject = f"payment:{payment.pk}" if payment else f"cip:{cip.pk}" if cip else f"order:{self.order.pk}"
        evidence = evidence_of(report) if report else {"at": self.now.isoformat()}
        self.history.ask(kind, subject, evidence, order=self.order, cip=cip, payment=payment)

    def settle(self) -> None:
        """Bring along what follows: ``order.cip`` (the code that was paid, else the current one, else the last), and
        when the clock looks again.
        """
        if self.state not in (OrderState.PAID, OrderState.REFUNDED):
            current = [cip for cip in self.cips if cip.status == CipStatus.CURRENT]
            known = current or self.cips
            self.order.cip = known[-1] if known else None
        for cip in self.changed_cips:
            cip.poll_at = next_poll(cip, self.now)
        before = _remembered(self.order)
        moved = (before["state"], before["expires_at"]) != (self.order.state, self.order.expires_at)
        if moved:
            self.order.lapses_at = lapse(self.order)
        if moved or before["cip_id"] != self.order.cip_id:
            issued_at = self.cip.asked_at if self.cip and before["state"] == self.order.state else None
            self.order.remind_at = reminder(self.order, issued_at or self.now)

    def tell_refund(self, refund: Refund, what: str = "") -> None:
        """Write down where a refund stands, or what happened to it."""
        detail = f"refund {refund.pk} of {refund.currency} {refund.amount:.2f}: {what or refund.status}"
        self.history.tell(self.order, "noted", Fact.RETURNED, self.cip, detail, self.order.state)

    def write(self) -> None:
        """Save everything, with whatever other books are open in this transaction."""
        self.shelf.write()


def _remember(row: Attempted, names: Sequence[str]) -> None:
    values = row.__dict__
    values["_remembered"] = {name: copy(value) if type(value := values[name]) is list else value for name in names}


def _remembered(row: Attempted) -> dict[str, Any]:
    found: dict[str, Any] = row.__dict__["_remembered"]
    return found


def _save(rows: Sequence[Attempted], names: Sequence[str], alias: str) -> None:
    """Save the fields that changed since the rows were locked; rows with the same changes by one statement."""
    groups: dict[tuple[tuple[str, str], ...], tuple[dict[str, Any], list[int]]] = {}
    for row in rows:
        before = _remembered(row)
        changes = {name: getattr(row, name) for name in names if getattr(row, name) != before[name]}
        if changes:
            key = tuple((name, repr(value)) for name, value in changes.items())
            groups.setdefault(key, (changes, []))[1].append(row.pk)
            _remember(row, names)
    for changes, pks in groups.values():
        type(rows[0])._base_manager.using(alias).filter(pk__in=pks).update(**changes)


def lock_orders(pks: Iterable[int], alias: str, *, without: Sequence[str] = ()) -> list[Order]:
    """Lock orders in key order until the transaction ends, and read them as they are now, some fields left out."""
    orders = Order.objects.using(alias).filter(pk__in=list(pks)).order_by("pk")
    connection = connections[alias]
    if (
        not connection.features.has_select_for_update
        and connection.settings_dict["OPTIONS"].get("transaction_mode") != "IMMEDIATE"
    ):
        # SQLite locks the file at the first write; reading before it could fail when writing after.
        orders.order_by().update(event_count=F("event_count"))
    return list(orders.select_for_update().defer(*without))


def open_shelf(pks: Iterable[int], *, alias: str, now: datetime | None = None, actor: str) -> Shelf:
    """Lock orders and read their codes."""
    moment = now or timezone.now()
    shelf = Shelf(alias, moment, actor)
    orders = lock_orders(pks, alias, without=("payer_data", "metadata"))  # large, and nothing here depends on them
    cips: dict[int, list[Cip]] = {order.pk: [] for order in orders}
    for cip in Cip.objects.using(alias).filter(order__in=orders).order_by("pk"):
        cips[cip.order_id].append(cip)
    shelf.books = [Book(order, cips[order.pk], shelf) for order in orders]
    return shelf


def open_book(order: Order, *, alias: str, now: datetime | None = None, actor: str) -> Book:
    """Lock one order; raises ``InvalidRequest`` if there is none."""
    books = open_shelf([order.pk], alias=alias, now=now, actor=actor).books
    if not books:
        raise InvalidRequest(f"Order {order.pk} is not in the database; save it by create_order first.")
    return books[0]
