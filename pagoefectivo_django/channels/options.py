"""The OPTIONS of a channel to an HTTP API: read at each use, and checked by Django's system checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, TypeAlias
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from ..conf import host_of
from ..errors import Misconfigured
from ..errors import gettext_noop as _
from ..texts import visible
from .base import Channel, fingerprint

#: Seconds that a provider may be silent while the payer waits.
TIMEOUT = 8.0
#: The fewest characters of a secret that can't be found by trial.
SHORTEST_SECRET = 16

#: The fault of an option: the class and the id of the check, the problem, the hint.
Fault: TypeAlias = tuple[type[Error] | type[Warning], str, str, str]

MISSING: Fault = (Error, "pagoefectivo.E001", "is missing", "Add it to OPTIONS; the provider gives it to you.")
NO_SECRETS: Fault = (
    *(
        Error,
        "pagoefectivo.E003",
        "is empty, has an empty secret, one with blanks or something invisible, or is not a list of texts",
    ),
    "List every secret that the provider may sign with now.",
)
NO_ADDRESS: Fault = (Error, "pagoefectivo.E007", "is not an address", "It begins with https://.")
NO_ENVIRONMENT: Fault = (
    *(Error, "pagoefectivo.E007", "is unknown"),
    "Use 'sandbox' or 'production', or set BASE_URL.",
)
NO_TIMEOUT: Fault = (Error, "pagoefectivo.E007", "is no number of seconds from 1 to 60", "Leave it out for 8.")

HERE: Fault = (
    *(Warning, "pagoefectivo.W003", "asks this machine, while DEBUG is False: is it the simulator"),
    "Leave BASE_URL out, or set it to the address of the provider or of your own proxy.",
)
OPEN_KEYS: Fault = (
    *(Error, "pagoefectivo.E012", "sends its keys by http://, where everybody on the way reads them"),
    "Let BASE_URL begin with https://.",
)
WEAK_SECRET: Fault = (
    *(Error, "pagoefectivo.E013", f"has a webhook secret of less than {SHORTEST_SECRET} letters: it can be guessed"),
    "Use what the provider gave you, whole.",
)
NO_REAL_MONEY: Fault = (
    *(Warning, "pagoefectivo.W003", "uses a sandbox while DEBUG is False: nobody can pay its codes"),
    "Set ENVIRONMENT to 'production' and the keys of production.",
)
REAL_MONEY: Fault = (
    *(Warning, "pagoefectivo.W004", "uses production while DEBUG is True: its codes cost real money"),
    "Set ENVIRONMENT to 'sandbox' and the keys of the sandbox, or DEBUG to False.",
)


class Configured(Channel):
    """A channel whose OPTIONS name an environment or an address; unusable OPTIONS raise ``Misconfigured``.

    A subclass sets the values below. No message of an error or a check shows a key.
    """

    #: The first part of the account's name, such as ``dlocal``.
    provider: ClassVar[str]
    #: The base address of each environment.
    hosts: ClassVar[Mapping[str, str]]
    #: The environments of further hosts of the provider.
    other_hosts: ClassVar[Mapping[str, str]] = {}
    #: The options without which nothing works.
    needed: ClassVar[tuple[str, ...]]

    @property
    def account(self) -> str:
        return f"{self.provider}:{self.environment_of(self.options)}:{self.account_id}"

    @property
    def account_id(self) -> str:
        """The merchant's name at the provider, no secret; the option ``ACCOUNT`` where the provider gives no name.

        A name and not the key's fingerprint: a key is renewed, and the account's codes stay the account's.
        """
        return str(self.options.get("ACCOUNT") or "main")

    @property
    def base_url(self) -> str:
        """The address with which every call begins, with a slash at the end."""
        found = self.options.get("BASE_URL") or self.hosts.get(self.environment_of(self.options))
        if not _host(found):
            raise Misconfigured(
                _("Channel %(channel)s has neither a known ENVIRONMENT nor a usable BASE_URL."),
                code="environment_unknown",
                channel=self.alias,
            )
        return f"{found}".rstrip("/") + "/"

    @property
    def timeout(self) -> float:
        """Seconds that the provider may be silent."""
        return float(self.options.get("TIMEOUT") or TIMEOUT)

    def key(self, name: str) -> str:
        """Return a needed option as text; raises ``Misconfigured`` if one of the needed options is missing."""
        if missing := self.missing(self.options):
            raise Misconfigured(
                _("Channel %(channel)s lacks %(names)s in its OPTIONS."),
                code="options_missing",
                channel=self.alias,
                names=", ".join(missing),
            )
        return str(self.options.get(name) or "")

    def fingerprints(self) -> list[str]:
        return [fingerprint(secret) for secret in self.secrets(self.options)]

    @classmethod
    def environment_of(cls, options: Mapping[str, Any]) -> str:
        """Return the name of the environment; ``custom`` for OPTIONS with ``BASE_URL`` only."""
        return str(options.get("ENVIRONMENT") or "custom")

    @classmethod
    def missing(cls, options: Mapping[str, Any]) -> list[str]:
        """Return the names of the needed options that are not set."""
        return [name for name in cls.needed if options.get(name) in (None, "")]

    @classmethod
    def secrets(cls, options: Mapping[str, Any]) -> list[bytes]:
        """Return the secrets that may sign a message; empty secrets would verify nothing and are left out."""
        found = options.get("WEBHOOK_SECRETS")
        found = found if isinstance(found, list | tuple) else [found]  # a text is one secret, not a list of letters
        # A lone surrogate, as Python makes of an environment variable that is no UTF-8, is in no real secret.
        return [secret.encode() for secret in found if isinstance(secret, str) and secret and not HALVES.search(secret)]

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        """Return the faulty options by name; subclasses add their own."""
        environment, base_url = str(options.get("ENVIRONMENT") or ""), options.get("BASE_URL")
        secrets = options.get("WEBHOOK_SECRETS")
        whole = (
            isinstance(secrets, list | tuple)
            and len(secrets) == len(cls.secrets(options)) > 0
            and all(secret == visible(secret).strip() for secret in secrets)
        )
        # With BASE_URL any ENVIRONMENT is allowed, except a name that looks like a misspelt one.
        misspelt = not base_url or get_close_matches(environment.lower(), cls.hosts, 1, 0.5)
        wrong = {
            "WEBHOOK_SECRETS": (NO_SECRETS, secrets is not None and not whole),
            "BASE_URL": (NO_ADDRESS, bool(base_url) and not _host(base_url)),
            "ENVIRONMENT": (NO_ENVIRONMENT, environment not in cls.hosts and bool(misspelt)),
            "TIMEOUT": (NO_TIMEOUT, not _is_timeout(options.get("TIMEOUT", TIMEOUT))),
        }
        return [(name, fault) for name, (fault, is_wrong) in wrong.items() if is_wrong]

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        rows = [(name, MISSING) for name in cls.missing(options)] + cls.faults(options)
        return [kind(f"{name} of channel {alias!r} {what}.", hint=hint, id=id) for name, (kind, id, what, hint) in rows]

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        base_url, environment = str(options.get("BASE_URL") or ""), cls.environment_of(options)
        host = _host(base_url)
        places = {urlsplit(url).hostname or "": name for name, url in cls.hosts.items()} | {**cls.other_hosts}
        place = places.get(host, environment)
        insecure = base_url.startswith("http:") and not (settings.DEBUG or place == "sandbox")
        weak = any(len(secret) < SHORTEST_SECRET for secret in cls.secrets(options))
        rows: list[tuple[bool, Fault]] = [
            (not settings.DEBUG and place != "sandbox" and _is_here(host), HERE),
            (insecure or (base_url.startswith("http:") and environment == "production"), OPEN_KEYS),
            (not settings.DEBUG and weak, WEAK_SECRET),
            (not settings.DEBUG and place == "sandbox", NO_REAL_MONEY),
            (settings.DEBUG and place == "production", REAL_MONEY),
        ]
        told = [fault for applies, fault in rows if applies]
        return [kind(f"Channel {alias!r} {what}.", hint=hint, id=id) for kind, id, what, hint in told]


HALVES = re.compile("[\ud800-\udfff]")


def _is_here(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host in ("::1", "0.0.0.0")  # nosec B104


def _is_timeout(value: Any) -> bool:
    # A claim on a row lasts two minutes, and a call has to end before another process may claim the row.
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 60


def _host(address: Any) -> str:
    """Return the host of an address usable as the beginning of calls; else an empty text."""
    host = host_of(address)
    return host if host and not {"?", "#"} & set(address) else ""
