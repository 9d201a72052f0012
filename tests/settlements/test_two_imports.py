"""Two imports at the same moment, or one and somebody else: each payment is matched and settled once."""

import io
import threading
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from pagoefectivo_django.conf import conf
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import enter_deposit, import_settlement, match_line, tick, unmatch_line
from pagoefectivo_django.flows.reports.balance import Books, balance
from pagoefectivo_django.flows.settlements import reading
from pagoefectivo_django.flows.settlements import rules as matching
from pagoefectivo_django.models import (
    Deposit,
    Discrepancy,
    Match,
    Order,
    OrderEvent,
    Payment,
    Settlement,
    SettlementLine,
)
from pagoefectivo_django.models.database import database
from pagoefectivo_django.states import Fact, LineStatus
from pagoefectivo_django.testing import pay
from tests.concurrency import at_once
from tests.conftest import FULL
from tests.factories.orders import make
from tests.factories.provider import channel
from tests.factories.statements import LIMA, line, load

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.mariadb,
    pytest.mark.usefixtures("pagoefectivo_memory", "no_deadlock"),
    pytest.mark.django_db(transaction=True),
]
#: How often a race is run: each time its threads meet elsewhere.
ROUNDS = pytest.mark.parametrize("round_", range(5 if FULL else 1))
#: How many payments several files have in one batch.
MANY = 100 if FULL else 40


@pytest.fixture(autouse=True)
def many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH", 5)
    monkeypatch.setattr(matching, "BATCH", 5)


def sold(count: int) -> list[Order]:
    return [pay(make()) for _ in range(count)]


def statuses() -> Counter[str]:
    return Counter(SettlementLine.objects.values_list("status", flat=True))


def settled_once(orders: list[Order]) -> None:
    """Every one of these orders, and no other, by one match and one event; and the books hold."""
    told = Counter(OrderEvent.objects.filter(kind="payment_settled").values_list("order", flat=True))
    assert told == {order.pk: 1 for order in orders}
    assert set(Order.objects.filter(settled_at__isnull=False).values_list("pk", flat=True)) == set(told)
    matched = Counter(Match.objects.filter(stands=True).values_list("payment__cip__order", flat=True))
    assert matched == told
    for order in Order.objects.all():
        numbers = sorted(order.events.values_list("number", flat=True))
        assert numbers == list(range(1, order.event_count + 1))
    books = balance("PEN")
    assert books.holds, books.equations
    assert books.settled == books.matched == sum(order.amount for order in orders)


def no_errors(results: list[Any]) -> None:
    assert not [result for result in results if isinstance(result, Exception)]


@ROUNDS
def test_the_same_file_at_once(round_: int) -> None:
    orders = sold(12)
    same = [line(order) for order in orders]
    results = at_once(*[partial(load, *same)] * 3)
    no_errors(results)
    assert {result.pk for result in results} == {Settlement.objects.get().pk}
    assert statuses() == {"matched": 12}
    assert not Discrepancy.objects.exists()
    settled_once(orders)


@ROUNDS
def test_overlapping_files_in_another_order(round_: int) -> None:
    orders = sold(18)
    known = [line(order) for order in orders[:8]]
    known += [line(order, code="") for order in orders[8:12]]
    strangers = [line(order, code=f"99{number}", transaction_code="") for number, order in enumerate(orders)]
    dear = [line(order, commission=Decimal("9.99")) for order in orders[12:]]
    lines = [*known, *strangers, *dear]
    bands = [(None, Decimal(0), Decimal("4.51"))]
    fees = {"FEES": {"PEN": [{"SINCE": date(2020, 1, 1), "BANDS": bands}]}}
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | fees):
        results = at_once(
            partial(load, *lines[:-3]), partial(load, *reversed(lines[3:])), partial(load, *lines[5:], *lines[:3])
        )
    no_errors(results)
    alone = Counter(tuple(each) for each in [*lines[:-3], *lines[3:], *lines[5:], *lines[:3]])
    assert statuses() == {"matched": 18, "discrepancy": 18, "duplicate": alone.total() - 36}
    found = Discrepancy.objects.open().values_list("kind", flat=True)
    assert Counter(found) == {"missing_here": 18, "fee_mismatch": 6}
    settled_once(orders)
    books = balance("PEN")
    assert (books.gross, books.unmatched) == (36 * Decimal("35.50"), 18 * Decimal("35.50"))


@ROUNDS
def test_files_that_know_payments_by_their_operation_numbers_only(round_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one transaction each, so that they want the same payments in opposite orders."""
    monkeypatch.setattr(matching, "BATCH", 1000)
    orders = [pay(make(), operation_number=str(number)) for number in range(1, MANY + 1)]
    columns = {"operation_number": "Operacion", "gross": "Monto", "commission": "Comision", "paid_at": "Fecha"}
    own = {"STATEMENTS": {"own": {"KIND": "settlement", "COLUMNS": columns}}}
    day = timezone.localtime(orders[0].paid_at, LIMA)  # a number alone says enough only near its day
    rows = [f"{number};35.50;1.89;{day:%d/%m/%Y}" for number in range(1, MANY + 1)]
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | own):
        results = at_once(
            *[partial(load_own, each) for each in (rows, rows[::-1], rows[::2], rows[::-2])],
        )
    no_errors(results)
    assert statuses() == {"matched": MANY, "duplicate": 2 * MANY}
    assert not Discrepancy.objects.exists()
    settled_once(orders)


@ROUNDS
def test_files_that_know_the_same_payments_by_different_things(round_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "BATCH", 1000)
    orders, half = sold(MANY), MANY // 2
    by_code, by_name = [line(order) for order in orders], [line(order, code="") for order in orders]
    one, other = [*by_code[:half], *by_name[half:]], [*by_name[:half], *by_code[half:]]
    results = at_once(partial(load, *one), partial(load, *other), partial(load, *one[::-1]))
    no_errors(results)
    # What is known by something else is another line, of which the payment has one already.
    assert statuses() == {"matched": MANY, "duplicate": MANY, "discrepancy": MANY}
    assert set(Discrepancy.objects.values_list("kind", flat=True)) == {"duplicate_line"}
    settled_once(orders)


def load_own(rows: list[str]) -> Settlement:
    data = "\n".join(["Operacion;Monto;Comision;Fecha", *rows]).encode()
    return import_settlement(io.BytesIO(data), "own.csv", actor="ana", currency="PEN", format="own")


@ROUNDS
def test_files_and_workers_at_once(round_: int) -> None:
    """Whoever claims a settlement while another process matches it takes nothing twice."""
    orders = sold(12)
    lines = [line(order) for order in orders]
    late = timezone.now() + timedelta(hours=1)
    results = at_once(partial(load, *lines), *[partial(tick, late)] * 2, partial(load, *lines[::-1], *lines[:1]))
    no_errors(results)
    tick()
    # The last one stands twice in one file and has no number of its own.
    assert statuses() == {"matched": 12, "duplicate": 12, "discrepancy": 1}
    settled_once(orders)


@ROUNDS
def test_payers_are_heard_while_their_lines_are_matched(round_: int) -> None:
    orders = [make() for _ in range(12)]
    for order in orders:
        channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    paid_at = timezone.now()
    lines = [line(order, paid_at=paid_at) for order in orders]
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | {"SEARCHES_PER_MINUTE": 60_000}):
        results = at_once(
            partial(load, *lines),
            lambda: [pay(order) for order in orders[:8]],
            lambda: [pay(order) for order in orders[4:][::-1]],
        )
    no_errors(results)
    tick()
    assert statuses() == {"matched": 12}
    assert Payment.objects.count() == Order.objects.paid().count() == 12
    assert not Discrepancy.objects.open().exists()
    settled_once(orders)


@ROUNDS
def test_a_person_and_the_machine_want_the_same_payments(round_: int) -> None:
    orders = sold(10)
    unknown = load(*[line(order, code=f"99{number}", transaction_code="") for number, order in enumerate(orders)])
    mine = list(unknown.lines.order_by("number"))
    payments = [Payment.objects.get(cip__order=order) for order in orders]

    def person() -> list[bool]:
        return [by_hand(each, payment) for each, payment in reversed(list(zip(mine, payments, strict=True)))]

    by_person, machine, _ = results = at_once(person, partial(load, *map(line, orders), name="known.txt"), tick)
    no_errors(results)
    # Whoever was first has it; the other's line is a discrepancy.
    taken = [LineStatus.MATCHED if won else LineStatus.DISCREPANCY for won in reversed(by_person)]
    left = [LineStatus.DISCREPANCY if won else LineStatus.MATCHED for won in reversed(by_person)]
    assert list(unknown.lines.order_by("number").values_list("status", flat=True)) == taken
    assert list(machine.lines.order_by("number").values_list("status", flat=True)) == left
    found = Counter(Discrepancy.objects.open().values_list("kind", flat=True))
    won = sum(by_person)
    assert found == +Counter({"missing_here": 10 - won, "duplicate_line": won})
    settled_once(orders)


def by_hand(line: SettlementLine, payment: Payment) -> bool:
    try:
        match_line(line, payment, actor="ana", reason="The bank's paper says so.")
    except InvalidRequest:
        return False
    return True


@ROUNDS
def test_two_people_match_and_undo_the_same(round_: int) -> None:
    order = pay(make())
    lines = list(load(*[line(order, code=f"99{number}", transaction_code="") for number in range(3)]).lines.all())
    payment = Payment.objects.get()
    won = at_once(*[partial(by_hand, each, payment) for each in lines], partial(by_hand, lines[0], payment))
    assert sorted(won) == [False, False, False, True]
    settled_once([order])
    (match,) = Match.objects.all()
    undo = partial(unmatch_line, match.line, actor="eva", reason="It was another one.")
    undone = at_once(undo, undo)
    assert sorted(type(each).__name__ for each in undone) == ["InvalidRequest", "SettlementLine"]
    assert [each.amount for each in Match.objects.order_by("pk")] == [Decimal("35.50"), Decimal("-35.50")]
    assert balance("PEN").holds
    assert balance("PEN").settled == 0


def test_deposits_at_once_are_all_counted() -> None:
    settlement = load(line(pay(make())))
    parts = [Decimal("10.00"), Decimal("20.00"), Decimal("3.61")]
    no_errors(at_once(*[partial(enter_deposit, settlement, part, date(2026, 11, 5), actor="ana") for part in parts]))
    settlement.refresh_from_db()
    assert not settlement.open_amount
    assert Deposit.objects.count() == 3
    assert not Discrepancy.objects.open().exists()
    assert balance("PEN").holds


def test_the_books_hold_at_every_moment_of_an_import() -> None:
    orders = sold(40)
    unheard = [make() for _ in range(5)]
    for order in unheard:
        channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    old = [line(order) for order in orders[:10]]
    wrong = [line(order, code=f"99{number}", transaction_code="") for number, order in enumerate(orders[:5])]
    load(*old)
    ended, seen = threading.Event(), list[Books]()
    today = timezone.localdate()

    def looking() -> None:
        connections[database()].ensure_connection()
        while not ended.is_set():
            seen.extend(balance("PEN", *period) for period in ((None, None), (today, None), (None, today)))

    def importing() -> Settlement:
        try:
            lines = [*map(line, orders), *wrong, *map(line, unheard)]
            settlement = load(*lines, name="long.txt")
            for amount in (settlement.open_amount - 1, Decimal(1)):
                enter_deposit(settlement, amount, today, actor="ana")
            return settlement
        finally:
            ended.set()

    no_errors(at_once(looking, importing))
    for books in seen:
        assert books.holds, books.equations
    # It was really looked at in the midst of it.
    midst = {books.settled for books in seen} - {10 * Decimal("35.50"), 45 * Decimal("35.50")}
    assert midst
    settled_once([*orders, *unheard])
