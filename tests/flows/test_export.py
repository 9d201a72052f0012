"""The accountant's rows: who is in which export, with what, in which order, and in how many statements."""

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from pagoefectivo_django.flows import assign_discrepancy, enter_deposit, refund_order, resolve_discrepancy, unmatch_line
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.reports import export as module
from pagoefectivo_django.flows.reports.export import HEADINGS, Export, export_rows
from pagoefectivo_django.flows.settlements.imports import confirm_settlement, match_settlement
from pagoefectivo_django.models import Discrepancy, Order, Settlement, SettlementLine
from pagoefectivo_django.states import Fact, StatementKind
from pagoefectivo_django.testing import notify, pay
from pagoefectivo_django.workdays import due_on, lima_day
from tests.clock import later
from tests.factories.orders import make

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

NOON = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)
FEE, TAX = Decimal("1.00"), Decimal("0.18")
_numbers = itertools.count(1)


def paid(reference: str = "", *, at: datetime = NOON, **changes: Any) -> Order:
    order = make(**({"reference": reference} if reference else {}) | changes)
    return pay(order, paid_at=at, operation_number=f"OP-{order.pk}")


def settle(*of: Order | SettlementLine, **changes: Any) -> Settlement:
    """Import a settlement of orders and match it."""
    lines = [order if isinstance(order, SettlementLine) else line_of(order) for order in of]
    return match_settlement(confirm_settlement(_draft(*lines, **changes)), TimeBudget())


def _draft(*lines: SettlementLine, **changes: Any) -> Settlement:
    """Return a settlement as a reader leaves it."""
    number = next(_numbers)
    named: dict[str, Any] = {
        "kind": StatementKind.SETTLEMENT, "account": "memory:default", "currency": "PEN", "file_name": f"{number}.txt",
        "reference": f"LIQ-{number}", "dated": date(2026, 11, 9), "digest": f"{number:064}", "imported_by": "rosa",
        "created_at": timezone.now(), "line_count": len(lines),
    }  # fmt: skip
    draft = Settlement.objects.create(**named | changes)
    for place, line in enumerate(lines, 1):
        line.settlement, line.number, line.digest = draft, place, line.digest or f"{number:032}{place:032}"
        line.save()
    return draft


def line_of(order: Order, **changes: Any) -> SettlementLine:
    named: dict[str, Any] = {
        "code": order.code, "currency": order.currency, "gross": order.amount, "fee": FEE, "tax": TAX, "paid_at": NOON,
        "payer": "ana@example.com",
    }  # fmt: skip
    line = SettlementLine(**named | changes)
    line.net = line.gross - line.fee - line.tax
    return line


def exported(what: str, **named: Any) -> list[dict[str, Any]]:
    """Return rows by heading."""
    headings = [str(heading) for heading in HEADINGS[what]]
    assert len(set(headings)) == len(headings)
    return [dict(zip(headings, row, strict=True)) for row in export_rows(what, **named)]


def column(what: str, heading: str = "order", **named: Any) -> list[Any]:
    return [row[heading] for row in exported(what, **named)]


# What was paid.


def test_a_payment_with_all_that_became_of_it() -> None:
    order = paid("SHOP-1", amount=Decimal("120.50"))
    payment = order.cip.payments.get()  # type: ignore[union-attr]
    row = {
        "order": "SHOP-1", "CIP": order.code, "operation number": f"OP-{order.pk}", "account": "memory:default",
        "currency": "PEN", "status": "applied", "paid": NOON, "first heard": payment.first_heard_at,
        "gross": Decimal("120.50"), "refunded": Decimal("0.00"), "being refunded": Decimal("0.00"), "fee": None,
        "IGV": None, "net": None, "settled in": None, "exchange rate": None, "settled gross": None,
        "settlement": None, "settlement date": None, "last deposit": None, "bank's reference": None,
    }  # fmt: skip
    assert exported("paid") == [row]
    settlement = settle(order)
    row |= {
        "fee": FEE, "IGV": TAX, "net": Decimal("119.32"), "settlement": str(settlement),
        "settlement date": date(2026, 11, 9), "bank's reference": "", "settled in": "PEN",
        "settled gross": Decimal("120.50"),
    }  # fmt: skip
    assert exported("paid") == exported("settled") == [row]
    refund_order(order, Decimal("20.50"), actor="rosa", reason="Too large")
    enter_deposit(settlement, Decimal("119.32"), date(2026, 11, 10), reference="BCP 77", actor="rosa")
    row |= {"being refunded": Decimal("20.50"), "last deposit": date(2026, 11, 10), "bank's reference": "BCP 77"}
    assert exported("paid") == exported("settled") == [row]


def test_every_payment_is_there_whatever_it_counts_for() -> None:
    order = paid()
    notify(order, operation_number="OTHER", paid_at=NOON)
    held = make()
    notify(held, amount="1.00", paid_at=NOON, operation_number="HELD")
    back = paid()
    notify(back, Fact.PAYMENT_REVERSED, operation_number=f"OP-{back.pk}")
    make()
    assert column("paid", "status") == ["applied", "duplicate", "held", "reversed"]
    assert column("unsettled", "status", now=NOON) == ["applied", "duplicate", "held"]
    assert column("paid", "gross") == [Decimal(text) for text in ("35.50", "35.50", "1.00", "35.50")]


def test_a_number_that_nobody_gave_is_empty() -> None:
    order = make()
    notify(order, operation_number=None, paid_at=None)
    row = exported("paid")[0]
    assert (row["operation number"], row["paid"]) == (None, None)
    today = timezone.localdate()
    assert column("paid", since=today, until=today) == [order.reference]


# By period, channel and currency.


def test_days_are_lima_s_and_both_within() -> None:
    for reference, moment in {
        "BEFORE": datetime(2026, 11, 3, 4, 59, 59, 999999, tzinfo=UTC),
        "FIRST": datetime(2026, 11, 3, 5, tzinfo=UTC),
        "LAST": datetime(2026, 11, 5, 4, 59, 59, 999999, tzinfo=UTC),
        "AFTER": datetime(2026, 11, 5, 5, tzinfo=UTC),
    }.items():
        paid(reference, at=moment)
    since, until = date(2026, 11, 3), date(2026, 11, 4)
    for what in ("paid", "unsettled"):
        assert column(what, since=since, until=until) == ["FIRST", "LAST"]
        assert column(what, since=since) == ["FIRST", "LAST", "AFTER"]
        assert column(what, until=until) == ["BEFORE", "FIRST", "LAST"]


def test_settled_and_fees_go_by_the_settlement_s_day() -> None:
    orders = [paid(f"SHOP-{number}") for number in range(4)]
    settle(orders[0], dated=date(2026, 11, 12))
    settle(orders[3], orders[2], dated=date(2026, 11, 11))
    settle(orders[1], dated=date(2026, 11, 10))
    for what in ("settled", "fees"):
        assert column(what) == ["SHOP-1", "SHOP-3", "SHOP-2", "SHOP-0"]
        assert column(what, since=date(2026, 11, 11), until=date(2026, 11, 11)) == ["SHOP-3", "SHOP-2"]
        assert column(what, since=date(2026, 11, 13)) == []


@pytest.mark.parametrize("what", Export)
def test_of_one_currency_and_of_one_account(what: str, settings: Any) -> None:
    channels = settings.PAGOEFECTIVO["CHANNELS"]
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": channels | {"other": channels["default"]}}
    for reference, currency in (("soles", "PEN"), ("dollars", "USD")):
        order = paid(reference, currency=currency)
        if what == Export.DISCREPANCIES:
            notify(order, operation_number="TWICE")
        elif what != Export.UNSETTLED:
            settle(order, currency=order.currency)
    assert column(what) == ["soles", "dollars"]
    assert column(what, currency="USD") == ["dollars"]
    assert column(what, currency="PEN", account="memory:default") == ["soles"]
    assert column(what, account="memory:other") == []


# What is not settled.


def test_what_is_not_settled_by_its_age_and_the_oldest_first() -> None:
    now = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)  # the 19th in Lima
    days = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3", 4: "4-7", 7: "4-7", 8: ">7", 40: ">7"}
    for age in (3, 40, 0, 8, 1, 7, 2, 4):
        paid(f"AGE-{age}", at=now - timedelta(days=age))
    settle(paid("SETTLED", at=now - timedelta(days=5)))
    assert column("unsettled", now=now) == [f"AGE-{age}" for age in sorted(days, reverse=True)]
    assert column("unsettled", "age in days", now=now) == sorted(days, reverse=True)
    paid_on = [lima_day(moment) for moment in column("unsettled", "paid", now=now)]
    assert column("unsettled", "due", now=now) == [due_on(day, 5) for day in paid_on]
    assert column("unsettled", "days", now=now) == [days[age] for age in sorted(days, reverse=True)]
    # A minute before midnight in Lima is yesterday.
    paid("LATE", at=datetime(2026, 11, 19, 4, 59, tzinfo=UTC))
    assert exported("unsettled", now=now, since=date(2026, 11, 18), until=date(2026, 11, 18))[-1]["age in days"] == 1


def test_a_match_that_was_undone_settles_nothing() -> None:
    order = paid("SHOP-1")
    line = settle(order).lines.get()
    assert (column("settled"), column("unsettled")) == (["SHOP-1"], [])
    unmatch_line(line, actor="rosa", reason="Another payment")
    assert (column("settled"), column("unsettled"), column("paid", "settlement")) == ([], ["SHOP-1"], [None])
    assert column("fees") == [""]


def test_a_statement_of_sales_settles_nothing() -> None:
    settle(paid("SHOP-1"), kind=StatementKind.SALES)
    assert (column("settled"), column("unsettled"), column("fees")) == ([], ["SHOP-1"], [])
    assert column("paid", "settlement") == [None]


# Deposits.


def test_a_deposit_that_was_taken_back_is_none() -> None:
    settlement = settle(paid(), reference="")
    for amount, day, reference in ((20, 10, "A"), (10, 12, "B"), (-10, 12, "B"), (14, 11, "C"), (-3, 11, "")):
        enter_deposit(
            settlement, Decimal(amount), date(2026, 11, day), reference=reference, actor="rosa", reason="Mistaken",
            now=datetime(2026, 11, 20, tzinfo=UTC),
        )  # fmt: skip
    row = exported("settled")[0]
    assert (row["last deposit"], row["bank's reference"]) == (date(2026, 11, 11), "A, C")
    assert row["settlement"] == settlement.file_name


# Fees.


def test_fees_are_of_every_line_that_counts(settings: Any) -> None:
    one, other = paid("SHOP-1"), paid("SHOP-2")
    first = settle(one, line_of(other, digest="d" * 64), line_of(one, code="777", fee=Decimal("1.10")))
    settle(line_of(other, digest="d" * 64), dated=date(2026, 11, 10))  # the same line again
    ignored = SettlementLine(status="ignored", reason="a total", currency="PEN", gross=0, fee=0, tax=0, net=0)
    settle(ignored, dated=date(2026, 11, 11))
    _draft(line_of(paid("SHOP-3")))
    rows = exported("fees")
    assert [(row["line"], row["status"], row["order"], row["CIP"]) for row in rows] == [
        (1, "matched", "SHOP-1", one.code), (2, "matched", "SHOP-2", other.code),
        (3, "discrepancy", "", "777"),
    ]  # fmt: skip
    assert rows[0] | {"operation number": "", "status": ""} == {
        "settlement": str(first), "settlement date": date(2026, 11, 9), "account": "memory:default", "line": 1,
        "status": "", "order": "SHOP-1", "CIP": one.code, "operation number": "", "paid": NOON, "currency": "PEN",
        "gross": Decimal("35.50"), "fee": FEE, "IGV rate (%)": Decimal(18), "IGV": TAX, "net": Decimal("34.32"),
        "payment's currency": "", "payment's amount": None, "exchange rate": None,
    }  # fmt: skip
    assert rows[2]["IGV rate (%)"] is None  # its IGV is not of that rate
    for row in rows:
        assert row["net"] == row["gross"] - row["fee"] - row["IGV"]


# Questions.


def test_a_discrepancy_from_its_opening_to_its_answer() -> None:
    order = paid("SHOP-1")
    notify(order, operation_number="TWICE", paid_at=NOON)
    discrepancy = Discrepancy.objects.get()
    opened = discrepancy.created_at
    row = {
        "opened": opened, "discrepancy": "paid twice", "status": "open", "order": "SHOP-1", "CIP": order.code,
        "amount": Decimal("35.50"), "currency": "PEN", "settlement": None, "line": None, "assigned to": "",
        "days open": Decimal("2.50"), "answer": "", "resolved by": "", "resolved": None, "reason": "",
    }  # fmt: skip
    assert exported("discrepancies", now=opened + timedelta(hours=60)) == [row]
    assign_discrepancy(discrepancy, "eva", actor="rosa")
    resolve_discrepancy(discrepancy, "ignore", actor="eva", reason="A test of theirs")
    discrepancy.refresh_from_db()
    row |= {
        "status": "resolved", "assigned to": "eva", "days open": Decimal("0.00"), "answer": "ignore",
        "resolved by": "eva", "resolved": discrepancy.resolved_at, "reason": "A test of theirs",
    }  # fmt: skip
    assert exported("discrepancies", now=opened + timedelta(days=9)) == [row]
    today = timezone.localdate(opened)
    assert len(exported("discrepancies", since=today, until=today)) == 1
    assert exported("discrepancies", until=today - timedelta(days=1)) == []


def test_a_discrepancy_about_a_line_says_which() -> None:
    settlement = settle(line_of(paid("SHOP-1"), gross=Decimal("30.00")), reference="LIQ-A")
    row = exported("discrepancies", account="memory:default", currency="PEN")[0]
    assert (row["settlement"], row["line"], row["order"], row["CIP"]) == (
        str(settlement), 1, "SHOP-1", settlement.lines.get().code,
    )  # fmt: skip


# Of all of them.


@pytest.mark.parametrize("what", Export)
def test_nothing_of_the_payer_is_in_it(what: str) -> None:
    order = paid()
    settle(order, line_of(paid(), gross=Decimal(1), fee=Decimal(0), tax=Decimal(0)))
    paid()
    text = str(exported(what))
    assert len(text) > 100
    assert not [secret for secret in ("ana@", "Ana", "999888777") if secret in text]


def test_headings_and_states_are_in_the_reader_s_language() -> None:
    """In that of whoever asked, though the rows are made when the request is over."""
    notify(paid(), operation_number="TWICE")
    with translation.override("es"):
        rows, heading = export_rows("discrepancies"), str(HEADINGS["discrepancies"][3])
    assert (heading, next(rows)[1]) == ("pedido", "pagado dos veces")


@pytest.mark.parametrize("what", Export)
def test_in_pages_with_a_few_statements_each(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page repeats or leaves out a row, also where many have the same moment."""
    orders = [paid(at=NOON + timedelta(hours=number // 4)) for number in range(9)]
    if what == Export.DISCREPANCIES:
        for order in orders:
            notify(order, operation_number="TWICE")
    elif what != Export.UNSETTLED:
        enter_deposit(settle(*orders), Decimal("1.00"), date(2026, 11, 10), actor="rosa")
    whole = exported(what, now=later(hours=1))
    assert len(whole) == 9
    monkeypatch.setattr(module, "PAGE", 4)
    with CaptureQueriesContext(connection) as few:
        assert _without_age(exported(what, now=later(hours=1))) == _without_age(whole)
    monkeypatch.setattr(module, "PAGE", 9)
    with CaptureQueriesContext(connection) as whole_page:
        assert _without_age(exported(what, now=later(hours=1))) == _without_age(whole)
    assert len(few) <= 3 * 3 + 2
    assert len(whole_page) <= 6


def _without_age(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "days open"} for row in rows]


def test_rows_are_read_while_they_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        paid()
    monkeypatch.setattr(module, "PAGE", 2)
    with CaptureQueriesContext(connection) as seen:
        rows = export_rows("unsettled", now=timezone.now())
        assert len(seen) == 0
        next(rows)
        assert len(seen) == 1
        list(rows)
    assert len(seen) == 3
