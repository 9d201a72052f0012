"""Kind 1, a stored clock is trusted: the database says what time it is, and a wrong clock stops nothing."""

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import models
from django.test import Client
from django.utils import timezone

import pagoefectivo_django
from pagoefectivo_django.channels.exchange import Exchange, listener
from pagoefectivo_django.flows import extend_order, refresh_order, tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.provider.record import recorded
from pagoefectivo_django.flows.reports.health import waiting, wrong_clocks
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import ApiCall, Cip, Discrepancy, Heartbeat, Order, Settlement
from pagoefectivo_django.models.clock import current_time, machine, skew
from pagoefectivo_django.models.heartbeat import beat, in_pace
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import at_most, later
from tests.factories.orders import make
from tests.factories.provider import channel
from tests.factories.statements import line, load
from tests.reading import calls, fresh, searches

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "first_round"),
]

PACKAGE = Path(pagoefectivo_django.__file__).parent
#: What decides, and what shows what was decided.
DECIDES = ("flows", "views", "admin", "management", "templatetags", "models", "contrib", "dashboard", "doctor", "mail")


@contextmanager
def ahead(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> Iterator[None]:
    """Let this machine's clock be wrong."""
    right = timezone.now
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: right() + by)
        yield


def test_what_decides_asks_the_database_what_time_it_is() -> None:
    asked = {
        str(path.relative_to(PACKAGE))
        for folder in DECIDES
        for path in (PACKAGE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("timezone.now", "datetime.now")
    }
    assert asked == {"models/clock.py"}


@pytest.mark.postgresql
@pytest.mark.mariadb
def test_a_call_is_written_down_at_the_time_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    with ahead(monkeypatch, timedelta(hours=1)), recorded(channel()):
        told = listener()
        assert told
        told(Exchange("GET", "/v1/cips", 200, "", timezone.now(), 20, "", ""))
    assert abs(ApiCall.objects.get().began_at - current_time()) < timedelta(minutes=10)


@pytest.mark.parametrize("wrong", [timedelta(hours=1), timedelta(days=365), -timedelta(days=365)])
@pytest.mark.parametrize("every", [timedelta(seconds=0.5), timedelta(hours=1)])
def test_a_pace_that_a_wrong_clock_wrote_is_nobodys(wrong: timedelta, every: timedelta) -> None:
    beat("pace", current_time() + wrong + 2 * every)
    assert in_pace("pace", every, current_time())
    taken = [in_pace("pace", every, current_time()) for _ in range(60)]
    assert not all(taken), "it is a pace again"


def test_a_search_of_a_machine_of_the_future_stops_no_look() -> None:
    order = make(expires_at=later(minutes=20))
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    beat(f"search {channel().account}", later(days=365))
    Cip.objects.update(poll_at=timezone.now())
    tick()
    assert fresh(order).state == "paid"


def test_the_commands_end_although_the_pace_is_of_the_future() -> None:
    order = make()
    beat(f"search {channel().account}", later(days=1))
    with at_most(20):
        call_command("pagoefectivo_reconcile", all=True, verbosity=0)
        beat(f"search {channel().account}", later(days=1))
        load(line(order))
    assert Settlement.objects.get().status == "done"


def test_a_code_that_changed_in_the_future_is_asked_about_once_a_round_and_its_answer_counts() -> None:
    order = make(expires_at=later(minutes=20))
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    Cip.objects.update(changed_at=later(hours=12), poll_at=timezone.now())
    with at_most(20):
        reconcile(TimeBudget(None, timedelta(seconds=20)))
    assert len(calls("look_up")) == 1
    assert fresh(order).state == "paid"


def test_a_beat_of_the_future_does_not_say_that_a_worker_runs() -> None:
    beat("tick", later(days=3))
    assert waiting().asleep(current_time())
    tick()
    assert not waiting().asleep(current_time())


# A machine whose clock is wrong; on SQLite the machine's is the database's.

ELSEWHERE = [pytest.mark.postgresql, pytest.mark.mariadb]
HOUR = timedelta(hours=1)


def _marked(test: Callable[..., Any]) -> Callable[..., Any]:
    for mark in ELSEWHERE:
        test = mark(test)
    return test


@_marked
def test_a_machine_an_hour_ahead_ends_nothing_early_and_holds_no_payment(monkeypatch: pytest.MonkeyPatch) -> None:
    order, paid = make(expires_at=later(minutes=20)), make(expires_at=later(minutes=20))
    with ahead(monkeypatch, HOUR):
        tick()
        pay(paid, paid_at=None)
        extended = make(expires_at=timezone.now() + timedelta(hours=1))
        extend_order(extended, timezone.now() + timedelta(hours=5))
    assert calls("delete") == []
    assert (fresh(order).state, fresh(paid).state) == ("pending", "paid")


@_marked
@pytest.mark.parametrize("by", [1.7 * HOUR, -1.7 * HOUR])
def test_no_time_that_it_writes_is_its_own(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Every moment in every row: of now, not of its now; dates that were asked for apart."""
    begin = current_time()
    with ahead(monkeypatch, by):
        order = make(expires_at=begin + timedelta(days=40))
        notify(order, Fact.CODE_EXPIRED)
        tick()
        notify(order, operation_number="1", paid_at=begin.isoformat())
        tick()
    wrong = set()
    for model in apps.get_app_config("pagoefectivo").get_models():
        columns = [field.name for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)]
        for row in model._base_manager.values(*columns) if columns else ():
            wrong |= {
                f"{model.__name__}.{name}"
                for name, moment in row.items()
                if moment and abs(abs(moment - begin) - abs(by)) < timedelta(minutes=2)
            }
    assert wrong <= {"ApiCall.began_at"}, "the log of calls is the machine's"


@_marked
def test_a_lease_of_another_machine_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    order = make()
    Order.objects.update(
        pending_action="cancel", retry_at=current_time(), action_requested_at=current_time(), attempts=0
    )
    assert order.retry_at is None
    order = fresh(order)
    assert order.claim(current_time())
    with ahead(monkeypatch, HOUR):
        tick()
    assert calls("delete") == []


@_marked
def test_its_skew_is_said_on_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_superuser("rosa", "rosa@example.com", "x")
    with ahead(monkeypatch, HOUR):
        assert abs((skew() or timedelta(0)) - HOUR) < timedelta(minutes=1)
        tick()
    (clock,) = wrong_clocks(current_time())
    assert clock.machine == machine()
    tick()
    assert wrong_clocks(current_time()) == []


@pytest.mark.parametrize(("by", "says"), [(HOUR, "web-7 is 60 min ahead"), (-HOUR, "web-7 is 60 min behind")])
def test_the_first_page_names_a_machine_whose_clock_is_wrong(by: timedelta, says: str) -> None:
    User.objects.create_superuser("rosa", "rosa@example.com", "x")
    visitor = Client()
    visitor.force_login(User.objects.get())
    address = "/admin/pagoefectivo/"
    assert says not in visitor.get(address).content.decode()
    beat("clock web-7", current_time(), ahead=by)
    assert says in visitor.get(address).content.decode()
    Heartbeat.objects.filter(name="clock web-7").update(beaten_at=later(days=-2))
    assert says not in visitor.get(address).content.decode(), "it is gone"


# A code that changed in the future is asked about once and believed.


@pytest.fixture
def order() -> Order:
    order = make(expires_at=later(minutes=20))
    Cip.objects.update(changed_at=later(hours=12), poll_at=None)
    return order


def test_expiry_believes_the_first_answer(order: Order) -> None:
    """It ignored that the answer counted as stale, and asked again each two minutes, for ever."""
    channel().set(order.code, Fact.CODE_EXPIRED)
    tick(later(minutes=60))
    order.reload()
    assert (order.state, len(searches())) == ("expired", 1)
    for minutes in range(62, 80, 2):
        tick(later(minutes=minutes))
    assert len(searches()) <= 2, "it is watched, and not asked about each time"


def test_a_payment_is_found_by_the_last_look(order: Order) -> None:
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    tick(later(minutes=60))
    order.reload()
    assert (order.state, len(searches())) == ("paid", 1)


def test_a_person_who_asks_is_told(order: Order) -> None:
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    assert refresh_order(order).state == "paid"


# A machine whose clock is an hour ahead.


@_marked
def test_a_payment_before_the_end_of_its_code_is_not_late_there(monkeypatch: pytest.MonkeyPatch) -> None:
    order, right = make(expires_at=later(minutes=20)), timezone.now
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: right() + timedelta(hours=1))
        pay(order, paid_at=None)
    order.reload()
    assert (order.state, Discrepancy.objects.count()) == ("paid", 0)
