"""The OPTIONS of a direct PagoEfectivo channel: read, and judged by Django's system checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from ...errors import Misconfigured

#: The bases of protocol 1.1. The older sandbox without TLS is obsolete.
HOSTS = {
    "sandbox": "https://pre1a.services.pagoefectivo.pe/v1/",
    "production": "https://services.pagoefectivo.pe/v1/",
}
NEEDED = ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")
#: Seconds that the provider may be silent; the payer is waiting.
TIMEOUT = 8.0


@dataclass(frozen=True)
class Keys:
    """What PagoEfectivo gave a merchant."""

    service_id: int
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


def read_keys(alias: str, options: Mapping[str, Any]) -> Keys:
    """Return the keys, or raise ``Misconfigured`` with the names of those that are missing."""
    if missing := _missing(options):
        raise Misconfigured(f"Channel {alias!r} lacks {', '.join(missing)} in its OPTIONS.")
    return Keys(read_service_id(alias, options), str(options["ACCESS_KEY"]), str(options["SECRET_KEY"]))


def read_service_id(alias: str, options: Mapping[str, Any]) -> int:
    """Return the service id, or raise ``Misconfigured``."""
    service_id = _service_id(options)
    if service_id is None:
        raise Misconfigured(f"Channel {alias!r} has no SERVICE_ID that is a whole number in its OPTIONS.")
    return service_id


def read_base_url(alias: str, options: Mapping[str, Any]) -> str:
    """Return the address that calls begin with, a slash at its end; raises ``Misconfigured`` without one."""
    found = options.get("BASE_URL") or HOSTS.get(str(options.get("ENVIRONMENT")))
    if not isinstance(found, str) or not _is_address(found):
        raise Misconfigured(f"Channel {alias!r} has neither a known ENVIRONMENT nor a usable BASE_URL.")
    return found.rstrip("/") + "/"


def read_webhook_secrets(options: Mapping[str, Any]) -> list[bytes]:
    """Return the secrets that prove a notification; empty ones prove nothing and are left out."""
    found = options.get("WEBHOOK_SECRETS")
    if found is None:
        found = [options.get("SECRET_KEY")]
    if not isinstance(found, list | tuple):  # a forgotten list: the letters of a text are not the secrets
        found = [found]
    return [secret.encode() for secret in found if isinstance(secret, str) and secret]


def environment(options: Mapping[str, Any]) -> str:
    """Return the environment's name as configured, ``custom`` where only an address is given."""
    return str(options.get("ENVIRONMENT") or "custom")


def check(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    """Judge the options; no message shows a key."""
    return [
        *_check_missing(alias, options),
        *_check_secrets(alias, options),
        *_check_place(alias, options),
    ] + [
        Warning(
            f"{name} of channel {alias!r} has an unusual shape: PagoEfectivo's has {shape}.",
            hint="Compare it with what PagoEfectivo gave you: it may be cut, or in the place of another key.",
            id="pagoefectivo.W001",
        )
        for name, shape, form in (
            ("ACCESS_KEY", "20 letters and digits", r"[A-Za-z0-9]{20}"),  # protocol 2.1
            ("SECRET_KEY", "40 characters of the base64 alphabet", r"[A-Za-z0-9+/=]{40}"),  # protocol 2.1
        )
        if options.get(name) and not re.fullmatch(form, str(options[name]))
    ]


def check_deploy(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    """Judge whether the environment fits DEBUG."""
    found = _environment_of_host(options)
    if found == "sandbox" and not settings.DEBUG:
        return [
            Warning(
                f"Channel {alias!r} uses a sandbox while DEBUG is False: nobody can pay its codes.",
                hint="Set ENVIRONMENT to 'production' and the keys of production.",
                id="pagoefectivo.W003",
            )
        ]
    if found == "production" and settings.DEBUG:
        return [
            Warning(
                f"Channel {alias!r} uses production while DEBUG is True: its codes cost real money.",
                hint="Set ENVIRONMENT to 'sandbox' and the keys of the sandbox, or DEBUG to False.",
                id="pagoefectivo.W004",
            )
        ]
    return []


def _check_missing(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    return [
        Error(
            f"Channel {alias!r} lacks {name}.",
            hint=f"Add OPTIONS[{name!r}]; PagoEfectivo gives it to you.",
            id="pagoefectivo.E001",
        )
        for name in _missing(options)
    ]


def _check_secrets(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    found = options.get("WEBHOOK_SECRETS")
    whole = isinstance(found, list | tuple) and found and all(isinstance(each, str) and each for each in found)
    if found is None or whole:
        return []
    return [
        Error(
            f"WEBHOOK_SECRETS of channel {alias!r} is empty, has an empty secret or is not a list of texts.",
            hint="Leave it out to use SECRET_KEY, or list every secret that PagoEfectivo may sign with now.",
            id="pagoefectivo.E003",
        )
    ]


def _check_place(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    base_url = options.get("BASE_URL")
    if base_url and not (isinstance(base_url, str) and _is_address(base_url)):
        messages.append(_wrong(f"BASE_URL of channel {alias!r} is not an address.", "It begins with https://."))
    if not base_url and options.get("ENVIRONMENT") not in HOSTS:
        messages.append(
            _wrong(
                f"ENVIRONMENT of channel {alias!r} is unknown.",
                "Use 'sandbox' or 'production', or set BASE_URL.",
            )
        )
    if "SERVICE_ID" not in _missing(options) and _service_id(options) is None:
        messages.append(_wrong(f"SERVICE_ID of channel {alias!r} is not a whole number.", "Write it as an int."))
    return messages


def _wrong(message: str, hint: str) -> Error:
    return Error(message, hint=hint, id="pagoefectivo.E007")


def _missing(options: Mapping[str, Any]) -> list[str]:
    return [name for name in NEEDED if options.get(name) in (None, "")]


def _service_id(options: Mapping[str, Any]) -> int | None:
    # Digits as text come from environment variables.
    found = options.get("SERVICE_ID")
    if isinstance(found, bool) or not re.fullmatch(r"[0-9]{1,18}", str(found)):
        return None
    return int(str(found)) or None


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        return False


def _environment_of_host(options: Mapping[str, Any]) -> str:
    """Return what PagoEfectivo's host is, else what ENVIRONMENT says of a proxy or a simulator."""
    base_url = options.get("BASE_URL")
    if isinstance(base_url, str) and _is_address(base_url):
        host = urlsplit(base_url).hostname or ""
        if host == "services.pagoefectivo.pe":
            return "production"
        if host.endswith(".services.pagoefectivo.pe"):  # pre1a., and the obsolete pre.
            return "sandbox"
    return environment(options)
