"""A provider that says what a test has written down, and remembers what it was asked. Real HTTP, nothing of ours."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Says:
    """One answer: ``body`` as bytes or as JSON, late, or nothing at all."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0
    drop: bool = False
    #: Seconds between single bytes of the body.
    drip: float = 0.0


@dataclass
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Script:
    """What is answered, by ``METHOD path``: each answer once; the last one of ``always`` for ever."""

    def __init__(self) -> None:
        self.base = ""
        self.heard: list[Heard] = []
        self.lock = threading.Lock()
        self.once: dict[str, list[Says]] = {}
        self.always: dict[str, Says] = {}
        self.tokens = 0
        self.token_life = ("2026-11-22T10:00:00-05:00", "2026-11-22T12:00:00-05:00")

    def on(self, what: str, *answers: Says) -> None:
        self.once.setdefault(what, []).extend(answers)

    def asked(self, what: str) -> list[Heard]:
        return [each for each in self.heard if f"{each.method} {each.path}" == what]

    def answer(self, heard: Heard) -> Says:
        what = f"{heard.method} {heard.path}"
        with self.lock:
            self.heard.append(heard)
            if self.once.get(what):
                return self.once[what].pop(0)
            if what in self.always:
                return self.always[what]
            if heard.path == "/v1/authorizations":
                self.tokens += 1
                return self.authorization(f"made-up-token-{self.tokens}")
        return Says(599, b"the script has no answer")

    def authorization(self, token: str, after: float = 0.0) -> Says:
        start, end = self.token_life
        data = {"token": token, "tokenStart": start, "tokenExpires": end}
        return Says(201, {"code": 100, "data": data}, after=after)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *args: object) -> None:
        pass  # a client that no longer listens


@contextmanager
def playing() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            says = script.answer(Heard(self.command, self.path, dict(self.headers), body))
            time.sleep(says.after)
            if says.drop:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            content = says.body if isinstance(says.body, bytes) else json.dumps(says.body).encode()
            self.send_response(says.status)
            for name, value in ({"Content-Length": str(len(content))} | says.headers).items():
                self.send_header(name, value)
            self.end_headers()
            for piece in [content[i : i + 1] for i in range(len(content))] if says.drip else [content]:
                time.sleep(says.drip)
                self.wfile.write(piece)
                self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

        def log_message(self, *args: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        script.base = f"http://127.0.0.1:{server.server_port}/v1/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
