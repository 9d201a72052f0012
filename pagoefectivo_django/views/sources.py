"""The check of a message's source address; ``X-Forwarded-For`` is believed only from trusted proxies."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.http import HttpRequest

from ..conf import UNIX, conf, network_of
from ..errors import Misconfigured

Address = IPv4Address | IPv6Address


def is_listed(request: HttpRequest) -> bool:
    """Return whether a request's source is in ``WEBHOOK_ALLOWED_NETWORKS``; True for every source if the setting is
    empty.

    Raises ``Misconfigured`` if the settings cannot decide; WSGI servers do not run the system checks that would tell.
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
    """Return the address that sent a request: the rightmost address of no trusted proxy; None for an unreadable
    address.

    Addresses further left in ``X-Forwarded-For`` are ignored: any client can write them. A request over a unix socket
    has no address; its sender is on this machine and counts as the shop's proxy where ``TRUSTED_PROXIES`` names any.
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
    """Return an address without brackets and port, or None; an IPv4 address mapped into IPv6 becomes IPv4 again."""
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
