"""The command ``pagoefectivo_worker``: does everything due, until stopped."""

from __future__ import annotations

import logging
import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.views.decorators.debug import sensitive_variables

from ...flows import tick
from ...flows.worker.tick import TickResult

logger = logging.getLogger("pagoefectivo.worker")

#: Seconds to wait after a round in which nothing was due, and the longest wait before retrying a database that is away.
PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Command(BaseCommand):
    """A loop over ``tick``; any number of workers may run at once."""

    help = (
        "Applies waiting notifications, delivers events and asks providers, until it is stopped by SIGTERM or SIGINT."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="do one round and end")

    @sensitive_variables()
    def handle(self, *args: Any, once: bool = False, **options: Any) -> None:
        with _stopped_by_signal() as stopped:
            if once:
                self._round(stopped)
                return
            pause = PAUSE
            while not stopped.is_set():
                try:
                    # Django closes old connections after each request; a process that runs for days has to do so
                    # itself.
                    close_old_connections()
                    pause = 0.0 if self._round(stopped) else PAUSE
                except (OperationalError, InterfaceError) as error:
                    connections.close_all()
                    pause = min(max(2 * pause, PAUSE), LONGEST_PAUSE)
                    logger.error("The database is away, trying again in %.0f s: %s", pause, type(error).__name__)
                stopped.wait(pause)

    def _round(self, stopped: threading.Event) -> TickResult:
        """Do one round, and log and print the counts in one line."""
        begin = time.monotonic()
        done = tick(stopped=stopped.is_set)
        seconds = time.monotonic() - begin
        level = logging.INFO if done else logging.DEBUG  # an idle worker would log a line each second
        logger.log(level, "round %s seconds=%.3f", done, seconds, extra={"round": asdict(done) | {"seconds": seconds}})
        if done:
            self.stdout.write(f"{done} seconds={seconds:.3f}")
        return done


@contextmanager
def _stopped_by_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM or SIGINT sets; work already begun is finished before the process ends."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
