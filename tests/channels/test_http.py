"""The one way out: what was sent for certain, what perhaps, and what is never said."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pagoefectivo_django.channels import http
from pagoefectivo_django.channels.http import Answer, Call, Deadline, send
from pagoefectivo_django.errors import Misconfigured, OutcomeUnknown, Unavailable

from .scripted import Says, Script

CREATE = "POST /v1/cips"


def call(script: Script, **changes: Any) -> Call:
    values: dict[str, Any] = {
        "method": "POST",
        "url": script.base + "cips",
        "timeout": 1.0,
        "content": b'{"userEmail":"ana@example.com"}',
        "bearer": "made-up-token-0",
    }
    return Call(**values | changes)


@pytest.fixture
def silent_port() -> Any:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_request_arrives_as_written(script: Script) -> None:
    script.on(CREATE, Says(201, b"made"))
    assert send(call(script, headers={"Origin": "web"}), Deadline(5)) == Answer(201, b"made")
    heard = script.heard[0]
    assert heard.body == b'{"userEmail":"ana@example.com"}'
    assert heard.headers["Content-Length"] == "31"
    assert heard.headers["Authorization"] == "Bearer made-up-token-0"
    assert heard.headers["Origin"] == "web"


def test_a_request_without_a_body_or_a_token(script: Script) -> None:
    script.on("DELETE /v1/cips", Says(200))
    send(call(script, method="DELETE", content=b"", bearer=""), Deadline(5))
    assert script.heard[0].body == b""
    assert "Authorization" not in script.heard[0].headers


def test_netrc_does_not_replace_the_token(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    script.on(CREATE, Says(201), Says(201))
    send(call(script), Deadline(5))
    send(call(script, bearer=""), Deadline(5))
    assert script.heard[0].headers["Authorization"] == "Bearer made-up-token-0"
    assert "Authorization" not in script.heard[1].headers


class TestNotSent:
    """Failures before the bytes left; they are tried once more, whatever the call."""

    def test_refused_connection(self, script: Script, closed_port: int) -> None:
        with pytest.raises(Unavailable):
            send(call(script, url=f"http://127.0.0.1:{closed_port}/v1/cips"), Deadline(5))

    def test_unknown_name(self, script: Script) -> None:
        with pytest.raises(Unavailable):
            send(call(script, url="http://provider.invalid/v1/cips"), Deadline(5))

    def test_no_tls_at_the_other_end(self, script: Script) -> None:
        with pytest.raises(Unavailable):
            send(call(script, url=script.base.replace("http:", "https:") + "cips"), Deadline(5))
        assert script.heard == []

    def test_tls_handshake_that_never_ends(self, script: Script, silent_port: int) -> None:
        """``requests`` calls this a ReadTimeout, like one after the request."""
        with pytest.raises(Unavailable):
            send(call(script, url=f"https://127.0.0.1:{silent_port}/v1/cips", timeout=0.3), Deadline(1))

    def test_dead_proxy(self, script: Script, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
        with pytest.raises(Unavailable):
            send(call(script), Deadline(5))
        assert script.heard == []

    def test_delete_without_a_body(self, script: Script, closed_port: int) -> None:
        url = f"http://127.0.0.1:{closed_port}/v1/cips/1"
        with pytest.raises(Unavailable):
            send(call(script, method="DELETE", content=b"", url=url), Deadline(5))

    def test_a_server_that_comes_back(self, script: Script, closed_port: int) -> None:
        """The first attempt is refused, the second arrives."""
        answered = threading.Event()

        def come_back() -> None:
            time.sleep(0.05)
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", closed_port))
                listener.listen()
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
                    answered.set()
                    while connection.recv(65536):
                        pass

        thread = threading.Thread(target=come_back)
        thread.start()
        answer = send(call(script, url=f"http://127.0.0.1:{closed_port}/v1/cips"), Deadline(5))
        thread.join()
        assert answer.status == 201
        assert answered.is_set()


class TestPerhapsSent:
    """After the bytes may have left, a create is never repeated."""

    @pytest.mark.parametrize(
        "says",
        [
            pytest.param(Says(drop=True), id="dropped line"),
            pytest.param(Says(201, b"late", after=0.6), id="time-out"),
            pytest.param(Says(201, b"short", {"Content-Length": "50"}), id="half an answer"),
            pytest.param(Says(201, b"x" * (http.LARGEST_ANSWER + 1)), id="too large"),
            pytest.param(Says(201, b"no gzip", {"Content-Encoding": "gzip"}), id="not decodable"),
        ],
    )
    def test_not_known(self, script: Script, says: Says, discreet: Callable[[BaseException], None]) -> None:
        script.on(CREATE, says, Says(201))
        with pytest.raises(OutcomeUnknown) as caught:
            send(call(script, timeout=0.3), Deadline(5))
        assert len(script.heard) == 1
        discreet(caught.value)

    def test_an_unpacked_answer_is_measured_too(self, script: Script) -> None:
        bomb = gzip.compress(b"0" * (http.LARGEST_ANSWER + 1))
        script.on(CREATE, Says(201, bomb, {"Content-Encoding": "gzip"}))
        with pytest.raises(OutcomeUnknown):
            send(call(script), Deadline(5))

    def test_a_dripping_answer_ends_with_the_deadline(self, script: Script) -> None:
        script.on(CREATE, Says(201, b"x" * 100, drip=0.1))
        begin = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            send(call(script), Deadline(0.5))
        assert time.monotonic() - begin < 2

    @pytest.mark.parametrize("status", [500, 503])
    def test_5xx_is_an_answer(self, script: Script, status: int) -> None:
        script.on(CREATE, Says(status, b"down"), Says(201))
        assert send(call(script), Deadline(5)) == Answer(status, b"down")
        assert len(script.heard) == 1


class TestRepeatable:
    @pytest.mark.parametrize("says", [Says(drop=True), Says(500), Says(503, b"<html>")])
    def test_once_more(self, script: Script, says: Says) -> None:
        script.on(CREATE, says, Says(200, b"yes"))
        assert send(call(script, repeatable=True), Deadline(5)) == Answer(200, b"yes")

    def test_and_no_more(self, script: Script) -> None:
        script.always[CREATE] = Says(drop=True)
        with pytest.raises(OutcomeUnknown):
            send(call(script, repeatable=True), Deadline(5))
        assert len(script.heard) == 2

    def test_a_last_5xx_is_returned(self, script: Script) -> None:
        script.always[CREATE] = Says(500, b"down")
        assert send(call(script, repeatable=True), Deadline(5)) == Answer(500, b"down")
        assert len(script.heard) == 2

    def test_not_without_time(self, script: Script) -> None:
        script.always[CREATE] = Says(500)
        send(call(script, repeatable=True), Deadline(0.5))
        assert len(script.heard) == 1

    def test_a_no_is_not_repeated(self, script: Script) -> None:
        script.always[CREATE] = Says(400)
        send(call(script, repeatable=True), Deadline(5))
        assert len(script.heard) == 1


def test_redirects_are_not_followed(script: Script) -> None:
    for status in (301, 302, 303, 307, 308):
        script.on(CREATE, Says(status, b"", {"Location": script.base + "elsewhere"}))
        assert send(call(script), Deadline(5)).status == status
    assert {heard.path for heard in script.heard} == {"/v1/cips"}


@pytest.mark.parametrize("url", ["", "pagoefectivo", "ftp://127.0.0.1/v1/cips", "http://", "http://[::1/v1"])
def test_an_address_that_is_none(script: Script, url: str, discreet: Callable[[BaseException], None]) -> None:
    with pytest.raises(Misconfigured) as caught:
        send(call(script, url=url), Deadline(5))
    discreet(caught.value)


def test_the_log_line(
    script: Script, caplog: pytest.LogCaptureFixture, discreet: Callable[[BaseException], None]
) -> None:
    script.on("DELETE /v1/cips/20304050?a=1", Says(200, b"made-up-token-1"))
    script.on(CREATE, Says(503), Says(drop=True))
    send(call(script, method="DELETE", url=script.base + "cips/20304050?a=1"), Deadline(5))
    send(call(script), Deadline(5))
    with pytest.raises(OutcomeUnknown):
        send(call(script), Deadline(5))
    lines = [record for record in caplog.records if record.name == "pagoefectivo.provider"]
    assert [line.levelno for line in lines] == [logging.INFO, logging.WARNING, logging.WARNING]
    texts = [line.getMessage().rpartition(" in ")[0] for line in lines]
    assert texts == [
        "DELETE /v1/cips/20304050 200",
        "POST /v1/cips 503",
        "POST /v1/cips ConnectionError",
    ]


def test_a_call_does_not_show_what_it_carries(script: Script) -> None:
    assert "ana@" not in repr(call(script))
    assert "token" not in repr(call(script))
    assert "ana@" not in repr(Answer(400, b"ana@example.com"))
