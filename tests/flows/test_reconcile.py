"""Our book of codes and the provider's are compared, in batches, for as long as a payment or a reversal may come."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from pagoefectivo_django.actors import POLL
from pagoefectivo_django.channels.base import CodeRef
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import mark_paid, reissue_code, tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.reconcile import reconcile, watch_again
from pagoefectivo_django.models import Cip, Discrepancy, Heartbeat, Order, OrderEvent, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later
from tests.factories.orders import make, without_code
from tests.factories.provider import channel, serve_by
from tests.reading import searches
from tests.sandbox.running import wait_for

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def test_a_payment_whose_webhook_never_came_is_found() -> None:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=later())
    tick(later(hours=13))
    order.refresh_from_db()
    assert order.state == "paid"
    assert OrderEvent.objects.get(order=order, kind="payment_confirmed").actor == POLL


def test_open_codes_are_asked_rarely_at_first_and_often_near_their_date() -> None:
    order = make(expires_at=later(hours=48))
    times = []
    for quarter in range(48 * 4):
        MemoryChannel.calls.clear()
        reconcile(TimeBudget(later(minutes=15 * quarter)))
        if searches():
            times.append(quarter / 4)
    order.refresh_from_db()
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses[0] >= 8
    assert pauses[-1] == 0.25
    assert pauses == sorted(pauses, reverse=True)
    assert len(times) < 40


def test_a_code_is_watched_for_a_while_after_its_date() -> None:
    order = expire(make())
    channel().set(order.code, Fact.PAYMENT, paid_at=order.expires_at)  # within the grace, heard days later
    tick(later(days=3))
    order.refresh_from_db()
    assert order.state == "paid"


def test_after_the_watch_nobody_asks_any_more(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"POLL_AFTER_EXPIRY": timedelta(days=2)}
    order = make()
    channel().set(order.code, Fact.CODE_EXPIRED)
    for hours in range(40, 120, 2):
        reconcile(TimeBudget(later(hours=hours)))
    assert Cip.objects.get().poll_at is None
    MemoryChannel.calls.clear()
    tick(later(days=30))
    assert searches() == []


def test_a_superseded_code_is_watched_too() -> None:
    order = make()
    first = order.code
    reissue_code(order)
    channel().set(first, Fact.PAYMENT, paid_at=later())
    tick(later(hours=13))
    order.refresh_from_db()
    assert (order.state, order.code) == ("paid", first)


def test_paid_codes_are_asked_daily_until_their_days_are_over(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"POLL_AFTER_PAYMENT": timedelta(days=5)}
    pay(make())
    days = []
    for day in range(1, 12):
        MemoryChannel.calls.clear()
        tick(later(days=day, minutes=day))
        if searches():
            days.append(day)
    assert days == [1, 2, 3, 4]
    assert Cip.objects.get().poll_at is None


DIFFERENCES = {"expired": Fact.CODE_EXPIRED, "deleted": Fact.CODE_DELETED, "unpaid": Fact.ISSUED, "absent": None}


@pytest.mark.parametrize("said", DIFFERENCES)
def test_we_say_paid_and_they_do_not(said: str) -> None:
    order = pay(make())
    if fact := DIFFERENCES[said]:
        channel().set(order.code, fact)
    else:
        channel().book.clear()
    for day in range(1, 11):
        tick(later(days=day, hours=1))
    order.refresh_from_db()
    assert order.state == "paid", "a person decides"
    kind = "reversed" if said == "unpaid" else "missing_there"
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, len(discrepancy.evidence)) == (kind, 1)
    assert OrderEvent.objects.filter(order=order, kind="discrepancy_opened").count() == 1


def test_a_message_that_comes_too_late_is_no_difference() -> None:
    order = pay(make())
    notify(order, Fact.CODE_DELETED)
    assert not Discrepancy.objects.exists()


def test_a_payment_marked_by_hand_is_compared_as_well() -> None:
    order = make()
    mark_paid(order, "889900", "marta", "The payer's receipt, checked in the portal.")
    tick(later(days=1, hours=1))
    assert Discrepancy.objects.get().kind == "reversed", "the provider still calls it unpaid"


def test_a_batch_costs_one_discrepancy_and_no_statement_for_each_code(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 50}

    def cost(count: int) -> int:
        Cip.objects.update(poll_at=None)
        for _ in range(count):
            make()
        watch_again(later())
        Heartbeat.objects.all().delete()
        MemoryChannel.calls.clear()
        with CaptureQueriesContext(connection) as queries:
            assert reconcile(TimeBudget(later(minutes=1)))["asked"] == count
        assert [len(codes) for codes in searches()] == [count]
        return len(queries)

    assert cost(50) <= cost(1) + 1  # whose turns to ask again may fall into two minutes


def test_nobody_waits_for_what_is_known_already() -> None:
    """A paid code is asked about for weeks; only news locks its order."""
    orders = [pay(make()), make()]

    def locked(day: int) -> bool:
        watch_again(later())
        with CaptureQueriesContext(connection) as queries:
            assert reconcile(TimeBudget(later(days=day)))["asked"] == len(orders)
        return any(re.search(r"pagoefectivo_order\W", query["sql"]) for query in queries)

    pay(orders[1], paid_at=None, operation_number="7")
    assert locked(1), "the provider's time of a payment is news"
    assert not locked(2)
    notify(orders[1], Fact.PAYMENT_REVERSED)
    assert locked(3), "paid again"


@pytest.mark.postgresql
def test_making_all_due_waits_for_nobody_while_it_holds_a_lock() -> None:
    """Else whoever holds one code and wants another deadlocks with it."""
    first, last = (make().cips.get() for _ in range(2))

    def watch() -> int:
        try:
            return watch_again(later())
        finally:
            connection.close()

    def somebody_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0])

    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            assert Cip.objects.select_for_update().get(pk=last.pk)
            watching = pool.submit(watch)
            wait_for(somebody_waits)
            assert Cip.objects.select_for_update(nowait=True).get(pk=first.pk)
        assert watching.result() == 2


def test_ten_thousand_would_fit_as_batch_follows_batch(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 4}
    for _ in range(10):
        make()
    watch_again(later())
    MemoryChannel.calls.clear()
    assert reconcile(TimeBudget(later(minutes=1)))["asked"] == 10
    assert [len(codes) for codes in searches()] == [4, 4, 2]
    asked = [code for codes in searches() for code in codes]
    assert len(set(asked)) == 10


class Picky(MemoryChannel):
    """A provider that takes three codes at most, and won't tell about one of them at all."""

    secret: ClassVar[str] = ""

    def look_up(self, refs: Iterable[CodeRef]) -> Any:
        wanted = list(refs)
        if len(wanted) > 3 or self.secret in [ref.code for ref in wanted]:
            self.calls.append(("look_up", ",".join(ref.code for ref in wanted)))
            raise Refused("too many", codes=("112",))
        return super().look_up(wanted)


def test_a_refused_batch_is_halved(settings: Any) -> None:
    serve_by(settings, Picky)
    orders = [make() for _ in range(7)]
    Picky.secret = orders[2].code
    for order in orders:
        channel().set(order.code, Fact.PAYMENT, paid_at=later())
    watch_again(later())
    found = reconcile(TimeBudget(later(minutes=1)))
    assert (found["asked"], found["paid"], found["unanswered"]) == (7, 6, 1)
    assert Order.objects.filter(state="paid").count() == 6
    assert Cip.objects.get(order=orders[2]).poll_at is not None, "it is asked again"


@pytest.mark.parametrize("error", [Unavailable("down"), OutcomeUnknown("dropped")])
def test_an_unreachable_provider_costs_one_discrepancy_a_round_and_nothing_is_forgotten(error: Exception) -> None:
    for _ in range(5):
        make()
    watch_again(later())
    MemoryChannel.calls.clear()
    MemoryChannel.fail("look_up", error)
    assert reconcile(TimeBudget(later(minutes=1)))["unanswered"] == 5
    assert len(searches()) == 1
    assert reconcile(TimeBudget(later(minutes=5)))["asked"] == 5


def test_the_pace_is_kept_by_all_processes_together(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 1, "SEARCHES_PER_MINUTE": 6}
    for _ in range(6):
        make()
    watch_again(later())
    MemoryChannel.calls.clear()
    # What was not used for ten seconds may be used at once: one question and the next.
    assert reconcile(TimeBudget(later(minutes=1)))["asked"] == 2
    assert reconcile(TimeBudget(later(minutes=1)))["asked"] == 0
    assert len(searches()) == 2


def test_a_lost_code_that_nobody_heard_of_is_put_to_a_person() -> None:
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"), after=True)
    order = make()
    tick(later(minutes=2))  # another code is issued
    order.refresh_from_db()
    assert order.state == "pending"
    pay(order)
    for hours in (47, 49, 60, 100):
        for _ in range(10):
            tick(later(hours=hours))
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.kind == "lost_code"
    assert discrepancy.cip == Cip.objects.get(status="lost")
    assert len(discrepancy.evidence) == 1


def test_a_lost_code_that_was_found_is_nobodys_discrepancy() -> None:
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"), after=True)
    order = make()
    (code,) = channel().book
    slip = channel().book[code].report
    notify(order, code=code, transaction_code=slip.transaction_code)
    channel().set(code, Fact.PAYMENT, paid_at=later())
    order.refresh_from_db()
    assert order.state == "paid"
    for hours in (49, 60, 100):
        tick(later(hours=hours))
    assert not Discrepancy.objects.exists()


def test_a_request_that_died_is_lost_also_without_a_pending_action() -> None:
    order = without_code()
    Cip.objects.update(asked_at=later(), poll_at=later(minutes=2))  # as a process that died in its question leaves it
    Order.objects.update(pending_action="", retry_at=None)
    tick(later(minutes=3))
    cip = Cip.objects.get(order=order)
    assert (cip.status, cip.live) == ("lost", None)


def test_the_command_asks_about_what_is_watched_and_tells_what_it_learnt() -> None:
    order, _open = make(), make()
    channel().set(order.code, Fact.PAYMENT, paid_at=later())
    out = StringIO()
    call_command("pagoefectivo_reconcile", stdout=out)
    assert "asked=0" in out.getvalue(), "nothing is due yet"
    call_command("pagoefectivo_reconcile", all=True, channel="default", stdout=out)
    assert "watched=2" in out.getvalue()
    assert "asked=2 paid=1 differ=0 lost=0 unanswered=0" in out.getvalue()
    assert Payment.objects.count() == 1
    MemoryChannel.fail("look_up", Unavailable("down"))
    with pytest.raises(CommandError, match="run it again"):
        call_command("pagoefectivo_reconcile", all=True, stdout=out)


def test_an_interrupted_run_goes_on_where_it_was(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 2}
    for _ in range(6):
        make()
    watch_again(later())
    MemoryChannel.calls.clear()
    turns = iter([False] * 4 + [True])
    stopped = TimeBudget(later(minutes=1), stopped=lambda: next(turns, True))
    before = reconcile(stopped)["asked"]
    assert 0 < before < 6
    assert reconcile(TimeBudget(later(minutes=1)))["asked"] == 6 - before
    asked = [code for codes in searches() for code in codes]
    assert len(asked) == len(set(asked)) == 6


def test_bad_arguments_are_named_and_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    from django.core.management import ManagementUtility

    for arguments in (
        ["pagoefectivo_reconcile", "--channel", "nowhere"],
        ["pagoefectivo_reconcile", "everything"],
        ["pagoefectivo_worker", "--twice"],
    ):
        with pytest.raises(SystemExit) as end:
            ManagementUtility(["manage.py", *arguments]).execute()
        assert end.value.code == 2
        assert arguments[-1] in capsys.readouterr().err
