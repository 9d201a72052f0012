"""The feed: whoever follows its cursor misses no event and hears none twice, in whatever order writers commit."""

import itertools
import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import connections, transaction

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import comment_on, publish_events, tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.outbox.feed import entries_after, number_events
from pagoefectivo_django.models import Discrepancy, FeedEntry, OrderEvent
from pagoefectivo_django.signals import SIGNALS
from tests.clock import later
from tests.concurrency import at_once, breaking
from tests.factories.messages import paid, post
from tests.factories.orders import bought, make
from tests.reading import statements_of
from tests.shop.models import Heard

pytestmark = [pytest.mark.usefixtures("pagoefectivo_memory"), pytest.mark.django_db(transaction=True)]

EVENTS_OF_AN_ORDER = ["order_created", "cip_issued"]


class Reader:
    """A program that follows the feed by its cursor, two events a page."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.events: list[OrderEvent] = []

    def read(self) -> int:
        """Read to the present end, and return how many events were new."""
        before = len(self.events)
        while page := list(entries_after(self.cursor).select_related("event__order")[:2]):
            self.events.extend(entry.event for entry in page)
            self.cursor = page[-1].cursor
        return len(self.events) - before

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def missed_nothing(self) -> bool:
        all_of_them = OrderEvent.objects.filter(kind__in=SIGNALS)
        return sorted(event.pk for event in self.events) == sorted(all_of_them.values_list("pk", flat=True))


def number() -> int:
    return number_events(TimeBudget())


def test_an_event_is_in_the_feed_after_the_next_round_and_a_note_never() -> None:
    order, reader = make(), Reader()
    bought()
    assert post(paid(order, operation_number="8")).status_code == 200
    assert post(paid(order, operation_number="9")).status_code == 200  # a second payment: a discrepancy
    comment_on(Discrepancy.objects.get(), actor="rosa", text="We wait for the bank.")
    assert reader.read() == 0
    tick()
    reader.read()
    assert reader.missed_nothing()
    assert {*reader.kinds()} >= {*EVENTS_OF_AN_ORDER, "payment_confirmed", "discrepancy_opened"}
    assert OrderEvent.objects.filter(kind="noted").exists()
    assert reader.read() == 0


def test_events_are_numbered_from_one_without_gaps_and_those_of_an_order_in_their_order() -> None:
    for _ in range(3):
        bought()
    publish_events()
    reader = Reader()
    reader.read()
    assert list(entries_after(None).values_list("number", flat=True)) == list(range(1, 10))
    assert reader.kinds() == [*EVENTS_OF_AN_ORDER, "payment_confirmed"] * 3


@pytest.mark.usefixtures("first_round")
def test_events_of_a_process_that_knew_no_feed_are_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an update: the tables are there, and a process that was not restarted yet writes events."""
    monkeypatch.setattr("pagoefectivo_django.flows.outbox.feed.BATCH", 2)
    bought()
    FeedEntry.objects.all().delete()
    make()
    FeedEntry.objects.filter(event__kind="cip_issued").delete()
    tick()
    reader = Reader()
    reader.read()
    assert reader.missed_nothing()
    assert tick(now=later(minutes=1)).deliveries == 0
    FeedEntry.objects.all().delete()
    tick(now=later(minutes=30))
    assert not FeedEntry.objects.exists(), "the search reads the whole history"
    tick(now=later(hours=2))
    assert FeedEntry.objects.count() == 5


def test_nothing_to_number_costs_one_statement() -> None:
    make()
    number()
    assert len(statements_of(number)) == 1


@pytest.mark.every_database
def test_a_batch_costs_the_same_statements_however_long_it_is() -> None:
    make()
    first = statements_of(number)
    for _ in range(20):
        make()
    assert len(statements_of(number)) == len(first)


def test_a_feed_that_is_longer_than_a_batch_is_numbered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pagoefectivo_django.flows.outbox.feed.BATCH", 3)
    for _ in range(4):
        make()
    assert number() == 8
    assert list(entries_after(None).values_list("number", flat=True)) == list(range(1, 9))


@pytest.mark.parametrize(
    "cursor", ["", "0", "7", "1-", "1-00000000", "-1-00000000", "x" * 300, "٣-00000000", "9" * 30, "\0"]
)
def test_a_cursor_from_nowhere_is_refused(cursor: str) -> None:
    make()
    number()
    with pytest.raises(InvalidRequest) as refused:
        entries_after(cursor)
    assert refused.value.code == "cursor_unknown"


def test_a_cursor_of_a_feed_that_a_restored_backup_has_lost_is_refused() -> None:
    make()
    number()
    lost = entries_after(None).last()
    assert lost
    FeedEntry.objects.filter(pk=lost.pk).delete()  # the backup is older than the event
    make()
    number()  # gives its number to another event
    with pytest.raises(InvalidRequest):
        entries_after(lost.cursor)


def test_a_failure_of_the_feed_holds_back_no_delivery(caplog: pytest.LogCaptureFixture) -> None:
    order = make()
    with breaking("shop_heard"):
        post(paid(order))
    assert not Heard.objects.exists()
    entry = FeedEntry.objects.get(event__kind="order_created")
    FeedEntry.objects.filter(pk=entry.pk).update(number=2**63 - 1)  # so that no number is left
    tick(now=later(minutes=5))
    assert Heard.objects.count() == 1
    assert "the next round numbers them" in caplog.text


def test_a_long_backlog_holds_back_no_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    order = make()
    with breaking("shop_heard"):
        post(paid(order))
    monkeypatch.setattr("pagoefectivo_django.flows.outbox.publish.SHARE", timedelta(microseconds=1))
    publish_events(later(minutes=5))
    assert Heard.objects.count() == 1
    assert FeedEntry.objects.filter(number=None).count() == 3


@pytest.mark.postgresql
@pytest.mark.mariadb
def test_who_commits_last_is_numbered_last_though_its_rows_are_the_oldest() -> None:
    begun, go_on = threading.Event(), threading.Event()
    reader = Reader()

    def slow() -> None:
        try:
            with transaction.atomic():
                make("SLOW")
                begun.set()
                assert go_on.wait(30)
        finally:
            connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(30)
    make("QUICK")
    number()
    assert reader.read() == 2
    go_on.set()
    thread.join(30)
    number()
    assert reader.read() == 2
    assert [event.order and event.order.reference for event in reader.events] == ["QUICK"] * 2 + ["SLOW"] * 2
    assert reader.missed_nothing()


@pytest.mark.every_database
@pytest.mark.usefixtures("first_round")
def test_two_that_number_at_once_give_each_event_one_number() -> None:
    for _ in range(5):
        make()
    assert sorted(at_once(*[number] * 4)) == [0, 0, 0, 10]
    assert list(entries_after(None).values_list("number", flat=True)) == list(range(1, 11))


@pytest.mark.every_database
@pytest.mark.usefixtures("no_deadlock", "first_round")
def test_a_reader_follows_while_many_write_and_two_number() -> None:
    over = threading.Event()
    writing = itertools.count(1)
    reader = Reader()

    def write(name: int) -> None:
        for turn in range(6):
            with transaction.atomic():  # the codes are issued after the commit
                make(f"{name}-{turn}-a")
                make(f"{name}-{turn}-b")
        if next(writing) == 4:
            over.set()

    def give_numbers() -> None:
        while not over.is_set():
            number()

    def follow() -> None:
        while not over.is_set():
            reader.read()

    said = at_once(*[partial(write, name) for name in range(4)], give_numbers, give_numbers, follow)
    assert said == [None] * 7
    number()
    reader.read()
    assert len(reader.events) == 4 * 6 * 2 * 2
    assert reader.missed_nothing()
    for order in {event.order for event in reader.events}:
        assert [event.kind for event in reader.events if event.order == order] == EVENTS_OF_AN_ORDER
