"""One order under its lock, with its codes and payments: what ``advance`` reads from and writes with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from django.db import connections
from django.db.models import F
from django.utils import timezone

from ..channels.base import Report
from ..errors import InvalidRequest
from ..models import Cip, Discrepancy, Order, OrderEvent, Payment
from ..states import LIVE, CipStatus, Fact, Kind, OrderState, Wish
from .history import History, evidence_of

#: What is told when an order moves.
TOLD = {
    OrderState.PENDING: "cip_issued",
    OrderState.PAID: "payment_confirmed",
    OrderState.EXPIRED: "payment_expired",
    OrderState.CANCELLED: "payment_cancelled",
    OrderState.REJECTED: "payment_rejected",
    OrderState.REFUNDED: "payment_refunded",
}
_SAVED = ("state", "paid_at", "operation_number", "cip", "expires_at", "event_count", "wish", "next_attempt_at")

#: Not what claims change without the order's lock.
_SAVED_OF_CIP = ["code", "status", "live", "expires_at", "url", "changed_at", "paid_at", "early_reversals"]
_SAVED_OF_CIP += ["next_attempt_at"]


class Book:
    """An order that is locked until the transaction ends."""

    def __init__(self, order: Order, cips: list[Cip], *, alias: str, now: datetime, actor: str) -> None:
        self.order, self.cips, self.alias, self.now, self.actor = order, cips, alias, now, actor
        self.history = History(alias, now, actor)
        self._changed: set[int] = set()

    @cached_property
    def payments(self) -> list[Payment]:
        """Every payment on any code of the order, oldest first."""
        return list(Payment.objects.using(self.alias).filter(cip__in=self.cips).order_by("pk"))

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
        return Discrepancy.objects.using(self.alias).filter(order=self.order).open().about_money().exists()

    # Writing.

    def move_cip(self, cip: Cip, status: CipStatus) -> None:
        """Give a code another status."""
        if cip.status != status:
            cip.status, cip.live = status, True if status in LIVE else None
            self.touch(cip)

    def touch(self, cip: Cip) -> None:
        """Have a code saved, and its order. An answer that was asked for before now is stale."""
        cip.changed_at = max(self.now, timezone.now())
        self._changed.add(cip.pk)

    def learn(self, cip: Cip, report: Report) -> None:
        """Keep what a report tells about its code."""
        news = {
            "code": None if cip.code else report.code or None,
            "url": report.url,
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
        """Give the order another state and tell of it. ``ended``: the wish that is fulfilled by it, or made vain."""
        before = self.order.state
        self.order.state = to
        over = to in (OrderState.PAID, OrderState.CANCELLED, OrderState.REJECTED, OrderState.REFUNDED)
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

    def write(self) -> None:
        """Save everything; ``order.cip`` is the code that was paid, else the current one, else the last."""
        # Codes that stop being live first: an order has at most one that is.
        for cip in sorted(self.cips, key=lambda cip: cip.live is True):
            if cip.pk in self._changed:
                cip.save(using=self.alias, update_fields=_SAVED_OF_CIP)
        if self.state not in (OrderState.PAID, OrderState.REFUNDED):
            current = [cip for cip in self.cips if cip.status == CipStatus.CURRENT]
            known = current or self.cips
            self.order.cip = known[-1] if known else None
        if self._changed or self.history.events:
            self.order.save(using=self.alias, update_fields=_SAVED)
        self.history.write()


def lock_orders(pks: Iterable[int], alias: str) -> list[Order]:
    """Lock orders in key order until the transaction ends, and read them as they are now."""
    orders = Order.objects.using(alias).filter(pk__in=list(pks)).order_by("pk")
    connection = connections[alias]
    if (
        not connection.features.has_select_for_update
        and connection.settings_dict["OPTIONS"].get("transaction_mode") != "IMMEDIATE"
    ):
        # SQLite locks the file at the first write; reading before it could fail when writing after.
        orders.order_by().update(event_count=F("event_count"))
    return list(orders.select_for_update())


def open_books(pks: Iterable[int], *, alias: str, now: datetime | None = None, actor: str) -> list[Book]:
    """Lock orders and read their codes."""
    orders = lock_orders(pks, alias)
    cips: dict[int, list[Cip]] = {order.pk: [] for order in orders}
    for cip in Cip.objects.using(alias).filter(order__in=orders).order_by("pk"):
        cips[cip.order_id].append(cip)
    moment = now or timezone.now()
    return [Book(order, cips[order.pk], alias=alias, now=moment, actor=actor) for order in orders]


def open_book(order: Order, *, alias: str, now: datetime | None = None, actor: str) -> Book:
    """Lock one order; raises ``InvalidRequest`` if there is none."""
    books = open_books([order.pk], alias=alias, now=now, actor=actor)
    if not books:
        raise InvalidRequest(f"Order {order.pk} is not in the database; save it by create_order first.")
    return books[0]
