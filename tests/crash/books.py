"""What must hold once everything is quiet: our books against the provider's, the shop's rows against our events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from pagoefectivo_django.models import (
    Cip,
    Delivery,
    Discrepancy,
    Notification,
    NotificationStatus,
    Order,
    OrderEvent,
    Payment,
    Refund,
)
from pagoefectivo_django.signals import SIGNALS
from pagoefectivo_django.states import CipStatus, Kind, OrderState, PaymentStatus, RefundStatus
from tests.shop.models import Heard

from .receivers import OUTSIDE
from .stage import OPEN, Stage, work_left

#: The event that tells of each state.
TOLD = {
    OrderState.NEW: "order_created",
    OrderState.PENDING: "cip_issued",
    OrderState.PAID: "payment_confirmed",
    OrderState.EXPIRED: "payment_expired",
    OrderState.CANCELLED: "payment_cancelled",
    OrderState.REJECTED: "payment_rejected",
    OrderState.REFUNDED: "payment_refunded",
}
OVER = {*OrderState} - {OrderState.NEW, OrderState.PENDING}


class Books:
    """All that can be read at one quiet moment."""

    def __init__(self, stage: Stage) -> None:
        self.codes, self.pressed = stage.codes(), stage.pressed
        self.theirs = {str(code["cip"]): code for code in self.codes}
        self.orders = list(Order.objects.order_by("pk").select_related("cip"))
        self.cips = list(Cip.objects.select_related("order").order_by("pk"))
        self.payments = list(Payment.objects.select_related("cip__order", "cip__order__cip").order_by("pk"))
        self.discrepancies = list(Discrepancy.objects.open())
        self.refunds = list(Refund.objects.exclude(status=RefundStatus.FAILED))
        #: What became of the payments that the sandbox took.
        self.became: Counter[str] = Counter()

    def problems(self) -> list[str]:
        """Everything that does not hold."""
        self.became.clear()
        found = [f"there is still work to do: {work}" for work in work_left()]
        checks = (self._money_taken, self._money_believed, self._states, self._codes, self._refunds, self._inbox)
        return [*found, *(problem for check in checks for problem in check()), *heard_wrong(self.orders)]

    def _money_taken(self) -> Iterator[str]:
        """Every payment that the sandbox took is paid, held, refunded or in front of a person."""
        for number, code in self.theirs.items():
            ours = [payment for payment in self.payments if name_of(payment.cip) == number]
            for taken in code["payments"]:
                known = [row for row in ours if row.operation_number in (None, taken["operationNumber"])]
                known.sort(key=lambda row: row.operation_number is None)
                became = self._became(known[0], taken) if known else self._asked(code) and "in front of a person"
                if known:
                    ours.remove(known[0])
                if became:
                    self.became[became] += 1
                else:
                    yield f"nobody knows of {taken} for {_short(code)}; ours: {[*map(_row, known)]}"
            if ours:
                yield f"we believe in payments that nobody made for {_short(code)}: {[*map(_row, ours)]}"

    def _became(self, payment: Payment, taken: dict[str, Any]) -> str:
        order = payment.cip.order
        asked = any(each.payment_id == payment.pk or each.order_id == order.pk for each in self.discrepancies)
        returned = any(refund.payment_id == payment.pk for refund in self.refunds)
        if payment.status == PaymentStatus.REVERSED:
            return "refunded" if taken["reversed"] else ""
        if taken["reversed"]:
            return "refunded" if returned else "in front of a person" if asked else ""
        if payment.status == PaymentStatus.APPLIED:
            if order.state == OrderState.PAID and order.cip_id == payment.cip_id:
                return "paid"
            return "refunded" if returned and order.state == OrderState.REFUNDED else ""
        return "refunded" if returned else "held" if asked else ""

    def _asked(self, code: dict[str, Any]) -> bool:
        """Whether a person is asked about a code whose payment no message and no answer proved."""
        cip = next((cip for cip in self.cips if cip.transaction_code == code["transactionCode"]), None)
        if cip and any(each.cip_id == cip.pk for each in self.discrepancies):
            return True
        if cip and any(each.order_id == cip.order_id and each.kind == Kind.LOST_CODE for each in self.discrepancies):
            return True
        return any(
            str(code["cip"]) in (said.get("code"), said.get("provider_id"))
            for each in self.discrepancies
            for said in each.evidence
        )

    def _money_believed(self) -> Iterator[str]:
        """No order is paid without a payment that the sandbox took, over its amount, and by one only."""
        for payment in self.payments:
            if name_of(payment.cip) not in self.theirs:
                yield f"we believe in {_row(payment)} for a code that the provider doesn't know"
        for order in self.orders:
            applied = [
                row for row in self.payments if row.cip.order_id == order.pk and row.status == PaymentStatus.APPLIED
            ]
            if len(applied) != 1 if order.state == OrderState.PAID else len(applied) > 1:
                yield f"order {order} is {order.state} by {[*map(_row, applied)]}"
            for row in applied:
                taken = self.theirs.get(name_of(row.cip), {}).get("payments", [])
                fits = [each for each in taken if (Decimal(each["amount"]), each["currency"]) == (order.amount, "PEN")]
                if not fits:
                    yield f"order {order} is {order.state}, and the sandbox took {taken}"

    def _states(self) -> Iterator[str]:
        """An order stands as the provider sees it, and somebody watches what is open."""
        for order in self.orders:
            asked = [each for each in self.discrepancies if each.order_id == order.pk]
            cips = [cip for cip in self.cips if cip.order_id == order.pk]
            is_open = order.state not in OVER
            if order.pending_action:
                yield f"order {order} still wishes {order.pending_action}"
            if is_open != (order.lapses_at is not None):
                yield f"order {order} is {order.state} and ends by the clock at {order.lapses_at}"
            if order.state == OrderState.NEW and not asked and not self.pressed:
                yield f"order {order} has no code, and nobody will ask for one"
            if order.state == OrderState.PENDING and not asked:
                theirs = self.theirs.get(name_of(order.cip)) if order.cip else None
                if order.cip is None or order.cip.status != CipStatus.CURRENT or theirs is None:
                    yield f"order {order} is pending with {order.cip and _row(order.cip)}"
                elif theirs["status"] != OPEN or not self._same_date(order, theirs):
                    yield f"order {order} is pending until {order.expires_at}, and the provider has {_short(theirs)}"
                elif order.cip.poll_at is None:
                    yield f"nobody watches the code of order {order}"
            for cip in cips:
                theirs = self.theirs.get(name_of(cip))
                payable = theirs and theirs["status"] == OPEN and not theirs["payments"]
                if payable and not asked and (not is_open or cip != order.cip):
                    if not self.pressed:
                        yield f"order {order} is {order.state}, and its code can still be paid: {_row(cip)}"
                    elif cip.poll_at is None:
                        yield f"order {order} is {order.state}, and nobody watches its link: {_row(cip)}"
        newest = Counter(order.reference for order in self.orders if order.newest)
        for reference in {order.reference for order in self.orders}:
            if newest[reference] != 1:
                yield f"reference {reference} has {newest[reference]} newest orders"

    def _same_date(self, order: Order, theirs: dict[str, Any]) -> bool:
        """Whether a code ends when the provider says; and its order too, unless the payer presses for another."""
        date = datetime.fromisoformat(theirs["dateExpiry"])
        return bool(order.cip and order.cip.expires_at == date and (self.pressed or order.expires_at == date))

    def _codes(self) -> Iterator[str]:
        for cip in self.cips:
            if cip.status == CipStatus.REQUESTED and cip.asked_at:
                yield f"code {_row(cip)} is still asked for"
            theirs = self.theirs.get(name_of(cip))
            if cip.is_known and (theirs is None or theirs["transactionCode"] != cip.transaction_code):
                yield f"code {_row(cip)} is another at the provider: {theirs and _short(theirs)}"
            if cip.status == CipStatus.DELETED and theirs and theirs["status"] == OPEN:
                yield f"code {_row(cip)} is not deleted at the provider"

    def _refunds(self) -> Iterator[str]:
        """No more is given back than came, and what the channel gave back is what the sandbox took back."""
        for payment in self.payments:
            mine = [refund for refund in self.refunds if refund.payment_id == payment.pk]
            total = sum((refund.amount for refund in mine), Decimal(0))
            if total != payment.refunded or total > payment.amount:
                yield f"of {_row(payment)} {total} go back, {payment.refunded} are reserved"
            theirs = self.theirs.get(name_of(payment.cip), {}).get("payments", [])
            by_channel = [refund for refund in mine if refund.by_channel and refund.status == RefundStatus.DONE]
            if len(by_channel) > sum(each["reversed"] for each in theirs):
                yield f"the provider gave nothing back for {_row(payment)}"

    def _inbox(self) -> Iterator[str]:
        for notification in Notification.objects.exclude(status=NotificationStatus.APPLIED):
            asked = any(each.notification_id == notification.pk for each in self.discrepancies)
            if notification.status != NotificationStatus.DEAD or not asked:
                yield f"notification {notification} is {notification.status}: {notification.last_error}"


def name_of(cip: Cip) -> str:
    """The name by which the provider lists a code: its digits, or the provider's id."""
    return cip.code or cip.provider_id or ""


def heard_wrong(orders: list[Order]) -> Iterator[str]:
    """Every receiver heard every event, once where that is promised; and the events tell the whole story."""
    heard = Counter(Heard.objects.values_list("signal", "event"))
    deliveries: dict[Any, set[str]] = {}
    for delivery in Delivery.objects.filter(delivered_at__isnull=False):
        deliveries.setdefault(delivery.event_id, set()).add(delivery.receiver)
    events = list(OrderEvent.objects.order_by("order", "number"))
    for event in events:
        names = SIGNALS[event.kind].by_name if event.kind in SIGNALS else {}
        if deliveries.get(event.pk, set()) != set(names):
            yield f"event {_told(event)} was delivered to {deliveries.get(event.pk)}, of {set(names)}"
        for name, receiver in names.items():
            # The tests' own shop writes the signal's name.
            times = heard[(name if name.startswith("crash-") else event.kind, event.pk)]
            if times < 1 or (receiver.atomic and times > 1):
                yield f"{name} heard {_told(event)} {times} times"
    for order in orders:
        mine = [event for event in events if event.order_id == order.pk]
        state = ""
        if [event.number for event in mine] != list(range(1, order.event_count + 1)):
            yield f"order {order} counts {order.event_count} events: {[*map(_told, mine)]}"
        for event in mine:
            moved = event.state_after != state
            if event.state_before != state or (moved and event.kind != TOLD[OrderState(event.state_after)]):
                yield f"order {order} was {state} before {_told(event)}"
            state = event.state_after
        if state != order.state:
            yield f"order {order} is {order.state}, and its history ends with {state}"
        if sum(event.kind == "expiry_approaching" for event in mine) > 1:
            yield f"the payer of order {order} was reminded twice"


def heard_again() -> int:
    """How often a receiver heard what it had heard before, where that is allowed."""
    rows = list(Heard.objects.filter(signal=OUTSIDE).values_list("event", flat=True))
    return len(rows) - len(set(rows))


def _short(code: dict[str, Any]) -> str:
    shown = ("cip", "transactionCode", "statusName", "dateExpiry")
    return " ".join(f"{name}={code[name]}" for name in shown)


def _row(row: Payment | Cip) -> str:
    if isinstance(row, Payment):
        return f"payment {row.pk} of {row.cip.code}: {row} {row.status}"
    return f"{row} {row.status} due {row.retry_at}"


def _told(event: OrderEvent) -> str:
    moved = f"{event.state_before}>{event.state_after}"
    return f"{event.number} {event.kind} {event.fact} {moved} {event.data or ''} {event.reason}".strip()
