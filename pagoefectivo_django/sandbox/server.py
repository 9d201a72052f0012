"""HTTP/1.1 on 127.0.0.1: reads requests, writes answers, logs one short line each."""

import re
import socketserver
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

from .api import Api
from .book import Book
from .collector import Collector
from .controls import Controls
from .counter import Counter
from .faults import Faults
from .notices import Postman
from .pages import missing_page, payment_page
from .settings import Settings
from .wire import Answer, Request

HOST = "127.0.0.1"
LARGEST_BODY = 1_000_000

_PAGE = re.compile(r"/([^/]+)\.html")


class Server(ThreadingHTTPServer):
    """One sandbox with all its state."""

    daemon_threads = True
    # A closing sandbox does not wait for clients that keep their connection open.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, settings: Settings, webhook_url: str) -> None:
        super().__init__((HOST, port), Handler)
        self.site = f"http://{HOST}:{self.server_port}"
        self.book = Book(settings)
        faults = Faults()
        postman = Postman(settings, webhook_url)
        collector = Collector(self.book, faults, postman)
        self._api = Api(settings, self.book, faults, self.site)
        self._controls = Controls(self.book, faults, postman, collector)
        self._counter = Counter(self.book, collector)

    def server_bind(self) -> None:
        """Bind without the name look-up of HTTPServer, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about clients that went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def answer(self, request: Request) -> Answer | None:
        """Find who answers; None means to close the connection without a word."""
        if request.path.startswith("/v1/"):
            return self._api.answer(request)
        if request.path.startswith("/sandbox/"):
            return self._controls.answer(request)
        if request.path == "/counter":
            return self._counter.answer(request)
        if request.path == "/":
            return Answer(302, headers=(("Location", "/counter"),))
        match = _PAGE.fullmatch(request.path)
        cip = self.book.find_page(match.group(1)) if match and request.method == "GET" else None
        return payment_page(cip) if cip else missing_page(request.path.lstrip("/"))


class Handler(BaseHTTPRequestHandler):
    """Between the socket and the sandbox."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "PagoEfectivoSandbox"
    sys_version = ""
    # Otherwise header and body wait for each other on a kept connection.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        length = self._body_length()
        if isinstance(length, Answer):
            self.close_connection = True
            answer: Answer | None = length
        else:
            body = self.rfile.read(length)
            answer = self.server.answer(Request(self.command, unquote(path), query, self.headers, body))
        if answer is None:
            self.close_connection = True
        self._log(path, "dropped" if answer is None else str(answer.status))
        if answer is not None:
            self._write(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve

    def _body_length(self) -> int | Answer:
        """Give the body's length, or the refusal of a request whose end cannot be known."""
        if self.headers.get("Transfer-Encoding"):
            return Answer(411)
        text = self.headers.get("Content-Length", "0")
        if re.fullmatch("[0-9]{1,18}", text) is None:
            return Answer(400)
        return int(text) if int(text) <= LARGEST_BODY else Answer(413)

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if answer.body:
            self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _log(self, path: str, outcome: str) -> None:
        # Neither headers nor the query: they may carry a token or what a person typed.
        sys.stderr.write(f"{self.command} {quote(path, safe='/._-~%')} {outcome}\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the line of `_log` is enough, and this one would show the query."""
