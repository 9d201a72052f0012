"""Servers of the recipes' tests: a WSGI application, or a stand-in for a platform, on a port of this machine."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tests.serving import in_a_thread

#: What is asked: method, path, query, headers in small letters, body. And the answer: status and JSON.
Asked = tuple[str, str, dict[str, list[str]], dict[str, str], bytes]
Answer = tuple[int, Any]


class Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


def served(application: Any) -> AbstractContextManager[str]:
    """Serve a WSGI application, and yield its address."""
    return in_a_thread(make_server("127.0.0.1", 0, application, handler_class=Silent))


def standing_in(answer: Callable[[Asked], Answer]) -> AbstractContextManager[str]:
    """Serve JSON answers, and yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said = answer((self.command, url.path, parse_qs(url.query), headers, body))
            text = json.dumps(said, default=_number).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing."""

    return in_a_thread(ThreadingHTTPServer(("127.0.0.1", 0), Handler))


def _number(value: Decimal) -> float:
    """Return money as Magento writes it: a number of JSON."""
    return float(value)
