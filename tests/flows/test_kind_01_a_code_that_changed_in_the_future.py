"""Kind 1, a stored clock is trusted: a code that changed in the future is asked about once and believed."""

from __future__ import annotations

import pytest
from django.utils import timezone

from pagoefectivo_django.flows import refresh_order, tick
from pagoefectivo_django.models import Cip, Order
from pagoefectivo_django.states import Fact
from tests.clock import later
from tests.factories.orders import make
from tests.factories.provider import channel
from tests.reading import searches

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


@pytest.fixture
def order() -> Order:
    order = make(expires_at=later(minutes=20))
    Cip.objects.update(changed_at=later(hours=12), poll_at=None)
    return order


def test_expiry_believes_the_first_answer(order: Order) -> None:
    """It ignored that the answer counted as stale, and asked again each two minutes, for ever."""
    channel().set(order.code, Fact.CODE_EXPIRED)
    tick(later(minutes=60))
    order.reload()
    assert (order.state, len(searches())) == ("expired", 1)
    for minutes in range(62, 80, 2):
        tick(later(minutes=minutes))
    assert len(searches()) <= 2, "it is watched, and not asked about each time"


def test_a_payment_is_found_by_the_last_look(order: Order) -> None:
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    tick(later(minutes=60))
    order.reload()
    assert (order.state, len(searches())) == ("paid", 1)


def test_a_person_who_asks_is_told(order: Order) -> None:
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    assert refresh_order(order).state == "paid"
