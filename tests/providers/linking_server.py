"""A provider of payment pages for the tests: an HTTP server in a thread, with its state in memory.

A request for a page needs a reference of the merchant's, and a reference is used once. Nothing is deleted. The methods
below are the provider's side: a payer pays, a page ends, messages go out, answers get lost.

As a process of its own (``python -m tests.providers.linking_server``) the provider writes its address and then serves:
pages live ten minutes, another system of the merchant's has been paid on the first, a test reads ``GET /control``, pays
by ``POST /control/ID``, and by ``POST /control/lose`` lets the answer to the next request for a page get lost; so does
the header ``X-Sandbox-Fault``, which may also name a status.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from .hinting_server import FAULT

KEY = "made-up-linking-key"
SECRET = "made-up-linking-secret"


@dataclass
class Page:
    """A page on which one amount can be paid."""

    id: str
    reference: str
    amount: str
    currency: str
    url: str
    ends_at: datetime | None
    state: str = "open"
    paid_at: datetime | None = None
    number: str = ""

    def told(self) -> dict[str, Any]:
        """Return the page as answers and messages show it, with a field that nobody has heard of."""
        return {
            "id": self.id,
            "reference": self.reference,
            "amount": self.amount,
            "currency": self.currency,
            "url": self.url,
            "ends_at": self.ends_at and self.ends_at.isoformat(),
            "state": self.state,
            "paid_at": self.paid_at and self.paid_at.isoformat(),
            "number": self.number,
            "mood": {"today": ["sunny", None]},
        }


class LinkingProvider:
    """The provider's book and its levers."""

    def __init__(self) -> None:
        self.base = ""
        #: How long a page lives; None: for ever.
        self.life: timedelta | None = None
        self.pages: dict[str, Page] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        #: How many of the next answers get lost once the work is done, by the request's name.
        self.lose: Counter[str] = Counter()
        #: How many of the next requests are refused or not served, by the request's name: (status, how many).
        self.fail: dict[str, tuple[int, int]] = {}
        #: What happens to each page at the moment when it is made.
        self.when_made: Callable[[Page], object] = lambda page: None
        self.asked: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._ids, self._numbers = itertools.count(1), itertools.count(7001)

    # What the world does.

    def only(self) -> Page:
        """Return the only page."""
        (page,) = self.pages.values()
        return page

    def newest(self) -> Page:
        """Return the page that was made last."""
        return list(self.pages.values())[-1]

    def pay(self, page: Page, *, at: datetime | None = None) -> Page:
        """Let a payer pay on a page."""
        page.state, page.paid_at, page.number = "paid", at or datetime.now(UTC), str(next(self._numbers))
        return page

    def foreign(self) -> Page:
        """Make a page for another system of the same merchant."""
        return self.make("other-system-1", "10.00", "PEN")

    def message(self, *pages: Page, **changes: Any) -> bytes:
        """Return the message about pages as bytes."""
        return json.dumps({"events": [page.told() | changes for page in pages]}).encode()

    def send(self, url: str, body: bytes, secret: str = SECRET) -> int:
        """Send a message to a shop over HTTP, and return the status of the shop's answer."""
        headers = {"Content-Type": "application/json", "Linking-Signature": sign(body, secret)}
        return requests.post(url, body, headers=headers, timeout=60).status_code

    # What a merchant asks.

    def make(self, reference: str, amount: str, currency: str) -> Page:
        """Return a new page."""
        number = f"pg_{next(self._ids)}"
        ends_at = datetime.now(UTC) + self.life if self.life else None
        page = Page(number, reference, amount, currency, f"{self.base}/pay/{number}", ends_at)
        self.pages[number] = page
        self.when_made(page)
        return page

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        """Return the status and the content of the answer to a request."""
        match method, path.strip("/").split("/"):
            case "POST", ["pages"]:
                wanted = json.loads(body)
                if any(page.reference == wanted["reference"] for page in self.pages.values()):
                    return 409, {"error": "reference used"}
                return 201, self.make(wanted["reference"], wanted["amount"], wanted["currency"]).told()
            case "GET", ["pages"]:
                ids = query.get("ids", [""])[0].split(",")
                return 200, {"pages": [self.pages[one].told() for one in ids if one in self.pages]}
            case "GET", ["references", reference]:
                found = [page.told() for page in self.pages.values() if page.reference == reference]
                return 200, {"pages": found}
            case "POST", ["pages", number, "refunds"]:
                wanted = json.loads(body)
                known = [one for one in self.refunds.values() if one["key"] == wanted["key"]]
                if not known and self.pages[number].state != "paid":
                    return 409, {"error": "not paid"}
                refund = known[0] if known else {"id": f"rf_{next(self._ids)}", "state": "sent", **wanted}
                self.refunds[refund["id"]] = refund
                return 201, refund
            case "GET", ["refunds", number]:
                return 200, self.refunds[number]
            case "GET", ["control"]:
                return 200, {"pages": [page.told() for page in self.pages.values()]}
            case "POST", ["control", "lose"]:
                self.lose["POST pages"] += 1
                return 200, {}
            case "POST", ["control", number]:
                return 200, self.pay(self.pages[number]).told()
        return 404, {"error": "nothing here"}


def sign(body: bytes, secret: str = SECRET) -> str:
    """Return the signature of a body: HMAC-SHA256 in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@contextmanager
def linking_provider() -> Iterator[LinkingProvider]:
    """Serve a provider on a port of this machine."""
    provider = LinkingProvider()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            name = f"{self.command} {parts.path.strip('/').split('/')[0]}"
            if parts.path.endswith("/refunds"):
                name = "POST refunds"
            if name == "GET pay":
                self.reply(200, "text/html", b'<link rel="icon" href="data:,"><h1>Pay here</h1>')
                return
            with provider.lock:
                provider.asked[name] += 1
                status, left = provider.fail.get(name, (0, 0))
                fault = self.headers.get(FAULT, "")
                if self.headers.get("Authorization") != f"Bearer {KEY}":
                    status, content = 401, {"error": "key"}
                elif left:
                    provider.fail[name] = (status, left - 1)
                    content = {"error": "not now"}
                elif fault.isdigit():
                    status, content = int(fault), {"error": "made up"}
                else:
                    status, content = provider.answer(self.command, parts.path, parse_qs(parts.query), body)
                lost = provider.lose[name] > 0
                provider.lose[name] -= lost
            if lost or fault == "drop":
                self.close_connection = True
                self.connection.close()
                return
            self.reply(status, "application/json", json.dumps(content).encode())

        def reply(self, status: int, kind: str, told: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serve() -> None:
    with linking_provider() as provider:
        provider.life = timedelta(minutes=10)
        provider.pay(provider.foreign())
        sys.stdout.write(provider.base + "\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    serve()
