"""The helpers for a shop's tests: factories, payments, statements and a clock, in transactions and in ``TestCase``."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import TestCase
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.conf import conf
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Order
from pagoefectivo_django.models.clock import current_time, skew
from pagoefectivo_django.testing import at, make_discrepancy, make_order, make_payer, make_refund, pay, settle

transactional = pytest.mark.django_db(transaction=True)
FEES = {"PEN": [{"SINCE": date(2020, 1, 1), "BANDS": [(None, Decimal("0.50"), Decimal(4))]}]}


class InATestCase(TestCase):
    """What Django's own test class rolls back is committed for nobody, and done all the same."""

    def setUp(self) -> None:
        MemoryChannel.clear()

    def test_an_order_is_made_paid_and_settled(self) -> None:
        order = make_order(payer=make_payer(name="Luz"), amount=Decimal("10.00"))
        assert (order.state, order.payer.name) == ("pending", "Luz")
        assert pay(order).state == "paid"
        assert not order.is_settled
        assert settle(order).line_count == 1
        assert order.is_settled

    def test_a_refund_and_a_discrepancy_are_made(self) -> None:
        refund = make_refund(amount=Decimal(5))
        assert (refund.status, refund.amount, refund.order.state) == ("requested", Decimal(5), "paid")
        discrepancy = make_discrepancy()
        assert (discrepancy.kind, discrepancy.status) == ("amount_mismatch", "open")


@transactional
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_one_statement_settles_several_orders(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**conf.all(), "FEES": FEES}
    orders = [pay(make_order()) for _ in range(3)]
    settlement = settle(orders)
    assert [order.is_settled for order in orders] == [True] * 3
    assert settlement.lines.filter(fee=Decimal("1.92"), tax=Decimal("0.35")).count() == 3, (
        "0.50 and 4 %, and IGV, as FEES says"
    )
    assert not Order.objects.filter(discrepancies__isnull=False).exists()


@transactional
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    ("orders", "missing"),
    [
        (lambda: [make_order("SHOP-1")], "Order SHOP-1 is pending: pay it first"),
        (lambda: [pay(make_order()), pay(make_order(currency="USD"))], "one currency, not of"),
        (list, "One statement is of one channel"),
    ],
    ids=["unpaid", "two currencies", "none"],
)
def test_settle_says_what_is_missing(orders: Any, missing: str) -> None:
    with pytest.raises(AssertionError, match=missing):
        settle(orders())


@transactional
@pytest.mark.every_database
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_at_moves_our_clock_and_nobody_elses() -> None:
    order = make_order()
    before = timezone.now()
    with at(order.expires_at + conf.grace + timedelta(minutes=1)):
        assert timedelta(0) <= current_time() - order.expires_at - conf.grace < timedelta(minutes=2)
        assert timezone.now() - before < timedelta(minutes=1), "a shop's own clock is the shop's"
        assert abs(skew() or timedelta(0)) < timedelta(minutes=1), "the machine's clock is not wrong"
        tick()
        with at(timedelta(days=1)):
            assert current_time() - order.expires_at > timedelta(days=1)
    order.reload()
    assert order.state == "expired"
    assert abs(timezone.now() - current_time()) < timedelta(minutes=1)


def test_at_takes_a_moment_in_a_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"), at(timezone.now().replace(tzinfo=None)):
        pass
