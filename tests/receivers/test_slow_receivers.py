"""Kind 9: a receiver that is slow, fails, hangs or kills its process slows only itself, however much waits for it."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pagoefectivo_django import signals
from pagoefectivo_django.flows import publish_events
from pagoefectivo_django.flows.outbox import publish
from pagoefectivo_django.flows.outbox.publish import deliver_again, publish_written
from pagoefectivo_django.models import Delivery, FailingReceiver, Order, OrderEvent
from pagoefectivo_django.models.database import LEASE
from pagoefectivo_django.testing import pay
from tests.concurrency import at_once
from tests.factories.orders import make

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]

MINUTE = timedelta(minutes=1)
Connect = Callable[..., None]


@pytest.fixture
def listen() -> Iterator[Connect]:
    """Connect receivers for one test; the shop's own are away."""
    before = {name: dict(each.by_name) for name, each in signals.SIGNALS.items()}

    def connect(receiver: Any, name: str, to: signals.OutboxSignal = signals.payment_confirmed, **options: Any) -> None:
        to.connect(receiver, dispatch_uid=name, **options)

    for each in signals.SIGNALS.values():
        each.by_name.clear()
    yield connect
    for name, each in signals.SIGNALS.items():
        for uid in [*each.by_name]:
            each.disconnect(dispatch_uid=uid)
        each.by_name.update(before[name])


class Calls:
    """Receivers that write down in one list who was called, each with its own error to raise."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.errors: dict[str, type[BaseException]] = {}

    def of(self, name: str, error: type[BaseException] | None = None) -> Callable[..., None]:
        if error:
            self.errors[name] = error

        def receiver(**named: Any) -> None:
            self.names.append(name)
            if name in self.errors:
                raise self.errors[name]("time-out")

        return receiver

    def count(self, name: str) -> int:
        return Counter(self.names)[name]


def wait_for(receiver: str, count: int, *, kind: str = "payment_confirmed", since: timedelta = MINUTE) -> None:
    """Write events of as many orders, which a receiver has still to hear."""
    now = timezone.now()
    first = Order.objects.count()
    orders = Order.objects.bulk_create(
        Order(
            reference=f"B-{first + number}", amount=1, currency="PEN", email="a@b.pe", event_count=1,
            expires_at=now, created_at=now,
        )
        for number in range(count)
    )  # fmt: skip
    orders = list(Order.objects.filter(reference__in=[order.reference for order in orders]))
    events = [OrderEvent(order=order, number=1, kind=kind, actor_name="x", created_at=now) for order in orders]
    OrderEvent.objects.append(events)
    Delivery.objects.bulk_create(Delivery(event=event, receiver=receiver, retry_at=now - since) for event in events)


def left(receiver: str) -> int:
    return Delivery.objects.filter(receiver=receiver, delivered_at=None).count()


def failing(receiver: str) -> FailingReceiver:
    return FailingReceiver.objects.get(receiver=receiver)


def over(receiver: str) -> datetime:
    """When the pause of a receiver is over."""
    until = failing(receiver).paused_until
    assert until
    return until


def test_a_healthy_receiver_is_heard_at_once_behind_121_rows_of_one_that_fails(listen: Connect) -> None:
    calls = Calls()
    listen(calls.of("erp", RuntimeError), "erp")
    listen(calls.of("warehouse"), "warehouse")
    wait_for("erp", 121, since=60 * MINUTE)
    wait_for("warehouse", 1)
    assert publish_events() == 1
    assert calls.count("warehouse") == 1
    assert calls.count("erp") <= FailingReceiver.MOST
    assert left("warehouse") == 0


def test_a_slow_receiver_that_succeeds_takes_turns_with_the_others(
    listen: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "SHARE", timedelta(0))
    calls = Calls()
    for name in ("slow", "warehouse", "shipping"):
        listen(calls.of(name), name)
    wait_for("slow", 30, since=60 * MINUTE)
    wait_for("warehouse", 1)
    wait_for("shipping", 1)
    assert publish_events() == 32
    assert max(calls.names.index("warehouse"), calls.names.index("shipping")) <= 3


def test_a_mute_mail_server_costs_one_call_a_pause_however_much_waits(listen: Connect) -> None:
    calls, costs = Calls(), []
    listen(calls.of("mail", TimeoutError), "mail", atomic=False)
    listen(calls.of("warehouse"), "warehouse")
    for count in (20, 60):
        calls.names.clear()
        FailingReceiver.objects.all().delete()
        wait_for("mail", count, since=60 * MINUTE)
        publish_events()
        assert calls.count("mail") == FailingReceiver.MOST
        wait_for("warehouse", 1)
        with CaptureQueriesContext(connection) as captured:
            assert publish_events() == 1
        assert calls.names[FailingReceiver.MOST :] == ["warehouse"]
        costs.append(len(captured))
        pauses = []
        for _attempt in range(8):
            now = over("mail")
            before = calls.count("mail")
            for _worker in range(3):
                publish_events(now)
            assert calls.count("mail") == before + 1
            pauses.append((over("mail") - now) // MINUTE)
        assert pauses == sorted(pauses)
        assert pauses[-1] == FailingReceiver.LONGEST_PAUSE // MINUTE
    assert costs[0] == costs[1]
    # The server is back: all of it goes out in one round, but for what has a pause of its own.
    calls.errors.clear()
    publish_events(over("mail") + 60 * MINUTE)
    assert (left("mail"), FailingReceiver.objects.count()) == (0, 0)


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("kind", signals.SIGNALS)
def test_on_every_signal_one_that_fails_slows_only_itself(listen: Connect, kind: str, atomic: bool) -> None:
    calls = Calls()
    for name in ("bad", "good", "worse"):
        listen(calls.of(name), name, signals.SIGNALS[kind], atomic=atomic, in_request=name != "worse")
        wait_for(name, 9, kind=kind)
    calls.errors |= {"bad": ValueError, "worse": TimeoutError}
    assert publish_events() == 9
    assert (calls.count("good"), calls.count("bad"), calls.count("worse")) == (9, 3, 3)
    assert {row.receiver for row in FailingReceiver.objects.filter(paused_until__isnull=False)} == {"bad", "worse"}


def test_a_request_calls_every_receiver_however_slow_the_first(
    listen: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "REQUEST_BUDGET", timedelta(seconds=-1))  # the first call takes all of it
    calls = Calls()
    listen(calls.of("erp", RuntimeError), "erp")
    listen(calls.of("warehouse"), "warehouse")
    for number in range(8):
        pay(make(f"SHOP-{number}"))
    assert calls.count("warehouse") == 8
    # Once it is known to fail, no request waits for it any more.
    assert calls.count("erp") == FailingReceiver.MOST
    calls.errors.clear()
    publish_events(timezone.now() + 60 * MINUTE)
    assert left("erp") == 0
    pay(make("SHOP-9"))
    assert calls.names[-2:] == ["erp", "warehouse"]


def test_what_has_no_time_left_in_the_request_is_the_worker_s_and_uncounted(
    listen: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "REQUEST_BUDGET", timedelta(seconds=-1))
    calls = Calls()
    listen(calls.of("ears"), "ears")
    wait_for("ears", 3)
    rows = list(Delivery.objects.select_related("event"))
    for row in rows:
        assert row.claim(timezone.now())
    publish_written(rows)
    assert calls.count("ears") == 1
    assert sorted(Delivery.objects.values_list("attempts", flat=True)) == [0, 0, 1]
    assert publish_events(timezone.now() + MINUTE) == 2
    assert not FailingReceiver.objects.exists()


def test_one_bad_order_is_no_failing_receiver(listen: Connect) -> None:
    calls = Calls()
    listen(calls.of("erp", RuntimeError), "erp")
    wait_for("erp", 1)
    now = timezone.now()
    for hour in range(1, 9):
        publish_events(now + hour * 60 * MINUTE)
    assert calls.count("erp") == 8
    assert (failing("erp").failures, failing("erp").paused_until) == (1, None)
    calls.errors.clear()
    wait_for("erp", 1)
    assert publish_events() == 1
    assert not FailingReceiver.objects.exists()


def test_the_attempt_of_a_paused_receiver_is_what_was_tried_least(listen: Connect) -> None:
    """A few bad orders, and a good one behind them: it isn't held back by the pause for longer than that."""
    calls = Calls()
    listen(calls.of("erp", RuntimeError), "erp")
    wait_for("erp", 4)
    publish_events()
    Delivery.objects.filter(attempts=0).update(attempts=7, last_error="these orders")
    calls.errors.clear()
    wait_for("erp", 1, since=timedelta(0))
    bad = calls.of("erp", RuntimeError)
    calls.errors.clear()

    def good_only(event: OrderEvent, **named: Any) -> None:
        if event.deliveries.get().attempts > 1:
            bad()

    listen(good_only, "erp")
    publish_events(over("erp"))
    assert Delivery.objects.order_by("pk")[4].delivered_at


@pytest.mark.parametrize("workers", [2, 3])
def test_of_many_workers_one_tries_a_paused_receiver(listen: Connect, workers: int) -> None:
    calls = Calls()
    listen(calls.of("erp", RuntimeError), "erp")
    wait_for("erp", 20)
    publish_events()
    now, before = over("erp"), calls.count("erp")
    at_once(*[lambda: publish_events(now)] * workers)
    assert calls.count("erp") == before + 1


def test_one_that_ends_its_process_is_tried_after_the_others_and_then_paused(listen: Connect) -> None:
    """A worker that is killed is started again: it must come to the other receivers, and to its other work."""
    calls = Calls()
    listen(calls.of("deadly", SystemExit), "deadly")
    listen(calls.of("warehouse"), "warehouse")
    wait_for("deadly", 30, since=60 * MINUTE)
    wait_for("warehouse", 1)
    now, deaths, alive = timezone.now(), 0, 0
    for _start in range(2):
        with suppress(SystemExit):
            publish_events(now)
    assert calls.count("warehouse") == 1
    calls.names.clear()
    for second in range(3):
        with suppress(SystemExit):
            publish_events(now + timedelta(seconds=second))
    for minute in range(3, 33):
        try:
            publish_events(now + minute * MINUTE)
            alive += 1
        except SystemExit:
            deaths += 1
    assert deaths <= 10 < alive, (deaths, alive)
    assert failing("deadly").paused_until


def test_staff_ends_the_pause(listen: Connect) -> None:
    calls = Calls()
    listen(calls.of("erp", RuntimeError), "erp")
    wait_for("erp", 5)
    publish_events()
    calls.errors.clear()
    deliver_again(Delivery.objects.earliest("pk"))
    publish_events()
    assert not FailingReceiver.objects.exists()
    assert left("erp") < 3


def test_a_lease_of_the_attempt_grows_with_the_pause(listen: Connect) -> None:
    wait_for("erp", 3)
    now = timezone.now()
    for event in OrderEvent.objects.all():
        FailingReceiver.count("erp", event.pk, now)
    leases = []
    for _attempt in range(8):
        at = over("erp")
        row = failing("erp")
        assert row.claim(at)
        assert not row.claim(at)
        leases.append(over("erp") - at)
    assert leases == sorted(leases)
    assert (leases[0], leases[-1]) == (LEASE, FailingReceiver.LONGEST_PAUSE)


def test_what_died_with_its_processes_is_no_fault_of_a_healthy_receiver(listen: Connect) -> None:
    calls = Calls()
    listen(calls.of("warehouse"), "warehouse")
    wait_for("warehouse", 12)
    Delivery.objects.update(attempts=1)
    assert publish_events() == 12
    assert not FailingReceiver.objects.exists()


@pytest.mark.postgresql
@pytest.mark.mariadb
def test_a_receiver_that_hangs_in_one_process_hangs_no_other_worker(listen: Connect) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database has no SKIP LOCKED")
    began, release, over, heard = threading.Event(), threading.Event(), threading.Event(), list[str]()

    def hangs(**named: Any) -> None:
        began.set()
        release.wait(60)

    def work(now: datetime | None) -> None:
        try:
            publish_events(now)
            if now:
                over.set()
        finally:
            connections.close_all()

    listen(hangs, "hangs")
    listen(lambda **named: heard.append("healthy"), "healthy")
    wait_for("hangs", 1)
    hanging = threading.Thread(target=work, args=[None])
    hanging.start()
    assert began.wait(20)
    wait_for("healthy", 1)
    other = threading.Thread(target=work, args=[timezone.now() + LEASE + MINUTE])
    other.start()
    try:
        assert over.wait(20), "the other worker waits for a receiver that hangs elsewhere"
        assert heard == ["healthy"]
    finally:
        release.set()
        hanging.join(30)
        other.join(30)
    assert not Delivery.objects.filter(delivered_at__isnull=True).exists()


@pytest.mark.postgresql
def test_two_failures_and_a_success_at_one_moment_are_no_error() -> None:
    """Found by the storm: the row that a second failure made was gone again when this one looked for it."""

    def meddle(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith('INSERT INTO "pagoefectivo_failingreceiver"'):
            return execute(sql, params, many, context)
        at_once(lambda: FailingReceiver.objects.create(receiver="tests.shop", since=timezone.now()))
        try:
            return execute(sql, params, many, context)
        finally:
            at_once(lambda: FailingReceiver.objects.all().delete())

    with connection.execute_wrapper(meddle):
        FailingReceiver.count("tests.shop", uuid.uuid4(), timezone.now())
    assert not FailingReceiver.objects.exists()
