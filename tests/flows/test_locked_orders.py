"""Kind 9: an order that an idle transaction of the shop's has locked holds no batch and no worker."""

import io
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from pagoefectivo_django.actors import SHOP
from pagoefectivo_django.channels.base import CodeRef
from pagoefectivo_django.conf import conf
from pagoefectivo_django.flows import cancel_order, import_settlement, tick
from pagoefectivo_django.flows.orders.pending_action import record
from pagoefectivo_django.flows.settlements.imports import confirm_settlement, read_settlement
from pagoefectivo_django.flows.worker.tick import TickResult
from pagoefectivo_django.models import Cip, Discrepancy, Heartbeat, Match, Order, Settlement
from pagoefectivo_django.models.database import LEASE
from pagoefectivo_django.states import Fact, PendingAction
from pagoefectivo_django.testing import pay
from tests.clock import later
from tests.concurrency import at_once, held
from tests.factories.orders import make
from tests.factories.provider import serve_by
from tests.factories.statements import OWN, line, text
from tests.flows.locked import WORK, Told, past, settled
from tests.flushing import RARE
from tests.reading import fresh
from tests.settlements.test_matching import DAY

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.mariadb,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(autouse=True)
def able(settings: Any) -> None:
    """Where the database can't skip what is locked, a batch waits as before."""
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database has no SKIP LOCKED")
    serve_by(settings, Told, CAN_REFUND=True)


def round_now(**later: float) -> None:
    """Do one round; what is done once an hour is done in each."""
    Heartbeat.objects.filter(name__in=RARE).delete()
    tick(timezone.now() + timedelta(**later))


@pytest.mark.parametrize("work", WORK)
def test_a_round_goes_on_with_what_is_free_and_comes_back(work: str, caplog: pytest.LogCaptureFixture) -> None:
    mine = WORK[work]
    stuck, free = [mine.make(), mine.make()], mine.make()
    mine.prepare([*stuck, free])
    assert not any(map(mine.done, [*stuck, free])), "there is nothing to do"
    caplog.clear()
    with held(*stuck) as over:
        round_now()
        assert not over.is_set(), "the round waited for an order's lock"
        assert mine.done(free)
    for minutes in (0, 1, 10):
        round_now(seconds=LEASE.total_seconds(), minutes=minutes)
    assert all(map(mine.done, stuck))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_every_part_of_a_round_has_work_that_is_tried() -> None:
    """Messages are tried by the tests of the webhook."""
    assert {mine.part for mine in WORK.values()} == {field.name for field in fields(TickResult)} - {"notifications"}


def test_however_many_orders_are_held_the_others_come_to_their_turn(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 2}
    stuck, free = [make() for _ in range(5)], [make() for _ in range(3)]
    for order in (*stuck, *free):
        past(Fact.CODE_EXPIRED)(order)
    with held(*stuck):
        tick()
        assert {fresh(order).state for order in free} == {"expired"}
        assert {fresh(order).state for order in stuck} == {"pending"}
    tick(timezone.now() + LEASE)
    assert {fresh(order).state for order in stuck} == {"expired"}


def test_of_two_payments_that_a_line_can_be_the_free_one_is_not_plain_because_the_other_is_held() -> None:
    one, two = pay(make(), operation_number="77"), pay(make(), operation_number="77")
    with held(one) as over:
        file = confirmed(f";77;35.50;1.89;{DAY}")
        tick()
        assert not over.is_set()
        assert not Match.objects.exists()
    tick(timezone.now() + LEASE + timedelta(minutes=1))
    assert [mine.status for mine in file.lines.all()] == ["discrepancy"]
    assert not any(map(settled, (one, two)))


def confirmed(*rows: str) -> Settlement:
    """Import a statement, and leave its lines to the worker."""
    data = "\n".join(["CIP;Operacion;Monto;Comision;Fecha", *rows]).encode()
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | {"STATEMENTS": OWN}):
        return confirm_settlement(
            read_settlement(io.BytesIO(data), "own.csv", actor="ana", currency="PEN", format="own")
        )


def test_who_imports_a_statement_waits_for_an_order_and_finds_all_of_it_matched() -> None:
    orders = [pay(make()), pay(make())]
    with held(orders[0]) as over:
        thread = threading.Thread(target=lambda: at_once(lambda: imported(orders)))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert not over.is_set()
    thread.join(30)
    assert all(map(settled, orders))


def imported(orders: list[Order]) -> None:
    import_settlement(io.BytesIO(text([line(order) for order in orders])), "LIQ-8.txt", actor="ana", currency="PEN")


def test_a_person_waits_for_an_order_that_is_locked_for_a_moment() -> None:
    order = make()
    with held(order) as over:
        timer = threading.Timer(0.3, lambda: None)
        thread = threading.Thread(target=lambda: at_once(lambda: cancel_order(order, actor="rosa")))
        thread.start()
        timer.start()
        timer.join()
        assert thread.is_alive()
        assert not over.is_set()
    thread.join(30)
    assert fresh(order).state == "cancelled"


def deferred(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(deferred_action="cancel", action_requested_at=timezone.now())


def unwatched(order: Order) -> None:
    long_ago = timezone.now() - timedelta(days=60)
    Order.objects.filter(pk=order.pk).update(state="expired", lapses_at=None, expires_at=long_ago)
    gone = Cip.objects.filter(order=order)
    gone.update(account="memory:gone", status="expired", live=None, poll_at=long_ago, expires_at=long_ago)


def of_the_future(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(lapses_at=timezone.now() + timedelta(days=900))


@pytest.mark.parametrize(
    ("prepare", "done"),
    [
        (deferred, lambda order: order.state == "cancelled"),
        (unwatched, lambda order: order.cip.poll_at is None),
        (of_the_future, lambda order: order.lapses_at == order.expires_at + conf.grace),
    ],
    ids=["a wish that waited for an answer", "a watch that nobody keeps", "a date of a wrong clock"],
)
def test_however_many_are_held_what_is_looked_for_in_batches_is_found(
    settings: Any, prepare: Callable[[Order], None], done: Callable[[Order], bool]
) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 1}
    stuck, free = [make(), make()], make()
    for order in (*stuck, free):
        prepare(order)
    with held(*stuck) as over:
        round_now()
        assert not over.is_set(), "the round waited for an order's lock"
        assert done(fresh(free))
    round_now(minutes=1)
    assert all(done(fresh(order)) for order in stuck)


@pytest.mark.parametrize(
    ("pending_action", "call", "done"),
    [
        (PendingAction.CANCEL, "delete", lambda order: order.state == "cancelled"),
        (PendingAction.EXTEND, "extend", lambda order: order.expires_at > later(days=3)),
        (PendingAction.REISSUE, "delete", lambda order: order.state == "pending" and order.cips.count() == 2),
    ],
)
def test_an_order_that_is_taken_while_its_provider_is_asked_holds_no_worker(
    monkeypatch: pytest.MonkeyPatch, pending_action: PendingAction, call: str, done: Callable[[Order], bool]
) -> None:
    order, other = make(), make()
    date = None if pending_action == PendingAction.CANCEL else later(days=4)
    for each in (order, other):
        record(each, pending_action, actor=SHOP, date=date, now=timezone.now())
    real, shop = getattr(Told, call), ExitStack()

    def taken(self: Told, ref: CodeRef, *named: Any) -> None:
        real(self, ref, *named)
        if ref.code == order.code:
            monkeypatch.setattr(Told, call, real)
            shop.enter_context(held(order))

    monkeypatch.setattr(Told, call, taken, raising=False)

    def work() -> None:
        try:
            tick()
        finally:
            connections.close_all()

    worker = threading.Thread(target=work)
    with shop:
        worker.start()
        worker.join(20)
        assert not worker.is_alive(), "the round waits for an order's lock"
        assert (done(fresh(order)), done(fresh(other))) == (False, True)
    worker.join(30)
    for minutes in (0, 1, 10):
        round_now(seconds=LEASE.total_seconds(), minutes=minutes)
    assert done(fresh(order))
    assert not Discrepancy.objects.exists()
