"""Whether a message came from an address that the shop lists; only named proxies are believed, from the right."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.http import HttpRequest

from ..conf import UNIX, conf, network_of
from ..errors import Misconfigured

Address = IPv4Address | IPv6Address


def is_listed(request: HttpRequest) -> bool:
    """Return whether the sender's address is one of ``WEBHOOK_ALLOWED_NETWORKS``; everybody's is where none are listed.

    Raises ``Misconfigured`` where the settings can't tell: WSGI servers don't run the system checks.
    """
    if not conf.webhook_allowed_networks:
        return True
    if conf.trusted_proxies is None:
        raise Misconfigured(
            "PAGOEFECTIVO['WEBHOOK_ALLOWED_NETWORKS'] is set without PAGOEFECTIVO['TRUSTED_PROXIES']; "
            "name them, or set []."
        )
    if not request.META.get("REMOTE_ADDR") and not conf.trusted_proxies:
        raise Misconfigured(
            "This server is asked by a unix socket, which has no address; name the proxy before it in "
            "PAGOEFECTIVO['TRUSTED_PROXIES'] (['unix'] for that one alone), and let it send X-Forwarded-For."
        )
    source = source_of(request)
    return source is not None and _within(source, conf.webhook_allowed_networks)


def source_of(request: HttpRequest) -> Address | None:
    """Return who sent a request: the last address, from the right, that is no named proxy; None if it can't be read.

    What stands left of it may be written by anybody. Who asks by a unix socket has no address, and is on this machine:
    it is the shop's proxy, where the shop has any.
    """
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    source = _read(request.META.get("REMOTE_ADDR") or (hops.pop() if conf.trusted_proxies else ""))
    while source is not None and hops != [""] and hops and _within(source, conf.trusted_proxies or ()):
        source = _read(hops.pop())
    return source


def _within(address: Address, networks: Iterable[str]) -> bool:
    try:
        return any(address in network_of(network) for network in networks if network != UNIX)
    except (TypeError, ValueError):
        raise Misconfigured(
            "PAGOEFECTIVO['WEBHOOK_ALLOWED_NETWORKS'] or ['TRUSTED_PROXIES'] is no list of networks; see the checks."
        ) from None


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
