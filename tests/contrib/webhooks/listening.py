"""Receivers of webhooks on real sockets, each with a way of its own to answer, or not to."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
Answer = bytes | Callable[[socket.socket], None]


@dataclass
class Heard:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Listener:
    """A receiver; ``answer``: the bytes of its answer, or a function that is given the connection."""

    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"
    answer: Answer = OK
    heard: list[Heard] = field(default_factory=list)
    #: How many connections came, and the names that TLS asked for.
    connections: int = 0
    names: list[str] = field(default_factory=list)
    #: Set at the end: who hangs may go.
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/hooks?token=made-up-token"

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            file = connection.makefile("rb")
            line = file.readline().decode().strip()
            headers = dict(header.split(": ", 1) for header in iter(lambda: file.readline().decode().strip(), ""))
            headers = {name.lower(): value for name, value in headers.items()}
            self.heard.append(Heard(line, headers, file.read(int(headers.get("content-length", 0)))))
            if callable(self.answer):
                self.answer(connection)
            else:
                connection.sendall(self.answer)

    def hang(self, connection: socket.socket) -> None:
        """Answer nothing, and keep the connection."""
        self.over.wait(60)

    def drip(self, connection: socket.socket) -> None:
        """Answer a byte now and then, for ever."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.over.wait(0.05):
            connection.sendall(b"a")


@contextmanager
def listening(
    context: ssl.SSLContext | None = None, family: socket.AddressFamily = socket.AF_INET, **named: Any
) -> Iterator[Listener]:
    """Listen on a free port of this machine, with TLS where a context is given."""
    with socket.socket(family) as server:
        server.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        server.listen(50)
        listener = Listener(server.getsockname()[1], "https" if context else "http", **named)
        if context:
            context.sni_callback = lambda _sock, name, _context: listener.names.append(str(name))

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                listener.connections += 1
                threading.Thread(target=begin, args=(connection,), daemon=True).start()

        def begin(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                listener.serve(context.wrap_socket(connection, server_side=True) if context else connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            listener.over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
