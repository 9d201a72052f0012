"""Every receiver hears every event, each on its own and until it succeeds."""

import importlib
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.utils import timezone

from pagoefectivo_django import signals
from pagoefectivo_django.errors import Misconfigured
from pagoefectivo_django.flows import cancel_order, publish_events, tick
from pagoefectivo_django.flows.outbox import publish
from pagoefectivo_django.flows.outbox.publish import publish_written
from pagoefectivo_django.models import Delivery, Discrepancy, Order, OrderEvent
from pagoefectivo_django.models.database import LEASE
from pagoefectivo_django.testing import deliver, pay
from tests.concurrency import at_once, breaking
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.receivers import deadly
from tests.shop.models import Heard

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]

HOUR = timedelta(hours=1)
Connect = Callable[..., None]


@pytest.fixture
def listen() -> Iterator[Connect]:
    """Connect receivers for one test."""
    before = {name: dict(each.by_name) for name, each in signals.SIGNALS.items()}

    def connect(to: signals.OutboxSignal, receiver: Any, name: str | None = None, **options: Any) -> None:
        to.connect(receiver, dispatch_uid=name, **options)

    yield connect
    for name, each in signals.SIGNALS.items():
        for uid in set(each.by_name) - set(before[name]):
            each.disconnect(dispatch_uid=uid)


class Ears:
    """A receiver that writes down what it heard, in the database and in a list, and fails as often as it is told."""

    def __init__(self, failures: int = 0, error: type[BaseException] = RuntimeError) -> None:
        self.failures, self.error = failures, error
        self.events: list[OrderEvent] = []
        self.kwargs: dict[str, Any] = {}

    def __call__(self, sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
        self.events.append(event)
        self.kwargs = {"sender": sender, "order": order, "event": event} | kwargs
        Heard.objects.create(signal="ears", reference=str(order), event=event.pk, state=order.state if order else "")
        if self.failures:
            self.failures -= 1
            raise self.error("the shelf is empty")

    @staticmethod
    def effects() -> int:
        return Heard.objects.filter(signal="ears").count()


def row(receiver: str) -> Delivery:
    return Delivery.objects.get(receiver=receiver)


def due(receiver: str) -> datetime:
    at = row(receiver).retry_at
    assert at
    return at


# A receiver that raises.


def test_an_error_whose_text_no_database_stores_is_kept_without_the_letters(
    listen: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the failure of the update would be the worker's, and every later delivery would wait."""
    # pytest's processes send each other what was logged, and can't send half a letter.
    monkeypatch.setattr(logging.getLogger("pagoefectivo.delivery"), "disabled", True)

    def bad(**about: object) -> None:
        raise ValueError("half \ud83d and \0 nothing")

    good = Ears()
    listen(signals.payment_confirmed, bad, "bad")
    listen(signals.payment_confirmed, good, "good")
    assert post(paid(make())).status_code == 200
    assert (row("bad").last_error, row("bad").attempts) == ("ValueError: half  and  nothing", 1)
    assert row("bad").error_data == {"about": "mistake", "exception": "ValueError", "said": "half  and  nothing"}
    assert len(good.events) == 1


def test_one_that_raises_is_called_again_alone_with_growing_pauses(
    listen: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Ears(failures=5), Ears()
    listen(signals.payment_confirmed, bad, "bad")
    listen(signals.payment_confirmed, good, "good")
    order = make()
    assert post(paid(order)).status_code == 200
    order.refresh_from_db()
    assert order.state == "paid"
    assert (len(bad.events), len(good.events), Ears.effects()) == (1, 1, 1)
    assert row("good").delivered_at
    pauses = []
    for attempt in range(2, 7):
        delivery = row("bad")
        assert (delivery.delivered_at, delivery.attempts) == (None, attempt - 1)
        assert delivery.last_error == "RuntimeError: the shelf is empty"
        assert delivery.retry_at
        now = delivery.retry_at
        assert tick(now=now - timedelta(seconds=1)).deliveries == 0
        assert tick(now=now).deliveries == (attempt == 6)
        pauses.append((row("bad").retry_at or now) - now)
    assert pauses[:-1] == sorted(pauses[:-1])
    assert pauses[0] > timedelta(seconds=30)
    assert pauses[3] > 4 * pauses[0]
    assert (len(bad.events), len(good.events), Ears.effects()) == (6, 1, 2)
    assert len({event.pk for event in bad.events}) == 1
    delivery = row("bad")
    assert (delivery.attempts, delivery.last_error, delivery.error_data, delivery.retry_at) == (6, "", None, None)
    assert delivery.delivered_at
    told = [record for record in caplog.records if record.name == "pagoefectivo.delivery"]
    assert len(told) == 5
    assert all(record.levelno == logging.ERROR and record.exc_info for record in told)
    assert "the shelf is empty" in caplog.text


def test_the_pause_ends_at_an_hour_and_it_is_never_given_up(listen: Connect) -> None:
    bad = Ears(failures=100)
    listen(signals.payment_confirmed, bad, "bad")
    pay(make())
    for _attempt in range(12):
        now = due("bad")
        tick(now=now)
    pause = due("bad") - now
    assert HOUR * 0.75 < pause < HOUR * 1.25
    bad.failures = 0
    tick(now=now + 2 * HOUR)
    assert (row("bad").attempts, Ears.effects()) == (14, 1)


@pytest.mark.parametrize("atomic", [True, False])
def test_an_error_of_the_database_is_an_error(listen: Connect, atomic: bool) -> None:
    def trip(order: Order, **kwargs: Any) -> None:
        if len(tripped) < 1:
            tripped.append(order)
            Heard.objects.create(pk=1, signal="", reference="", event=order.token, state="")
            Heard.objects.create(pk=1, signal="", reference="", event=order.token, state="")

    tripped: list[Order] = []
    listen(signals.payment_confirmed, trip, "trip", atomic=atomic)
    pay(make())
    assert row("trip").last_error.startswith("IntegrityError")
    tick(now=timezone.now() + HOUR)
    assert row("trip").delivered_at


def swallow_duplicate(order: Order) -> None:
    """Break the transaction and go on as if nothing were."""
    Heard.objects.create(pk=1, signal="", reference="", event=order.token, state="")
    with suppress(IntegrityError):
        Heard.objects.create(pk=1, signal="", reference="", event=order.token, state="")


def swallow_wrong_sql(order: Order) -> None:
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


@pytest.mark.parametrize("swallow", [swallow_duplicate, swallow_wrong_sql])
def test_one_that_hides_a_broken_transaction_is_not_lost_silently(listen: Connect, swallow: Any) -> None:
    """What it wrote is rolled back with the mark: it has not heard the event, and staff must see why."""

    def hide(order: Order, **kwargs: Any) -> None:
        ears(order=order, **kwargs)
        if len(ears.events) == 1:
            swallow(order)

    ears = Ears()
    listen(signals.payment_confirmed, hide, "hide")
    pay(make())
    assert bool(row("hide").delivered_at) == bool(Ears.effects())
    if not row("hide").delivered_at:
        assert row("hide").last_error
        tick(now=timezone.now() + HOUR)
    assert row("hide").delivered_at
    assert Ears.effects() == 1


def test_an_error_is_kept_where_the_database_tells_no_keys(listen: Connect) -> None:
    """MySQL doesn't tell the keys of rows that were inserted in bulk."""
    listen(signals.payment_confirmed, Ears(failures=2), "bad")
    pay(make())
    Delivery.objects.filter(receiver="bad").update(last_error="", retry_at=timezone.now())
    delivery = row("bad")
    assert delivery.claim(timezone.now())
    delivery.pk = None
    publish_written([delivery])
    assert row("bad").last_error == "RuntimeError: the shelf is empty"


def test_a_test_of_the_shop_s_sees_the_error(listen: Connect) -> None:
    listen(signals.payment_confirmed, Ears(failures=2), "bad")
    pay(make())
    with pytest.raises(RuntimeError, match="the shelf is empty"):
        deliver(now=timezone.now() + HOUR)
    assert deliver(now=timezone.now() + 3 * HOUR) == 1


# Order of events, freshness, arguments.


def test_events_of_one_order_reach_a_receiver_in_their_order(listen: Connect) -> None:
    first, other = Ears(failures=3), Ears()
    for each in (signals.order_created, signals.cip_issued, signals.payment_confirmed):
        listen(each, first, "first")
        listen(each, other, "other")
    pay(make())
    assert [event.number for event in other.events] == [1, 2, 3]
    assert {event.number for event in first.events} == {1}
    second = make("SHOP-2")
    assert [event.number for event in first.events if event.order == second] == [1]
    now = timezone.now()
    for hour in range(1, 5):
        tick(now=now + hour * HOUR)
    numbers = [event.number for event in first.events if event.order != second]
    assert numbers == [1] * (len(numbers) - 2) + [2, 3]
    assert not Delivery.objects.filter(delivered_at=None)


def test_a_receiver_that_no_longer_hears_one_signal_still_hears_the_next(listen: Connect) -> None:
    """What it doesn't listen to any more must not hold back what it does."""
    ears = Ears(failures=1)
    listen(signals.cip_issued, ears, "ears")
    listen(signals.payment_confirmed, ears, "ears")
    order = make()
    signals.cip_issued.disconnect(dispatch_uid="ears")
    pay(order)
    tick(now=timezone.now() + HOUR)
    assert [event.kind for event in ears.events] == ["cip_issued", "payment_confirmed"]
    assert row_of("ears", "cip_issued").delivered_at is None


def row_of(receiver: str, kind: str) -> Delivery:
    return Delivery.objects.get(receiver=receiver, event__kind=kind)


def test_receivers_get_sender_event_and_the_order_as_it_is_now(listen: Connect) -> None:
    late, opened = Ears(failures=1), Ears()
    listen(signals.cip_issued, late, "late")
    listen(signals.discrepancy_opened, opened, "opened")
    order = make()
    Order.objects.filter(pk=order.pk).update(concept="changed meanwhile")
    post(paid(order, amount="7.00"))
    tick(now=timezone.now() + HOUR)
    heard = late.kwargs
    assert (heard["sender"], heard["signal"], heard["event"].kind) == (Order, signals.cip_issued, "cip_issued")
    assert (heard["order"].concept, heard["order"].code) == ("changed meanwhile", order.code)
    heard = opened.kwargs
    assert heard["sender"] is Discrepancy
    assert (heard["discrepancy"], heard["order"]) == (Discrepancy.objects.get(), order)


def test_a_discrepancy_without_an_order_is_heard(listen: Connect) -> None:
    ears = Ears()
    listen(signals.discrepancy_opened, ears, "ears")
    post(b"{}")
    assert ears.kwargs["order"] is None
    assert ears.kwargs["discrepancy"].kind == "unprocessed"


def test_sender_chooses(listen: Connect) -> None:
    mine, others = Ears(), Ears()
    listen(signals.payment_confirmed, mine, "mine", sender=Order)
    listen(signals.payment_confirmed, others, "others", sender=Discrepancy)
    pay(make())
    assert (len(mine.events), len(others.events)) == (1, 0)


def test_a_receiver_may_use_the_flows(listen: Connect) -> None:
    def sell_more(order: Order, **kwargs: Any) -> None:
        inside.append(make("SHOP-2").state)

    inside: list[str] = []
    listen(signals.payment_confirmed, sell_more, "more")
    pay(make())
    assert inside == ["new"]
    assert (Order.objects.get(reference="SHOP-2").state, row("more").last_error) == ("pending", "")


async def hear_async(order: Order, event: OrderEvent, **kwargs: Any) -> None:
    await Heard.objects.acreate(signal="ears", reference=str(order), event=event.pk, state=order.state)
    if not await Heard.objects.filter(signal="again").aexists():
        raise RuntimeError("async trouble")


class AsyncObject:
    async def __call__(self, **kwargs: Any) -> None:
        await hear_async(**kwargs)


@pytest.mark.parametrize(
    "receiver",
    [
        hear_async,
        partial(hear_async),
        lambda **named: hear_async(**named),
        AsyncObject(),
    ],
)
def test_async_receivers_run_to_their_end_and_exactly_once(listen: Connect, receiver: Any) -> None:
    listen(signals.payment_confirmed, receiver, "async")
    order = pay(make())
    assert row("async").last_error == "RuntimeError: async trouble"
    assert Ears.effects() == 0
    Heard.objects.create(signal="again", reference="", event=order.token, state="")
    tick(now=timezone.now() + HOUR)
    assert Ears.effects() == 1


# Names.


def a_receiver(**kwargs: Any) -> None: ...


def another(**kwargs: Any) -> None: ...


class Shop:
    def ship(self, **kwargs: Any) -> None: ...

    @classmethod
    def pack(cls, **kwargs: Any) -> None: ...

    @staticmethod
    def mail(**kwargs: Any) -> None: ...

    def __call__(self, **kwargs: Any) -> None: ...


def local() -> Any:
    def inner(**kwargs: Any) -> None: ...

    return inner


NAMELESS = {
    "lambda": lambda **kwargs: None,
    "local": local(),
    "partial": partial(a_receiver, more=1),
    "bound method": Shop().ship,
    "object": Shop(),
    "wrapped partial": wraps(local())(partial(a_receiver)),
}


@pytest.mark.parametrize("receiver", NAMELESS.values(), ids=NAMELESS)
def test_what_another_process_cannot_find_needs_a_name(listen: Connect, receiver: Any) -> None:
    with pytest.raises(Misconfigured, match="dispatch_uid"):
        listen(signals.payment_confirmed, receiver)
    with pytest.raises(Misconfigured, match="dispatch_uid"):
        listen(signals.payment_confirmed, receiver, "x" * 256)
    assert len(signals.payment_confirmed.by_name) == 1
    listen(signals.payment_confirmed, receiver, "named")
    pay(make())
    assert row("named").delivered_at


@pytest.mark.parametrize(
    "receiver", [a_receiver, Shop.pack, Shop.mail, local], ids=["function", "class", "static", "2"]
)
def test_a_receiver_is_known_by_its_module_and_name(listen: Connect, receiver: Any) -> None:
    listen(signals.payment_confirmed, receiver)
    listen(signals.payment_confirmed, receiver)
    assert f"{receiver.__module__}.{receiver.__qualname__}" in signals.payment_confirmed.by_name
    assert signals.payment_confirmed.disconnect(receiver)
    assert len(signals.payment_confirmed.by_name) == 1


def test_two_receivers_of_one_name_are_refused(listen: Connect) -> None:
    twin = wraps(a_receiver)(another)
    listen(signals.payment_confirmed, a_receiver)
    with pytest.raises(Misconfigured, match=r"Two receivers of payment_confirmed.*dispatch_uid"):
        listen(signals.payment_confirmed, twin)
    listen(signals.payment_confirmed, twin, "twin")
    listen(signals.payment_expired, twin)


# Connected by a path.


SHIPS = """
from tests.shop.models import Heard

def ship(sender, order, event, **kwargs):
    Heard.objects.create(signal="ears", reference=str(order), event=event.pk, state=order.state)
"""


@pytest.fixture
def shop_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a module ``shop_by_path`` may be written, which nobody has imported yet."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "shop_by_path.py"
    sys.modules.pop("shop_by_path", None)


def test_a_path_is_the_name_and_is_imported_when_it_runs(listen: Connect, shop_module: Path) -> None:
    shop_module.write_text(SHIPS)
    for _ in range(2):
        listen(signals.payment_confirmed, "shop_by_path.ship")
    order = make()
    assert "shop_by_path" not in sys.modules
    pay(order)
    assert row("shop_by_path.ship").delivered_at
    assert Ears.effects() == 1
    assert signals.payment_confirmed.disconnect("shop_by_path.ship")
    assert "shop_by_path.ship" not in signals.payment_confirmed.by_name


def test_a_path_that_leads_nowhere_fails_until_it_leads_somewhere(listen: Connect, shop_module: Path) -> None:
    listen(signals.payment_confirmed, "shop_by_path.ship", "ship")
    pay(make())
    assert row("ship").last_error == "ModuleNotFoundError: No module named 'shop_by_path'"
    shop_module.write_text(SHIPS)
    importlib.invalidate_caches()
    tick(now=timezone.now() + HOUR)
    assert row("ship").delivered_at
    assert Ears.effects() == 1


@pytest.mark.parametrize("path", ["", "ship", ".ship", "shop.", "shop..ship", "shop receivers.ship", "shop:ship"])
def test_what_is_no_path_is_refused(listen: Connect, path: str) -> None:
    for name in (None, "named"):
        with pytest.raises(Misconfigured, match="no dotted path"):
            listen(signals.payment_confirmed, path, name)
    assert len(signals.payment_confirmed.by_name) == 1


def test_a_path_and_a_function_of_one_name_are_refused(listen: Connect) -> None:
    listen(signals.payment_confirmed, a_receiver)
    with pytest.raises(Misconfigured, match="Two receivers"):
        listen(signals.payment_confirmed, f"{__name__}.a_receiver")


def test_names_differ_by_letter(listen: Connect) -> None:
    small, large = Ears(), Ears()
    listen(signals.payment_confirmed, small, "ship")
    listen(signals.payment_confirmed, large, "Ship")
    pay(make())
    assert (len(small.events), len(large.events)) == (1, 1)


# Removed in a later deploy, and returned.


def test_one_that_nobody_knows_waits_uncounted(listen: Connect) -> None:
    ears = Ears(failures=1)
    listen(signals.payment_confirmed, ears, "gone")
    pay(make())
    signals.payment_confirmed.disconnect(dispatch_uid="gone")
    before = row("gone")
    for hour in range(1, 4):
        assert tick(now=timezone.now() + hour * HOUR).deliveries == 0
    after = row("gone")
    assert (after.attempts, after.retry_at, after.last_error) == (
        before.attempts,
        before.retry_at,
        before.last_error,
    )
    listen(signals.payment_confirmed, ears, "gone")
    assert tick(now=timezone.now() + HOUR).deliveries == 1
    assert Ears.effects() == 1


def test_one_that_came_later_hears_what_is_new(listen: Connect) -> None:
    ears = Ears()
    pay(make())
    listen(signals.payment_confirmed, ears, "late")
    tick(now=timezone.now() + HOUR)
    pay(make("SHOP-2"))
    assert [event.order.reference for event in ears.events if event.order] == ["SHOP-2"]


# Slow ones, and two workers.


class Slow(Ears):
    """Waits inside of the receiver until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, **named: Any) -> None:  # type: ignore[override]
        super().__call__(**named)
        self.inside.set()
        assert self.go_on.wait(20)


def worker(work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def missed(order: Order) -> None:
    """Pay while nothing is published, as if the process had ended right after the commit."""
    with breaking("UPDATE", "pagoefectivo_delivery"):
        pay(order)
    assert row_of("slow", "payment_confirmed").delivered_at is None


def test_a_slow_one_is_left_to_who_has_begun(listen: Connect) -> None:
    slow = Slow()
    listen(signals.payment_confirmed, slow, "slow", atomic=False)
    missed(make())
    now = timezone.now() + HOUR
    first = worker(partial(publish_events, now))
    assert slow.inside.wait(20)
    assert tick(now=now + LEASE - timedelta(seconds=1)).deliveries == 0
    slow.go_on.set()
    first.join(20)
    assert (len(slow.events), row("slow").attempts) == (1, 2)
    assert row("slow").delivered_at


def test_a_slow_one_has_its_effect_once_even_after_its_lease(listen: Connect) -> None:
    slow = Slow()
    listen(signals.payment_confirmed, slow, "slow")
    missed(make())
    now = timezone.now() + HOUR
    first = worker(partial(publish_events, now))
    assert slow.inside.wait(20)
    second = worker(partial(publish_events, now + LEASE + timedelta(seconds=1)))
    third = worker(partial(publish_events, now + LEASE + timedelta(seconds=1)))
    second.join(0.2)
    slow.go_on.set()
    for thread in (first, second, third):
        thread.join(30)
    assert Ears.effects() == 1
    assert row("slow").delivered_at


def test_what_another_worker_took_meanwhile_is_left_to_it(listen: Connect) -> None:
    """Two workers have found the same deliveries; while one is busy with the first, the other does the rest."""

    def busy(event: OrderEvent, **kwargs: Any) -> None:
        events.append(event.pk)
        if len(events) == 1:
            done_by_the_other.append(publish_events(now))

    events: list[Any] = []
    done_by_the_other: list[int] = []
    listen(signals.payment_confirmed, busy, "busy", atomic=False, in_request=False)
    for number in range(3):
        pay(make(f"SHOP-{number}"))
    now = timezone.now()
    assert publish_events(now) == 1
    assert done_by_the_other == [2]
    assert len(set(events)) == len(events) == 3


def test_a_worker_that_outlived_its_lease_finds_nothing_left_to_do(listen: Connect) -> None:
    ears = Ears()
    listen(signals.payment_confirmed, ears, "ears", in_request=False)
    pay(make())
    now = timezone.now()
    begun = row("ears")
    assert begun.claim(now)
    assert publish_events(now + LEASE + timedelta(seconds=1)) == 1
    assert not publish.deliver(begun, now + LEASE + timedelta(seconds=2))
    assert (len(ears.events), Ears.effects()) == (1, 1)


@pytest.mark.parametrize("atomic", [True, False])
def test_two_workers_at_once_share_the_work(listen: Connect, atomic: bool) -> None:
    ears = Ears()
    listen(signals.payment_confirmed, ears, "slow", atomic=atomic)
    orders = [make(f"SHOP-{number}") for number in range(12)]
    with breaking("UPDATE", "pagoefectivo_delivery"):
        for order in orders:
            pay(order)
    now = timezone.now() + HOUR
    results = at_once(*[partial(publish_events, now)] * 3)
    assert sum(results) == 2 * len(orders)  # the shop's own receiver is there too
    assert len({event.pk for event in ears.events}) == len(ears.events) == len(orders)
    assert not Delivery.objects.filter(delivered_at=None)
    assert Heard.objects.filter(signal="payment_confirmed").count() == len(orders)


def test_cancelled_and_told_by_two_workers(listen: Connect) -> None:
    ears = Ears(failures=1)
    for each in signals.SIGNALS.values():
        listen(each, ears, "ears")
    cancel_order(make())
    now: datetime = timezone.now() + HOUR
    for _round in range(3):
        at_once(*[partial(tick, now)] * 2)
        now += HOUR
    assert [event.kind for event in ears.events] == ["order_created"] * 2 + ["cip_issued", "payment_cancelled"]


# One that kills its process.


def child(environment: dict[str, str], command: str, *deadly_ones: str) -> int:
    arguments = [sys.executable, "-m", "tests.receivers.deadly", command]
    environment = environment | {"DEADLY": ",".join(deadly_ones)}
    return subprocess.run(arguments, env=environment, timeout=60, check=False).returncode


def lapse() -> None:
    """Let the leases of the dead be over."""
    Delivery.objects.filter(delivered_at=None).update(retry_at=timezone.now())


def heard(name: str) -> list[Any]:
    return list(Heard.objects.filter(signal=name).values_list("event", flat=True))


def test_one_that_kills_its_process_is_counted_and_others_hear(child_environment: dict[str, str]) -> None:
    both = (deadly.ATOMIC, deadly.MAIL)
    # The webhook's own process is killed after its commit, by whichever comes first.
    assert child(child_environment, "sell", *both) == -signal.SIGKILL
    assert (Order.objects.get().state, Delivery.objects.count()) == ("paid", 3)
    assert heard(deadly.ATOMIC) == []
    lapse()
    assert child(child_environment, "work", *both) == -signal.SIGKILL
    lapse()
    assert child(child_environment, "work", deadly.MAIL) == -signal.SIGKILL
    lapse()
    assert child(child_environment, "work") == 0
    event = OrderEvent.objects.get(kind="payment_confirmed").pk
    # What writes to this database has its effect once; mail goes out at least once, and the event's id tells.
    assert heard(deadly.ATOMIC) == [event]
    assert len(heard(deadly.MAIL)) >= 2
    assert set(heard(deadly.MAIL)) == {event}
    assert heard("payment_confirmed") == [event]
    assert row(deadly.MAIL).attempts >= 2
    assert not Delivery.objects.filter(delivered_at=None)


def test_dead_and_living_workers_at_once(child_environment: dict[str, str]) -> None:
    assert child(child_environment, "sell", deadly.MAIL) == -signal.SIGKILL
    lapse()
    work = [sys.executable, "-m", "tests.receivers.deadly", "work"]
    workers = [subprocess.Popen(work, env=child_environment | {"DEADLY": one}) for one in (deadly.ATOMIC, "", "")]
    assert [each.wait(60) for each in workers[1:]] == [0, 0]
    assert workers[0].wait(60) in (0, -signal.SIGKILL)
    lapse()
    assert child(child_environment, "work") == 0
    assert len(heard(deadly.ATOMIC)) == len(heard("payment_confirmed")) == 1
    assert set(heard(deadly.MAIL)) == set(heard(deadly.ATOMIC))
    assert not Delivery.objects.filter(delivered_at=None)


def test_nothing_is_told_of_what_was_rolled_back(listen: Connect) -> None:
    ears = Ears()
    listen(signals.order_created, ears, "ears")
    with transaction.atomic():
        make()
        transaction.set_rollback(True)
    tick(now=timezone.now() + HOUR)
    assert ears.events == []
    assert not Delivery.objects.exists()
