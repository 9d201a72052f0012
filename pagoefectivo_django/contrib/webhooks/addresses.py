"""Addresses that outgoing requests may go to: the public internet, and the networks in ``WEBHOOKS["ALLOW"]``.

The rules are written out instead of taken from ``ipaddress.is_global``, whose answer depends on the release of Python
and takes an IPv4 address in an IPv6 form for global.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from ...conf import conf, network_of
from ...errors import InvalidRequest
from ...errors import gettext_noop as _

_INVALID = _("Write an address like https://shop.example/hooks/, without a user and without a #.")
#: The most characters of an endpoint's address.
LONGEST = 1000
#: IPv4 networks that are not the public internet (IANA's registry of special-purpose addresses), multicast, and the
#: address at which Azure answers each of its machines, and nobody else.
NOT_GLOBAL_4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        ),
    )
)
#: The only IPv6 network of public addresses. Outside: loopback, mapped IPv4, NAT64 (64:ff9b::/96, 64:ff9b:1::/48),
#: unique local, link-local, multicast.
GLOBAL_6 = IPv6Network("2000::/3")
#: Networks inside ``GLOBAL_6`` that are not public: protocol assignments with Teredo, examples, and 6to4.
NOT_GLOBAL_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


class NotGlobal(Exception):
    """The name leads to an address that is not in the public internet."""


@dataclass(frozen=True)
class Target:
    """The parts of an endpoint's address; ``repr()`` shows neither path nor query, which may hold a token."""

    secure: bool
    host: str
    port: int
    path: str

    def __repr__(self) -> str:
        return f"Target({self.host!r}, {self.port})"


def is_public(text: str) -> bool:
    """Return whether an IP address is in the public internet, or in a network that the shop allows."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if any(address in network for network in _allowed()):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_GLOBAL_4)
    return address in GLOBAL_6 and not any(address in network for network in NOT_GLOBAL_6)


def _options() -> Mapping[str, Any]:
    """The setting ``WEBHOOKS``; nothing where it has a wrong type, of which a system check tells."""
    return conf.webhooks if isinstance(conf.webhooks, Mapping) else {}


def _allowed() -> Iterator[IPv4Network | IPv6Network]:
    networks = _options().get("ALLOW", ())
    for network in networks if isinstance(networks, list | tuple) else ():
        with suppress(ValueError, TypeError):
            yield network_of(network)


def parse(url: str) -> Target:
    """Return the parts of an endpoint's address.

    Raises ``InvalidRequest`` for an address that no request could or may go to. A name is not resolved here: the answer
    may be another when a message is sent.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not url.isascii() or any(char <= " " or char == "\x7f" for char in url) or len(url) > LONGEST:
            raise ValueError
        literal = _literal(host)
        if not literal:
            host.encode("idna")  # raises for empty and for too long labels
    except ValueError:
        raise InvalidRequest(_INVALID, code="url_invalid") from None
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc or parts.fragment:
        raise InvalidRequest(_INVALID, code="url_invalid")
    if parts.scheme == "http" and _options().get("HTTP") is not True:
        raise InvalidRequest(
            _("Write an address that begins with https://: others could read the messages."), code="url_not_https"
        )
    literal = "127.0.0.1" if host.rstrip(".") == "localhost" else literal
    if literal and not is_public(literal):
        raise InvalidRequest(
            _("This address is not in the public internet, so nothing is sent there."), code="url_not_public"
        )
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, host, port or (443 if secure else 80), path)


def _literal(host: str) -> str:
    """Return the host if it is an IP address, also one in an old form such as ``127.1``; else an empty text."""
    if ":" in host:
        return host if isinstance(ip_address(host), IPv6Address) else ""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))  # how the system reads 0x7f000001, 2130706433 and 127.1
    except OSError:
        return ""


def resolve(target: Target) -> list[str]:
    """Return the IP addresses of a name, asked once.

    Raises ``NotGlobal`` if any of them is not public, and ``OSError`` for a name without an address.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(map(is_public, addresses)):
        raise NotGlobal
    return addresses
