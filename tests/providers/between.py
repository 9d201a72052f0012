"""An HTTP server between a channel and its provider, which spoils the answers to chosen calls. Nothing of ours."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: Headers of one connection, which are not passed on.
OWN = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer on its way to the channel."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


#: A fault gets the function that asks the provider, and returns the answer; None: the connection is dropped.
Fault = Callable[[Callable[[], Answer]], Answer | None]

PAGE = b"<!doctype html><html><head><title>Proxy</title></head><body><h1>Welcome</h1></body></html>"


def lost(ask: Callable[[], Answer]) -> None:
    """The provider does the work, and its answer gets lost."""
    ask()


def unheard(ask: Callable[[], Answer]) -> None:
    """The provider never gets the request."""


def always(status: int, body: bytes, **headers: str) -> Fault:
    return lambda ask: Answer(status, body, headers)


def slow(seconds: float) -> Fault:
    def wait(ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        time.sleep(seconds)
        return answer

    return wait


def changed(change: Callable[[Any], Any]) -> Fault:
    """The provider's answer with another JSON: what ``change`` returns for it."""

    def rewrite(ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        return Answer(answer.status, json.dumps(change(json.loads(answer.body))).encode(), answer.headers)

    return rewrite


#: Answers that no channel takes for a yes, and none for the provider's no.
SPOILED: dict[str, Fault] = {
    "a page": always(200, PAGE, **{"Content-Type": "text/html"}),
    "an empty body": always(200, b""),
    "20 MB": always(200, b'{"x": "' + b"y" * 20_000_000 + b'"}'),
    "a redirect": always(302, PAGE, Location="/elsewhere"),
    "a list": always(200, b"[]"),
    "an empty object": always(200, b"{}"),
    "half an answer": lambda ask: Answer(200, ask().body[:-9]),
    "a fault's page": always(502, PAGE),
}


class Between:
    """The server's address, and what passed through."""

    def __init__(self, provider: str) -> None:
        self.provider = urlsplit(provider)
        self.site = ""
        #: ``METHOD path?query`` of each call, in order.
        self.calls: list[str] = []
        self._faults: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()

    def spoil(self, call: str, fault: Fault, times: int = 1) -> None:
        """Spoil the next calls that a pattern finds."""
        with self._lock:
            self._faults += [(call, fault)] * times

    def mend(self) -> None:
        """Forget the faults that no call has met."""
        with self._lock:
            self._faults.clear()

    def heard(self, call: str) -> int:
        """How many calls a pattern finds."""
        return sum(bool(re.search(call, each)) for each in self.calls)

    def fault(self, call: str) -> Fault:
        with self._lock:
            self.calls.append(call)
            for each in self._faults:
                if re.search(each[0], call):
                    self._faults.remove(each)
                    return each[1]
        return lambda ask: ask()

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        provider = http.client.HTTPConnection(self.provider.hostname or "", self.provider.port, timeout=30)
        try:
            provider.request(method, path, body, headers)
            answer = provider.getresponse()
            return Answer(answer.status, answer.read(), _passed(dict(answer.getheaders())))
        finally:
            provider.close()


def _passed(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in OWN}


@contextmanager
def between(provider: str, certificate: Path | None = None) -> Iterator[Between]:
    """Stand before a provider's address; by https with a certificate, a file that holds the key too."""
    middle = Between(provider)

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = _passed(dict(self.headers))
            fault = middle.fault(f"{self.command} {self.path}")
            answer = fault(lambda: middle.ask(self.command, self.path, headers, body))
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *args: object) -> None:
            pass  # a channel that no longer listens

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        middle.site = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield middle
        finally:
            server.shutdown()
            thread.join()
