"""Locked orders and the unit of work in which the ledger changes and saves orders, codes and payments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import F, Q
from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...channels.base import Report
from ...errors import InvalidRequest
from ...facts import Data, money, utc
from ...models import Cip, Discrepancy, Order, OrderEvent, Payment, Refund
from ...models.clock import current_time
from ...models.database import Attempted, unless_locked, write_first
from ...signals import refund_account_asked
from ...states import LIVE, OPEN, CipStatus, Fact, Kind, OrderState, PaymentStatus, PendingAction, Remark
from ..possible.loading import ordered_again
from ..possible.rules import OrderSituation
from ..provider.accounts import accounts
from ..provider.routes import Channels
from .history import History, evidence_of
from .schedule import lapse, next_poll, reminder
from .subject import Subject

#: The names of a code, the strongest first.
NAMES = ("provider_id", "code", "transaction_code")
#: The kind of event recorded when an order enters a state. No signal tells of an order that is new again.
TOLD = {
    OrderState.NEW: "noted",
    OrderState.PENDING: "cip_issued",
    OrderState.PAID: "payment_confirmed",
    OrderState.EXPIRED: "payment_expired",
    OrderState.CANCELLED: "payment_cancelled",
    OrderState.REJECTED: "payment_rejected",
    OrderState.REFUNDED: "payment_refunded",
}
#: Fields of an order that a unit of work saves.
_SAVED = ["state", "paid_at", "operation_number", "cip_id", "expires_at", "event_count", "pending_action", "retry_at"]
_SAVED += ["lapses_at", "remind_at", "settled_at", "deferred_action", "attempts"]
_SAVED += ["action_date", "action_requested_by", "action_reason", "action_requested_at"]

#: Fields of a code that a unit of work saves. Left out: ``attempts``, ``last_error`` and the times of hints, which
#: claims change without the order's lock.
_SAVED_OF_CIP = ["code", "status", "live", "expires_at", "url", "qr", "changed_at", "paid_at", "early_reversals"]
_SAVED_OF_CIP += ["provider_id", "other_code", "retry_at", "poll_at", "reversed_version", "answer", "in_process_at"]


def named_in(reports: Iterable[Report]) -> Q:
    """Return a condition on codes: named in one of the reports, by any of ``NAMES``."""
    named = dict[tuple[str, str], list[str]]()
    for report in reports:
        for name in NAMES:
            if value := getattr(report, name):
                named.setdefault((report.account, name), []).append(value)
    found = Q(pk__in=[])
    for (account, name), values in named.items():
        found |= Q(**{"account": account, f"{name}__in": values})
    return found


def names_disagree(report: Report, cip: Cip) -> bool:
    """Return whether a report names a code by one name, and another code by another name."""
    named = [(getattr(report, name), getattr(cip, name)) for name in NAMES]
    return any(told and ours and told != ours for told, ours in named)


class UnitOfWork:
    """The orders locked in one transaction, with a shared history and queries made once for all locked orders."""

    def __init__(self, alias: str, now: datetime, actor: Actor | str) -> None:
        self.alias, self.now = alias, now
        self.history = History(alias, now, actor)
        self.actor = self.history.actor
        self.locked_orders: list[LockedOrder] = []

    @cached_property
    def payments(self) -> dict[int, list[Payment]]:
        """Payments on any code of the locked orders, by order key, oldest first."""
        found: dict[int, list[Payment]] = {locked.order.pk: [] for locked in self.locked_orders}
        orders = {cip.pk: locked.order.pk for locked in self.locked_orders for cip in locked.cips}
        for payment in Payment.objects.using(self.alias).filter(cip__in=list(orders)).order_by("pk"):
            found[orders[payment.cip_id]].append(payment)
        return found

    @cached_property
    def in_review(self) -> set[int]:
        """Keys of the locked orders with an open discrepancy about money, read at first use."""
        orders = [locked.order.pk for locked in self.locked_orders]
        discrepancies = Discrepancy.objects.using(self.alias).filter(order__in=orders).open().about_money()
        return set(discrepancies.values_list("order", flat=True))

    def write(self) -> None:
        """Save the changed rows and write the history; rows with equal changes share one statement."""
        for locked in self.locked_orders:
            locked.follow_up()
        cips = [cip for locked in self.locked_orders for cip in locked.changed_cips]
        # Codes that stop being live are saved first, since a unique column allows an order one live code.
        _save([cip for cip in cips if not cip.live], _SAVED_OF_CIP, self.alias, version=F("version") + 1)
        _save([cip for cip in cips if cip.live], _SAVED_OF_CIP, self.alias, version=F("version") + 1)
        for locked in self.locked_orders:
            locked.saved()
        _save([locked.order for locked in self.locked_orders], _SAVED, self.alias)
        self.history.write()


class LockedOrder:
    """An order locked until the transaction ends, with codes, payments and methods to change the order.

    Changes stay in memory until ``UnitOfWork.write``.
    """

    def __init__(self, order: Order, cips: list[Cip], unit: UnitOfWork) -> None:
        self.order, self.cips, self.unit = order, cips, unit
        self.alias, self.now, self.actor, self.history = unit.alias, unit.now, unit.actor, unit.history
        #: The channels that a function of the shop chose before the lock; None where no function chooses.
        self.route: Channels | None = None
        self._changed: set[int] = set()
        for row in (order, *cips):
            _remember(row, _SAVED if row is order else _SAVED_OF_CIP)

    @property
    def payments(self) -> list[Payment]:
        """Payments on any code of the order, oldest first."""
        return self.unit.payments[self.order.pk]

    @property
    def changed_cips(self) -> list[Cip]:
        return [cip for cip in self.cips if cip.pk in self._changed]

    @property
    def cip(self) -> Cip | None:
        """The code that the order shows, ``order.cip``."""
        return next((cip for cip in self.cips if cip.pk == self.order.cip_id), None)

    @property
    def state(self) -> OrderState:
        return OrderState(self.order.state)

    def payments_of(self, cip: Cip) -> list[Payment]:
        return [payment for payment in self.payments if payment.cip_id == cip.pk]

    def cip_of(self, report: Report) -> Cip | None:
        """Return the order's code named in a report: by the provider's id, by digits or by transaction code, or None.

        The transaction code counts only if code or report lacks the digits, and code or report lacks the id: with two
        different digits or ids the report is about another charge under the same transaction code.
        """
        mine = [cip for cip in self.cips if cip.account == report.account]
        for name in ("provider_id", "code"):
            for cip in mine:
                if getattr(report, name) and getattr(cip, name) == getattr(report, name):
                    return cip
        for cip in mine:
            apart = (cip.code and report.code) or (cip.provider_id and report.provider_id)
            if report.transaction_code == cip.transaction_code and not apart:
                return cip
        return None

    def live_cip(self) -> Cip | None:
        return next((cip for cip in self.cips if cip.live), None)

    def in_review(self) -> bool:
        """Return whether a discrepancy about the order's money is open."""
        return self.order.pk in self.unit.in_review or self.order.pk in self.history.in_review

    def ordered_again(self) -> bool:
        """Return whether another order holds the same reference (see ``possible.loading.ordered_again``)."""
        return bool(ordered_again([self.order], {self.order.pk: self.cips}, self.alias))

    def situation(self) -> OrderSituation:
        """Return the situation from which ``order_actions`` decides, read under the order's lock."""
        discrepancies = Discrepancy.objects.using(self.alias).filter(order=self.order).open()
        asked = bool(discrepancies) or self.in_review()
        channels, again = accounts(), self.ordered_again()
        return OrderSituation(self.order, self.cips, self.payments, self.in_review(), asked, again, channels)

    # Writing.

    def move_cip(self, cip: Cip, status: CipStatus) -> None:
        """Set a code's status and ``live`` flag, and mark the code as changed if the status differs."""
        if cip.status != status:
            cip.status, cip.live = status, True if status in LIVE else None
            self.touch(cip)

    def touch(self, cip: Cip) -> None:
        """Mark a code as changed: the row is saved, and answers asked for before are stale."""
        cip.changed_at = self.now
        self._changed.add(cip.pk)

    def keep_answer(self, cip: Cip, said: str) -> None:
        """Keep the provider's last answer on a code; ``changed_at`` stays, since the code itself did not change."""
        if cip.answer != said:
            cip.answer = said
            self._changed.add(cip.pk)

    def touch_reversed(self, cip: Cip) -> None:
        """Mark a code as changed by a reversal: payments in answers asked for before are stale."""
        cip.reversed_version = cip.version + 1
        self.touch(cip)

    def saved(self) -> None:
        """Raise the versions of the saved codes in memory, as saved in the database, and clear the marks."""
        for cip in self.changed_cips:
            cip.version += 1
        self._changed.clear()

    def learn(self, cip: Cip, report: Report, *, date: bool = True) -> None:
        """Copy numbers, provider's id, link, QR and, if ``date``, the expiry date from a report to a code.

        Known digits and a known id are never replaced, and empty values of the report change nothing.
        """
        news = {
            "code": None if cip.code else report.code or None,
            "provider_id": None if cip.provider_id else report.provider_id or None,
            "other_code": report.other_code,
            "url": report.url,
            "qr": report.qr,
            "expires_at": report.expires_at if date else None,
        }
        for name, value in news.items():
            if value and getattr(cip, name) != value:
                setattr(cip, name, value)
                self.touch(cip)

    def delete_at_provider(self, cip: Cip) -> None:
        """Make a code due for deletion at the provider now, if the code is known and no attempt is scheduled."""
        if cip.is_known and cip.retry_at is None:
            cip.retry_at = self.now
            self.touch(cip)

    def drop_others(self, keep: Cip | None) -> None:
        """Supersede the current code and make current and lost codes due for deletion, all but ``keep``."""
        for cip in self.cips:
            if cip is keep or cip.status not in (CipStatus.CURRENT, CipStatus.LOST):
                continue
            if cip.status == CipStatus.CURRENT:
                self.move_cip(cip, CipStatus.SUPERSEDED)
            self.delete_at_provider(cip)

    def move_order(
        self,
        to: OrderState,
        fact: Fact,
        cip: Cip | None,
        data: Data | None = None,
        *,
        reason: str = "",
        ended: PendingAction | None = None,
    ) -> None:
        """Set the order's state, record the event, and end a pending action that has become pointless.

        ``ended``: the pending action fulfilled by the move. An expired order keeps an extension or a reissue pending; a
        new or pending order keeps every action.
        """
        before = self.order.state
        self.order.state = to
        pending_action = self.order.pending_action or self.order.deferred_action
        kept = (PendingAction.EXTEND, PendingAction.REISSUE) if to == OrderState.EXPIRED else ()
        over = pending_action and to not in OPEN and pending_action not in kept
        self.history.tell(self.order, TOLD[to], fact, cip, data, before=before, reason=reason)
        if over or self.order.pending_action == ended:
            fulfilled = PendingAction.CANCEL if to == OrderState.CANCELLED else ended
            self.end_action("order_ended", but=fulfilled, state=to)

    def end_action(self, about: str, but: PendingAction | None = None, **data: str) -> None:
        """Clear the pending or deferred action, with an event unless the action is ``ISSUE`` or ``but`` (done).

        ``about`` and ``data`` say in the event why.
        """
        pending_action = self.order.pending_action or self.order.deferred_action
        self.order.pending_action = self.order.deferred_action = ""
        self.order.retry_at = None
        if pending_action and pending_action not in (PendingAction.ISSUE, but):
            ended = {"action": pending_action, "about": about, **data}
            self.history.tell(self.order, "noted", Remark.ENDED, self.cip, ended, before=self.order.state)

    def note(self, fact: Fact, cip: Cip | None, data: Data | None = None) -> None:
        """Record a fact that moved nothing; an equal event is recorded again only if the code changed just now."""
        if cip is None or cip.pk not in self._changed:
            told = OrderEvent.objects.using(self.alias).filter(order=self.order, kind="noted", fact=fact, cip=cip)
            # Compared here: MariaDB keeps JSON as text, which differs by the order of the keys.
            if (data or {}) in told.values_list("data", flat=True):
                return
        self.history.tell(self.order, "noted", fact, cip, data, before=self.order.state)

    def open_discrepancy(
        self,
        kind: Kind,
        report: Report | None,
        cip: Cip | None = None,
        payment: Payment | None = None,
        *,
        anew: bool | None = False,
    ) -> None:
        """Open a discrepancy about a payment, else a code, else the order.

        ``anew``: whether a discrepancy resolved by a person is reopened: True, False, or None for "if no earlier
        evidence tells of the same money".
        """
        if payment:
            subject = Subject.of_payment(payment, cip, self.order)
        else:
            subject = Subject.of_cip(cip, self.order) if cip else Subject.of_order(self.order)
        evidence: dict[str, object] = evidence_of(report) if report else {"at": utc(self.now)}
        together = self._difference(evidence, payment) if kind == Kind.AMOUNT_MISMATCH and payment else False
        self.history.open_discrepancy(kind, subject, evidence, anew=anew)
        if together and payment:
            # Several held payments add up to the order's amount, so the suggestion for a single payment is cleared.
            mine = [one.pk for one in self.payments if one.pk]
            discrepancies = Discrepancy.objects.using(self.alias).filter(kind=kind, payment__in=[*mine, payment.pk])
            discrepancies.open().update(suggestion="")

    def _difference(self, evidence: dict[str, object], payment: Payment) -> bool:
        """Add the amount paid too much (+) or too little (-), and return whether held payments add up to the order's.

        Amounts are text with two decimals in the order's currency; a payment in another currency adds nothing.
        """
        if payment.currency != self.order.currency:
            return False
        said = Decimal(str(evidence.get("amount") or payment.amount))
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
        """Set ``order.cip`` and the times at which the worker looks at the order and the changed codes again.

        ``order.cip`` is the code that was paid, else the current code, else the last.
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

    def tell_refund(self, refund: Refund, about: str = "", kind: str = "noted") -> None:
        """Record an event about a refund: the status, or what else happened."""
        data = {"refund": refund.pk, **money(refund.amount, refund.currency)}
        data |= {"about": about} if about else {"status": refund.status}
        self.history.tell(self.order, kind, Fact.RETURNED, self.cip, data, before=self.order.state, refund=refund)

    def ask_account(self, refund: Refund) -> None:
        """Record the event whose receivers ask the payer for the account of an approved refund."""
        self.tell_refund(refund, "account_asked", refund_account_asked.name)

    def write(self) -> None:
        """Save the whole unit of work, with any further orders locked in the transaction."""
        self.unit.write()


def _remember(row: Attempted, names: Sequence[str]) -> None:
    values = row.__dict__
    values["_remembered"] = {name: copy(value) if type(value := values[name]) is list else value for name in names}


def _remembered(row: Attempted) -> dict[str, Any]:
    found: dict[str, Any] = row.__dict__["_remembered"]
    return found


def _save(rows: Sequence[Attempted], names: Sequence[str], alias: str, **always: Any) -> None:
    """Save the fields changed since the rows were locked; rows with equal changes share one statement.

    ``always``: fields saved on every row, changed or not.
    """
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
    """Lock orders in key order until the transaction ends and return fresh rows, without the fields ``without``.

    ``wait`` False: skips orders held by another transaction, on databases with SKIP LOCKED.
    """
    orders = Order.objects.using(alias).filter(pk__in=list(pks)).order_by("pk")
    write_first(orders)
    return list((orders.select_for_update() if wait else unless_locked(orders)).defer(*without))


def open_unit_of_work(
    pks: Iterable[int], *, alias: str, now: datetime | None = None, actor: Actor | str, wait: bool = True
) -> UnitOfWork:
    """Lock orders, read the orders' codes and return the unit of work; ``wait`` as in ``lock_orders``."""
    moment = now or current_time()
    unit = UnitOfWork(alias, moment, actor)
    # Large fields that no rule of the ledger reads are left out.
    orders = lock_orders(pks, alias, without=("payer_data", "metadata"), wait=wait)
    cips: dict[int, list[Cip]] = {order.pk: [] for order in orders}
    for cip in Cip.objects.using(alias).filter(order__in=orders).order_by("pk"):
        cips[cip.order_id].append(cip)
    for order in orders:
        for cip in cips[order.pk]:
            cip.order = order  # the locked row, whose date counts for a code without a date
    unit.locked_orders = [LockedOrder(order, cips[order.pk], unit) for order in orders]
    return unit


def lock_free_order(order: Order, *, alias: str, now: datetime, actor: Actor | str) -> LockedOrder | None:
    """Lock one order and return it, or None while another transaction holds the order; the worker tries again."""
    return next(iter(open_unit_of_work([order.pk], alias=alias, now=now, actor=actor, wait=False).locked_orders), None)


def lock_order(order: Order, *, alias: str, now: datetime | None = None, actor: Actor | str) -> LockedOrder:
    """Lock one order, waiting for the lock; raises ``InvalidRequest`` if the order is not in the database."""
    locked_orders = open_unit_of_work([order.pk], alias=alias, now=now, actor=actor).locked_orders
    if not locked_orders:
        raise InvalidRequest(
            _("Order %(order)s is not in the database; save it by create_order first."),
            code="order_unsaved",
            order=str(order.pk),
        )
    return locked_orders[0]
