"""Kind 10: whatever a line says of its payment must be so; what two lines say is two."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import actions_of, close_refund, unmatch_line
from pagoefectivo_django.models import Discrepancy, Match, Order, Payment, SettlementLine
from pagoefectivo_django.testing import pay
from pagoefectivo_django.workdays import lima_day
from tests.factories.orders import make
from tests.factories.refunds import refund_at
from tests.factories.statements import line, load, load_own
from tests.reading import books_hold, discrepancies

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def day(ago: int = 0) -> str:
    return f"{lima_day(timezone.now() - timedelta(days=ago)):%d/%m/%Y}"


def of(order: Order) -> list[str | None]:
    """The operation numbers of the lines that have a payment of an order."""
    matched = Match.objects.filter(payment__cip__order=order, stands=True).order_by("pk")
    return list(matched.values_list("line__operation_number", flat=True))


def test_a_line_of_another_operation_is_another_payment() -> None:
    order = pay(make(), operation_number="111")
    settlement = load_own(f"{order.code};222;35.50;1.89;{day()}", f"{order.code};111;35.50;1.89;{day()}")
    assert [one.status for one in settlement.lines.order_by("number")] == ["discrepancy", "matched"]
    assert (of(order), discrepancies(settlement=settlement)) == (["111"], ["missing_here"])
    assert Discrepancy.objects.get().suggestion == ""
    books_hold()


def test_the_line_that_names_the_operation_goes_before_one_that_names_none() -> None:
    order = pay(make(), operation_number="111")
    settlement = load_own(f"{order.code};;35.50;1.89;{day()}", f"{order.code};111;35.50;1.89;{day()}")
    assert (of(order), discrepancies(settlement=settlement)) == (["111"], ["duplicate_line"])
    assert Discrepancy.objects.get().suggestion == ""
    books_hold()


@pytest.mark.parametrize(("ago", "settled"), [(0, True), (1, True), (4, False), (30, False), (260, False)])
def test_an_operation_number_of_another_day_is_another_operation(ago: int, settled: bool) -> None:
    order = pay(make(), operation_number="000123")
    settlement = load_own(f";000123;35.50;1.89;{day(ago)}")
    order.reload()
    assert (order.is_settled, discrepancies(settlement=settlement)) == (settled, [] if settled else ["missing_here"])
    books_hold()


def test_two_equal_payments_of_one_file_are_two() -> None:
    order = pay(make(), operation_number="111")
    load_own(f"{order.code};;35.50;1.89;{day()}", f"{order.code};;35.50;1.89;{day()}")
    assert list(SettlementLine.objects.order_by("number").values_list("status", flat=True)) == [
        "matched",
        "discrepancy",
    ]
    again = load_own(f"{order.code};;35.50;1.89;{day()}", f"{order.code};;35.50;1.89;{day()}", name="again.csv")
    assert again.lines.count() == 2
    books_hold()


def test_two_equal_parts_that_went_back_are_two() -> None:
    order = pay(make(), operation_number="111")
    for _ in range(2):
        refund_at("done", order, "10.00")
    rows = [f"{order.code};111;-10.00;0.00;{day()}"] * 2
    settlement = load_own(f"{order.code};111;35.50;1.89;{day()}", *rows)
    assert [one.status for one in settlement.lines.order_by("number")] == ["matched"] * 3
    assert settlement.open_amount == Decimal("35.50") - Decimal("1.89") - 20
    third = load_own(*rows, rows[0], name="third.csv")
    assert [one.status for one in third.lines.order_by("number")] == ["duplicate", "duplicate", "discrepancy"]
    books_hold()


@pytest.mark.parametrize("code", ["", "its"])
@pytest.mark.parametrize("number", ["", "111", "222"])
@pytest.mark.parametrize("gross", ["35.50", "35.49"])
@pytest.mark.parametrize("known", ["111", None])
def test_a_line_settles_only_what_nothing_that_it_says_denies(code: str, number: str, gross: str, known: str) -> None:
    """The kind, as a matrix over what a line can say and what we know."""
    order = pay(make(), operation_number=known)
    settlement = load_own(f"{code and order.code};{number};{gross};1.89;{day()}")
    order.reload()
    denied = gross != "35.50" or bool(known and number and number != known)
    named = bool(code) or bool(known and number == known)
    assert order.is_settled == (named and not denied)
    assert (settlement.lines.get().status == "discrepancy") == (not order.is_settled)
    books_hold()


@pytest.mark.parametrize("number", ["", "000123"])
@pytest.mark.parametrize("named", ["code", "transaction_code"])
@pytest.mark.parametrize(("ago", "settled"), [(0, True), (10, True), (30, True), (60, False), (250, False)])
def test_a_code_of_another_season_is_a_discrepancy(named: str, number: str, ago: int, settled: bool) -> None:
    order = pay(make(), operation_number="000123")
    if named == "code":
        settlement = load_own(f"{order.code};{number};35.50;1.89;{day(ago)}")
    else:
        settlement = load(line(order, code="", paid_at=timezone.now() - timedelta(days=ago)))
    order.reload()
    assert (order.is_settled, discrepancies(settlement=settlement)) == (settled, [] if settled else ["missing_here"])
    if not settled:
        assert settlement.lines.get().about == "paid_at_other_time"
    books_hold()


def test_a_line_without_a_day_is_known_by_its_code() -> None:
    order = pay(make())
    Payment.objects.update(paid_at=timezone.now() - timedelta(days=200))
    settlement = load_own(f"{order.code};;35.50;1.89;")
    assert (settlement.lines.get().status, discrepancies(settlement=settlement)) == ("matched", [])


def test_a_refund_that_a_statement_has_did_not_fail() -> None:
    """Its amount would be free again, and the same money sent twice."""
    order = pay(make())
    refund = refund_at("sent", order)
    settlement = load_own(f"{order.code};;-35.50;0.00;{day()}")
    refund.refresh_from_db()
    assert actions_of([refund])[refund]["fail"] == "in_statement"
    with pytest.raises(InvalidRequest, match="Undo that match first"):
        close_refund(refund, done=False, actor="eva", reason="The bank says nothing.")
    assert Payment.objects.get().refunded == Decimal("35.50")
    unmatch_line(settlement.lines.get(), actor="eva", reason="It is another refund.")
    assert close_refund(refund, done=False, actor="eva", reason="It came back.").status == "failed"


def test_a_refund_that_a_statement_has_is_done() -> None:
    order = pay(make())
    refund = refund_at("sent", order)
    load_own(f"{order.code};;-35.50;0.00;{day()}")
    refund.refresh_from_db()
    assert close_refund(refund, done=True, actor="eva", reason="Seen.").status == "done"
