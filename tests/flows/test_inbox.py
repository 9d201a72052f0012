"""Kind 9: what a message's receipt needs never waits for what only its effect needs.

No message waits for another code; within one code messages keep the order in which they came.
"""

import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import connection
from django.utils import timezone

from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.inbox import apply as inbox
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, Payment
from tests.clock import many_ticks
from tests.concurrency import breaking, held, observing, posting
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.reading import kept, state_of
from tests.sandbox.running import wait_for

pytestmark = [pytest.mark.every_database, pytest.mark.usefixtures("pagoefectivo_memory")]
committing = pytest.mark.django_db(transaction=True)
locking = [pytest.mark.postgresql, pytest.mark.mariadb]

COMMITTED = "SELECT count(*) FROM pagoefectivo_notification"


def taken_back(order: Order) -> bytes:
    return paid(order, fact="payment_reversed")


class TestOfALockedOrder:
    """Somebody holds the order: a transaction of the shop's that was forgotten, or a long one."""

    pytestmark = [committing, *locking]

    def test_the_message_is_kept_and_answered_while_the_order_is_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inbox, "PATIENCE", 0.1)
        order = make()
        body = paid(order)
        with held(order) as over:
            assert post(body).status_code == 200
            assert not over.is_set()
            assert kept(body).status == "waiting"
            tick()
            assert (kept(body).status, kept(body).attempts) == ("waiting", 0)  # that was no attempt
        assert state_of(order) == "pending"
        tick(timezone.now() + timedelta(minutes=1))
        assert (state_of(order), kept(body).status) == ("paid", "applied")

    def test_it_is_applied_as_soon_as_the_order_is_free(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inbox, "PATIENCE", 30.0)
        order = make()
        body = paid(order)
        with observing() as ask, ExitStack() as thread, held(order):
            statuses = thread.enter_context(posting(body))
            wait_for(lambda: ask(COMMITTED))
        assert statuses == [200]
        assert (state_of(order), kept(body).status, Payment.objects.count()) == ("paid", "applied", 1)

    def test_it_is_committed_before_anything_waits_where_the_database_cannot_skip(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(connection.features), "has_select_for_update_skip_locked", False)
        order = make()
        body = paid(order)
        with observing() as ask, ExitStack() as thread, held(order):
            statuses = thread.enter_context(posting(body))
            wait_for(lambda: ask(COMMITTED))
        many_ticks(2)
        assert statuses == [200]
        assert (state_of(order), kept(body).status) == ("paid", "applied")

    def test_a_process_that_is_killed_while_it_waits_leaves_the_message(
        self, child_environment: dict[str, str]
    ) -> None:
        order = make()
        body = paid(order)
        code = (
            "import django; django.setup()\n"
            "from pagoefectivo_django.flows.inbox import apply\n"
            "from tests.factories.messages import post\n"
            "apply.PATIENCE = 60.0\n"
            f"post({body!r})\n"
        )
        with observing() as ask, held(order):
            child = subprocess.Popen([sys.executable, "-c", code], env=child_environment)
            try:
                wait_for(lambda: ask(COMMITTED))
            finally:
                child.send_signal(signal.SIGKILL)
                child.wait(30)
        assert state_of(order) == "pending"
        many_ticks(2)
        assert (state_of(order), kept(body).status) == ("paid", "applied")

    def test_messages_about_other_orders_do_not_wait(self) -> None:
        stuck, free = make("SHOP-1"), make("SHOP-2")
        for order in (stuck, free):
            left_waiting(paid(order))
        with held(stuck) as over:
            tick()
            assert not over.is_set()
            assert (state_of(stuck), state_of(free)) == ("pending", "paid")


def left_waiting(body: bytes, due: timedelta = -timedelta(minutes=1)) -> Notification:
    """Keep a message that could not be applied when it came."""
    with breaking("pagoefectivo_payment"):
        assert post(body).status_code == 200
    row = kept(body)
    assert row.status == "waiting"
    Notification.objects.filter(pk=row.pk).update(retry_at=timezone.now() + due)
    return row


def books(order: Order) -> object:
    order.refresh_from_db()
    payments = sorted(Payment.objects.filter(cip__order=order).values_list("operation_number", "status"))
    return order.state, payments, sorted(Discrepancy.objects.filter(order=order).values_list("kind", flat=True))


def story(order: Order) -> list[bytes]:
    """Paid, taken back, paid again."""
    return [paid(order), taken_back(order), paid(order, operation_number="8")]


@committing
class TestTheOrderOfArrival:
    """A payment, its reversal and the payment again mean something else in any other order."""

    @pytest.mark.parametrize(
        "dues", [pytest.param(dues, id="-".join(map(str, dues))) for dues in permutations((1, 2, 3))]
    )
    def test_it_is_kept_whatever_became_due_first(self, dues: tuple[int, ...]) -> None:
        told, waited = make("SHOP-1"), make("SHOP-2")
        for body in story(told):
            assert (post(body).status_code, kept(body).status) == (200, "applied")
        rows = [left_waiting(body, -due * timedelta(minutes=1)) for body, due in zip(story(waited), dues, strict=True)]
        assert tick().notifications == len(rows)
        assert books(waited) == books(told)

    def test_who_comes_after_one_that_waits_waits_too(self) -> None:
        order = make()
        first = left_waiting(paid(order), timedelta(minutes=1))
        second = taken_back(order)
        assert post(second).status_code == 200
        assert (kept(second).status, state_of(order)) == ("waiting", "pending")
        tick()
        assert (kept(second).status, kept(second).attempts) == ("waiting", 0)
        tick(timezone.now() + timedelta(minutes=2))
        first.refresh_from_db()
        assert (first.status, kept(second).status) == ("applied", "applied")
        assert books(order) == ("refunded", [("7", "reversed")], ["reversed"])

    def test_who_waits_longer_holds_back_its_own_code_only(self) -> None:
        slow, other = make("SHOP-1"), make("SHOP-2")
        left_waiting(paid(slow), timedelta(hours=1))
        assert post(paid(other)).status_code == 200
        assert state_of(other) == "paid"

    def test_a_message_that_was_given_up_holds_back_nobody(self) -> None:
        order = make()
        first = left_waiting(taken_back(order))
        Notification.objects.filter(pk=first.pk).update(status="dead", retry_at=None)
        assert post(paid(order)).status_code == 200
        assert state_of(order) == "paid"

    def test_codes_with_a_payment_go_first(self) -> None:
        orders = [make(f"SHOP-{number}") for number in range(5)]
        for order in orders[:-1]:
            left_waiting(taken_back(order), -timedelta(hours=1))
        payment = left_waiting(paid(orders[-1]), -timedelta(seconds=1))
        looks = iter([False, True])
        assert inbox.apply_waiting(TimeBudget(stopped=lambda: next(looks))) == 1
        payment.refresh_from_db()
        assert (payment.status, Notification.objects.filter(status="waiting").count()) == ("applied", 4)

    def test_the_same_bytes_again_behind_a_reversal_are_asked_about(self) -> None:
        order = make()
        for body in (paid(order), taken_back(order)):
            left_waiting(body)
        assert not Cip.objects.exclude(hinted_at=None).exists()
        assert post(paid_again := bytes(kept_first().body)).status_code == 200
        assert kept(paid_again).times_received == 2
        assert Cip.objects.exclude(hinted_at=None).get() == order.cip


def kept_first() -> Notification:
    return Notification.objects.order_by("pk")[0]
