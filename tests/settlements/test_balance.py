"""The equation: every term from its own rows, and the same at every moment."""

import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import enter_deposit
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.reports.balance import ages, all_books, balance
from pagoefectivo_django.flows.settlements.imports import (
    confirm_settlement,
    discard_settlement,
    match_settlement,
    read_settlement,
)
from pagoefectivo_django.models import Settlement, SettlementLine
from pagoefectivo_django.states import Fact, SettlementStatus
from pagoefectivo_django.testing import notify, pay
from pagoefectivo_django.workdays import lima_day
from tests.clock import later
from tests.factories.orders import make
from tests.factories.statements import line, load, text

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def test_every_term_is_a_sum_of_its_own_rows() -> None:
    settled, transit, wrong = pay(make()), pay(make()), pay(make())
    pay(make(amount=Decimal("10.00"), currency="USD"))
    make()
    settlement = load(line(settled), line(wrong, gross=Decimal("35.00")), dated=date(2026, 11, 10))
    enter_deposit(settlement, Decimal("20.00"), date(2026, 11, 11), actor="ana")
    books = balance("PEN")
    assert books.payments == Decimal("106.50")
    assert (books.in_transit, books.settled) == (Decimal("71.00"), Decimal("35.50"))
    assert (books.gross, books.matched, books.unmatched) == (Decimal("70.50"), Decimal("35.50"), Decimal("35.00"))
    assert (books.fees, books.tax, books.net) == (Decimal("3.20"), Decimal("0.58"), Decimal("66.72"))
    assert (books.deposits, books.open_payouts, books.refunds) == (Decimal("20.00"), Decimal("46.72"), Decimal(0))
    assert books.holds
    assert balance("USD").payments == Decimal("10.00")
    assert transit.state == "paid"
    assert [one.currency for one in all_books()] == ["PEN", "USD"]


def test_a_period_takes_payments_by_their_day_and_settlements_by_theirs() -> None:
    order = pay(make())
    load(line(order), dated=date(2026, 11, 10))
    paid_on = lima_day(order.paid_at or timezone.now())
    of_payment = balance("PEN", paid_on, paid_on)
    assert (of_payment.payments, of_payment.settled) == (Decimal("35.50"), Decimal("35.50"))
    assert balance("PEN", paid_on + timedelta(days=1)).payments == 0
    assert balance("PEN", until=paid_on - timedelta(days=1)).payments == 0
    assert balance("PEN", date(2026, 11, 10), date(2026, 11, 10)).gross == Decimal("35.50")
    assert balance("PEN", date(2026, 11, 11)).gross == 0
    for books in (of_payment, balance("PEN", date(2026, 11, 10), date(2026, 11, 10))):
        assert books.holds


def test_a_payment_that_was_taken_back_after_it_was_settled_stays_in_the_books() -> None:
    order, other = pay(make()), pay(make())
    load(line(order))
    for one in (order, other):
        assert notify(one, Fact.PAYMENT_REVERSED) == 200
    books = balance("PEN")
    assert (books.payments, books.settled, books.in_transit) == (Decimal("35.50"), Decimal("35.50"), Decimal(0))
    assert books.holds


def test_a_draft_is_in_no_book_and_a_confirmed_one_in_all() -> None:
    order = pay(make())
    draft = read_settlement(io.BytesIO(text([line(order)])), "draft.txt", actor="ana", currency="PEN")
    assert balance("PEN").gross == 0
    confirm_settlement(draft)
    books = balance("PEN")
    assert (books.gross, books.unmatched, books.matched) == (Decimal("35.50"), Decimal("35.50"), Decimal(0))
    assert books.holds
    match_settlement(draft, TimeBudget())
    assert balance("PEN").matched == Decimal("35.50")


def test_a_discarded_draft_leaves_nothing() -> None:
    draft = read_settlement(io.BytesIO(text([line(pay(make()))])), "draft.txt", actor="ana", currency="PEN")
    discard_settlement(draft)
    assert not Settlement.objects.exists()
    assert not SettlementLine.objects.exists()
    counted = load(line(pay(make())))
    with pytest.raises(InvalidRequest, match="counts already"):
        discard_settlement(counted)


def test_of_two_drafts_of_one_file_one_counts() -> None:
    data = text([line(pay(make()))])
    one, two = (read_settlement(io.BytesIO(data), name, actor="ana", currency="PEN") for name in ("a.txt", "b.txt"))
    assert confirm_settlement(one) == one
    assert confirm_settlement(two) == one
    two.refresh_from_db()
    assert two.status == SettlementStatus.DRAFT
    assert balance("PEN").gross == Decimal("35.50")


AGES = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3", 4: "4-7", 7: "4-7", 8: ">7", 90: ">7"}


@pytest.mark.parametrize(("days", "bucket"), AGES.items())
def test_what_is_not_settled_has_an_age(days: int, bucket: str) -> None:
    pay(make())
    found = {str(age): (age.count, age.amount) for age in ages("PEN", later(days=days))}
    assert found.pop(bucket) == (1, Decimal("35.50"))
    assert set(found.values()) == {(0, Decimal("0.00"))}
    assert len(found) == 3


def test_the_command_prints_the_books() -> None:
    settled = pay(make())
    load(line(settled))
    out = io.StringIO()
    call_command("pagoefectivo_reconcile", "--report", stdout=out)
    told = out.getvalue()
    assert "ok  payments = in transit + settled: 35.50 and 35.50" in told
    assert "NOT" not in told
    assert "not settled since 0-1 days: 0 payments, 0.00" in told
    channel = get_channel("default")
    assert isinstance(channel, MemoryChannel)
    assert not [call for call, _ in channel.calls if call == "look_up"]


def test_the_command_fails_when_the_books_do_not_add_up() -> None:
    settlement = load(line(pay(make())))
    Settlement.objects.filter(pk=settlement.pk).update(open_amount=Decimal("0.01"))
    with pytest.raises(CommandError, match=r"PEN settled net \+ refunds"):
        call_command("pagoefectivo_reconcile", "--report", stdout=io.StringIO())
