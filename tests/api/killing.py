"""Requests to the API whose process is killed at each moment in turn, and sent again: ``python -m tests.api.killing``.

A program of its own, since a process with threads, as pytest may have, is not forked. Says in JSON how many processes
were killed for each request.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django


def main() -> None:
    """Kill and repeat each request until it comes to its end alive."""
    django.setup()
    from tests.api import killed

    json.dump({name: sweep(killed.prepare, send, killed.repeat) for name, send in killed.REQUESTS.items()}, sys.stdout)


def sweep(prepare: Callable[[str], Any], send: Callable[[Any], Any], repeat: Callable[..., None]) -> int:
    """Have a request killed at its first, second, … moment and repeated; return how many were killed."""
    from tests.crash.points import Points

    for fatal in range(1, 1000):
        given = prepare(f"{send.__name__}-{fatal}")
        if not (pid := os.fork()):
            signal.alarm(60)
            with Points().counted(fatal):
                send(given)
            os._exit(0)
        _pid, status = os.waitpid(pid, 0)
        repeat(send, given)
        if not os.WIFSIGNALED(status):
            return fatal - 1
    raise AssertionError("the request never ended")


if __name__ == "__main__":
    main()
