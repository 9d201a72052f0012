"""Whether a message came from an address that the shop lists; only named proxies are believed, from the right."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest

from ..conf import conf
from ..errors import Misconfigured

Address = IPv4Address | IPv6Address


def is_listed(request: HttpRequest) -> bool:
    """Return whether the sender's address is one of ``SOURCES``; everybody's is where none are listed.

    Raises ``Misconfigured`` where the settings can't tell: WSGI servers don't run the system checks.
    """
    if not conf.sources:
        return True
    if conf.proxies is None:
        raise Misconfigured("PAGOEFECTIVO['SOURCES'] is set without PAGOEFECTIVO['PROXIES']; name them, or set [].")
    source = source_of(request)
    return source is not None and _within(source, conf.sources)


def source_of(request: HttpRequest) -> Address | None:
    """Return who sent a request: the last address, from the right, that is no named proxy; None if it can't be read.

    What stands left of it may be written by anybody.
    """
    source = _read(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while source is not None and hops != [""] and hops and _within(source, conf.proxies or ()):
        source = _read(hops.pop())
    return source


def _within(address: Address, networks: Iterable[str]) -> bool:
    try:
        return any(address in ip_network(network, strict=False) for network in networks)
    except (TypeError, ValueError):
        raise Misconfigured("PAGOEFECTIVO['SOURCES'] or ['PROXIES'] is no list of networks; see the checks.") from None


def _read(text: str) -> Address | None:
    """Return an address without brackets and port; one of IPv4 in IPv6's clothes is one of IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
