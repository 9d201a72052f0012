"""Kind 3, as a matrix: whatever the order is in, and whatever stands in the way, a person's word ends it for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import PagoEfectivoError, Unavailable
from pagoefectivo_django.flows import cancel_order, extend_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Cip, Delivery, Discrepancy, Notification, Order
from pagoefectivo_django.states import OrderState
from tests.clock import later
from tests.factories.messages import report
from tests.factories.orders import lost, lost_for_ever, make, rejected, requested, without_code
from tests.factories.people import STAFF

from .test_ending_orders import OBSTACLES

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def replaced() -> Order:
    order = make()
    reissue_code(order)
    return order


def with_pending_action() -> Order:
    order = make()
    MemoryChannel.fail("extend", Unavailable("down"))
    with pytest.raises(Unavailable):
        extend_order(order, later(days=4))
    return order


def past_its_date() -> Order:
    order = make(expires_at=later(minutes=20))
    Order.objects.filter(pk=order.pk).update(expires_at=later(hours=-1), lapses_at=later(minutes=-20))
    return order


SITUATIONS: dict[str, Callable[[], Order]] = {
    one.__name__: one
    for one in (
        without_code,
        lost,
        lost_for_ever,
        rejected,
        requested,
        replaced,
        with_pending_action,
        past_its_date,
        make,
    )
}


#: In the suite each obstacle and each situation once; every pair in ``make storm``.
PAIRS = [
    pytest.param(what, situation, marks=[] if one % len(SITUATIONS) == two else [pytest.mark.storm])
    for one, what in enumerate(OBSTACLES)
    for two, situation in enumerate(SITUATIONS)
]


@pytest.mark.parametrize(("what", "situation"), PAIRS)
def test_it_is_ended_by_a_person_and_stays_so(settings: Any, what: str, situation: str) -> None:
    order = SITUATIONS[situation]()
    OBSTACLES[what][0](settings)
    now = later(minutes=5)
    for _ in range(3):
        for discrepancy in Discrepancy.objects.open().about_money():
            resolve_discrepancy(discrepancy, "ignore", **STAFF)
        try:
            cancel_order(order, **STAFF, now=now)
        except (PagoEfectivoError, RuntimeError):
            for _hour in range(9):  # the clock tries it eight times, and then asks a person
                now += timedelta(hours=1, minutes=15)
                tick(now)
        order.reload()
        if order.state not in (OrderState.NEW, OrderState.PENDING):
            break
    assert order.state in (OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED), (what, situation)
    ended = order.state
    codes = [cip for cip in order.cips.all() if cip.code and cip.status != "paid"]
    tick(now + timedelta(hours=1))
    for cip in codes[:1]:
        advance(report(cip))
    order.reload()
    assert order.state == ended or (situation, order.state) == ("past_its_date", "paid"), "later money is a discrepancy"
    if codes and order.state == ended:
        assert Discrepancy.objects.open().about_money().exists()
        resolve_discrepancy(Discrepancy.objects.open().about_money()[0], "ignore", **STAFF)
    for day in (1, 9, 60, 90):
        tick(now + timedelta(days=day))
    order.reload()
    assert (order.state in (ended, "paid"), order.pending_action) == (True, "")
    assert not Cip.objects.filter(order=order, retry_at__isnull=False).exists(), "nobody is asked for ever"
    assert not Cip.objects.filter(order=order, poll_at__isnull=False).exclude(account="memory:default").exists()
    assert not Notification.objects.filter(retry_at__isnull=False).exists()
    assert not Delivery.objects.filter(delivered_at__isnull=True, attempts__gt=3).exists()
