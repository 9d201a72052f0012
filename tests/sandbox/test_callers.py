"""Kind 14, the simulator: it answers to names of this machine only, and takes nothing from pages of others."""

from __future__ import annotations

import http.client
import json

import pytest

from .running import PATIENCE, Client

#: Each door, the call that changes nothing by itself, and what is answered to somebody who may call.
DOORS = [
    ("GET", "/", 302),
    ("GET", "/counter", 200),
    ("POST", "/counter", 200),
    ("GET", "/sandbox/requests", 200),
    ("GET", "/sandbox/cips", 200),
    *(("POST", f"/sandbox/{name}", 400) for name in ("faults", "pay", "reverse", "expire", "notify", "webhook")),
    ("POST", "/v1/authorizations", 400),
    ("POST", "/v1/cips", 401),
    ("POST", "/v1/cips/search", 401),
    ("PATCH", "/v1/cips/1", 401),
    ("DELETE", "/v1/cips/1", 401),
    ("GET", "/no-page.html", 404),
    ("PUT", "/v1/cips", 405),
]

#: ``{}`` is the sandbox's own port.
OWN = ["127.0.0.1:{}", "127.0.0.1", "localhost:{}", "LocalHost", "localhost.:{}", "shop.localhost:{}", "[::1]:{}"]
OWN += ["127.8.8.8:{}", "localhost:9000"]

STRANGE = ["shop.example", "evil.example:{}", "localhost.evil.example:{}", "127.0.0.1.evil.example", "192.168.1.7:{}"]
STRANGE += [
    "evil-localhost",
    "0.0.0.0:{}",
    "",
    "[::2]:{}",
    "127.0.0.1:{}@evil.example",
    "evil.example/localhost",
    "127.1",
]


def call(sandbox: Client, method: str, path: str, headers: list[tuple[str, str]]) -> tuple[int, bytes]:
    """Send one request with these headers, and no other than the body's."""
    port = int(sandbox.site.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value.format(port))
        body = b"" if method == "GET" or path == "/counter" else b"{}"
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("host", STRANGE)
def test_a_strange_host_is_refused_at_every_door(sandbox: Client, host: str) -> None:
    """A name of the web's can be made to lead to this machine, and the page then reads every answer."""
    for method, path, _ in DOORS:
        status, body = call(sandbox, method, path, [("Host", host)])
        assert (status, json.loads(body)["error"][:19]) == (403, "the sandbox answers"), (method, path)


def test_no_host_or_two_are_refused(sandbox: Client) -> None:
    for headers in ([], [("Host", "127.0.0.1"), ("Host", "127.0.0.1")]):
        assert call(sandbox, "GET", "/counter", headers)[0] == 403


@pytest.mark.parametrize("host", OWN)
def test_an_own_name_is_answered_at_every_door(sandbox: Client, host: str) -> None:
    for method, path, status in DOORS:
        assert call(sandbox, method, path, [("Host", host)])[0] == status, (method, path)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "https://evil.example:{}", "http://localhost:1", "https://127.0.0.1:{}", "null", "file://"],
)
def test_a_page_of_another_changes_nothing(sandbox: Client, origin: str) -> None:
    """A form that posts text/plain needs no leave of the browser's: 200, and a payment was made."""
    for method, path, status in DOORS:
        answered = call(sandbox, method, path, [("Host", "127.0.0.1:{}"), ("Origin", origin)])[0]
        assert answered == (status if method == "GET" else 403), (method, path)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{}", "web", "android", "IOS", ""])
def test_an_own_page_and_the_words_of_clients_are_taken(sandbox: Client, origin: str) -> None:
    for method, path, status in DOORS:
        answered = call(sandbox, method, path, [("Host", "127.0.0.1:{}"), ("Origin", origin)])[0]
        assert answered == status, (method, path)


def test_no_answer_lets_another_page_read_it(sandbox: Client) -> None:
    answer = sandbox.session.get(f"{sandbox.site}/sandbox/cips", headers={"Origin": "http://evil.example"}, timeout=20)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    port = int(sandbox.site.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("OPTIONS", "/v1/cips", headers={"Origin": "http://evil.example"})
    assert connection.getresponse().status >= 400
    connection.close()
