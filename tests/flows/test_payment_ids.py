"""The provider's own ids of payments and refunds: which reports are of one payment, and which of two."""

import itertools
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from pagoefectivo_django.channels.base import CodeRef, RefundReport
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import refresh_order, refund_order, tick
from pagoefectivo_django.flows.refunds.refund import approve_refund
from pagoefectivo_django.models import Discrepancy, Notification, NotificationStatus, Order, Payment, Refund
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import Fact, OrderState, RefundStatus
from pagoefectivo_django.testing import notify, pay
from pagoefectivo_django.wording.data import in_words
from tests.clock import later
from tests.factories.orders import make
from tests.factories.provider import channel, serve_by
from tests.reading import discrepancies

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def payments(order: Order) -> list[tuple[str | None, str | None, str]]:
    """Return id, operation number and status of an order's payments."""
    mine = Payment.objects.filter(cip__order=order).order_by("pk")
    return list(mine.values_list("provider_id", "operation_number", "status"))


def told(order: Order, *said: dict[str, Any], fact: str = Fact.PAYMENT) -> list[tuple[str | None, str | None, str]]:
    """Send a message for each, none of them a copy of another, and return the payments."""
    for number, changes in enumerate(said):
        assert notify(order, fact, paid_at=later(minutes=-number), **changes) == 200
    assert not Notification.objects.exclude(status=NotificationStatus.APPLIED).exists()
    order.reload()
    return payments(order)


def test_a_repetition_with_the_same_id_is_the_same_payment() -> None:
    order = make()
    assert told(order, {"payment_id": "pay_1"}, {"payment_id": "pay_1"}) == [("pay_1", None, "applied")]
    assert (order.state, discrepancies()) == (OrderState.PAID, [])
    assert Payment.objects.get().account == "memory:default"


def test_two_ids_are_two_payments() -> None:
    order = make()
    assert told(order, {"payment_id": "pay_1"}, {"payment_id": "pay_2"}) == [
        ("pay_1", None, "applied"), ("pay_2", None, "duplicate"),
    ]  # fmt: skip
    assert discrepancies() == ["duplicate_payment"]


def test_two_ids_are_two_payments_though_their_operation_numbers_are_one() -> None:
    order = make()
    said = [{"payment_id": "pay_1", "operation_number": "77"}, {"payment_id": "pay_2", "operation_number": "77"}]
    assert told(order, *said, *said) == [("pay_1", "77", "applied"), ("pay_2", None, "duplicate")]
    (evidence,) = Discrepancy.objects.get().evidence
    assert (evidence["payment_id"], evidence["operation_number"]) == ("pay_2", "77")


def test_one_id_is_one_payment_though_its_operation_numbers_are_two() -> None:
    order = make()
    said = [{"payment_id": "pay_1", "operation_number": "77"}, {"payment_id": "pay_1", "operation_number": "78"}]
    assert told(order, *said) == [("pay_1", "77", "applied")]


NAMES: tuple[dict[str, str], ...] = ({}, {"operation_number": "77"}, {"payment_id": "pay_1"})


@pytest.mark.parametrize("order_of", list(itertools.permutations(range(3))), ids=str)
def test_what_is_missing_is_learnt_in_any_order(order_of: tuple[int, ...]) -> None:
    order = make()
    assert told(order, *(NAMES[place] for place in order_of)) == [("pay_1", "77", "applied")]
    assert discrepancies() == []


def test_an_id_of_another_code_pays_no_order() -> None:
    first, second = make(), make()
    told(first, {"payment_id": "pay_1"})
    assert told(second, {"payment_id": "pay_1"}, {"payment_id": "pay_1"}) == [(None, None, "held")]
    assert second.state == OrderState.PENDING
    assert (discrepancies(order=second), payments(first)) == (["unmatched"], [("pay_1", None, "applied")])


def test_an_id_learnt_late_is_not_taken_from_another_code() -> None:
    first, second = make(), make()
    told(first, {"payment_id": "pay_1"})
    assert told(second, {}, {"payment_id": "pay_1"}) == [(None, None, "applied")]


def test_a_reversal_means_the_payment_with_its_id() -> None:
    order = make()
    told(order, {"payment_id": "pay_1"}, {"payment_id": "pay_2"})
    assert notify(order, Fact.PAYMENT_REVERSED, payment_id="pay_2") == 200
    assert payments(order) == [("pay_1", None, "applied"), ("pay_2", None, "reversed")]
    order.reload()
    assert order.state == OrderState.PAID


def test_a_reversal_of_an_id_that_nobody_knows_leaves_the_payment_and_asks_a_person() -> None:
    order = make()
    told(order, {"payment_id": "pay_1"})
    assert notify(order, Fact.PAYMENT_REVERSED, payment_id="pay_2") == 200
    assert payments(order) == [("pay_1", None, "applied")]
    assert discrepancies() == ["reversed"]
    assert told(order, {"payment_id": "pay_1"}) == [("pay_1", None, "applied")]


def test_a_payment_reversed_before_it_was_told_does_not_pay() -> None:
    order = make()
    assert notify(order, Fact.PAYMENT_REVERSED, payment_id="pay_1") == 200
    assert told(order, {"payment_id": "pay_1"}) == [("pay_1", None, "held")]
    assert (order.state, discrepancies()) == (OrderState.PENDING, ["reversed"])


def test_a_late_copy_of_a_reversed_payment_is_no_new_payment() -> None:
    order = make()
    told(order, {"payment_id": "pay_1"})
    assert notify(order, Fact.PAYMENT_REVERSED, payment_id="pay_1") == 200
    before = Discrepancy.objects.count()
    assert told(order, {"payment_id": "pay_1"}) == [("pay_1", None, "reversed")]
    assert Discrepancy.objects.count() == before


def test_an_answer_names_the_payment_too() -> None:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=later(minutes=-1), payment_id="pay_1" * 20)
    tick(later(hours=49))
    ((name, _number, status),) = payments(order)
    assert status == "applied"
    assert name
    assert len(name) == 64


def test_what_the_payer_paid_in_all_is_evidence_beside_the_amount() -> None:
    order = make()
    wrong = order.amount + 1
    channel().set(order.code, Fact.PAYMENT, paid_at=later(minutes=-1), amount=wrong, payer_total=wrong + 2)
    tick(later(hours=49))
    (evidence,) = Discrepancy.objects.get(kind="amount_mismatch").evidence
    assert (evidence["amount"], evidence["payer_total"]) == (str(wrong), str(wrong + 2))
    assert "S/\N{NO-BREAK SPACE}38.50" in in_words(evidence)


def test_a_second_number_is_learnt_with_the_code() -> None:
    order = make()
    channel().set(order.code, Fact.ISSUED, other_code="24308767")
    refresh_order(order)
    assert order.cips.get().other_code == "24308767"


def test_a_name_that_no_column_holds_waits_for_a_person() -> None:
    order = make()
    notify(order, payment_id="x" * 65)
    assert payments(order) == []
    assert "too long" in Notification.objects.get().last_error


@pytest.mark.parametrize("model", [Payment, Refund], ids=["payment", "refund"])
def test_the_database_holds_an_id_once_in_an_account(model: type[Payment] | type[Refund]) -> None:
    for order in (make(), make()):
        told(order, {})
        refund_order(order, actor="ana", reason="sold out")
    first, second = model.objects.order_by("pk")
    model.objects.filter(pk=first.pk).update(provider_id="same", account="one")
    model.objects.filter(pk=second.pk).update(provider_id="same", account="another")
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.filter(pk=second.pk).update(account="one")


class OneRefund(MemoryChannel):
    """A channel whose provider answers every request for a refund with the same refund, under way for days."""

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        super().refund(ref, money, key)
        return RefundReport("ref_1", RefundStatus.SENT)

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        return {}


def test_one_refund_for_two_requests_is_for_a_person(settings: Any) -> None:
    serve_by(settings, OneRefund, CAN_REFUND=True)
    order = pay(make())
    for _part in range(2):
        approve_refund(refund_order(order, Decimal("10.00"), actor="ana", reason="sold out"), actor="eva")
    tick()
    first, second = Refund.objects.order_by("pk")
    assert (first.provider_id, first.status, first.account) == ("ref_1", "sent", "memory:default")
    assert (second.provider_id, second.status, second.retry_at) == (None, "sent", None)
    (asked,) = Discrepancy.objects.all()
    assert (asked.kind, asked.evidence[0]["error"]["code"]) == ("not_confirmed", "refund_id_taken")
