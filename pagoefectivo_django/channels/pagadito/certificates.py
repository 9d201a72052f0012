"""The certificates that verify Pagadito's messages: fetched from Pagadito's own hosts, and kept for some minutes."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

from ...errors import PagoEfectivoError, Unavailable
from .. import http, rsa
from ..http import Call, Deadline

#: Seconds that a certificate is kept, and that a failure to fetch is.
LIFE, PAUSE = 600, 60
#: The most addresses kept in the process: strangers choose addresses, and each is a call of ours.
MOST_KEPT = 16
#: Seconds that the host may be silent while the sender of a message waits.
PATIENCE = 4.0

#: By address, the moment until which the content is kept, and the content: empty after a failure.
_kept: dict[str, tuple[float, bytes]] = {}

# Only characters that every program reads alike: neither ``@`` nor a backslash hides another host.
_ADDRESS = re.compile(r"(https?)://([A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/%?&=+-]*)?")
_PAGADITO = re.compile(r"([a-z0-9-]+\.)*pagadito\.com")


def is_pagaditos(address: str, base_url: str) -> bool:
    """Return whether an address is Pagadito's: ``https`` and ``pagadito.com`` or a name under ``.pagadito.com``.

    The host of ``base_url`` counts as Pagadito's, by the scheme of ``base_url``: a simulator's, or a proxy's.
    """
    if not (found := _ADDRESS.fullmatch(address)):
        return False
    scheme, host, port, own = found[1], found[2].lower(), found[3], urlsplit(base_url)
    if scheme == "https" and port in (None, ":443") and _PAGADITO.fullmatch(host):
        return True
    return (scheme, host) == (own.scheme, own.hostname)


def fetch(address: str) -> bytes:
    """Return the certificate (PEM) at an address; ``Unavailable`` if there is none now, so that a message is repeated.

    A redirect is not followed. After a failure the address is left alone for a minute.
    """
    now = time.monotonic()
    for name, (until, _) in list(_kept.items()):  # a list, since other threads write too
        if until <= now:
            _kept.pop(name, None)
    _, content = _kept.get(address) or _keep(address, now)
    if not content:
        raise Unavailable("Pagadito's certificate could not be fetched, so a message can't be verified now.")
    return content


def _keep(address: str, now: float) -> tuple[float, bytes]:
    if len(_kept) >= MOST_KEPT:
        raise Unavailable("Messages name too many certificates; a message waits until the sender repeats it.")
    content = _content(address)
    found = _kept[address] = (now + (LIFE if content else PAUSE), content)
    return found


def _content(address: str) -> bytes:
    """Return the certificate at an address, empty for any other answer."""
    try:
        answer = http.send(Call("GET", address, PATIENCE), Deadline(PATIENCE))
    except PagoEfectivoError:
        return b""
    is_one = answer.status == 200 and rsa.is_certificate(answer.body.decode(errors="replace"))
    return answer.body if is_one else b""
