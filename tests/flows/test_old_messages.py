"""Kind 11: PagoEfectivo signs no time and no id, so a recorded message proves itself for ever; it moves nothing."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from pagoefectivo_django.flows import resolve_discrepancy, tick
from pagoefectivo_django.models import Discrepancy, Notification, Order, Payment
from pagoefectivo_django.states import Fact
from tests.clock import later
from tests.factories.messages import SECRET, paid, post
from tests.factories.orders import make
from tests.factories.provider import serve_by

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def reversal(order: Order, number: str | None) -> bytes:
    return paid(order, fact=str(Fact.PAYMENT_REVERSED), operation_number=number, amount=None, currency=None)


def books() -> dict[str, Any]:
    """Everything that money hangs on."""
    return {
        "orders": list(Order.objects.order_by("pk").values_list("reference", "state", "paid_at", "operation_number")),
        "applied": list(Payment.objects.filter(status="applied").order_by("pk").values_list("pk", "amount")),
        "messages": Notification.objects.count(),
    }


def settle() -> None:
    for hours in (0, 1, 2):
        tick(now=later(hours=hours))


@pytest.mark.parametrize("number", ["7", None])
def test_a_payment_is_told_again_and_again(number: str | None) -> None:
    order = make()
    message = paid(order, operation_number=number)
    post(message)
    before = books()
    for _ in range(5):
        assert post(message).status_code == 200
    settle()
    assert books() == before
    assert Notification.objects.get().times_received == 6
    assert not Discrepancy.objects.exists()


@pytest.mark.parametrize("number", ["7", None])
@pytest.mark.parametrize("order_of_replay", sorted(permutations(["payment", "reversal", "payment"])))
def test_after_a_reversal_nothing_is_paid_by_what_was_recorded(
    number: str | None, order_of_replay: tuple[str, ...]
) -> None:
    order = make()
    recorded = {"payment": paid(order, operation_number=number), "reversal": reversal(order, number)}
    post(recorded["payment"])
    post(recorded["reversal"])
    order.refresh_from_db()
    assert order.state == "refunded"
    before = books()
    for name in order_of_replay:
        assert post(recorded[name]).status_code == 200
    settle()
    assert books() == before
    kinds = set(Discrepancy.objects.values_list("kind", flat=True))
    assert kinds <= {"reversed", "paid_after_refund"}
    if number:
        assert Payment.objects.count() == 1


def test_the_next_order_of_a_reference_is_another_code_s() -> None:
    first = make(reference="SHOP-1")
    message, back = paid(first, operation_number="7"), reversal(first, "7")
    post(message)
    post(back)
    for discrepancy in Discrepancy.objects.open():
        resolve_discrepancy(discrepancy, "ignore", actor="rosa", reason="The provider says why.")
    second = make(reference="SHOP-1")
    assert second.pk != first.pk
    for _ in range(2):
        assert post(message).status_code == 200
    settle()
    second.refresh_from_db()
    assert second.state == "pending"


def test_what_an_old_secret_signed_is_refused_once_it_was_taken_out(settings: Any) -> None:
    order = make()
    message = paid(order, operation_number="7")
    for secrets, status in (([SECRET], 200), (["new", SECRET], 200), (["new"], 403)):
        serve_by(settings, WEBHOOK_SECRETS=secrets)
        assert post(message).status_code == status
