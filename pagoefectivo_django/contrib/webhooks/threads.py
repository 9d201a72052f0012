"""Threads that post messages: a thread that hangs is left to itself, since the look-up of a name knows no time-out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from threading import Thread

from .models import Outcome
from .posting import LONGEST, Answer, post

#: Seconds after which a thread is left to itself; all but the look-up of a name ends within ``LONGEST``.
LEFT_AFTER = LONGEST + 2

#: The endpoints of the threads of this process that were left to themselves and still run.
_left: dict[Future[Answer], int] = {}


def begin(url: str, headers: Mapping[str, str], body: bytes) -> Future[Answer]:
    """Send a POST in a thread of its own, which holds up neither a round nor the end of the process."""
    future: Future[Answer] = Future()
    Thread(
        target=lambda: future.set_result(post(url, headers, body)), name="pagoefectivo-webhooks", daemon=True
    ).start()
    return future


def left() -> list[int]:
    """Return the endpoints, by key, of the threads that were left to themselves and still run."""
    return list(_left.values())


def ended(running: Mapping[Future[Answer], float]) -> list[Future[Answer]]:
    """Wait for the first thread that has ended or whose time is over; ``running``: when each was begun."""
    pause = min(running.values()) + LEFT_AFTER - time.monotonic()
    wait(running, max(pause, 0), FIRST_COMPLETED)
    moment = time.monotonic()
    return [future for future, begun in running.items() if future.done() or begun + LEFT_AFTER <= moment]


def answer_of(future: Future[Answer], endpoint: int) -> Answer:
    """Return a thread's answer; a thread that still runs is left to itself, and sends nothing any more."""
    if future.done():
        return future.result()
    _left[future] = endpoint
    future.add_done_callback(_left.pop)
    return Answer(Outcome.TIMED_OUT)
