"""The PAGOEFECTIVO setting, read live."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from .errors import Misconfigured

if TYPE_CHECKING:
    import environ

PAGOEFECTIVO_BACKEND = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"

#: In TRUSTED_PROXIES: whoever asks this server by a unix socket, which has no address.
UNIX = "unix"

#: The messages to the payer, as they follow each other.
MESSAGES = ("created", "reminder", "paid", "expired", "in_review", "refund_account", "refunded")
#: Those that are short enough for a telephone.
SHORT_MESSAGES = ("created", "reminder", "paid", "expired", "refund_account")

#: What a setting is when the shop says nothing.
DEFAULTS: dict[str, Any] = {
    "CHANNELS": {},
    "ROUTES": None,
    "EXPIRES_AFTER": timedelta(hours=48),
    "GRACE": timedelta(minutes=30),
    "LATE_PAYMENTS": "hold",
    #: How long before the date ``expiry_approaching`` is told.
    "REMIND_BEFORE": timedelta(hours=6),
    #: How long after its date a code is still asked about, and how long after a payment (reversals).
    "POLL_AFTER_EXPIRY": timedelta(days=7),
    "POLL_AFTER_PAYMENT": timedelta(days=30),
    #: Codes in one question, and questions a minute to one account; what a provider takes is unknown (protocol 1.3, 4).
    "BATCH_SIZE": 100,
    "SEARCHES_PER_MINUTE": 120,
    "PUBLIC_URL": "",
    #: Whether the payer may ask for a new code when one has expired: the shop must take its stock again.
    "PAYER_MAY_RENEW": False,
    #: Whether who approves a refund has to be another than who asked for it.
    "REFUND_FOUR_EYES": False,
    #: What the voucher says of each way to pay, by way; None: ``documents/ways.py``.
    "WAYS": None,
    #: Currency → least and most that the shop's contract allows (protocol 7.3); shown, where known.
    "LIMITS": {},
    #: What the payer is written.
    "MESSAGES": MESSAGES,
    #: Alias → BACKEND and OPTIONS of what carries short texts besides mail.
    "CARRIERS": {},
    #: Addresses that are told of trouble by mail; None: Django's MANAGERS.
    "STAFF_ALERTS": None,
    #: Countries whose mobile numbers are texted; a number of satellites or at a premium costs the shop what it likes.
    "TEXT_COUNTRIES": ["PE"],
    #: Of the payer's pages; None: the strictest that they work with.
    "CONTENT_SECURITY_POLICY": None,
    #: Networks that notifications may come from; none: all. PagoEfectivo's are unknown (protocol 6).
    "WEBHOOK_ALLOWED_NETWORKS": (),
    #: Networks of the shop's own proxies, whose X-Forwarded-For is believed; None: not said.
    "TRUSTED_PROXIES": None,
    #: Bytes of the largest notification that is read.
    "WEBHOOK_LIMIT": 64 * 1024,
    #: The contract: currency → [{"SINCE": date, "BANDS": [(up to, fixed, percent), …], "ROUNDING": …}, …].
    "FEES": {},
    #: The tax on the fee, by the day since when: Peru's general rate (reconciliation D.4).
    "IGV": [(date(2011, 3, 1), Decimal(18))],
    #: How much a charged fee may differ from the contract's.
    "FEE_TOLERANCE": Decimal("0.01"),
    #: Business days in which a payment is in a settlement; a transfer within a week is inferred (protocol 7.4).
    "SETTLED_WITHIN": 5,
    #: How long calls to the provider, the bytes of messages and the data of payers are kept. No law names these times;
    #: five years are the longest that a shop is usually asked about a sale: ask your lawyer.
    "KEEP_CALLS": timedelta(days=30),
    "KEEP_BODIES": timedelta(days=180),
    "KEEP_PAYERS": timedelta(days=5 * 365),
    #: Name → KIND and COLUMNS of statements that are not PagoEfectivo's own.
    "STATEMENTS": {},
}


class Settings:
    """``settings.PAGOEFECTIVO`` at this moment."""

    def __getattr__(self, name: str) -> Any:
        try:
            default = DEFAULTS[name.upper()]
        except KeyError:
            raise AttributeError(name) from None
        return self.all().get(name.upper(), default)

    @staticmethod
    def all() -> Mapping[str, Any]:
        """Return the whole setting as the shop wrote it; nothing where it is no dictionary, which a check tells."""
        found = getattr(settings, "PAGOEFECTIVO", {})
        return found if isinstance(found, Mapping) else {}

    def channel(self, alias: str) -> tuple[str, Mapping[str, Any]]:
        """Return a channel's backend path and options; raises ``Misconfigured`` for an alias that isn't set."""
        try:
            entry = self.channels[alias]
            backend, options = entry["BACKEND"], entry.get("OPTIONS", {})
        except (AttributeError, KeyError, TypeError):
            raise Misconfigured(f"PAGOEFECTIVO['CHANNELS'][{alias!r}] is missing or has no BACKEND; add it.") from None
        if not isinstance(options, Mapping):
            raise Misconfigured(f"The OPTIONS of PAGOEFECTIVO['CHANNELS'][{alias!r}] are no mapping; write a dict.")
        return backend, options

    def route(self, currency: str) -> list[str]:
        """Return the aliases that issue codes in a currency, in order of preference."""
        routes = self.routes
        return list(self.channels) if routes is None else list(routes.get(currency, []))

    @property
    def late_policy(self) -> str | Callable[..., bool]:
        """``"hold"``, ``"accept"``, or the shop's own function."""
        policy: str = self.late_payments
        if policy in ("hold", "accept"):
            return policy
        try:
            found: Callable[..., bool] = import_string(policy)
        except (ImportError, AttributeError, TypeError, ValueError):
            found = None  # type: ignore[assignment]
        if not callable(found):
            raise Misconfigured(
                f"PAGOEFECTIVO['LATE_PAYMENTS'] is {policy!r}; use 'hold', 'accept' or the path of a function."
            )
        return found


conf = Settings()


def host_of(address: Any) -> str:
    """Return the host of an http address that can be asked, or an empty text.

    Also for one with a user before it, whose password would stand in links and logs.
    """
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
        host, _ = parts.hostname or "", parts.port  # which raises for one above 65535
        fits = parts.scheme in ("http", "https") and "@" not in parts.netloc
        named = ip_address(host) if ":" in host else re.fullmatch(r"(?!-)[\w-]+(\.[\w-]+)*\.?", host)
    except ValueError:
        return ""
    return host if fits and named else ""


def network_of(text: str) -> IPv4Network | IPv6Network:
    """Return a network, one of IPv4 in IPv6's clothes as one of IPv4; raises ``ValueError`` for what is none."""
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= 96 and (address := found.network_address.ipv4_mapped):
        return IPv4Network((address, found.prefixlen - 96))
    return found


def unknown_keys(where: str, found: Any, known: Iterable[str]) -> list[CheckMessage]:
    """Return an error for each key of a dictionary that nothing reads, with the known name that is nearest."""
    names = list(known)
    errors: list[CheckMessage] = []
    for name in found if isinstance(found, Mapping) else ():
        if name not in names:
            near = get_close_matches(str(name).upper(), names, 1, 0.5)
            hint = f"Do you mean {near[0]}?" if near else f"Known are {', '.join(names) or 'none'}."
            errors.append(Error(f"{where}[{name!r}] is not a setting.", hint=hint, id="pagoefectivo.E008"))
    return errors


def from_env(env: environ.Env) -> dict[str, Any]:
    """Return the setting for one direct channel from ``PAGOEFECTIVO_*`` variables.

    Blanks and quotation marks around a value are none of it; what is missing is told by the system checks.

    Needed: ``PAGOEFECTIVO_SERVICE_ID``, ``_ACCESS_KEY``, ``_SECRET_KEY``. Optional: ``_ENVIRONMENT`` (``sandbox``),
    ``_BASE_URL``, ``_WEBHOOK_SECRETS`` (comma-separated), ``_PUBLIC_URL``.
    """

    def text(name: str) -> str:
        return str(env.str(f"PAGOEFECTIVO_{name}", default="")).strip("\"' \t\r\n")

    options: dict[str, Any] = {
        "ENVIRONMENT": text("ENVIRONMENT") or "sandbox",
        "SERVICE_ID": text("SERVICE_ID"),
        "ACCESS_KEY": text("ACCESS_KEY"),
        "SECRET_KEY": text("SECRET_KEY"),
    }
    if base_url := text("BASE_URL"):
        options["BASE_URL"] = base_url
    secrets = [secret.strip("\"'[] \t\r\n") for secret in text("WEBHOOK_SECRETS").split(",")]
    if any(secrets):
        options["WEBHOOK_SECRETS"] = list(filter(None, secrets))
    return {
        "CHANNELS": {"default": {"BACKEND": PAGOEFECTIVO_BACKEND, "OPTIONS": options}},
        "PUBLIC_URL": text("PUBLIC_URL"),
    }
