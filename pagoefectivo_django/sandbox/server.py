"""The HTTP/1.1 server on 127.0.0.1: reads requests, writes answers, logs a short line for each."""

import re
import socketserver
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

from .api import Api
from .book import Book
from .callers import refused
from .collector import Collector
from .controls import Controls
from .counter import Counter
from .dialects import DIALECTS
from .faults import Faults
from .notices import Postman
from .pages import missing_page, payment_page
from .settings import Settings
from .wire import Answer, Request, json_answer

HOST = "127.0.0.1"
LARGEST_BODY = 1_000_000
#: The most bytes of a line, and the most trailers, of a chunked body.
LONGEST_LINE, MOST_TRAILERS = 1000, 20

_PAGE = re.compile(r"/([^/]+)\.html")


class Server(ThreadingHTTPServer):
    """A sandbox with all its state."""

    daemon_threads = True
    # A closing sandbox does not wait for clients that keep their connection open.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, settings: Settings) -> None:
        super().__init__((HOST, port), Handler)
        self.site = f"http://{HOST}:{self.server_port}"
        self.book = Book(settings)
        faults = Faults()
        postman = Postman(settings)
        collector = Collector(self.book, faults, postman)
        self._api = Api(settings, self.book, faults, self.site)
        self._controls = Controls(self.book, faults, postman, collector)
        self._counter = Counter(self.book, collector)
        self.dialects = {name: dialect(self.site) for name, dialect in DIALECTS.items()}

    def server_bind(self) -> None:
        """Bind without the name look-up of HTTPServer, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no traceback for a client that went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def answer(self, request: Request) -> Answer | None:
        """Return the answer of the API, the controls, the counter or a page; None means to close the connection."""
        # Paths are compared without case, as the vendor's server does with field names (additions A, 2.1). Two slashes
        # count as one: a base URL may end with a slash and a path begin with another.
        path = re.sub("/+", "/", request.path).lower()
        if path.startswith("/v1/"):
            return self._api.answer(replace(request, path=path))
        _, first, rest = (request.path + "/").split("/", 2)
        if dialect := self.dialects.get(first):
            return dialect.answer(replace(request, path=f"/{rest}".rstrip("/")))
        if first == "sandbox" and (dialect := self.dialects.get(rest.partition("/")[0])):
            return dialect.control(request, rest.partition("/")[2].strip("/"))
        if first == "sandbox":
            return self._controls.answer(request)
        if request.path == "/counter":
            return self._counter.answer(request)
        if request.path == "/":
            return Answer(302, headers=(("Location", "/counter"),))
        match = _PAGE.fullmatch(request.path)
        cip = self.book.find_page(match.group(1)) if match and request.method == "GET" else None
        return payment_page(cip) if cip else missing_page(request.path.lstrip("/"))


class Handler(BaseHTTPRequestHandler):
    """The handler of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "PagoEfectivoSandbox"
    sys_version = ""
    # With Nagle's algorithm, header and body would wait for each other on a kept connection.
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        reason = refused(self.command, self.headers)
        body = json_answer(403, {"error": reason}) if reason else self._read_body()
        if isinstance(body, Answer):
            self.close_connection = True
            answer: Answer | None = body
        else:
            answer = self.server.answer(Request(self.command, unquote(path), query, self.headers, body))
        if answer is None:
            self.close_connection = True
        self._log(path, "dropped" if answer is None else str(answer.status))
        if answer is not None:
            self._write(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve

    def _read_body(self) -> bytes | Answer:
        """Return the body, or the refusal of a body that is too long or has no known end."""
        coding = self.headers.get("Transfer-Encoding", "").lower()
        if coding:
            return self._read_chunks() if coding == "chunked" else Answer(411)
        text = self.headers.get("Content-Length", "0")
        if re.fullmatch("[0-9]{1,18}", text) is None:
            return Answer(400)
        return self.rfile.read(int(text)) if int(text) <= LARGEST_BODY else Answer(413)

    def _read_chunks(self) -> bytes | Answer:
        """Return a chunked body, as .NET's JSON client and many proxies send, or the refusal."""
        body = b""
        while True:
            # The rest of the line is an extension; an invalid size ends the connection.
            size = self.rfile.readline(LONGEST_LINE).partition(b";")[0].strip()
            if re.fullmatch(b"[0-9A-Fa-f]{1,8}", size) is None:
                return Answer(400)
            if len(body) + int(size, 16) > LARGEST_BODY:
                return Answer(413)
            if int(size, 16) == 0:
                break
            body += self.rfile.read(int(size, 16))
            if self.rfile.readline(LONGEST_LINE).strip():
                return Answer(400)
        for _ in range(MOST_TRAILERS):
            if not self.rfile.readline(LONGEST_LINE).strip():
                return body
        return Answer(400)

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
        # No headers and no query: a token or typed text may be inside.
        sys.stderr.write(f"{self.command} {quote(path, safe='/._-~%')} {outcome}\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the base class would log the query, and `_log` has logged the request."""
