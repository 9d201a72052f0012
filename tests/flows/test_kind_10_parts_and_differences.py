"""Kind 10: what came back, and how much too much or too little was paid, is said with its amount."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import mark_paid
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Discrepancy, Order, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import pay
from tests.concurrency import at_once
from tests.factories.orders import make

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def told(order: Order, fact: Fact, **said: Any) -> None:
    assert order.cip
    known: dict[str, Any] = {"currency": order.currency, "received_at": timezone.now()} | said
    advance(Report(order.cip.account, fact, code=order.code, **known), actor="provider")
    order.reload()


def test_a_part_that_came_back_leaves_the_payment_standing() -> None:
    order = pay(make(), operation_number="7")
    first, second = timezone.now(), timezone.now() + timedelta(minutes=1)
    for heard in (first, first, second):
        told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("5.00"), received_at=heard)
    discrepancy = Discrepancy.objects.get()
    assert (order.state, Payment.objects.get().status) == ("paid", "applied")
    assert (discrepancy.kind, discrepancy.amount, discrepancy.currency) == ("reversed", Decimal("5.00"), "PEN")
    assert [one["amount"] for one in discrepancy.evidence] == ["5.00", "5.00"]
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=order.amount)
    assert (order.state, Payment.objects.get().status) == ("refunded", "reversed")


@pytest.mark.parametrize("amount", ["35.50", None])
def test_all_that_came_back_or_an_amount_that_nobody_told_is_the_payment(amount: str | None) -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=amount and Decimal(amount))
    assert order.state == "refunded"


@pytest.mark.parametrize(("paid", "difference"), [("36.50", "+1.00"), ("34.50", "-1.00"), ("0.01", "-35.49")])
def test_another_amount_is_told_with_its_sign(paid: str, difference: str) -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal(paid))
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.evidence[0]["difference"], discrepancy.suggestion) == (difference, "refund_due")


def test_two_halves_are_seen_to_add_up() -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal("20.00"))
    told(order, Fact.PAYMENT, operation_number="8", amount=Decimal("15.50"))
    order.reload()
    assert order.state == "pending"
    first, second = Discrepancy.objects.order_by("pk")
    assert second.evidence[0]["together"] == "35.50"
    assert (first.suggestion, second.suggestion) == ("", "")


def test_the_providers_own_answer_clears_the_suggestion_and_accepts_nothing() -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal("35.00"))
    told(
        order,
        Fact.PAYMENT,
        operation_number="7",
        amount=order.amount,
        received_at=None,
        asked_at=timezone.now() + timedelta(seconds=5),
    )
    assert (order.state, Discrepancy.objects.get().suggestion) == ("pending", "")


def test_one_receipt_is_one_payment() -> None:
    one, two = make(), make()
    mark_paid(one, "000123", "rosa", "the payer mailed the receipt")
    with pytest.raises(InvalidRequest, match=r"Operation 000123 paid order .* already"):
        mark_paid(two, "\u200e000123 ", "rosa", "the payer mailed the receipt")
    two.reload()
    assert two.state == "pending"
    mark_paid(two, "000123", "rosa", "months later", now=timezone.now() + timedelta(days=90))


def test_one_receipt_is_one_payment_for_two_people_at_the_same_instant() -> None:
    for number in range(4):
        orders = [make(), make()]
        results = at_once(*[partial(mark_paid, order, f"00{number}", "rosa", "the receipt") for order in orders])
        refused = [result for result in results if isinstance(result, InvalidRequest)]
        assert len(refused) == 1, results
        assert f"Operation 00{number} paid" in str(refused[0])
        assert sorted(Order.objects.get(pk=order.pk).state for order in orders) == ["paid", "pending"]
    assert Payment.objects.count() == 4


def test_the_database_itself_takes_a_receipt_once() -> None:
    one, two = mark_paid(make(), "000123", "rosa", "the receipt"), make()
    assert two.cip
    copy = Payment.objects.get(cip__order=one)
    copy.pk, copy.cip, copy.operation_number = None, two.cip, None
    with pytest.raises(IntegrityError):
        copy.save(force_insert=True)
