"""The certificates that verify Pagadito's messages: fetched from Pagadito's own hosts, and kept for some minutes."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

from ...errors import PagoEfectivoError, Unavailable
from ...errors import gettext_noop as _
from .. import http, rsa
from ..http import Call, Deadline

#: Seconds that a certificate is kept, and that an address is left alone after a failure.
LIFE, PAUSE = 600, 60
#: The most certificates kept in the process, and the most failures: strangers choose addresses.
MOST_KEPT = 16
#: Seconds that the host may be silent while the sender of a message waits.
PATIENCE = 4.0

#: By address, the moment until which an entry counts, and the certificate, which is empty after a failure. Failures are
#: kept apart, for a stranger can make as many as there are addresses, and a certificate must not give way to them.
_kept: dict[str, tuple[float, bytes]] = {}
_failed: dict[str, tuple[float, bytes]] = {}

# Only characters that every program reads alike: neither ``@`` nor a backslash hides another host.
_ADDRESS = re.compile(r"(https?)://([A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/%?&=+-]*)?")
#: The ports of addresses that name none.
PORTS = {"http": 80, "https": 443}
_PAGADITO = re.compile(r"([a-z0-9-]+\.)*pagadito\.com")


def is_pagaditos(address: str, base_url: str) -> bool:
    """Return whether an address is Pagadito's: ``https`` and ``pagadito.com`` or a name under ``.pagadito.com``.

    ``base_url``: the option, or an empty text. An address of the same origin (scheme, host and port) counts as
    Pagadito's too; whatever else listens on that machine does not.
    """
    if not _ADDRESS.fullmatch(address):
        return False
    origin = scheme, host, port = _origin(address)
    if scheme == "https" and port == PORTS["https"] and _PAGADITO.fullmatch(host):
        return True
    return bool(base_url) and origin == _origin(base_url)


def _origin(address: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address; -1 for a port that is none."""
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname or "", PORTS.get(parts.scheme, -1) if port is None else port


def fetch(address: str) -> bytes:
    """Return the certificate (PEM) at an address; ``Unavailable`` if there is none now, so that a message is repeated.

    A redirect is not followed. After a failure the address is left alone for a minute.
    """
    now = time.monotonic()
    until, content = _kept.get(address, (now, b""))
    if until > now:
        return content
    until = _failed.get(address, (now, b""))[0]
    if until <= now and (content := _content(address)):
        _put(_kept, address, now + LIFE, content)
        return content
    if until <= now:
        _put(_failed, address, now + PAUSE, b"")
    raise Unavailable(
        _("Pagadito's certificate could not be fetched, so a message can't be verified now."),
        code="certificate_not_fetched",
    )


def _put(entries: dict[str, tuple[float, bytes]], address: str, until: float, content: bytes) -> None:
    """Write an entry as the newest, and drop the oldest beyond ``MOST_KEPT``."""
    entries.pop(address, None)
    entries[address] = (until, content)
    for oldest in list(entries)[:-MOST_KEPT]:  # a list, since other threads write too
        entries.pop(oldest, None)


def _content(address: str) -> bytes:
    """Return the certificate at an address, empty for any other answer."""
    try:
        answer = http.send(Call("GET", address, PATIENCE), Deadline(PATIENCE))
    except PagoEfectivoError:
        return b""
    is_one = answer.status == 200 and rsa.is_certificate(answer.body.decode(errors="replace"))
    return answer.body if is_one else b""
