"""The OPTIONS of a PagoEfectivo channel: read at each use, and checked by Django's system checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ValidationError

from ...conf import host_of
from ...errors import Misconfigured
from ...payer import check_email
from ...texts import visible
from ..base import Channel

#: The base addresses of protocol 1.1.
HOSTS = {
    "sandbox": "https://pre1a.services.pagoefectivo.pe/v1/",
    "production": "https://services.pagoefectivo.pe/v1/",
}
#: The environment of each host of PagoEfectivo, whatever ENVIRONMENT says; the last is the obsolete sandbox without
#: TLS.
PLACES = {urlsplit(url).hostname: name for name, url in HOSTS.items()} | {"pre.services.pagoefectivo.pe": "sandbox"}
#: The fewest characters of a secret that can't be found by trial.
SHORTEST_SECRET = 16
NEEDED = ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")
#: Headers that each call sets itself.
TAKEN = ("accept-language", "authorization", "content-length", "content-type", "host", "origin", "transfer-encoding")

#: The check of a missing option, and below the check of each faulty option: class, id, problem, hint.
MISSING = (Error, "pagoefectivo.E001", "is missing", "Add it to OPTIONS; PagoEfectivo gives it to you.")
ODD = "Compare it with what PagoEfectivo gave you: it may be cut, or in the place of another key."
WRONG = {
    "WEBHOOK_SECRETS": (
        *(
            Error,
            "pagoefectivo.E003",
            "is empty, has an empty secret, one with blanks or something invisible, or is not a list of texts",
        ),
        "Leave it out to use SECRET_KEY, or list every secret that PagoEfectivo may sign with now.",
    ),
    "BASE_URL": (Error, "pagoefectivo.E007", "is not an address", "It begins with https://."),
    "ENVIRONMENT": (Error, "pagoefectivo.E007", "is unknown", "Use 'sandbox' or 'production', or set BASE_URL."),
    "REQUEST_ID_HEADER": (
        Error,
        "pagoefectivo.E007",
        "is not a header's name, or one that each call needs for itself",
        "Such as 'X-Request-ID'; '' sends none.",
    ),
    "ADMIN_EMAIL": (
        Error,
        "pagoefectivo.E007",
        "is not an e-mail address of at most 100 characters",
        "PagoEfectivo would refuse every code for it; one address without a name, or leave it out.",
    ),
    "TIMEOUT": (Error, "pagoefectivo.E007", "is no number of seconds from 1 to 60", "Leave it out for 8."),
    "SERVICE_ID": (Error, "pagoefectivo.E007", "is not a whole number", "Write it as an int."),
    "ACCESS_KEY": (Warning, "pagoefectivo.W001", "does not have 20 letters and digits", ODD),  # protocol 2.1
    "SECRET_KEY": (Warning, "pagoefectivo.W001", "does not have 40 characters of the base64 alphabet", ODD),
}


@dataclass(frozen=True)
class Keys:
    """The keys given to a merchant by PagoEfectivo."""

    service_id: int
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class Configured(Channel):
    """A channel with OPTIONS as properties; unusable OPTIONS raise ``Misconfigured``, whose message shows no key."""

    @property
    def account(self) -> str:
        return f"pagoefectivo:{_environment(self.options)}:{self.service_id}"

    @property
    def service_id(self) -> int:
        if not (service_id := _service_id(self.options)):
            raise Misconfigured(f"Channel {self.alias!r} has no SERVICE_ID that is a whole number in its OPTIONS.")
        return service_id

    @property
    def keys(self) -> Keys:
        if missing := _missing(self.options):
            raise Misconfigured(f"Channel {self.alias!r} lacks {', '.join(missing)} in its OPTIONS.")
        return Keys(self.service_id, str(self.options["ACCESS_KEY"]), str(self.options["SECRET_KEY"]))

    @property
    def base_url(self) -> str:
        """The address with which every call begins, with a slash at the end."""
        found = self.options.get("BASE_URL") or HOSTS.get(_environment(self.options))
        if not _host(found):
            raise Misconfigured(f"Channel {self.alias!r} has neither a known ENVIRONMENT nor a usable BASE_URL.")
        return f"{found}".rstrip("/") + "/"

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        environment = str(options.get("ENVIRONMENT") or "")
        base_url, secrets, missing = options.get("BASE_URL"), options.get("WEBHOOK_SECRETS"), _missing(options)
        access_key, secret_key = str(options.get("ACCESS_KEY") or ""), str(options.get("SECRET_KEY") or "")
        whole = (
            isinstance(secrets, list | tuple)
            and len(secrets) == len(webhook_secrets(options)) > 0
            and all(secret == visible(secret).strip() for secret in secrets)
        )
        header = str(options.get("REQUEST_ID_HEADER") or "")
        wrong = {
            "WEBHOOK_SECRETS": secrets is not None and not whole,
            "BASE_URL": base_url and not _host(base_url),
            # With BASE_URL any ENVIRONMENT is allowed, except a name that looks like a misspelt ``sandbox`` or
            # ``production``.
            "ENVIRONMENT": environment not in HOSTS
            and (not base_url or get_close_matches(environment.lower(), HOSTS, 1, 0.5)),
            "TIMEOUT": not _is_timeout(options.get("TIMEOUT", 8)),
            "REQUEST_ID_HEADER": re.fullmatch("[A-Za-z0-9-]*", header) is None or header.lower() in TAKEN,
            "ADMIN_EMAIL": bool(options.get("ADMIN_EMAIL")) and not _is_email(options["ADMIN_EMAIL"]),
            "SERVICE_ID": "SERVICE_ID" not in missing and not _service_id(options),
            "ACCESS_KEY": access_key and not re.fullmatch("[A-Za-z0-9]{20}", access_key),
            "SECRET_KEY": secret_key and not re.fullmatch("[A-Za-z0-9+/=]{40}", secret_key),
        }
        rows = [(name, *MISSING) for name in missing] + [(name, *WRONG[name]) for name in WRONG if wrong[name]]
        return [kind(f"{name} of channel {alias!r} {what}.", hint=hint, id=id) for name, kind, id, what, hint in rows]

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        found: list[CheckMessage] = []
        base_url = str(options.get("BASE_URL") or "")
        host, environment = _host(base_url), _environment(options)
        place = PLACES.get(host, environment)
        if not settings.DEBUG and place != "sandbox" and _is_here(host):
            problem = (
                f"Channel {alias!r} asks {host}, which is this machine, while DEBUG is False: is it the simulator?"
            )
            hint = "Leave BASE_URL out, or set it to the address of the provider or of your own proxy."
            found.append(Warning(problem, hint=hint, id="pagoefectivo.W003"))
        if base_url.startswith("http:") and (environment == "production" or not (settings.DEBUG or place == "sandbox")):
            problem = f"Channel {alias!r} sends its keys by http://, where everybody on the way reads them."
            hint = "Let BASE_URL begin with https://."
            found.append(Error(problem, hint=hint, id="pagoefectivo.E012"))
        if not settings.DEBUG and any(len(secret) < SHORTEST_SECRET for secret in webhook_secrets(options)):
            problem = (
                f"Channel {alias!r} has a webhook secret of less than {SHORTEST_SECRET} letters: it can be guessed."
            )
            hint = "Use what the provider gave you, whole."
            found.append(Error(problem, hint=hint, id="pagoefectivo.E013"))
        if place == "sandbox" and not settings.DEBUG:
            problem = f"Channel {alias!r} uses a sandbox while DEBUG is False: nobody can pay its codes."
            hint = "Set ENVIRONMENT to 'production' and the keys of production."
            found.append(Warning(problem, hint=hint, id="pagoefectivo.W003"))
        if place == "production" and settings.DEBUG:
            problem = f"Channel {alias!r} uses production while DEBUG is True: its codes cost real money."
            hint = "Set ENVIRONMENT to 'sandbox' and the keys of the sandbox, or DEBUG to False."
            found.append(Warning(problem, hint=hint, id="pagoefectivo.W004"))
        return found


def _is_here(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host in ("::1", "0.0.0.0")  # nosec B104


def _missing(options: Mapping[str, Any]) -> list[str]:
    return [name for name in NEEDED if options.get(name) in (None, "")]


def _environment(options: Mapping[str, Any]) -> str:
    return str(options.get("ENVIRONMENT") or "custom")  # OPTIONS with BASE_URL only


def _service_id(options: Mapping[str, Any]) -> int:
    """Return SERVICE_ID as an int, 0 if it is no whole number; environment variables give digits as text."""
    digits = str(options.get("SERVICE_ID"))
    return int(digits) if re.fullmatch("[0-9]{1,18}", digits) else 0


def webhook_secrets(options: Mapping[str, Any]) -> list[bytes]:
    """Return the secrets that may sign a notification; empty secrets would verify nothing and are left out."""
    found = options.get("WEBHOOK_SECRETS")
    found = options.get("SECRET_KEY") if found is None else found
    found = found if isinstance(found, list | tuple) else [found]  # a single text is one secret, not a list of letters
    # A lone surrogate, as Python makes of an environment variable that is no UTF-8, is in no real secret.
    return [secret.encode() for secret in found if isinstance(secret, str) and secret and not _HALVES.search(secret)]


_HALVES = re.compile("[\ud800-\udfff]")


def _is_email(value: Any) -> bool:
    try:
        return isinstance(value, str) and check_email(value) == value
    except ValidationError:
        return False


def _is_timeout(value: Any) -> bool:
    # A claim on a row lasts two minutes, and a call has to end before another process may claim the row.
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 60


def _host(address: Any) -> str:
    """Return the host of an address usable as the beginning of calls; else an empty text."""
    host = host_of(address)
    return host if host and not {"?", "#"} & set(address) else ""
