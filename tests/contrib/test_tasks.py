"""Django's own tasks do what the worker does, and beside any other worker."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

import pagoefectivo_django.contrib.tasks
from pagoefectivo_django.contrib.tasks import apps
from pagoefectivo_django.flows.worker.tick import TickResult
from pagoefectivo_django.models import Delivery, Order
from tests import valkey
from tests.contrib.running import celery_worker, shopping, with_celery, with_sandbox
from tests.sandbox.running import PATIENCE, ROOT, wait_for
from tests.sandbox.running import running as sandbox_running
from tests.shop.models import Heard

committed = pytest.mark.django_db(transaction=True)
BOTH = "tests.contrib.settings_both"
PUBLISH = "pagoefectivo_django.contrib.tasks.tasks.publish_events"


def with_tasks(environment: dict[str, str], backend: str) -> dict[str, str]:
    return {**environment, "DJANGO_SETTINGS_MODULE": "tests.contrib.settings_tasks", "TEST_TASKS": backend}


@committed
def test_a_backend_that_stores_is_told_after_the_commit(child_environment: dict[str, str]) -> None:
    with shopping(with_tasks(child_environment, "dummy.DummyBackend")) as shop:
        shop.do("create", "SHOP-1")
        assert shop.do("queued") == [PUBLISH]
        for end, queued in (("roll_back", 1), ("commit", 2)):
            shop.do("begin")
            assert shop.do("pay", "SHOP-1") == "paid"
            assert len(shop.do("queued")) == 1
            shop.do(end)
            assert len(shop.do("queued")) == queued, end
        assert not Heard.objects.exists(), "the shop itself delivers nothing"
        assert shop.log == ""


@committed
def test_the_immediate_backend_delivers_after_the_commit(child_environment: dict[str, str]) -> None:
    with shopping(with_tasks(child_environment, "immediate.ImmediateBackend")) as shop:
        shop.do("create", "SHOP-1")
        for end, hearers in (("roll_back", []), ("commit", [str(shop.process.pid)])):
            shop.do("begin")
            assert shop.do("pay", "SHOP-1") == "paid"
            assert not Heard.objects.filter(signal="note payment_confirmed").exists()
            shop.do(end)
            heard = Heard.objects.filter(signal="note payment_confirmed").values_list("state", flat=True)
            assert list(heard) == hearers, end


@committed
def test_what_a_tick_did_is_kept_as_json(child_environment: dict[str, str]) -> None:
    with shopping(with_tasks(child_environment, "immediate.ImmediateBackend")) as shop:
        shop.do("create", "SHOP-1")
        Delivery.objects.update(delivered_at=None, retry_at="2026-01-01T00:00:00Z")
        did = shop.do("run_tick_as_task")
        assert set(did) == set(TickResult.__dataclass_fields__)
        assert did["deliveries"] == 1
        assert shop.do("run_tick_as_task")["deliveries"] == 0


@pytest.mark.once
@committed
def test_every_kind_of_worker_at_once(child_environment: dict[str, str], tmp_path: Path) -> None:
    """Celery, Django's tasks and the plain worker: each event is heard exactly once."""
    with valkey.running() as server, sandbox_running() as sandbox:
        environment = {
            **with_sandbox(with_celery(child_environment, server.connection_url, BOTH), sandbox),
            "TEST_TASKS": "immediate.ImmediateBackend",
            "TEST_BEAT_EVERY": "0.2",
        }
        command = [sys.executable, "-m", "django", "pagoefectivo_worker"]
        with (
            celery_worker(environment, "--concurrency=2", "--beat"),
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as plain,
            shopping(environment) as shop,
            ExitStack() as stack,
        ):
            stack.callback(plain.kill)
            references = [f"SHOP-{number}" for number in range(5)]
            for reference in references:
                shop.do("create", reference)  # by now any of them may be asking for its code
            wait_for(lambda: Order.objects.filter(state="pending").count() == len(references))
            for order in Order.objects.select_related("cip"):
                sandbox.tell("pay", cip=int(order.code))
                assert shop.do("refresh", order.reference) == "paid"
            wait_for(lambda: not Delivery.objects.filter(delivered_at=None).exists())
            plain.terminate()
            assert plain.wait(PATIENCE) == 0, (tmp_path / "log").read_text()
            assert shop.log == ""
    told = Heard.objects.filter(signal="note payment_confirmed").order_by("reference")
    assert list(told.values_list("reference", flat=True)) == references


def test_without_tasks_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("django.tasks", "django_tasks"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"{apps.PagoEfectivoTasksConfig.name}.tasks", raising=False)
    config: AppConfig = apps.PagoEfectivoTasksConfig("tasks", pagoefectivo_django.contrib.tasks)
    with pytest.raises(ImproperlyConfigured, match=r"pagoefectivo-django\[tasks\]"):
        config.ready()
