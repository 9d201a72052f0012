"""One order under its lock, with its codes and payments: what ``advance`` reads from and writes with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import F

from ...channels.base import Report
from ...errors import InvalidRequest
from ...models import Cip, Discrepancy, Order, OrderEvent, Payment, Refund
from ...models.clock import current_time
from ...models.database import Attempted, unless_locked, write_first
from ...signals import refund_account_asked
from ...states import LIVE, CipStatus, Fact, Kind, OrderState, PaymentStatus, PendingAction, Remark
from ..possible.loading import ordered_again
from ..possible.rules import OrderSituation
from ..provider.accounts import accounts
from .history import History, evidence_of
from .schedule import lapse, next_poll, reminder

#: What is told when an order moves.
TOLD = {
    OrderState.PENDING: "cip_issued",
    OrderState.PAID: "payment_confirmed",
    OrderState.EXPIRED: "payment_expired",
    OrderState.CANCELLED: "payment_cancelled",
    OrderState.REJECTED: "payment_rejected",
    OrderState.REFUNDED: "payment_refunded",
}
_SAVED = ["state", "paid_at", "operation_number", "cip_id", "expires_at", "event_count", "pending_action", "retry_at"]
_SAVED += ["lapses_at", "remind_at", "settled_at", "deferred_action", "attempts"]
_SAVED += ["action_date", "action_requested_by", "action_reason", "action_requested_at"]

#: Not what claims change without the order's lock.
_SAVED_OF_CIP = ["code", "status", "live", "expires_at", "url", "qr", "changed_at", "paid_at", "early_reversals"]
_SAVED_OF_CIP += ["retry_at", "poll_at", "reversed_version", "answer"]


class UnitOfWork:
    """What the books of one transaction share: their history, and what is read once for all of them."""

    def __init__(self, alias: str, now: datetime, actor: str) -> None:
        self.alias, self.now, self.actor = alias, now, actor
        self.history = History(alias, now, actor)
        self.locked_orders: list[LockedOrder] = []

    @cached_property
    def payments(self) -> dict[int, list[Payment]]:
        """Every payment on any code of these orders, by order, oldest first."""
        found: dict[int, list[Payment]] = {locked.order.pk: [] for locked in self.locked_orders}
        orders = {cip.pk: locked.order.pk for locked in self.locked_orders for cip in locked.cips}
        for payment in Payment.objects.using(self.alias).filter(cip__in=list(orders)).order_by("pk"):
            found[orders[payment.cip_id]].append(payment)
        return found

    @cached_property
    def in_review(self) -> set[int]:
        """The orders about whose money a person had yet to decide when this was first asked."""
        orders = [locked.order.pk for locked in self.locked_orders]
        discrepancies = Discrepancy.objects.using(self.alias).filter(order__in=orders).open().about_money()
        return set(discrepancies.values_list("order", flat=True))

    def write(self) -> None:
        """Save what changed, in as few statements as there are different changes."""
        for locked in self.locked_orders:
            locked.follow_up()
        cips = [cip for locked in self.locked_orders for cip in locked.changed_cips]
        # Codes that stop being live first: an order has at most one that is.
        _save([cip for cip in cips if not cip.live], _SAVED_OF_CIP, self.alias, version=F("version") + 1)
        _save([cip for cip in cips if cip.live], _SAVED_OF_CIP, self.alias, version=F("version") + 1)
        for locked in self.locked_orders:
            locked.saved()
        _save([locked.order for locked in self.locked_orders], _SAVED, self.alias)
        self.history.write()


class LockedOrder:
    """An order that is locked until the transaction ends."""

    def __init__(self, order: Order, cips: list[Cip], unit: UnitOfWork) -> None:
        self.order, self.cips, self.unit = order, cips, unit
        self.alias, self.now, self.actor, self.history = unit.alias, unit.now, unit.actor, unit.history
        self._changed: set[int] = set()
        for row in (order, *cips):
            _remember(row, _SAVED if row is order else _SAVED_OF_CIP)

    @property
    def payments(self) -> list[Payment]:
        """Every payment on any code of the order, oldest first."""
        return self.unit.payments[self.order.pk]

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

    def in_review(self) -> bool:
        """Return whether a person has yet to decide about money of this order."""
        return self.order.pk in self.unit.in_review or self.order.pk in self.history.in_review

    def ordered_again(self) -> bool:
        """Return whether another order of the same reference stands in this one's place."""
        return bool(ordered_again([self.order], {self.order.pk: self.cips}, self.alias))

    def situation(self) -> OrderSituation:
        """Return what decides what may be done to the order now, under its lock."""
        discrepancies = Discrepancy.objects.using(self.alias).filter(order=self.order).open()
        asked = bool(discrepancies) or self.in_review()
        channels, again = accounts(), self.ordered_again()
        return OrderSituation(self.order, self.cips, self.payments, self.in_review(), asked, again, channels)

    # Writing.

    def move_cip(self, cip: Cip, status: CipStatus) -> None:
        """Give a code another status."""
        if cip.status != status:
            cip.status, cip.live = status, True if status in LIVE else None
            self.touch(cip)

    def touch(self, cip: Cip) -> None:
        """Have a code saved, and its order. An answer that was asked for before is stale."""
        cip.changed_at = self.now
        self._changed.add(cip.pk)

    def keep_answer(self, cip: Cip, said: str) -> None:
        """Have a code saved with what its provider said of it, which is no change of the code."""
        if cip.answer != said:
            cip.answer = said
            self._changed.add(cip.pk)

    def touch_reversed(self, cip: Cip) -> None:
        """Have a code saved that a reversal was recorded of. An answer from before that tells of a payment is stale."""
        cip.reversed_version = cip.version + 1
        self.touch(cip)

    def saved(self) -> None:
        """Begin to count changes anew."""
        for cip in self.changed_cips:
            cip.version += 1
        self._changed.clear()

    def learn(self, cip: Cip, report: Report, *, date: bool = True) -> None:
        """Keep what a report tells about its code; its date unless that is known better."""
        news = {
            "code": None if cip.code else report.code or None,
            "url": report.url,
            "qr": report.qr,
            "expires_at": report.expires_at if date else None,
        }
        for name, value in news.items():
            if value and getattr(cip, name) != value:
                setattr(cip, name, value)
                self.touch(cip)

    def delete_at_provider(self, cip: Cip) -> None:
        """Let a code that must not be paid any more be deleted, once its digits are known."""
        if cip.code and cip.retry_at is None:
            cip.retry_at = self.now
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
        self, to: OrderState, fact: Fact, cip: Cip | None, detail: str = "", *, ended: PendingAction | None = None
    ) -> None:
        """Give the order another state and tell of it. ``ended``: the wish that is fulfilled by it."""
        before = self.order.state
        self.order.state = to
        vain = (
            {*PendingAction} - {PendingAction.EXTEND, PendingAction.REISSUE}
            if to == OrderState.EXPIRED
            else {*PendingAction}
        )
        pending_action = self.order.pending_action or self.order.deferred_action
        over = to != OrderState.PENDING and pending_action in vain
        self.history.tell(self.order, TOLD[to], fact, cip, detail, before)
        if over or self.order.pending_action == ended:
            fulfilled = PendingAction.CANCEL if to == OrderState.CANCELLED else ended
            self.end_action(f"the order is {to}", but=fulfilled)

    def end_action(self, why: str, but: PendingAction | None = None) -> None:
        """Clear the pending action, with an event where a person had asked for one; ``but``: the one done."""
        pending_action = self.order.pending_action or self.order.deferred_action
        self.order.pending_action = self.order.deferred_action = ""
        self.order.retry_at = None
        if pending_action and pending_action not in (PendingAction.ISSUE, but):
            self.history.tell(self.order, "noted", Remark.ENDED, self.cip, f"{pending_action}: {why}", self.order.state)

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

    def open_discrepancy(
        self,
        kind: Kind,
        report: Report | None,
        cip: Cip | None = None,
        payment: Payment | None = None,
        *,
        anew: bool | None = False,
    ) -> None:
        """Put a question to a person; one that was answered, if it is ``anew`` (as for the history)."""
        subject = f"payment:{payment.pk}" if payment else f"cip:{cip.pk}" if cip else f"order:{self.order.pk}"
        evidence = evidence_of(report) if report else {"at": self.now.isoformat()}
        together = self._difference(evidence, payment) if kind == Kind.AMOUNT_MISMATCH and payment else False
        self.history.open_discrepancy(kind, subject, evidence, order=self.order, cip=cip, payment=payment, anew=anew)
        if together:
            # What is usually right for one of them isn't for all.
            mine = [one.pk for one in self.payments if one.pk]
            discrepancies = Discrepancy.objects.using(self.alias).filter(kind=kind, payment__in=[*mine, payment.pk])  # type: ignore[union-attr]
            discrepancies.open().update(suggestion="")

    def _difference(self, evidence: dict[str, str], payment: Payment) -> bool:
        """Add how much too much (+) or too little (-) was paid; return whether the order's payments add up to it."""
        if payment.currency != self.order.currency:
            return False
        said = Decimal(evidence.get("amount") or payment.amount)
        evidence["difference"] = f"{said - self.order.amount:+.2f}"
        others = [
            one for one in self.payments
            if one.pk != payment.pk and one.status == PaymentStatus.HELD and one.currency == payment.currency
        ]  # fmt: skip
        if others:
            whole = sum((one.amount for one in others), said)
            evidence["together"] = f"{whole:.2f}"
            return whole == self.order.amount
        return False

    def follow_up(self) -> None:
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

    def tell_refund(self, refund: Refund, what: str = "", kind: str = "noted") -> None:
        """Write down where a refund stands, or what happened to it."""
        detail = f"refund {refund.pk} of {refund.currency} {refund.amount:.2f}: {what or refund.status}"
        self.history.tell(self.order, kind, Fact.RETURNED, self.cip, detail, self.order.state, refund=refund)

    def ask_account(self, refund: Refund) -> None:
        """Have the payer asked to which account an approved refund goes."""
        self.tell_refund(refund, "the payer is asked for an account", refund_account_asked.name)

    def write(self) -> None:
        """Save everything, with whatever other books are open in this transaction."""
        self.unit.write()


def _remember(row: Attempted, names: Sequence[str]) -> None:
    values = row.__dict__
    values["_remembered"] = {name: copy(value) if type(value := values[name]) is list else value for name in names}


def _remembered(row: Attempted) -> dict[str, Any]:
    found: dict[str, Any] = row.__dict__["_remembered"]
    return found


def _save(rows: Sequence[Attempted], names: Sequence[str], alias: str, **always: Any) -> None:
    """Save the fields that changed since the rows were locked; rows with the same changes by one statement."""
    groups: dict[tuple[tuple[str, str], ...], tuple[dict[str, Any], list[int]]] = {}
    for row in rows:
        before = _remembered(row)
        changes = {name: getattr(row, name) for name in names if getattr(row, name) != before[name]}
        if changes or always:
            key = tuple((name, repr(value)) for name, value in changes.items())
            groups.setdefault(key, (changes, []))[1].append(row.pk)
            _remember(row, names)
    for changes, pks in groups.values():
        type(rows[0])._base_manager.using(alias).filter(pk__in=pks).update(**changes, **always)


def lock_orders(pks: Iterable[int], alias: str, *, without: Sequence[str] = (), wait: bool = True) -> list[Order]:
    """Lock orders in key order until the transaction ends, and read them as they are now, some fields left out.

    ``wait`` False: not those that somebody else holds, where the database can tell.
    """
    orders = Order.objects.using(alias).filter(pk__in=list(pks)).order_by("pk")
    write_first(orders)
    return list((orders.select_for_update() if wait else unless_locked(orders)).defer(*without))


def open_unit_of_work(
    pks: Iterable[int], *, alias: str, now: datetime | None = None, actor: str, wait: bool = True
) -> UnitOfWork:
    """Lock orders and read their codes. ``wait`` False: leave out the orders that somebody else holds."""
    moment = now or current_time()
    unit = UnitOfWork(alias, moment, actor)
    # Without what is large, and nothing here depends on.
    orders = lock_orders(pks, alias, without=("payer_data", "metadata"), wait=wait)
    cips: dict[int, list[Cip]] = {order.pk: [] for order in orders}
    for cip in Cip.objects.using(alias).filter(order__in=orders).order_by("pk"):
        cips[cip.order_id].append(cip)
    unit.locked_orders = [LockedOrder(order, cips[order.pk], unit) for order in orders]
    return unit


def lock_free_order(order: Order, *, alias: str, now: datetime, actor: str) -> LockedOrder | None:
    """Lock one order unless somebody else holds it, for a worker, who comes again."""
    return next(iter(open_unit_of_work([order.pk], alias=alias, now=now, actor=actor, wait=False).locked_orders), None)


def lock_order(order: Order, *, alias: str, now: datetime | None = None, actor: str) -> LockedOrder:
    """Lock one order; raises ``InvalidRequest`` if there is none."""
    locked_orders = open_unit_of_work([order.pk], alias=alias, now=now, actor=actor).locked_orders
    if not locked_orders:
        raise InvalidRequest(f"Order {order.pk} is not in the database; save it by create_order first.")
    return locked_orders[0]
