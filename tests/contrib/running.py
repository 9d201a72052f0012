"""A shop and its Celery worker, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sandbox.running import PATIENCE, ROOT, Client, wait_for

SETTINGS = "tests.contrib.settings_celery"


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def did(self) -> Counter[str]:
        """How often it ended which task well."""
        return Counter(re.findall(r"^told: did (\S+)$", self.log, re.MULTILINE))


def with_celery(environment: Mapping[str, str], broker: str, settings: str = SETTINGS) -> dict[str, str]:
    """Return the environment of a shop's process that has a Celery, whose broker is at this address."""
    return {**environment, "DJANGO_SETTINGS_MODULE": settings, "TEST_BROKER_URL": broker}


def with_sandbox(environment: Mapping[str, str], sandbox: Client) -> dict[str, str]:
    """Return the environment of a process whose provider is this sandbox: one memory for all processes."""
    keys = {f"PAGOEFECTIVO_{name}": value for name, value in sandbox.options.items()}
    return {**environment, **keys, "PAGOEFECTIVO_BASE_URL": sandbox.base}


@contextmanager
def celery_worker(
    environment: Mapping[str, str], *arguments: str, app: str = "tests.contrib.celery_told"
) -> Iterator[Worker]:
    """Start a Celery worker, wait until it takes tasks, and stop it.

    ``environment`` is that of ``with_celery``. More ``arguments`` go to ``celery worker``: ``--pool=threads``,
    ``--concurrency=4``, ``--beat``.
    """
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "worker.log"
        options = ["--loglevel=INFO", "--without-gossip", "--without-mingle"]
        if "--beat" in arguments:
            options.append(f"--schedule={folder}/beat")
        command = [sys.executable, "-m", "celery", "-A", app, "worker", *options, *arguments]
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=dict(environment), stdout=log, stderr=log, start_new_session=True
            )
        worker = Worker(process, log_file)
        try:
            wait_for(lambda: "told: ready\n" in worker.log or process.poll() is not None)
            assert process.poll() is None, worker.log
            yield worker
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a worker after the tasks it has begun; whatever it leaves behind, too."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class Shop:
    """A process of ``tests.contrib.shop``."""

    process: subprocess.Popen[str]
    log_file: Path
    #: How long the last command took.
    seconds: float = 0.0

    def do(self, *command: str) -> Any:
        """Have the shop do something, and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(*command, file=self.process.stdin, flush=True)
        answered, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if answered else ""
        assert line, f"The shop does not answer to {command}.\n{self.log}"
        answer = json.loads(line)
        self.seconds = answer["seconds"]
        return answer["answer"]

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


@contextmanager
def shopping(environment: Mapping[str, str]) -> Iterator[Shop]:
    """Open a shop, in which every warning is an error, and close it."""
    command = [sys.executable, "-W", "error", "-m", "tests.contrib.shop"]
    pipe = subprocess.PIPE
    with tempfile.TemporaryDirectory() as folder:
        log_file = Path(folder) / "shop.log"
        with (
            log_file.open("wb") as log,
            subprocess.Popen(
                command, cwd=ROOT, env=dict(environment), stdin=pipe, stdout=pipe, stderr=log, text=True
            ) as process,
        ):
            try:
                yield Shop(process, log_file)
            finally:
                process.kill()
