"""Flows that meet at the same rows: what each does to one scene, and what must hold whoever was first."""

from __future__ import annotations

import io
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from pagoefectivo_django import flows
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, PagoEfectivoError
from pagoefectivo_django.flows.privacy.erase import erase_payer
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.models import Cip, Discrepancy, Match, Order, Payment, Refund, Settlement, SettlementLine
from pagoefectivo_django.models.database import LOCK_ORDER, UNDER_ORDER
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.backup import Backup, backup, restore
from tests.clock import later
from tests.concurrency import at_once
from tests.crash.locks import LOCKS
from tests.factories.orders import make, without_code
from tests.factories.provider import channel
from tests.factories.statements import line, load, text
from tests.shop.models import Heard

#: Seconds that one waits, with its first lock, for the other to have its own.
PATIENCE = 0.08
#: How often it does.
MEETINGS = 4

Step = Callable[[], object]


class Scene:
    """Orders, papers and discrepancies as they are before two flows meet; what the database and the provider hold."""

    def __init__(self) -> None:
        make(reference="OPEN")
        paid = pay(make(reference="PAID"), operation_number="1")
        notify(paid, operation_number="2")
        pay(make(reference="OTHER"), operation_number="3")
        load(line(paid), line(paid, code="99999999", transaction_code=""), name="LIQ-1.txt")
        flows.refund_order(paid, Decimal("5.00"), actor="ana", reason="A stain.")
        without_code(reference="NEW")
        MemoryChannel.fail("issue", OutcomeUnknown("No answer."), after=True)
        make(reference="LOST")
        Order.objects.filter(reference="LOST").update(pending_action="", retry_at=None)
        moment = timezone.now() - timedelta(minutes=1)
        Order.objects.filter(reference="OPEN").update(remind_at=moment)
        Cip.objects.filter(code__isnull=False).update(poll_at=moment)
        self.rows: Backup = backup()
        self.slips = deepcopy(MemoryChannel.slips)

    def begin(self) -> None:
        """Have everything as it was."""
        Heard.objects.all().delete()
        restore(self.rows)
        MemoryChannel.slips.clear()
        MemoryChannel.slips.update(deepcopy(self.slips))


def order(reference: str) -> Order:
    return Order.objects.select_related("cip").filter(reference=reference).order_by("pk")[0]


def discrepancy(kind: str) -> Discrepancy:
    return Discrepancy.objects.get(kind=kind)


def payment(number: str) -> Payment:
    return Payment.objects.get(operation_number=number)


def first(status: str) -> SettlementLine:
    return SettlementLine.objects.filter(status=status).order_by("pk")[0]


def adopt() -> None:
    lost = Cip.objects.get(order__reference="LOST")
    book = channel().book
    code = next(code for code, slip in book.items() if slip.report.transaction_code == lost.transaction_code)
    flows.adopt_code(lost.order, code, actor="eva")


def import_all() -> None:
    file = text([line(order(reference)) for reference in ("OTHER", "OPEN", "PAID")])
    flows.import_settlement(io.BytesIO(file), "LIQ-2.txt", actor="ana", currency="PEN")


def refund() -> Refund:
    return Refund.objects.order_by("pk")[0]


def found_paid() -> None:
    """A round that finds a payment which nobody told of."""
    channel().set(order("OPEN").code, Fact.PAYMENT, paid_at=timezone.now())
    flows.tick()


def past() -> None:
    """A round in which a date has passed."""
    flows.tick(later(hours=49))


WHY: dict[str, Any] = {"actor": "eva", "reason": "The payer asked for it."}
STEPS: dict[str, Step] = {
    "create_order": lambda: flows.create_order(
        reference="OPEN", amount=Decimal("40.00"), currency="PEN", payer=order("OPEN").payer, replace=True
    ),
    "issue_code": lambda: flows.issue_code(order("NEW")),
    "cancel_order": lambda: flows.cancel_order(order("OPEN"), **WHY),
    "extend_order": lambda: flows.extend_order(order("OPEN"), later(hours=72)),
    "reissue_code": lambda: flows.reissue_code(order("OPEN")),
    "refresh_order": lambda: flows.refresh_order(order("PAID")),
    "adopt_code": adopt,
    "mark_paid": lambda: flows.mark_paid(order("OPEN"), "9", "eva", "The receipt."),
    "webhook: paid": lambda: notify(order("OPEN"), operation_number="7"),
    "webhook: paid again": lambda: notify(order("PAID"), operation_number="1"),
    "webhook: taken back": lambda: notify(order("PAID"), Fact.PAYMENT_REVERSED, operation_number="1"),
    "webhook: a hint": lambda: notify(order("OPEN"), Fact.CODE_EXPIRED),
    "resolve_discrepancy": lambda: flows.resolve_discrepancy(discrepancy("duplicate_payment"), "refund_due", **WHY),
    "resolve_discrepancy: a line": lambda: flows.resolve_discrepancy(discrepancy("missing_here"), "ignore", **WHY),
    "assign_discrepancy": lambda: flows.assign_discrepancy(discrepancy("duplicate_payment"), "ana", actor="eva"),
    "comment_on": lambda: flows.comment_on(discrepancy("missing_here"), "I asked.", actor="eva"),
    "reopen_discrepancy": lambda: flows.reopen_discrepancy(discrepancy("duplicate_payment"), **WHY),
    "refund_order": lambda: flows.refund_order(order("PAID"), Decimal("2.00"), **WHY),
    "approve_refund": lambda: flows.approve_refund(refund(), actor="eva"),
    "send_refund": lambda: flows.send_refund(refund(), actor="eva"),
    "close_refund": lambda: flows.close_refund(refund(), done=False, **WHY),
    "import_settlement": import_all,
    "match_line": lambda: flows.match_line(first("discrepancy"), payment("3"), **WHY),
    "unmatch_line": lambda: flows.unmatch_line(first("matched"), **WHY),
    "enter_deposit": lambda: flows.enter_deposit(
        Settlement.objects.order_by("pk")[0], Decimal("9.00"), timezone.localdate(), actor="eva"
    ),
    "erase": lambda: erase_payer(email="ana@example.com", **WHY),
    "publish_events": flows.publish_events,
    "tick": flows.tick,
    "tick: found paid": found_paid,
    "tick: past": past,
}


class Meeting:
    """Where two threads wait for each other, for a moment."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting = self._met = 0

    def come(self) -> None:
        with self._condition:
            self._waiting += 1
            if self._waiting == 2:
                self._waiting, self._met = 0, self._met + 1
                self._condition.notify_all()
                return
            met = self._met
            if not self._condition.wait_for(lambda: self._met > met, PATIENCE):
                self._waiting -= 1


class Recorder:
    """Which tables a flow locks; at the first lock of a transaction it waits for the other flow."""

    def __init__(self, meeting: Meeting | None = None) -> None:
        self.tables: set[str] = set()
        self._meeting, self._left, self._block = meeting, MEETINGS, object()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if found := LOCKS.match(sql):
            self.tables.add(found["locked"] or found["changed"])
            block = next(iter(context["connection"].atomic_blocks), None)
            if self._meeting and self._left and block is not None and block is not self._block:
                self._block, self._left = block, self._left - 1
                self._meeting.come()
        return result


def tables_of(name: str, scene: Scene) -> set[str]:
    """Do one action alone, and return which of the tables that have an order of locks it locks."""
    scene.begin()
    recorder = Recorder()
    with connection.execute_wrapper(recorder), suppress(PagoEfectivoError):
        STEPS[name]()
    return recorder.tables & {*LOCK_ORDER, *UNDER_ORDER}


def meet(one: str, other: str, scene: Scene) -> list[Any]:
    """Do two actions at once, each waiting with its first lock for the other's; return what came of them."""
    scene.begin()
    meeting = Meeting()

    def watched(name: str) -> Step:
        def run() -> object:
            with connection.execute_wrapper(Recorder(meeting)):
                return STEPS[name]()

        return run

    return at_once(watched(one), watched(other))


def quiet() -> None:
    """Go on until nothing is due."""
    now = timezone.now()
    for minutes in (0, 3, 10, 70):
        flows.tick(now + timedelta(minutes=minutes))


def problems() -> Iterator[str]:
    """Everything that does not hold; nothing, whoever was first."""
    books = balance("PEN")
    if not books.holds:
        yield f"the books do not add up: {books.equations}"
    applied: dict[int, list[Payment]] = defaultdict(list)
    for one in Payment.objects.filter(status="applied").select_related("cip"):
        applied[one.cip.order_id].append(one)
    matched = {*Match.objects.filter(stands=True, part=0).values_list("payment", flat=True)}
    for mine in Order.objects.all():
        numbers = sorted(mine.events.values_list("number", flat=True))
        if numbers != list(range(1, mine.event_count + 1)):
            yield f"{mine} counts {mine.event_count} events: {numbers}"
        if len(applied[mine.pk]) != (mine.state in ("paid", "refunded")) and not (
            mine.state == "refunded" and not applied[mine.pk]
        ):
            yield f"{mine} is {mine.state} with {applied[mine.pk]}"
        if mine.state == "paid" and mine.is_settled != bool({one.pk for one in applied[mine.pk]} & matched):
            yield f"{mine} is settled: {mine.is_settled}"
    for one in Payment.objects.all():
        given = one.refunds.exclude(status="failed").aggregate(sum=Sum("amount"))["sum"] or 0
        if one.refunded != given:
            yield f"of {one} {one.refunded} should have gone back, and {given} does"
        if one.status in ("held", "duplicate") and not Discrepancy.objects.filter(payment=one).exists():
            yield f"nobody is asked about {one}"
    lines = Counter(Match.objects.filter(stands=True).values_list("line", flat=True))
    if lines != Counter(SettlementLine.objects.filter(status="matched").values_list("pk", flat=True)):
        yield f"lines and matches differ: {lines}"
    twice = [event for event, times in Counter(Heard.objects.values_list("event", flat=True)).items() if times > 1]
    if twice:
        yield f"heard twice: {twice}"
