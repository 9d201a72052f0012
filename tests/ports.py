"""Ports of this machine that nobody else can take in the meantime."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refusing() -> Iterator[int]:
    """Hold a port that refuses connections, until a server of the test listens there with SO_REUSEADDR.

    Bound and not listening: a port that is found and let go may be given to another process before it is used.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port
