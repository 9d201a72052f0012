"""One POST over real sockets: bounded in time and bytes, to the very address that was checked, and never elsewhere."""

import datetime
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pagoefectivo_django.contrib.webhooks import posting
from pagoefectivo_django.contrib.webhooks.models import Outcome
from pagoefectivo_django.contrib.webhooks.posting import Answer, post
from tests.clock import at_most
from tests.contrib.webhooks.listening import Listener, listening

HEADERS = {"webhook-id": "made-up"}
BODY = b'{"type": "test"}'


def send(listener: Listener) -> Answer:
    return post(listener.url, HEADERS, BODY)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for everything."""
    monkeypatch.setattr(posting, "LONGEST", 0.5)


def test_a_post_arrives_whole(listener: Listener) -> None:
    assert send(listener) == Answer(Outcome.OK, 204)
    (heard,) = listener.heard
    assert heard.line == "POST /hooks?token=made-up-token HTTP/1.1"
    assert heard.body == BODY
    assert heard.headers["host"] == f"127.0.0.1:{listener.port}"
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["webhook-id"] == "made-up"
    assert "authorization" not in heard.headers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.OK),
        (299, Outcome.OK),
        (301, Outcome.REDIRECTED),
        (307, Outcome.REDIRECTED),
        (400, Outcome.REFUSED),
        (410, Outcome.REFUSED),
        (500, Outcome.REFUSED),
    ],
)
def test_only_2xx_is_a_yes(listener: Listener, status: int, outcome: Outcome) -> None:
    listener.answer = f"HTTP/1.1 {status} Made Up\r\nContent-Length: 0\r\n\r\n".encode()
    assert send(listener) == Answer(outcome, status)


def test_a_redirect_is_not_followed(listener: Listener) -> None:
    with listening() as inner:
        listener.answer = f"HTTP/1.1 307 Away\r\nLocation: {inner.url}\r\n\r\n".encode()
        assert send(listener) == Answer(Outcome.REDIRECTED, 307)
        assert inner.connections == 0


def test_whoever_hangs_is_left_in_time(listener: Listener, brief: None) -> None:
    listener.answer = listener.hang
    with at_most(30):
        assert send(listener) == Answer(Outcome.TIMED_OUT)


def test_whoever_answers_byte_by_byte_is_left_in_time(listener: Listener, brief: None) -> None:
    listener.answer = listener.drip
    with at_most(30):
        assert send(listener) == Answer(Outcome.TIMED_OUT)


def test_a_gigabyte_is_not_read(listener: Listener) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(1024):
            sent += connection.send(bytes(1024 * 1024))

    listener.answer = flood
    assert send(listener) == Answer(Outcome.OK, 200)
    assert sent < 64 * 1024**2


def test_endless_headers_are_cut(listener: Listener) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: " + b"a" * 1000 + b"\r\n")

    listener.answer = flood
    assert send(listener) == Answer(Outcome.TOO_LONG)


@pytest.mark.parametrize(
    "answer", [b"", b"hello\r\n", b"HTTP/1.1 99999 No\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"]
)
def test_whatever_is_no_answer_is_no_yes(listener: Listener, answer: bytes) -> None:
    listener.answer = answer
    assert send(listener).outcome == Outcome.BROKEN


def test_nobody_listens(local: None, closed_port: int) -> None:
    assert post(f"http://127.0.0.1:{closed_port}/", HEADERS, BODY) == Answer(Outcome.BROKEN)


def test_a_private_address_is_never_connected_to(
    listener: Listener, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "WEBHOOKS": {"HTTP": True}}
    to_this_machine(monkeypatch)
    for each in (listener.url, f"http://hooks.example:{listener.port}/"):
        assert post(each, HEADERS, BODY) == Answer(Outcome.NOT_PUBLIC)
    assert listener.connections == 0


def test_a_name_is_resolved_once_and_that_address_asked(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that tells another address the second time gains nothing."""
    answers = iter(["127.0.0.1"])
    real = socket.getaddrinfo

    def rebinding(host: str, port: int, **kwargs: Any) -> Any:
        assert host == "rebinding.example"
        return real(next(answers), port, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert post(f"http://rebinding.example:{listener.port}/", HEADERS, BODY) == Answer(Outcome.OK, 204)
    assert listener.heard[0].headers["host"] == f"rebinding.example:{listener.port}"


def test_the_next_address_of_a_name_is_tried(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(0, 0, 0, "", (address, listener.port)) for address in ("::1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: both)
    assert send(listener) == Answer(Outcome.OK, 204)


def test_no_proxy_of_the_environment_hears_anything(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(listener) == Answer(Outcome.OK, 204)
        assert proxy.connections == 0


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS with a certificate for hooks.example, which this process trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certify(tmp_path, "hooks.example")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    return context


def certify(folder: Path, name: str) -> Path:
    """Write a key and a certificate of its own for a name; returns the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "made-up")])
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("192.0.2.1"))])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin.replace(year=2120))
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(plain)
    return folder / "certificate.pem"


def to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **kwargs: real("127.0.0.1", port, **kwargs))


def test_tls_is_for_the_name(tls: ssl.SSLContext, local: None, monkeypatch: pytest.MonkeyPatch) -> None:
    to_this_machine(monkeypatch)
    with listening(tls, host="hooks.example") as listener:
        assert send(listener) == Answer(Outcome.OK, 204)
        assert listener.names == ["hooks.example"]


def test_a_certificate_for_another_name_is_refused(
    tls: ssl.SSLContext, local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_this_machine(monkeypatch)
    with listening(tls, host="other.example") as listener:
        assert send(listener) == Answer(Outcome.TLS)
        assert not listener.heard


def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls: ssl.SSLContext, local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    to_this_machine(monkeypatch)
    with listening(tls, host="hooks.example") as listener:
        assert send(listener) == Answer(Outcome.TLS)


def test_whoever_hangs_within_tls_is_left_in_time(
    listener: Listener, brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver speaks no TLS, and says nothing to its beginning."""
    monkeypatch.setattr(listener, "serve", listener.hang)
    with at_most(30):
        answer = post(listener.url.replace("http:", "https:"), HEADERS, BODY)
    assert answer == Answer(Outcome.TIMED_OUT)


def test_no_log_tells_an_address(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where an error of the name's look-up holds the address."""

    def confused(*args: object, **kwargs: object) -> Any:
        raise ValueError(f"cannot look up {listener.url}")

    monkeypatch.setattr(socket, "getaddrinfo", confused)
    assert send(listener).outcome != Outcome.OK
    assert "could not be asked (ValueError)" in caplog.text
    assert "made-up-token" not in caplog.text
