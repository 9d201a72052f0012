"""Kinds 12 and 14: the doctor says what a server does with a body in pieces, and with one that has no end."""

from __future__ import annotations

import http.server
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import requests

from pagoefectivo_django.doctor import Finding, examine, webhook
from pagoefectivo_django.models import Notification, Refusal
from tests.serving import in_a_thread

pytestmark = pytest.mark.django_db(transaction=True)

Shop = Callable[..., None]


class Front(http.server.BaseHTTPRequestHandler):
    """What stands in front of a shop: it reads a message, then passes it on with its length."""

    protocol_version = "HTTP/1.1"
    behind = ""
    #: What becomes of a message in pieces: passed on whole, passed on empty, answered by a status, or dropped.
    pieces: int | str = "whole"
    #: The longest message that it takes; those that say more are refused at once.
    longest = 2**40

    def do_POST(self) -> None:
        self.close_connection = True
        length = self.headers.get("Content-Length")
        if length and int(length) > self.longest:
            self._say(413)
            return
        body = self.rfile.read(int(length)) if length else self._joined()
        if not length and self.pieces == "dropped":
            return
        if not length and isinstance(self.pieces, int):
            self._say(self.pieces)
            return
        if not length and self.pieces == "empty":
            body = b""
        kept = {name: value for name, value in self.headers.items() if name in ("Content-Type", "PE-Signature")}
        self._say(requests.post(self.behind + self.path, body, headers=kept, timeout=10).status_code)

    def _joined(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _say(self, status: int) -> None:
        said = b'{"code": 403, "message": "invalid signature"}' if status == 403 else b"{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *args: object) -> None:
        pass


def fronted(behind: str, **changes: Any) -> AbstractContextManager[str]:
    handler = type("Handler", (Front,), {"behind": behind, **changes})
    return in_a_thread(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))


def told(words: str) -> Finding:
    (found,) = [one for one in examine() if one.step.startswith("webhook") and words in one.seen]
    return found


def test_a_server_that_does_not_tell_where_a_message_ends(shop: Shop) -> None:
    """Django's own, of ``runserver``; the message of a doctor leaves nothing but a count."""
    found = told("in pieces")
    assert "refused (411)" in found.seen
    assert found.verdict == "warning"
    assert "proxy_request_buffering" in found.hint
    assert Refusal.objects.filter(reason="no_length").exists()
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("pieces", "verdict", "words"),
    [
        ("whole", "ok", "is read"),
        ("empty", "warning", "reached the app without its body"),
        ("dropped", "warning", "got no answer"),
        (501, "warning", "answered 501"),
        (200, "warning", "not in this database"),
    ],
)
def test_what_stands_in_front(shop: Shop, live_server: Any, pieces: int | str, verdict: str, words: str) -> None:
    with fronted(live_server.url, pieces=pieces, longest=65536) as address:
        shop(public_url=address)
        found = told("in pieces")
        assert words in found.seen
        assert found.verdict == verdict
        assert bool(found.hint) is (verdict != "ok")
    assert not Notification.objects.exists()


def test_a_message_without_end_is_refused_by_its_head(shop: Shop, live_server: Any) -> None:
    found = told("says it has")
    assert found.verdict == "ok"
    assert "is answered 413 before they are sent" in found.seen
    with fronted(live_server.url, longest=65536) as address:
        shop(public_url=address)
        assert told("says it has").verdict == "ok"


def test_a_server_that_takes_everything_in_first(shop: Shop, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each server of ASGI does."""
    monkeypatch.setattr(webhook, "QUIET", 0.3)
    with fronted(live_server.url) as address:
        shop(public_url=address)
        found = told("says it has")
    assert found.verdict == "warning"
    assert "client_max_body_size" in found.hint
