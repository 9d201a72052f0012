"""Orders end at their date, after a last look, and never with a payment thrown away."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pagoefectivo_django.actors import CLOCK
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import extend_order, refresh_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.models import Cip, Discrepancy, Order, OrderEvent
from pagoefectivo_django.signals import payment_confirmed, payment_expired
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later
from tests.factories.orders import make, without_code
from tests.factories.provider import channel
from tests.reading import calls

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

#: The default 48 hours, and the grace of half an hour.
BEFORE, AFTER = timedelta(hours=48, minutes=25), timedelta(hours=48, minutes=35)


def at(order: Order, **more: float) -> datetime:
    return order.created_at + AFTER + timedelta(**more)


def test_an_order_ends_after_its_date_and_its_grace() -> None:
    order = make()
    channel().set(order.code, Fact.CODE_EXPIRED)
    tick(order.created_at + AFTER)
    order.refresh_from_db()
    assert order.state == "expired"
    assert order.lapses_at is None
    told = OrderEvent.objects.get(order=order, kind="payment_expired")
    assert (told.state_before, told.state_after, told.actor) == ("pending", "expired", CLOCK)


def test_within_the_grace_nothing_ends() -> None:
    order = make()
    tick(order.created_at + BEFORE)
    order.refresh_from_db()
    assert order.state == "pending"
    assert calls("delete") == []


def test_a_code_still_open_past_its_date_is_deleted_before_the_order_ends() -> None:
    order = make()
    tick(at(order))
    order.refresh_from_db()
    assert (order.state, Cip.objects.get().status) == ("expired", "deleted")
    assert calls("delete") == [order.code]
    assert not channel().book[order.code].open


def test_a_deletion_at_the_end_that_somebody_else_hears_of_first_expires_the_order() -> None:
    order = make()
    channel().set(order.code, Fact.CODE_DELETED)  # as if whoever deleted it died before it wrote that down
    refresh_order(order, now=at(order))
    assert (order.state, Cip.objects.get().status) == ("expired", "deleted")
    assert not OrderEvent.objects.filter(order=order, kind="payment_cancelled").exists()


def test_an_extension_that_somebody_else_hears_of_first_revives_the_order() -> None:
    order = expire(make())
    MemoryChannel.fail("look_up", Unavailable("The provider can't be reached."))
    with pytest.raises(Unavailable):
        extend_order(order, order.expires_at + timedelta(days=1))
    refresh_order(order)
    assert (order.state, Cip.objects.get().status, order.pending_action) == ("pending", "current", "extend")
    tick(later(hours=1))
    order.refresh_from_db()
    assert (order.state, order.pending_action, calls("delete")) == ("pending", "", [])


def test_a_payment_that_nobody_told_of_is_found_by_the_last_look() -> None:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=order.expires_at - timedelta(minutes=1))
    tick(at(order))
    order.refresh_from_db()
    assert order.state == "paid"
    assert not OrderEvent.objects.filter(order=order, kind="payment_expired").exists()


def test_an_expired_order_paid_on_time_and_heard_late_comes_back() -> None:
    heard: list[tuple[str, str]] = []

    def ship(order: Order, event: OrderEvent, **kwargs: Any) -> None:
        heard.append((event.state_before, order.state))

    payment_confirmed.connect(ship, dispatch_uid="test.ship")
    try:
        order = expire(make())
        assert order.state == "expired"
        notify(order, paid_at=order.expires_at - timedelta(minutes=1))
        assert heard == [("expired", "paid")], "a receiver knows that its stock was freed"
    finally:
        payment_confirmed.disconnect(ship, dispatch_uid="test.ship")


def test_a_late_payment_of_an_expired_order_is_held() -> None:
    order = expire(make())
    notify(order, paid_at=order.expires_at + timedelta(hours=2))
    order.refresh_from_db()
    assert order.state == "expired"
    assert Discrepancy.objects.get(order=order).kind == "late_payment"


@pytest.mark.parametrize(("seconds", "state"), [(0, "paid"), (1, "pending")])
def test_a_payment_until_the_end_of_the_grace_is_on_time(seconds: int, state: str) -> None:
    order = make()
    notify(order, paid_at=order.expires_at + timedelta(minutes=30, seconds=seconds))
    order.refresh_from_db()
    assert order.state == state
    assert Discrepancy.objects.filter(kind="late_payment").exists() == (state == "pending")


asked_for_stock: list[str] = []


def if_there_is_stock(order: Order, report: Any) -> bool:
    asked_for_stock.append(order.reference)
    return bool(order.metadata.get("stock")) and report.amount == order.amount


@pytest.mark.parametrize(("stock", "state"), [(True, "paid"), (False, "expired")])
def test_the_shops_own_function_decides_about_late_payments(settings: Any, stock: bool, state: str) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"LATE_PAYMENTS": "tests.flows.test_expiry.if_there_is_stock"}
    order = expire(make(metadata={"stock": stock}))
    # Found by polling, not by a message: the policy is the same.
    channel().set(order.code, Fact.PAYMENT, paid_at=order.expires_at + timedelta(hours=2))
    asked_for_stock.clear()
    for days in range(1, 8):
        tick(at(order, days=days))
    order.refresh_from_db()
    assert asked_for_stock == [order.reference], "what it reserves is reserved once"
    assert order.state == state
    assert Discrepancy.objects.filter(order=order, kind="late_payment").count() == (not stock)


def test_a_later_date_at_the_provider_is_adopted() -> None:
    order = make()
    new_date = (order.expires_at + timedelta(days=2)).replace(microsecond=0)
    slip = channel().book[order.code]
    slip.report = replace(slip.report, expires_at=new_date)
    tick(at(order))
    order.refresh_from_db()
    assert (order.state, order.expires_at) == ("pending", new_date)
    tick(at(order, days=2))
    order.refresh_from_db()
    assert order.state == "expired"


def test_an_order_without_a_code_ends_by_our_clock() -> None:
    for _ in range(40):
        MemoryChannel.fail("issue", Unavailable("down"))
    order = make()
    assert order.state == "new"
    tick(at(order))
    order.refresh_from_db()
    assert (order.state, order.pending_action) == ("expired", "")
    assert OrderEvent.objects.get(order=order, kind="payment_expired").fact == "lapsed"


@pytest.mark.parametrize("error", [Unavailable("down"), OutcomeUnknown("dropped")])
def test_an_unreachable_provider_postpones_and_after_a_day_a_person_knows(error: Exception) -> None:
    order = make()
    for _ in range(200):
        MemoryChannel.fail("look_up", error)
    for hours in (0, 3, 6, 12, 20):
        tick(at(order, hours=hours))
    order.refresh_from_db()
    assert order.state == "pending"
    assert not Discrepancy.objects.exists()
    for hours in (25, 28, 40):
        tick(at(order, hours=hours))
    assert Discrepancy.objects.get().kind == "not_confirmed"
    MemoryChannel.failures.clear()
    tick(at(order, hours=44))
    order.refresh_from_db()
    assert order.state == "expired", "it ends as soon as the provider answers"


def test_a_code_that_the_provider_does_not_know_postpones() -> None:
    order = make()
    del channel().book[order.code]
    tick(at(order))
    order.refresh_from_db()
    assert order.state == "pending"
    assert OrderEvent.objects.filter(order=order, fact="absent").count() == 1
    tick(at(order, days=1, hours=3))
    assert Discrepancy.objects.get().kind == "not_confirmed"


def test_a_deletion_that_is_not_confirmed_postpones() -> None:
    order = make()
    MemoryChannel.fail("delete", OutcomeUnknown("dropped"))
    tick(at(order))
    order.refresh_from_db()
    assert order.state == "pending"
    tick(at(order, minutes=10))
    order.refresh_from_db()
    assert order.state == "expired"


def test_a_deletion_whose_answer_got_lost_with_the_process_still_ends_as_expired() -> None:
    order = make()
    channel().set(order.code, Fact.CODE_DELETED)  # as a worker did that died before it could write it down
    tick(at(order))
    order.refresh_from_db()
    assert (order.state, Cip.objects.get().status) == ("expired", "deleted")


def test_an_order_in_review_does_not_end_before_somebody_answers() -> None:
    order = make()
    notify(order, amount="1.00")
    tick(at(order))
    tick(at(order, hours=3))
    order.refresh_from_db()
    assert order.state == "pending"
    for discrepancy in Discrepancy.objects.open():  # also that the provider calls the code unpaid
        resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="Not ours.")
    tick(at(order, hours=6))
    order.refresh_from_db()
    assert order.state == "expired"


def test_an_expired_order_can_be_extended_and_reissued() -> None:
    order = expire(make())
    assert extend_order(order, later(days=5)).state == "pending"
    assert order.lapses_at == order.expires_at + timedelta(minutes=30)
    other = expire(make())
    assert reissue_code(other, expires_at=later(days=5)).state == "pending"


def test_its_stock_is_free_and_the_reference_can_be_ordered_again() -> None:
    order = expire(make(reference="CART-1"))
    again = make(reference="CART-1")
    assert again.pk != order.pk
    assert again.state == "pending"


def test_many_orders_end_in_few_discrepancies_and_a_bad_one_holds_nobody_up(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 10}
    orders = [make() for _ in range(25)]
    for order in orders:
        channel().set(order.code, Fact.CODE_EXPIRED)
    MemoryChannel.calls.clear()
    Order.objects.filter(pk=orders[3].pk).update(event_count=0)  # its next event's number is taken: it can't be written
    tick(at(orders[-1]))
    assert sorted(Order.objects.values_list("state", flat=True)) == ["expired"] * 24 + ["pending"]


def test_ending_a_batch_costs_the_same_statements_as_ending_one() -> None:
    def cost(count: int) -> int:
        orders = [make(expires_at=later(hours=5)) for _ in range(count)]
        for order in orders:
            channel().set(order.code, Fact.CODE_EXPIRED)
        with CaptureQueriesContext(connection) as queries:
            tick(later(hours=6))
        assert set(Order.objects.values_list("state", flat=True)) == {"expired"}
        return len(queries)

    cost(1)  # the first tick ever writes its heartbeat
    # The pace takes a statement more or less; one for each order would be 19 more.
    assert cost(20) <= cost(1) + 2


def test_receivers_hear_of_it_once() -> None:
    heard: list[str] = []

    def free_stock(order: Order, **kwargs: Any) -> None:
        heard.append(order.reference)

    payment_expired.connect(free_stock, dispatch_uid="test.stock")
    try:
        order = make()
        for _ in range(10):
            tick(at(order))
        assert heard == [order.reference]
    finally:
        payment_expired.disconnect(free_stock, dispatch_uid="test.stock")


def reminders() -> int:
    return OrderEvent.objects.filter(kind="expiry_approaching").count()


def test_the_payer_is_reminded_once_before_the_date_that_they_were_told() -> None:
    order = make(expires_at=later(hours=24))
    tick(later(hours=17))
    assert reminders() == 0
    for _ in range(10):
        tick(later(hours=18, minutes=1))
    assert reminders() == 1
    order.refresh_from_db()
    extend_order(order, later(hours=48))
    tick(later(hours=47))
    assert reminders() == 1, "once per order, also after an extension"


def test_never_sooner_than_two_hours_after_the_code_was_issued() -> None:
    make(expires_at=later(hours=5))
    tick(later(hours=1, minutes=59))
    assert reminders() == 0
    tick(later(hours=2, minutes=1))
    assert reminders() == 1
    make(expires_at=later(minutes=110))
    tick(later(minutes=109))
    assert reminders() == 1, "a date that is so near needs no reminder"


def test_nobody_is_reminded_of_a_date_that_passed_or_of_an_order_that_is_over() -> None:
    paid, late = make(expires_at=later(hours=24)), make(expires_at=later(hours=24))
    pay(paid)
    channel().set(late.code, Fact.CODE_EXPIRED)
    tick(later(hours=24, minutes=10))
    assert reminders() == 0


def test_a_code_issued_late_counts_from_its_own_hour() -> None:
    without_code(reference="SLOW", expires_at=later(hours=6))
    tick(later(hours=3))
    assert Cip.objects.get(order__reference="SLOW").status == "current"
    tick(later(hours=4, minutes=50))
    assert reminders() == 0
    tick(later(hours=5, minutes=10))
    assert reminders() == 1


def test_a_code_issued_anew_until_the_same_date_counts_from_its_own_hour() -> None:
    order = make(expires_at=later(hours=24))
    reissue_code(order, now=later(hours=17))
    tick(later(hours=18, minutes=5))
    assert reminders() == 0
    tick(later(hours=19, minutes=5))
    assert reminders() == 1
