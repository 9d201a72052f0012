"""What becomes of each line of a statement."""

import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.conf import conf
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown
from pagoefectivo_django.flows import (
    enter_deposit,
    import_settlement,
    match_line,
    resolve_discrepancy,
    tick,
    unmatch_line,
)
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.flows.settlements.imports import confirm_settlement, match_settlement, read_settlement
from pagoefectivo_django.models import Discrepancy, Heartbeat, Match, Order, Payment, Settlement, SettlementLine
from pagoefectivo_django.states import Fact, Kind, LineStatus, OrderState, SettlementStatus
from pagoefectivo_django.testing import notify, pay
from pagoefectivo_django.workdays import lima_day
from tests.clock import later
from tests.factories.orders import make
from tests.factories.refunds import refund_at
from tests.factories.statements import line, load, load_own, text
from tests.reading import books_hold, discrepancies

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


DAY, YESTERDAY = (f"{lima_day(later(days=-ago)):%d/%m/%Y}" for ago in (0, 1))


def the_line(settlement: Settlement, number: int = 1) -> SettlementLine:
    return settlement.lines.get(number=number)


def at_provider(order: Order) -> MemoryChannel:
    channel = get_channel("default")
    assert isinstance(channel, MemoryChannel)
    return channel


def test_a_paid_order_is_settled_and_the_shop_hears_of_it(heard: list[Any]) -> None:
    order = pay(make())
    settlement = load(line(order))
    order.reload()
    assert order.is_settled
    assert settlement.status == SettlementStatus.DONE
    assert the_line(settlement).status == LineStatus.MATCHED
    match = Match.objects.get()
    assert (match.rule, match.author, match.amount) == ("code", "import:", Decimal("35.50"))
    event = order.events.get(kind="payment_settled")
    assert event.number == order.event_count
    tick()
    assert heard == [order.reference]
    books_hold()


@pytest.fixture
def heard() -> Any:
    from pagoefectivo_django.signals import payment_settled

    orders: list[str] = []

    def hear(sender: object, order: Order, **kwargs: object) -> None:
        orders.append(order.reference)

    payment_settled.connect(hear, dispatch_uid="tests.hear")
    yield orders
    payment_settled.disconnect(dispatch_uid="tests.hear")


def test_the_same_file_again_changes_nothing(heard: list[Any]) -> None:
    order = pay(make())
    first, second = load(line(order)), load(line(order), name="other-name.txt")
    assert first == second
    assert Match.objects.count() == SettlementLine.objects.count() == Settlement.objects.count() == 1
    tick()
    assert len(heard) == 1


def test_a_line_in_two_files_counts_once() -> None:
    one, two = pay(make()), pay(make())
    load(line(one), line(two))
    again = load(line(two), line(one), line(pay(make())))
    assert [each.status for each in again.lines.order_by("number")] == ["duplicate", "duplicate", "matched"]
    assert discrepancies(settlement=again) == []
    books = balance("PEN")
    assert books.gross == Decimal("106.50")
    assert books.open_payouts == books.net == 3 * (Decimal("35.50") - Decimal("1.89"))
    books_hold()


def test_a_line_twice_in_one_file_is_a_discrepancy_unless_its_number_says_that_it_is_the_same() -> None:
    order = pay(make(), operation_number="77")
    settlement = load(line(order), line(order))
    assert [each.status for each in settlement.lines.order_by("number")] == ["matched", "discrepancy"]
    assert (discrepancies(settlement=settlement), Discrepancy.objects.get().suggestion) == (["duplicate_line"], "")
    numbered = load_own(*[f"{order.code};77;35.50;1.89;{DAY}"] * 2)
    assert [each.status for each in numbered.lines.order_by("number")] == ["discrepancy", "duplicate"]
    assert Discrepancy.objects.get(settlement=numbered).suggestion == "ignore"
    books_hold()


def test_a_line_that_counts_already_takes_no_other_payment_of_its_code() -> None:
    order = pay(make(), operation_number="1")
    notify(order, operation_number="2")
    load(line(order))
    again = load(line(order), line(pay(make())), name="again.txt")
    assert [each.status for each in again.lines.order_by("number")] == ["duplicate", "matched"]
    assert Match.objects.filter(payment__operation_number="2").count() == 0
    books_hold()


def test_another_line_of_a_settled_payment_is_a_discrepancy() -> None:
    order = pay(make())
    settlement = load(line(order), line(order, commission=Decimal("2.00")))
    assert [each.status for each in settlement.lines.order_by("number")] == ["matched", "discrepancy"]
    assert discrepancies(settlement=settlement) == ["duplicate_line"]
    books_hold()


def test_without_its_code_a_line_is_known_by_its_transaction_code() -> None:
    order = pay(make())
    settlement = load(line(order, code=""))
    assert the_line(settlement).status == LineStatus.MATCHED
    assert Match.objects.get().rule == "transaction_code"


def test_code_and_transaction_code_of_two_orders_are_a_discrepancy() -> None:
    one, two = pay(make()), pay(make())
    assert two.cip
    settlement = load(line(one, transaction_code=two.cip.transaction_code))
    assert discrepancies(settlement=settlement) == ["missing_here"]
    assert not Match.objects.exists()


@pytest.mark.parametrize("cent", ["35.49", "35.51", "3550.00"])
def test_another_amount_is_never_a_match(cent: str) -> None:
    order = pay(make())
    settlement = load(line(order, gross=Decimal(cent)))
    assert discrepancies(settlement=settlement) == ["amount_mismatch"]
    order.reload()
    assert not order.is_settled
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.order, discrepancy.amount, discrepancy.line) == (order, Decimal(cent), the_line(settlement))
    books_hold()


def test_another_currency_is_never_a_match() -> None:
    order = pay(make())
    settlement = load(line(order), currency="USD")
    assert discrepancies(settlement=settlement) == ["currency_mismatch"]
    assert balance("USD").unmatched == Decimal("35.50")
    assert balance("USD").holds


def test_a_discrepancy_about_a_line_neither_freezes_its_order_nor_tells_the_payer() -> None:
    order = pay(make())
    load(line(order, gross=Decimal("35.49")))
    assert not Discrepancy.objects.open().about_money().exists()


# A file is not proof.


def test_for_an_order_that_is_not_paid_here_the_provider_is_asked_and_believed() -> None:
    order = make()
    at_provider(order).set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    settlement = load(line(order))
    order.reload()
    assert (order.state, order.is_settled) == (OrderState.PAID, True)
    assert the_line(settlement).status == LineStatus.MATCHED
    assert discrepancies(settlement=settlement) == []
    books_hold()


def test_what_the_provider_does_not_confirm_is_a_discrepancy_and_pays_nothing() -> None:
    order = make()
    settlement = load(line(order))
    order.reload()
    assert order.state == OrderState.PENDING
    assert discrepancies(settlement=settlement) == ["status_mismatch"]
    assert the_line(settlement).data["told"] == "issued"
    assert balance("PEN").unmatched == Decimal("35.50")
    books_hold()


def test_no_answer_is_a_discrepancy() -> None:
    order = make()
    at_provider(order).fail("look_up", OutcomeUnknown("The line went dead."))
    settlement = load(line(order))
    assert discrepancies(settlement=settlement) == ["status_mismatch"]
    assert the_line(settlement).data["answer"] == "none"


def test_a_line_whose_order_is_paid_later_is_matched_then() -> None:
    order = make()
    settlement = load(line(order))
    pay(order)
    tick()
    order.reload()
    assert order.is_settled
    assert the_line(settlement).status == LineStatus.MATCHED
    assert discrepancies(settlement=settlement) == []
    books_hold()


def test_a_code_that_nobody_knows_is_a_discrepancy() -> None:
    order = make()
    settlement = load(line(order, code="99999999", transaction_code="NOBODYS"))
    assert discrepancies(settlement=settlement) == ["missing_here"]
    books_hold()


def test_a_payment_that_is_held_is_matched_but_settles_nothing_until_it_is_accepted(heard: list[Any]) -> None:
    order = make()
    pay(order, amount=Decimal("30.00"))
    settlement = load(line(order, gross=Decimal("30.00")))
    order.reload()
    assert (order.state, order.is_settled) == (OrderState.PENDING, False)
    assert the_line(settlement).status == LineStatus.MATCHED
    books_hold()
    discrepancy = Discrepancy.objects.get()
    resolve_discrepancy(discrepancy, "accept", actor="ana", reason="Near enough.")
    order.reload()
    assert (order.state, order.is_settled) == (OrderState.PAID, True)
    tick()
    assert heard == [order.reference]


# By hand.


def test_a_match_by_hand_and_its_undoing_are_rows() -> None:
    order = pay(make())
    settlement = load(line(order, code="99999999", transaction_code=""))
    mine, payment = the_line(settlement), Payment.objects.get()
    match_line(mine, payment, actor="ana", reason="The bank's paper says so.")
    order.reload()
    assert order.is_settled
    assert mine.status == LineStatus.MATCHED
    assert discrepancies(settlement=settlement) == []
    books_hold()
    unmatch_line(mine, actor="eva", reason="It was another one.")
    assert not Order.objects.get().is_settled
    assert list(Match.objects.order_by("pk").values_list("amount", "author", "stands")) == [
        (Decimal("35.50"), "ana", None),
        (Decimal("-35.50"), "eva", None),
    ]
    assert discrepancies(settlement=settlement) == ["missing_here"]
    books_hold()
    match_line(mine, payment, actor="ana", reason="It was this one after all.")
    order.reload()
    assert order.is_settled
    assert discrepancies(settlement=settlement) == []
    books_hold()


def test_by_hand_amount_and_payment_are_checked_too() -> None:
    order, other = pay(make()), pay(make())
    settlement = load(line(order, gross=Decimal("35.49")), line(other, code="99999999", transaction_code=""))
    payment = Payment.objects.get(cip__order=order)
    with pytest.raises(InvalidRequest, match=r"has PEN 35\.49"):
        match_line(the_line(settlement), payment, actor="ana", reason="Nearly.")
    with pytest.raises(InvalidRequest, match="actor and reason"):
        match_line(the_line(settlement, 2), payment, actor="ana", reason=" ")
    load(line(order), name="second.txt")
    with pytest.raises(InvalidRequest, match="another line"):
        match_line(the_line(settlement, 2), payment, actor="ana", reason="It is this one.")
    books_hold()


# Refunds, and payments without a code.


def test_a_negative_line_is_our_refund_or_a_discrepancy() -> None:
    order = pay(make())
    refund_at("done", order, "5.50")
    settlement = load_own(
        f"{order.code};;35.50;1.89;{DAY}",
        f"{order.code};;-5.50;0.00;{DAY}",
        f"{order.code};;-1.00;0.00;{DAY}",
    )
    assert [each.status for each in settlement.lines.order_by("number")] == ["matched", "matched", "discrepancy"]
    assert discrepancies(settlement=settlement) == ["refund_unmatched"]
    assert Match.objects.get(refund__isnull=False).amount == Decimal("-5.50")
    books = balance("PEN")
    assert (books.gross, books.refunds) == (Decimal("35.50"), Decimal("-6.50"))
    assert books.open_payouts == Decimal("33.61") - Decimal("6.50")
    books_hold()
    again = load_own(f"{order.code};;-5.50;0.00;{YESTERDAY}", name="again.csv")
    assert discrepancies(settlement=again) == ["refund_unmatched"], "it is matched already"


def test_an_operation_number_counts_only_if_it_is_unique_and_amount_and_currency_are_the_same() -> None:
    one, two, three = (make() for _ in range(3))
    for order, number in ((one, "77"), (two, "88"), (three, "88")):
        pay(order, operation_number=number)
    day = f"{lima_day(timezone.now()):%d/%m/%Y}"
    settlement = load_own(*(f";{number};35.50;1.89;{day}" for number in (77, 88, 99)))
    assert [each.status for each in settlement.lines.order_by("number")] == ["matched", "discrepancy", "discrepancy"]
    assert Match.objects.get().rule == "operation_number"
    other = load_own(f";77;35.49;1.89;{day}", name="other.csv")
    assert discrepancies(settlement=other) == ["missing_here"]
    books_hold()


def test_lines_that_nothing_tells_apart_are_as_many_as_they_are() -> None:
    settlement = load_own(";;35.50;1.89;03/11/2026", ";;35.50;1.89;03/11/2026")
    assert [each.status for each in settlement.lines.order_by("number")] == ["discrepancy", "discrepancy"]
    again = load_own(*[";;35.50;1.89;03/11/2026"] * 3, name="longer.csv")
    assert [each.status for each in again.lines.order_by("number")] == ["duplicate", "duplicate", "discrepancy"]
    assert balance("PEN").unmatched == 3 * Decimal("35.50")
    books_hold()


# What the provider says it took.


def test_a_sales_report_settles_nothing_and_asks_about_what_is_not_paid_here() -> None:
    order, unheard = pay(make()), make()
    at_provider(unheard).set(unheard.code, Fact.PAYMENT, paid_at=timezone.now())
    rows = [f"{each.code},{each.code},Cancelada,35.50,{DAY} 10:00:00" for each in (order, unheard)]
    rows.append(f"{unheard.code},x,Expirada,35.50,")
    columns = {"code": "CIP", "status": "Estado", "gross": "Monto", "paid_at": "Fecha"}
    sales = {"sales": {"KIND": "sales", "COLUMNS": columns, "PAID": ["Cancelada"]}}
    data = "\n".join(["CIP,Orden,Estado,Monto,Fecha", *rows]).encode()
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | {"STATEMENTS": sales}):
        report = import_settlement(io.BytesIO(data), "sales.csv", actor="ana", currency="PEN", format="sales")
    assert [each.status for each in report.lines.order_by("number")] == ["matched", "matched", "ignored"]
    unheard.reload()
    assert (unheard.state, unheard.is_settled) == (OrderState.PAID, False)
    assert balance("PEN").gross == 0
    assert load(line(order)).lines.get().status == LineStatus.MATCHED
    books_hold()


# Fees.

BANDS = [
    (Decimal(20), Decimal("1.50"), Decimal(0)),
    (Decimal("39.90"), Decimal("1.60"), Decimal(0)),
    (None, Decimal(0), Decimal("3.5")),
]
CONTRACT = [
    {"SINCE": date(2020, 1, 1), "BANDS": [(None, Decimal("9.00"), Decimal(0))]},
    {"SINCE": date(2025, 1, 1), "BANDS": BANDS},
]


def test_a_commission_is_divided_into_fee_and_igv() -> None:
    settlement = load(line(pay(make()), commission=Decimal("1.89")))
    mine = the_line(settlement)
    assert (mine.fee, mine.tax, mine.net) == (Decimal("1.60"), Decimal("0.29"), Decimal("33.61"))


def test_the_contract_s_fee_is_expected_to_the_centimo() -> None:
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | {"FEES": {"PEN": CONTRACT}}):
        right = load(line(pay(make()), commission=Decimal("1.89")))
        wrong = load(line(pay(make()), commission=Decimal("1.91")), name="wrong.txt")
    assert discrepancies(settlement=right) == []
    assert discrepancies(settlement=wrong) == ["fee_mismatch"]
    assert the_line(wrong).status == LineStatus.MATCHED
    assert Discrepancy.objects.get().amount == Decimal("0.02")


# Deposits.


def test_a_deposit_of_the_sum_closes_a_payout() -> None:
    settlement = load(line(pay(make())))
    assert settlement.open_amount == Decimal("33.61")
    enter_deposit(settlement, Decimal("33.60"), date(2026, 11, 5), actor="ana")
    assert discrepancies(settlement=settlement) == ["payout_mismatch"]
    assert (balance("PEN").deposits, balance("PEN").open_payouts) == (Decimal("33.60"), Decimal("0.01"))
    books_hold()
    enter_deposit(settlement, Decimal("0.01"), date(2026, 11, 6), actor="ana")
    assert discrepancies(settlement=settlement) == []
    enter_deposit(settlement, Decimal("-0.01"), date(2026, 11, 6), actor="ana", reason="A slip.")
    assert discrepancies(settlement=settlement) == ["payout_mismatch"]
    books_hold()


def test_a_line_that_turns_out_to_be_a_repetition_reopens_the_payout() -> None:
    one, two = pay(make()), pay(make())
    again = read_settlement(io.BytesIO(text([line(one), line(two)])), "LIQ-2.txt", actor="ana", currency="PEN")
    load(line(one))
    confirm_settlement(again)
    enter_deposit(again, Decimal("67.22"), date(2026, 11, 5), actor="ana")
    assert discrepancies(settlement=again) == []
    match_settlement(again, TimeBudget())
    again.refresh_from_db()
    assert again.open_amount == Decimal("-33.61")
    assert discrepancies(settlement=again) == ["payout_mismatch"]
    books_hold()


@pytest.mark.parametrize("skip_bad", [True, False])
def test_a_file_with_the_month_first_imports_nothing(skip_bad: bool) -> None:
    """Of its other lines days up to 12 would be read as months."""
    lines = [line(pay(make())), line(pay(make()))]
    lines[0][7:9], lines[1][7:9] = ["03/04/2026 10:00:00"] * 2, ["03/25/2026 10:00:00"] * 2
    with pytest.raises(InvalidRequest, match="month before the day"):
        import_settlement(io.BytesIO(text(lines)), "us.txt", actor="ana", currency="PEN", skip_bad=skip_bad)
    assert not Settlement.objects.exists()


@pytest.mark.parametrize("amount", [Decimal(0), Decimal("0.001"), Decimal("NaN"), 5.0, Decimal("1e40")])
def test_no_money_is_no_deposit(amount: Any) -> None:
    settlement = load(line(pay(make())))
    with pytest.raises(InvalidRequest):
        enter_deposit(settlement, amount, date(2026, 11, 5), actor="ana")


# Overdue.


@pytest.mark.usefixtures("first_round")
def test_paid_and_in_no_settlement_in_time_is_a_discrepancy_once_settlements_are_imported() -> None:
    paid, settled = pay(make()), pay(make())
    tick(later(days=30))
    assert not Discrepancy.objects.filter(kind=Kind.UNSETTLED_OVERDUE).exists()
    load(line(settled, paid_at=later(days=-3)))
    Heartbeat.objects.all().delete()
    tick(later(days=2))
    assert not Discrepancy.objects.filter(kind=Kind.UNSETTLED_OVERDUE).exists()
    Heartbeat.objects.all().delete()
    tick(later(days=30))
    discrepancy = Discrepancy.objects.get(kind=Kind.UNSETTLED_OVERDUE)
    assert discrepancy.order == paid
    load(line(paid), name="late.txt")
    discrepancy.refresh_from_db()
    assert discrepancy.status == Discrepancy.Status.RESOLVED


@pytest.mark.usefixtures("first_round")
def test_where_lines_tell_no_dates_payments_are_expected_since_the_first_settlement() -> None:
    paid = pay(make())
    load(line(pay(make())), dated=date(2020, 1, 1))
    SettlementLine.objects.update(paid_at=None)
    Settlement.objects.update(account="another")
    tick(later(days=30))
    assert not Discrepancy.objects.filter(kind=Kind.UNSETTLED_OVERDUE).exists()
    Settlement.objects.update(account="memory:default")
    Heartbeat.objects.all().delete()
    tick(later(days=30))
    assert Discrepancy.objects.get(kind=Kind.UNSETTLED_OVERDUE).order == paid


def test_a_thousand_lines_take_few_statements() -> None:
    orders = [pay(make()) for _ in range(12)]
    with CaptureQueriesContext(connection) as few:
        load(*map(line, orders[:2]))
    with CaptureQueriesContext(connection) as many:
        load(*map(line, orders[2:]), name="many.txt")
    assert len(many) == len(few)
