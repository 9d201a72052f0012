"""Wishes: one process at a time does them, none is forgotten, and what can't be done comes to a person."""

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from typing import Any, ClassVar

import pytest
from django.db import connections, transaction
from django.utils import timezone

from pagoefectivo_django.channels.base import Charge, CodeRef, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from pagoefectivo_django.flows import (
    cancel_order,
    extend_order,
    issue_code,
    refresh_order,
    reissue_code,
    resolve_discrepancy,
    tick,
)
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.flows.orders.pending_action import record
from pagoefectivo_django.models import Cip, Discrepancy, Order, OrderEvent
from pagoefectivo_django.states import Fact, PendingAction
from tests.clock import later
from tests.concurrency import breaking
from tests.factories.messages import report
from tests.factories.orders import make, without_code
from tests.factories.provider import channel, serve_by
from tests.reading import calls, discrepancies, fresh

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

LOST = OutcomeUnknown("The line was dropped.")
DOWN = Unavailable("Nobody answers.")

Happens = dict[str, list[Callable[[], object]]]


class Interrupted(MemoryChannel):
    """A channel with things that happen elsewhere while it is asked; each happens once."""

    during: ClassVar[Happens] = {}

    def issue(self, charge: Charge) -> Report:
        self._meanwhile("issue")
        return super().issue(charge)

    def extend(self, ref: CodeRef, until: datetime) -> None:
        self._meanwhile("extend")
        super().extend(ref, until)

    def delete(self, ref: CodeRef) -> None:
        self._meanwhile("delete")
        super().delete(ref)

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        found = super().look_up(refs)
        self._meanwhile("look_up")
        return found

    def _meanwhile(self, call: str) -> None:
        if waiting := self.during.get(call):
            waiting.pop(0)()


class Repeating(MemoryChannel):
    """A channel that gives the same digits again and again."""

    _codes = itertools.count(4711, 0)


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.fixture
def during(settings: Any) -> Happens:
    """What happens while the provider is asked, by call."""
    Interrupted.during = {}
    serve_by(settings, Interrupted)
    return Interrupted.during


def elsewhere(action: Callable[[], object]) -> "Future[object]":
    """Begin something in a thread and on a connection of its own."""

    def run() -> object:
        try:
            return action()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(1)
    begun = pool.submit(run)
    pool.shutdown(wait=False)
    return begun


def expired_at_provider(order: Order) -> Cip:
    """Let the provider, and nobody else, know that an order's code expired."""
    order.reload()
    assert order.cip
    channel().set(order.code, Fact.CODE_EXPIRED)
    return order.cip


def made_codes() -> list[str]:
    return list(MemoryChannel.slips.get("memory:default", {}))


def payable_codes() -> list[str]:
    return [code for code, slip in MemoryChannel.slips.get("memory:default", {}).items() if slip.open]


def tick_for_hours(hours: int, begin: int = 0) -> None:
    for hour in range(begin, begin + hours):
        tick(later(hours=hour + 1))


# One process at a time.


def leave_undone(call: str) -> None:
    """Make an order that waits for a worker to do this call."""
    if call == "issue":
        without_code()
    else:
        record(make(), PendingAction.EXTEND, actor="marta", date=later(days=5), now=timezone.now())


@pytest.mark.every_database
@pytest.mark.parametrize("call", ["issue", "extend"])
def test_a_worker_leaves_alone_what_another_took_after_it_was_listed(during: Happens, call: str) -> None:
    leave_undone(call)
    leave_undone(call)
    at_the_second, go_on = Event(), Event()
    others: list[Future[object]] = []
    now = later(minutes=10)

    def begin_another() -> None:
        others.append(elsewhere(lambda: tick(now)))
        assert at_the_second.wait(20)

    def stay() -> None:
        at_the_second.set()
        go_on.wait(20)

    MemoryChannel.calls.clear()
    during[call] = [begin_another, stay]
    tick(now)
    asked = len(calls(call))
    go_on.set()
    others[0].result(20)
    assert (asked, len(calls(call))) == (1, 2), "each order by one worker"
    assert list(Order.objects.values_list("state", "pending_action")) == [("pending", "")] * 2
    assert len(made_codes()) == 2


@pytest.mark.every_database
@pytest.mark.parametrize("another", [lambda: issue_code(Order.objects.get()), lambda: tick(later(seconds=100))])
def test_nobody_asks_for_a_code_that_somebody_is_asking_for(during: Happens, another: Callable[[], object]) -> None:
    during["issue"] = [another]
    order = make()
    tick_for_hours(3)
    assert made_codes() == [fresh(order).code]


@pytest.mark.every_database
def test_two_reissues_at_once_make_one_new_code(during: Happens) -> None:
    order = make()
    during["issue"] = [lambda: reissue_code(fresh(order))]
    reissue_code(fresh(order))
    tick_for_hours(3)
    assert len(made_codes()) == 2
    assert payable_codes() == [fresh(order).code]


# Nothing is forgotten.


def test_an_order_made_and_cancelled_in_one_transaction_is_cancelled() -> None:
    with transaction.atomic():
        order = make()
        cancel_order(order)
    tick_for_hours(2)
    assert (fresh(order).state, payable_codes()) == ("cancelled", [])


def test_of_two_pending_actions_in_one_transaction_the_last_counts() -> None:
    order, date = make(), later(days=5).replace(microsecond=0)
    with transaction.atomic():
        cancel_order(order)
        extend_order(order, date)
    assert (fresh(order).state, fresh(order).expires_at) == ("pending", date)


def test_a_refused_extension_leaves_the_request_for_a_new_orders_code_pending() -> None:
    order = without_code()
    with pytest.raises(InvalidRequest):
        extend_order(order, later(days=5))
    tick_for_hours(1)
    assert (fresh(order).state, discrepancies(order=order)) == ("pending", [])


def test_an_extension_survives_the_news_that_the_code_expired() -> None:
    order, date = make(), later(days=5).replace(microsecond=0)
    MemoryChannel.fail("extend", DOWN)
    with pytest.raises(Unavailable):
        extend_order(order, date)
    cip = expired_at_provider(order)
    now = order.expires_at + timedelta(minutes=1)
    advance(report(cip, Fact.CODE_EXPIRED), now=now)
    assert fresh(order).state == "expired"
    tick(now)
    assert (fresh(order).state, fresh(order).expires_at) == ("pending", date)


def test_a_newer_extension_is_not_ended_by_an_older_one(during: Happens) -> None:
    order, date = make(), later(days=8).replace(microsecond=0)

    def wished_by_one_that_dies() -> None:
        record(order, PendingAction.EXTEND, actor="eva", date=date, now=timezone.now())
        assert fresh(order).claim(timezone.now())

    during["extend"] = [wished_by_one_that_dies]
    extend_order(order, later(days=4))
    assert fresh(order).expires_at < date
    tick_for_hours(1)
    assert (fresh(order).expires_at, fresh(order).pending_action) == (date, "")


def test_a_pending_action_that_the_payment_ended_is_not_revived_by_its_failure(during: Happens) -> None:
    order = make()
    cip = order.cips.get()
    during["delete"] = [lambda: advance(report(cip))]
    MemoryChannel.fail("delete", DOWN)
    with pytest.raises(Unavailable):
        cancel_order(order)
    order = fresh(order)
    assert (order.state, order.pending_action, order.retry_at) == ("paid", "", None)


def test_an_order_cancelled_while_its_code_is_on_its_way_is_cancelled_with_it(during: Happens) -> None:
    during["issue"] = [lambda: cancel_order(Order.objects.get())]
    order = make()
    tick_for_hours(2)
    assert (fresh(order).state, len(made_codes()), payable_codes()) == ("cancelled", 1, [])


def test_a_cancellation_recorded_while_the_code_is_on_its_way_is_done(during: Happens) -> None:
    during["issue"] = [lambda: record(Order.objects.get(), PendingAction.CANCEL, actor="marta", now=timezone.now())]
    order = make()
    tick_for_hours(2)
    assert (fresh(order).state, len(made_codes()), payable_codes()) == ("cancelled", 1, [])


def test_issue_code_with_an_old_object_does_not_overwrite_a_cancellation() -> None:
    MemoryChannel.failures["issue"] = [(LOST, False)] * 2
    order = make()
    tick_for_hours(2)
    old = fresh(order)
    assert (old.state, old.pending_action) == ("new", "")
    record(order, PendingAction.CANCEL, actor="marta", now=timezone.now())
    issue_code(old)
    tick_for_hours(2)
    assert (fresh(order).state, payable_codes()) == ("cancelled", [])


def test_a_pending_action_is_not_ended_before_its_discrepancy_is_written() -> None:
    order = make()
    MemoryChannel.failures["delete"] = [(DOWN, False)] * 20
    with pytest.raises(Unavailable):
        cancel_order(order)
    with breaking("INSERT INTO", "pagoefectivo_discrepancy") as broken:
        tick_for_hours(12)
    assert broken
    assert fresh(order).pending_action == "cancel"
    tick_for_hours(3, begin=12)
    assert (discrepancies(order=order), fresh(order).pending_action) == (["not_confirmed"], "")


# Which code.


def test_extend_takes_the_current_code_and_not_one_that_expired() -> None:
    order = make()
    cip = expired_at_provider(order)
    now = order.expires_at + timedelta(minutes=1)
    advance(report(cip, Fact.CODE_EXPIRED), now=now)
    reissue_code(order, now=now)
    new = order.code
    assert new != cip.code
    extend_order(order, now + timedelta(days=6), now=now)
    assert MemoryChannel.calls[-2:] == [("extend", new), ("look_up", new)]
    assert (order.code, payable_codes()) == (new, [new])


def test_digits_that_the_account_used_before_go_to_a_person(settings: Any) -> None:
    serve_by(settings, Repeating)
    first = cancel_order(make())
    second = make()
    tick_for_hours(6)
    assert len(calls("issue")) == 2
    assert (fresh(second).state, fresh(second).code, discrepancies(order=second)) == ("new", "", ["lost_code"])
    assert (fresh(first).state, fresh(first).code, discrepancies(order=first)) == ("cancelled", "4711", [])


def test_a_superseded_code_that_expired_is_not_deleted_for_ever() -> None:
    order = make()
    old = order.cips.get()
    reissue_code(order)
    new = expired_at_provider(order)
    advance(report(old))
    MemoryChannel.calls.clear()
    tick_for_hours(12)
    new.refresh_from_db()
    assert (len(calls("delete")), new.retry_at) == (1, None)
    assert (fresh(order).state, discrepancies(order=order)) == ("paid", [])


# Reissuing.


def test_a_reissue_whose_answers_get_lost_ends_with_a_person_after_two_codes() -> None:
    order = make()
    MemoryChannel.failures["issue"] = [(LOST, True)] * 15
    reissue_code(order)
    tick_for_hours(12)
    assert (len(made_codes()), discrepancies(order=order)) == (3, ["lost_code"])


def test_a_reissue_of_an_order_whose_codes_were_lost_makes_two_more_at_most() -> None:
    MemoryChannel.failures["issue"] = [(LOST, True)] * 15
    order = make()
    tick_for_hours(3)
    assert (len(made_codes()), discrepancies(order=order)) == (2, ["lost_code"])
    reissue_code(order, now=later(hours=4))
    tick_for_hours(12, begin=4)
    assert len(made_codes()) == 4


def test_a_reissue_of_a_code_that_expired_at_the_provider_tells_of_no_expiry() -> None:
    order = make()
    expired_at_provider(order)
    now = order.expires_at + timedelta(minutes=1)
    MemoryChannel.fail("issue", DOWN)
    with pytest.raises(Unavailable):
        reissue_code(order, now=now)
    assert fresh(order).pending_action == "reissue"
    tick(now + timedelta(hours=1))
    assert (fresh(order).state, payable_codes()) == ("pending", [fresh(order).code])
    assert not OrderEvent.objects.filter(order=order, kind="payment_expired").exists()


def test_a_reissue_whose_process_dies_is_finished_by_the_worker(during: Happens) -> None:
    order = make()
    expired_at_provider(order)
    now = order.expires_at + timedelta(minutes=1)

    def die() -> None:
        raise Killed

    during["issue"] = [die]
    with pytest.raises(Killed):
        reissue_code(order, now=now)
    for hour in range(1, 4):
        tick(now + timedelta(hours=hour))
    assert (fresh(order).state, payable_codes()) == ("pending", [fresh(order).code])


def test_a_deletion_for_a_reissue_that_somebody_else_hears_of_leaves_the_order() -> None:
    order = make()
    MemoryChannel.fail("delete", LOST, after=True)
    MemoryChannel.fail("look_up", DOWN)
    with pytest.raises(Unavailable):
        reissue_code(order)
    refresh_order(order)
    assert (order.state, order.pending_action, payable_codes()) == ("pending", "reissue", [])
    tick_for_hours(1)
    assert (fresh(order).state, payable_codes()) == ("pending", [fresh(order).code])
    assert not OrderEvent.objects.filter(order=order, kind="payment_cancelled").exists()


def test_a_reissue_that_every_route_refuses_raises_and_asks_a_person() -> None:
    order = make()
    MemoryChannel.fail("issue", Refused("amount: over the merchant's maximum"))
    with pytest.raises(Refused, match="over the merchant's maximum"):
        reissue_code(order)
    assert discrepancies(order=order) == ["not_confirmed"]
    assert payable_codes() == []


@pytest.mark.parametrize("pending_action", [reissue_code, lambda order: extend_order(order, later(days=5))])
def test_a_cancelled_order_is_not_brought_back(pending_action: Callable[[Order], Order]) -> None:
    order = make()
    cip = expired_at_provider(order)
    advance(report(cip, Fact.CODE_EXPIRED))
    cancel_order(order)
    assert order.state == "cancelled"
    with pytest.raises(InvalidRequest, match="cancelled"):
        pending_action(order)
    tick_for_hours(2)
    assert (fresh(order).state, payable_codes()) == ("cancelled", [])


# Questions.


def test_a_discrepancy_answered_once_does_not_silence_the_next() -> None:
    order = make()
    for _ in range(2):
        MemoryChannel.failures["delete"] = [(DOWN, False)] * 9
        with pytest.raises(PagoEfectivoError):
            cancel_order(order)
        tick_for_hours(12)
        discrepancy = Discrepancy.objects.filter(order=order).open().get()
        assert discrepancy.kind == "not_confirmed"
        resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="Later.")
    assert Discrepancy.objects.filter(order=order).count() == 2


@pytest.mark.parametrize("step", [cancel_order, reissue_code, lambda order: extend_order(order, later(days=5))])
def test_a_stale_answer_that_says_paid_is_asked_again_and_not_forgotten(during: Happens, step: Any) -> None:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    taken_back = {"version": 99, "reversed_version": 99}
    during["look_up"] = [lambda: Cip.objects.filter(order=order).update(**taken_back)]
    with pytest.raises(OutcomeUnknown):
        step(order)
    assert (fresh(order).state, bool(fresh(order).pending_action)) == ("pending", True)
    tick(later(minutes=10))
    assert (fresh(order).state, fresh(order).pending_action) == ("paid", "")
