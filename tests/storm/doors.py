"""Addresses before the providers that open and close: while one is closed, every connection to it is refused."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

#: Seconds for which a provider is down, longer than the pause before a call is tried once more, and up in between.
DOWN, UP = (0.8, 1.6), (3.0, 6.0)


class Door:
    """A port of this machine that leads to a provider's; ``site`` is its address."""

    def __init__(self, site: str) -> None:
        parts = urlsplit(site)
        self._there = (parts.hostname or "", parts.port or 80)
        # Bound and not listening: the port stays ours while connections to it are refused.
        self._holder = _bound(0)
        self._port: int = self._holder.getsockname()[1]
        self.site = f"http://127.0.0.1:{self._port}"
        self._listener: socket.socket | None = None

    def open(self) -> None:
        listener = self._listener = _bound(self._port)
        listener.listen(128)
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on; those that stand are served to their end."""
        listener, self._listener = self._listener, None
        if listener:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
            listener.close()

    def leave(self) -> None:
        self.close()
        self._holder.close()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                try:
                    provider = socket.create_connection(self._there)
                except OSError:
                    caller.close()
                    continue
                threading.Thread(target=_carry, args=(caller, provider), daemon=True).start()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _carry(caller: socket.socket, provider: socket.socket) -> None:
    with caller, provider:
        back = threading.Thread(target=_pass_on, args=(provider, caller), daemon=True)
        back.start()
        _pass_on(caller, provider)
        back.join()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@contextmanager
def doors(sites: Mapping[str, str]) -> Iterator[dict[str, Door]]:
    """Open a door before each provider."""
    made = {name: Door(site) for name, site in sites.items()}
    try:
        for door in made.values():
            door.open()
        yield made
    finally:
        for door in made.values():
            door.leave()


@contextmanager
def ups_and_downs(made: Mapping[str, Door], seed: int) -> Iterator[Counter[str]]:
    """Let the providers go up and down, one after another and now and then two at once, until the block ends.

    Yields how often each was down.
    """
    over, chance, down = threading.Event(), random.Random(seed), Counter[str]()

    def blow() -> None:
        turns = 0
        while not over.wait(chance.uniform(*UP)):
            names = list(made)
            closed = [names[turns % len(names)]] + ([chance.choice(names)] if turns % 4 == 3 else [])
            turns += 1
            for name in {*closed}:
                made[name].close()
                down[name] += 1
            over.wait(chance.uniform(*DOWN))
            for name in {*closed}:
                made[name].open()

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield down
    finally:
        over.set()
        thread.join()
