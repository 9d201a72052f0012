"""Two at the same moment, each on a connection of its own: the books agree, and the server saw no deadlock."""

from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from pagoefectivo_django.actors import SHOP
from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import AlreadyPaid, InReview
from pagoefectivo_django.flows import cancel_order, extend_order, issue_code, refresh_order, reissue_code, tick
from pagoefectivo_django.flows.orders.pending_action import record
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, OrderEvent, Payment
from pagoefectivo_django.states import Fact, PendingAction
from tests.clock import many_ticks
from tests.concurrency import at_once, observing, posting, who_waits
from tests.factories.messages import paid, post
from tests.factories.orders import make, without_code
from tests.factories.provider import serve_by
from tests.hostile.channels import Meanwhile
from tests.reading import calls, kept
from tests.sandbox.running import wait_for
from tests.shop.models import Heard

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory", "no_deadlock"),
    pytest.mark.django_db(transaction=True),
]


def posted(body: bytes) -> int:
    return int(post(body).status_code)


def numbers_are_in_order(order: Order) -> bool:
    numbers = list(order.events.order_by("created_at", "number").values_list("number", flat=True))
    return sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("times", [2, 8])
def test_the_same_bytes_at_once(times: int) -> None:
    order = make()
    body = paid(order)
    assert at_once(*[partial(posted, body)] * times) == [200] * times
    many_ticks(2)
    order.refresh_from_db()
    assert (order.state, Payment.objects.get().status) == ("paid", "applied")
    assert (kept(body).status, kept(body).times_received) == ("applied", times)
    assert Heard.objects.count() == 1
    assert not Discrepancy.objects.exists()
    assert list(order.events.values_list("kind", flat=True)) == ["order_created", "cip_issued", "payment_confirmed"]


def test_two_payments_of_one_code_at_once() -> None:
    order = make()
    bodies = [paid(order, operation_number=str(number)) for number in range(1, 5)]
    assert at_once(*[partial(posted, body) for body in bodies]) == [200] * 4
    many_ticks(2)
    order.refresh_from_db()
    assert order.state == "paid"
    assert sorted(Payment.objects.values_list("status", flat=True)) == ["applied", *["duplicate"] * 3]
    assert Payment.objects.get(status="applied").operation_number == order.operation_number
    assert list(Discrepancy.objects.values_list("kind", flat=True)) == ["duplicate_payment"] * 3
    assert Heard.objects.count() == 1
    assert numbers_are_in_order(order)


@pytest.mark.postgresql
@pytest.mark.mariadb
def test_the_second_payment_waits_for_the_first_and_counts_beside_it() -> None:
    order = make()
    first, second = paid(order, operation_number="1"), paid(order, operation_number="2")
    with observing() as ask, ExitStack() as thread, transaction.atomic():
        assert posted(first) == 200
        statuses = thread.enter_context(posting(second))
        # It is committed before it waits, and the order is read after the first was committed.
        wait_for(lambda: ask("SELECT count(*) FROM pagoefectivo_notification WHERE status = 'waiting'"))
    assert statuses == [200]
    many_ticks(2)
    assert (kept(first).status, kept(second).status) == ("applied", "applied")
    assert dict(Payment.objects.values_list("operation_number", "status")) == {"1": "applied", "2": "duplicate"}
    assert Discrepancy.objects.get().kind == "duplicate_payment"
    assert numbers_are_in_order(order)


@pytest.mark.postgresql
@pytest.mark.mariadb
def test_a_repetition_waits_for_who_has_the_message_and_is_counted() -> None:
    body = paid(make())
    assert posted(body) == 200
    with observing() as ask, ExitStack() as thread, transaction.atomic():
        # By the index that a repetition comes by: InnoDB locks both, and in the other order two would deadlock.
        row = kept(body)
        Notification.objects.select_for_update().get(account=row.account, identity=row.identity, item=row.item)
        statuses = thread.enter_context(posting(body))
        who_waits(ask)
        assert posted(body) == 200
    assert statuses == [200]
    assert kept(body).times_received == 3


def test_payments_of_two_codes_of_one_order_at_once() -> None:
    order = make()
    first = paid(order, operation_number="1")
    order = reissue_code(order)
    second = paid(order, operation_number="2")
    assert at_once(partial(posted, first), partial(posted, second)) == [200, 200]
    many_ticks(2)
    order.refresh_from_db()
    assert order.state == "paid"
    assert sorted(Payment.objects.values_list("status", flat=True)) == ["applied", "duplicate"]
    assert Discrepancy.objects.get().kind == "duplicate_payment"
    assert order.cip == Payment.objects.get(status="applied").cip


def test_a_webhook_and_an_answer_at_once() -> None:
    order = make()
    channel = get_channel("default")
    assert isinstance(channel, MemoryChannel)
    channel.set(order.code, Fact.PAYMENT, paid_at=timezone.now(), operation_number="7")
    results = at_once(partial(posted, paid(order)), partial(refresh_order, order), partial(tick))
    assert not any(isinstance(result, Exception) for result in results)
    many_ticks(2)
    order.refresh_from_db()
    assert (order.state, Payment.objects.count(), Heard.objects.count()) == ("paid", 1, 1)
    assert not Discrepancy.objects.exists()


@pytest.mark.parametrize("round_", range(3))
def test_a_payment_and_a_cancellation_at_once(round_: int) -> None:
    order = make()
    status, cancelled = at_once(partial(posted, paid(order)), partial(cancel_order, order))
    assert status == 200
    assert isinstance(cancelled, Order | AlreadyPaid | InReview), cancelled
    many_ticks(2)
    order.refresh_from_db()
    payment = Payment.objects.get()
    if order.state == "paid":
        assert payment.status == "applied"
        assert Heard.objects.count() == 1
    else:
        assert (order.state, payment.status) == ("cancelled", "held")
        discrepancy = Discrepancy.objects.get()
        assert (discrepancy.kind, discrepancy.status, discrepancy.payment) == ("paid_after_cancel", "open", payment)
        assert not Heard.objects.exists()
    assert numbers_are_in_order(order)


def test_many_pending_actions_at_once() -> None:
    order = make()
    ahead = timezone.now() + timedelta(days=3)
    at_once(
        partial(cancel_order, order),
        partial(extend_order, order, ahead),
        partial(reissue_code, order),
        partial(cancel_order, order),
        tick,
    )
    many_ticks()
    order.refresh_from_db()
    assert order.state in ("cancelled", "pending")
    assert Cip.objects.filter(live=True).count() == (order.state == "pending")
    assert numbers_are_in_order(order)
    # Whatever won, at the provider no more codes can be paid than in our books.
    open_ones = [code for book in MemoryChannel.slips.values() for code, slip in book.items() if slip.open]
    assert open_ones == ([order.code] if order.state == "pending" else [])


@pytest.mark.parametrize(
    ("pending_action", "state"), [(PendingAction.CANCEL, "cancelled"), (PendingAction.REISSUE, "pending")]
)
def test_a_pending_action_that_comes_while_a_code_is_asked_for_is_not_forgotten(
    settings: Any, pending_action: PendingAction, state: str
) -> None:
    serve_by(settings, Meanwhile)
    date = timezone.now().replace(microsecond=0) + timedelta(days=5)
    order = without_code()
    # The process that wished was killed before it could do it; the worker must.
    Meanwhile.happens.append(lambda: record(order, pending_action, actor=SHOP, date=date, now=timezone.now()))
    for hour in range(1, 5):
        tick(timezone.now() + timedelta(hours=hour))
    order.refresh_from_db()
    assert (order.state, order.pending_action) == (state, "")
    assert (order.expires_at == date) == (pending_action == PendingAction.REISSUE)


def test_one_code_however_many_ask_for_it() -> None:
    MemoryChannel.fail("issue", TimeoutError())  # a mistake: not known
    order = make()
    assert order.code == ""
    later = timezone.now() + timedelta(hours=1)
    at_once(*[partial(issue_code, order, now=later)] * 3, *[partial(tick, later)] * 3)
    order.refresh_from_db()
    assert order.state == "pending"
    assert len(calls("issue")) == 2
    assert sorted(Cip.objects.values_list("status", flat=True)) == ["current", "lost"]


def test_many_workers_apply_a_waiting_message_once() -> None:
    order = make()
    code = order.code
    order.cips.update(code=None)
    bodies = [paid(order, code=code, operation_number=number) for number in ("1", "2", "3")]
    for body in bodies:
        assert posted(body) == 200
    assert set(Notification.objects.values_list("status", flat=True)) == {"waiting"}
    now = timezone.now()
    tick(now - timedelta(minutes=1))  # the first heartbeat has a test of its own
    results = at_once(*[partial(tick, now + timedelta(minutes=1))] * 4)
    assert sum(result.notifications for result in results) == 3
    many_ticks(3)
    order.refresh_from_db()
    assert (order.state, Payment.objects.count(), Heard.objects.count()) == ("paid", 3, 1)
    assert set(Notification.objects.values_list("status", flat=True)) == {"applied"}
    assert Discrepancy.objects.filter(kind="duplicate_payment").count() == 2


def test_many_workers_begin_at_once() -> None:
    results = at_once(*[tick] * 6)
    assert not [result for result in results if isinstance(result, Exception)]


def test_orders_that_share_nothing_do_not_wait_for_each_other() -> None:
    orders = [make(f"SHOP-{number}") for number in range(8)]
    assert at_once(*[partial(posted, paid(order)) for order in orders]) == [200] * 8
    many_ticks(2)
    assert Order.objects.paid().count() == Heard.objects.count() == 8
    assert OrderEvent.objects.filter(kind="payment_confirmed").count() == 8
