"""Kind 10, parts that nobody listed: what came back, in what order and of what, is said and never guessed."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.flows import resolve_discrepancy
from pagoefectivo_django.models import Discrepancy, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import pay
from tests.clock import later
from tests.factories.orders import make
from tests.reading import state_of

from .test_kind_10_parts_and_differences import told

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]
STAFF: dict[str, Any] = {"actor": "rosa", "reason": "Seen."}


@pytest.mark.parametrize("number", ["7", ""])
@pytest.mark.parametrize("amount", ["0.01", "5.00", "35.49", "35.51", "71.00"])
def test_any_other_amount_leaves_the_payment_and_asks_with_it(number: str, amount: str) -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number=number, amount=Decimal(amount))
    discrepancy = Discrepancy.objects.get()
    assert (state_of(order), Payment.objects.get().status) == ("paid", "applied")
    assert (discrepancy.kind, discrepancy.amount, discrepancy.suggestion) == ("reversed", Decimal(amount), "")


def test_the_amount_in_another_currency_is_not_the_payment() -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=order.amount, currency="USD")
    assert (state_of(order), Discrepancy.objects.get().currency) == ("paid", "USD")


def test_parts_that_are_the_whole_together_are_in_front_of_a_person() -> None:
    order = pay(make(), operation_number="7")
    for minutes, amount in enumerate(("20.00", "15.50")):
        at = later(minutes=minutes)
        told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal(amount), received_at=at)
    assert state_of(order) == "paid"
    assert sorted(one["amount"] for one in Discrepancy.objects.get().evidence) == ["15.50", "20.00"]


def test_a_part_after_its_discrepancy_was_answered_is_asked_about_again() -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("5.00"))
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", **STAFF)
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("6.00"), received_at=later(minutes=2))
    assert Discrepancy.objects.get().status == "open"


def test_a_part_that_comes_before_its_payment_is_not_forgotten() -> None:
    order = make()
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("5.00"))
    told(order, Fact.PAYMENT, operation_number="7", amount=order.amount)
    assert (state_of(order), Payment.objects.get().status) == ("pending", "held")
    assert Discrepancy.objects.open().get().kind == "reversed"


@pytest.mark.parametrize("order_of_arrival", list(permutations([("1", "20.00"), ("2", "15.50"), ("3", "35.50")])))
def test_parts_and_a_whole_in_any_order_pay_once(order_of_arrival: Any) -> None:
    order = make()
    for number, amount in order_of_arrival:
        told(order, Fact.PAYMENT, operation_number=number, amount=Decimal(amount))
    assert state_of(order) == "paid"
    assert sorted(Payment.objects.values_list("operation_number", "status")) == [
        ("1", "held"), ("2", "held"), ("3", "applied"),
    ]  # fmt: skip
    assert Discrepancy.objects.open().about_money().count() == 2


@pytest.mark.parametrize("amounts", [["10.00", "10.00", "15.50"], ["35.49", "0.01"], ["30.00", "10.00"]])
def test_what_came_together_is_said(amounts: list[str]) -> None:
    order = make()
    for number, amount in enumerate(amounts):
        told(order, Fact.PAYMENT, operation_number=f"{number}", amount=Decimal(amount))
    last = Discrepancy.objects.order_by("pk").last()
    assert last
    assert last.evidence[-1]["together"] == f"{sum(map(Decimal, amounts)):.2f}"
    assert state_of(order) == "pending"


@pytest.mark.parametrize("amount", ["35.5", "35.500", "3.55E1"])
def test_an_amount_in_another_writing_is_that_amount(amount: str) -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal(amount), paid_at=timezone.now())
    assert (state_of(order), Discrepancy.objects.exists()) == ("paid", False)
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal(amount))
    assert state_of(order) == "refunded"
