"""Where a message may go: the public internet, and nowhere else."""

import socket
from typing import Any

import pytest

from pagoefectivo_django.contrib.webhooks.addresses import NotGlobal, is_public, parse, resolve
from pagoefectivo_django.errors import InvalidRequest

PRIVATE = {
    "this network": "0.0.0.0",
    "private 10": "10.1.2.3",
    "carrier-grade": "100.64.0.1",
    "carrier-grade, its end": "100.127.255.254",
    "a cloud's metadata": "169.254.169.254",
    "a cloud's metadata, carrier-grade": "100.100.100.200",
    "loopback": "127.0.0.1",
    "loopback, its end": "127.255.255.254",
    "private 172": "172.31.255.254",
    "protocol assignments": "192.0.0.192",
    "documentation": "203.0.113.9",
    "6to4 relays": "192.88.99.1",
    "private 192": "192.168.1.1",
    "benchmarks": "198.19.0.1",
    "multicast": "224.0.0.251",
    "reserved": "250.0.0.1",
    "broadcast": "255.255.255.255",
    "Azure's own": "168.63.129.16",
    "loopback 6": "::1",
    "unspecified 6": "::",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped public": "::ffff:8.8.8.8",
    "compatible": "::127.0.0.1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64, local use": "64:ff9b:1::a00:1",
    "discard": "100::1",
    "6to4 of a private address": "2002:a00:1::1",
    "Teredo": "2001:0:7f00:1::1",
    "documentation 6": "2001:db8::1",
    "documentation 6, newer": "3fff::1",
    "segment routing": "5f00::1",
    "unique local": "fd00:ec2::254",
    "link-local": "fe80::1",
    "link-local with a zone": "fe80::1%lo",
    "site-local": "fec0::1",
    "multicast 6": "ff02::1",
    "no address": "shop.example",
}
PUBLIC = [
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "198.20.0.1",
    "2001:4860:4860::8888",
    "2a00:1450::1",
]


@pytest.mark.parametrize("name", PRIVATE)
def test_what_is_not_global_is_refused(name: str) -> None:
    assert not is_public(PRIVATE[name])


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_global_is_allowed(address: str) -> None:
    assert is_public(address)


def test_a_shop_may_allow_its_own_networks(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "WEBHOOKS": {"ALLOW": ["10.1.0.0/16", "fd00::/8"]}}
    assert is_public("10.1.2.3")
    assert is_public("fd00::1")
    assert not is_public("10.2.0.1")
    assert not is_public("127.0.0.1")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        pytest.param("", "url_invalid", id="empty"),
        pytest.param("shop.example/hooks", "url_invalid", id="no scheme"),
        pytest.param("ftp://shop.example/", "url_invalid", id="ftp"),
        pytest.param("file:///etc/passwd", "url_invalid", id="file"),
        pytest.param("https://", "url_invalid", id="no host"),
        pytest.param("https://ana:made-up@shop.example/", "url_invalid", id="user"),
        pytest.param("https://shop.example/#part", "url_invalid", id="fragment"),
        pytest.param("https://shop.example:99999/", "url_invalid", id="port"),
        pytest.param("https://shop.example/a b", "url_invalid", id="blank"),
        pytest.param("https://shop.example/\r\nX-Evil: 1", "url_invalid", id="line"),
        pytest.param("https://shop.example/ñ", "url_invalid", id="no ASCII"),
        pytest.param("https://a..b/", "url_invalid", id="empty label"),
        pytest.param(f"https://{'a' * 64}.example/", "url_invalid", id="long label"),
        pytest.param(f"https://shop.example/{'a' * 1000}", "url_invalid", id="long"),
        pytest.param("https://[::1/", "url_invalid", id="bracket"),
        pytest.param("http://shop.example/", "url_not_https", id="http"),
        pytest.param("https://127.0.0.1/", "url_not_public", id="loopback"),
        pytest.param("https://127.1/", "url_not_public", id="short loopback"),
        pytest.param("https://2130706433/", "url_not_public", id="decimal loopback"),
        pytest.param("https://0x7f.0.0.1/", "url_not_public", id="hexadecimal loopback"),
        pytest.param("https://[::ffff:10.0.0.1]/", "url_not_public", id="mapped"),
        pytest.param("https://[64:ff9b::a00:1]/", "url_not_public", id="NAT64"),
        pytest.param("https://localhost/", "url_not_public", id="localhost"),
        pytest.param("https://localhost./", "url_not_public", id="localhost with a point"),
    ],
)
def test_an_address_that_nothing_may_go_to_is_refused_at_once(url: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(url)
    assert refused.value.code == code


def test_an_address_has_its_parts_and_tells_no_token() -> None:
    target = parse("https://hooks.example:8443/a/b?token=made-up-token")
    assert (target.secure, target.host, target.port, target.path) == (
        *(True, "hooks.example", 8443, "/a/b?token=made-up-token"),
    )
    assert "made-up" not in repr(target)
    assert parse("https://hooks.example").path == "/"


def resolved_to(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Let the name server answer with these addresses; returns the list of the names asked."""
    asked: list[str] = []

    def answer(host: str, port: int, **kwargs: Any) -> list[Any]:
        asked.append(host)
        return [(None, None, None, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_one_private_address_of_a_name_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolved_to(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(NotGlobal):
        resolve(parse("https://rebinding.example/"))
    assert asked == ["rebinding.example"]


def test_a_name_without_an_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(socket.gaierror):
        resolve(parse("https://nowhere.example/"))


@pytest.mark.parametrize("wrong", [None, 7, "10.0.0.0/8", ["10.0.0.0/8"], {"ALLOW": "10.0.0.0/8"}, {"ALLOW": [7, "x"]}])
def test_a_setting_of_any_type_allows_nothing(settings: Any, wrong: object) -> None:
    """The system checks tell of it; a process that ran none of them stays safe."""
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "WEBHOOKS": wrong}
    assert not is_public("10.0.0.1")
    with pytest.raises(InvalidRequest):
        parse("http://shop.example/")
