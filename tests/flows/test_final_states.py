"""Kind 4, a final state without a trace: what comes to nothing is in the history, and somebody is asked."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, Misconfigured, Refused, Unavailable
from pagoefectivo_django.flows import cancel_order, extend_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.flows.privacy.erase import erase_payer
from pagoefectivo_django.models import Delivery, Discrepancy, Heartbeat, Order
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import deliver, expire, notify, pay
from tests.clock import later
from tests.factories.orders import ANA, make, without_code
from tests.factories.people import STAFF
from tests.factories.provider import channel

memory = pytest.mark.usefixtures("pagoefectivo_memory")
committed = pytest.mark.django_db(transaction=True)
NO = Refused("no", codes=("111",))


def in_transaction(order: Order) -> None:
    MemoryChannel.fail("extend", NO)
    with transaction.atomic():
        extend_order(order, later(days=5))


def after_unavailable(order: Order) -> None:
    MemoryChannel.fail("extend", Unavailable("down"))
    with pytest.raises(Unavailable):
        extend_order(order, later(days=5), actor="rosa")
    MemoryChannel.fail("extend", NO)
    tick(later(minutes=5))


def reissued_in_transaction(order: Order) -> None:
    MemoryChannel.fail("issue", NO)
    with transaction.atomic():
        reissue_code(order)


def that_lost_its_code(order: Order) -> None:
    with transaction.atomic():
        extend_order(order, later(days=5))
        order.cips.update(status="superseded", live=None)


@memory
@committed
@pytest.mark.parametrize(
    "refused",
    [in_transaction, after_unavailable, reissued_in_transaction, that_lost_its_code],
    ids=lambda step: step.__name__,
)
def test_what_was_recorded_and_is_refused_later_is_asked_about(refused: Callable[[Order], None]) -> None:
    order = make()
    refused(order)
    order.reload()
    assert (order.state, order.pending_action) == ("pending", "")
    assert order.events.filter(fact="refused").exists(), "the history tells"
    assert Discrepancy.objects.open().get().kind == "not_confirmed"


@memory
@committed
def test_who_hears_of_the_refusal_is_not_asked_about_it() -> None:
    order = make()
    MemoryChannel.fail("extend", NO)
    with pytest.raises(Refused):
        extend_order(order, later(days=5))
    assert order.events.filter(fact="refused", data__action="extend").exists()
    assert not Discrepancy.objects.exists()


@memory
@committed
@pytest.mark.every_database
@pytest.mark.parametrize(
    ("answer", "state"), [("refund_due", "cancelled"), ("ignore", "cancelled"), ("accept", "paid")]
)
def test_a_cancel_that_meets_a_discrepancy_is_done_after_its_answer(answer: str, state: str) -> None:
    order = make()
    MemoryChannel.fail("delete", Unavailable("down"))
    with pytest.raises(Unavailable):
        cancel_order(order, actor="rosa")
    notify(order, amount="1.00", operation_number="1")
    tick(later(minutes=3))
    order.reload()
    assert (order.state, order.pending_action) == ("pending", "")
    resolve_discrepancy(Discrepancy.objects.get(), answer, **STAFF)
    tick(later(minutes=6))
    order.reload()
    assert (order.state, order.pending_action, order.deferred_action) == (state, "", "")


@memory
@committed
def test_an_order_waits_for_its_route_to_come_back(settings: Any) -> None:
    before = settings.PAGOEFECTIVO
    order = without_code()
    settings.PAGOEFECTIVO = before | {"ROUTES": {"USD": ["default"]}}
    tick(later(minutes=5))
    settings.PAGOEFECTIVO = before
    tick(later(hours=2))
    order.reload()
    assert order.state == "pending"


@memory
@committed
@pytest.mark.parametrize("inside", [False, True])
def test_a_reissue_without_a_route_leaves_the_old_code(settings: Any, inside: bool) -> None:
    order, before = make(), settings.PAGOEFECTIVO
    code = order.code
    if inside:
        with transaction.atomic():
            reissue_code(order)
            settings.PAGOEFECTIVO = before | {"ROUTES": {"USD": ["default"]}}
    else:
        settings.PAGOEFECTIVO = before | {"ROUTES": {"USD": ["default"]}}
        with pytest.raises(Misconfigured):
            reissue_code(order)
    order.reload()
    assert (order.state, order.code) == ("pending", code)
    assert channel().book[code].open
    settings.PAGOEFECTIVO = before
    tick(later(hours=2))
    order.reload()
    assert (order.state, order.code != code) == ("pending", inside)


@memory
@committed
@pytest.mark.parametrize("what", ["without an order", "unreadable amount"])
def test_a_refund_is_due_only_of_a_payment(what: str) -> None:
    if what == "without an order":
        notify(make(), code="99999999", operation_number="5")
        for hour in range(14):
            tick(later(hours=hour, minutes=1))
    else:
        notify(make(), amount=None, currency=None, operation_number="5")
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.suggestion == ""
    with pytest.raises(InvalidRequest, match="has no payment"):
        resolve_discrepancy(discrepancy, "refund_due", **STAFF)
    assert Discrepancy.objects.open().get() == discrepancy


def nobody(sender: Any, **named: Any) -> None:
    raise RuntimeError


@memory
@committed
def test_a_receiver_that_is_gone_holds_no_erasure_back_for_ever() -> None:
    payment_confirmed.connect(nobody, dispatch_uid="old-erp", in_request=False)
    order = pay(make())
    payment_confirmed.disconnect(dispatch_uid="old-erp")
    assert erase_payer(email=ANA.email, **STAFF).kept == [order.reference]
    assert Delivery.objects.filter(delivered_at__isnull=True).exists()
    Heartbeat.objects.all().delete()
    tick(timezone.now() + timedelta(days=31))
    order.reload()
    assert (order.email, order.forgotten_at is None) == ("", False)


# A shop's own tests.

HEARD: list[str] = []


def hear(sender: Any, order: Order, **named: Any) -> None:
    HEARD.append(order.reference)


@memory
@pytest.mark.django_db
@pytest.mark.parametrize(("step", "state"), [(pay, "paid"), (notify, "paid"), (expire, "expired")])
def test_a_plain_test_pays_and_expires(step: Callable[[Order], object], state: str) -> None:
    order = make()
    step(order)
    order.reload()
    assert order.state == state


@memory
@pytest.mark.django_db
def test_inside_a_block_of_the_test_it_says_what_is_missing() -> None:
    with transaction.atomic(), pytest.raises(AssertionError, match="atomic block"):
        pay(make())


class AShopsTest(TestCase):
    """Django's own ``TestCase``: nothing is ever committed."""

    def setUp(self) -> None:
        MemoryChannel.clear()
        HEARD.clear()
        payment_confirmed.connect(hear, dispatch_uid="a-shops-test")
        self.addCleanup(payment_confirmed.disconnect, dispatch_uid="a-shops-test")

    def test_the_shop_ships(self) -> None:
        order = pay(make())
        assert (order.state, HEARD) == ("paid", [order.reference])
        deliver()

    def test_it_is_taken_back(self) -> None:
        order = pay(make())
        notify(order, Fact.PAYMENT_REVERSED)
        order.reload()
        assert order.state == "refunded"

    def test_it_is_cancelled(self) -> None:
        assert cancel_order(make()).state == "cancelled"
