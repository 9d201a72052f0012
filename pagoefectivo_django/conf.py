"""The PAGOEFECTIVO setting, read live."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from .errors import Misconfigured
from .errors import gettext_noop as _

if TYPE_CHECKING:
    import environ

PAGOEFECTIVO_BACKEND = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"

#: In TRUSTED_PROXIES: whoever asks this server by a unix socket, which has no address.
UNIX = "unix"

#: The messages to the payer, as they follow each other.
MESSAGES = ("created", "reminder", "paid", "expired", "in_review", "refund_account", "refunded")
#: Those that are short enough for a telephone.
SHORT_MESSAGES = ("created", "reminder", "paid", "expired", "refund_account")

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Setting(Generic[T]):
    """A key of ``settings.PAGOEFECTIVO``: an attribute of ``Settings`` whose value is read again at each access.

    ``T`` is the type of a right value. A wrong value is returned as the shop wrote it; the system checks tell of it.
    """

    #: The value where the shop wrote none.
    default: T
    #: The setting's entry in the manual, in reStructuredText.
    description: str
    #: The least and the most that the checks allow.
    limits: tuple[T, T] | None = None
    #: Whether each channel may have a value of its own, under the same name in its OPTIONS.
    of_channel: bool = False
    #: The key, such as ``EXPIRES_AFTER``: the attribute's name in capitals.
    name: str = field(init=False)

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name.upper())

    def is_right(self, value: object) -> bool:
        """Return whether a value has the default's type and stands within the limits, if there are any."""
        if self.limits is None:
            return True
        if isinstance(value, bool) or not isinstance(value, type(self.default)):
            return False
        least, most = self.limits
        return bool(least <= value <= most)  # type: ignore[operator]

    def of(self, options: Mapping[str, Any]) -> T:
        """Return the value for a channel: the option of the setting's name if right, else the setting."""
        value: T = options[self.name] if self.is_right(options.get(self.name)) else self.__get__(None, Settings)
        return value

    def __get__(self, instance: object, owner: type) -> T:
        value: T = Settings.all().get(self.name, self.default)
        return value


class Settings:
    """``settings.PAGOEFECTIVO`` at this moment, each key as an attribute of its type; the order is the manual's."""

    __slots__ = ()

    channels = Setting[Mapping[str, Mapping[str, Any]]](
        {},
        "Alias → ``BACKEND`` and ``OPTIONS``. QR and Cuotéalo are sold as service ids of their own: further aliases.",
    )
    routes = Setting[Mapping[str, Sequence[str]] | str | None](
        None,
        "Currency → aliases in order of preference, or the path of your function of (order, candidates) that returns "
        "aliases (:doc:`/how-to/routes`). ``None``: every channel, for PEN and USD.",
    )
    expires_after = Setting(
        timedelta(hours=48),
        "How long a code can be paid if ``create_order`` says nothing.",
        limits=(timedelta(minutes=10), timedelta(days=182)),
    )
    grace = Setting(
        timedelta(minutes=30),
        "How long after the date a payment still counts as on time.",
        limits=(timedelta(0), timedelta(days=30)),
    )
    late_payments = Setting(
        "hold",
        '``"hold"``, ``"accept"``, or the path of your function of (order, report) that returns whether to accept.',
    )
    remind_before = Setting(
        timedelta(hours=6),
        "How long before the date ``expiry_approaching`` is sent.",
        limits=(timedelta(0), timedelta(days=182)),
    )
    poll_after_expiry = Setting(
        timedelta(days=7),
        "How long after its date a code is still asked about.",
        limits=(timedelta(0), timedelta(days=365)),
    )
    poll_after_payment = Setting(
        timedelta(days=30),
        "How long after a payment its code is still asked about, since a payment can be reversed.",
        limits=(timedelta(0), timedelta(days=365)),
    )
    # How many codes in a search and how many searches a minute a provider takes is unknown (protocol 1.3, 4).
    batch_size = Setting(100, "Codes in one search.", limits=(1, 1000), of_channel=True)
    searches_per_minute = Setting(
        120,
        "Searches of one account, by all processes together; what can't wait counts too.",
        limits=(1, 60_000),
        of_channel=True,
    )
    public_url = Setting("", "Your shop's scheme and host (``https://shop.example``), for mails and documents.")
    payer_may_renew = Setting(
        False,
        "Whether an expired voucher has a button for a new code. Your receiver of ``payment_expired`` freed the stock; "
        'take it again on ``cip_issued`` with ``event.state_before == "expired"``.',
    )
    refund_four_eyes = Setting(False, "Whether who approves a refund has to be another than who asked for it.")
    ways = Setting[Mapping[str, Sequence[str | Sequence[str]]] | None](
        None,
        'What the voucher lists: ``{"wallet": ["Yape", …], "online": […], "cash": [("BCP", "02186"), "Kasnet", …]}``, '
        "a name or a name with its company code. ``None``: what four public lists have in common.",
    )
    limits = Setting[Mapping[str, Sequence[Decimal]]](
        {},
        '``{"PEN": (Decimal("2"), Decimal("3724"))}``: the least and the most that your contract allows, shown at the '
        "checkout.",
    )
    messages = Setting[Collection[str]](
        MESSAGES, f"What the payer is written: {', '.join(f'``{name}``' for name in MESSAGES)}."
    )
    carriers = Setting[Mapping[str, Mapping[str, Any]]](
        {}, "Alias → ``BACKEND`` and ``OPTIONS`` of what carries short texts besides mail."
    )
    staff_alerts = Setting[Sequence[str] | None](
        None, "Addresses that are told of trouble by mail. ``None``: Django's ``MANAGERS``; ``[]``: nobody."
    )
    text_countries = Setting[Sequence[str]](
        ["PE"],
        "Countries whose mobile numbers are texted, by their two letters: texts to satellites, or to numbers at a "
        "premium, cost the shop what somebody else likes.",
    )
    content_security_policy = Setting[str | None](
        None,
        'Of the payer\'s pages. ``None``: nothing inline and nothing from other hosts but your static files; ``""`` '
        "sends none.",
    )
    # PagoEfectivo's own addresses are unknown (protocol 6).
    webhook_allowed_networks = Setting[Sequence[str]](
        (),
        "Addresses or networks that notifications may come from; none listed: all, since PagoEfectivo names none.",
    )
    trusted_proxies = Setting[Sequence[str] | None](
        None,
        "The networks of your own proxies, whose ``X-Forwarded-For`` is read from the right; ``[]`` for none. A proxy "
        "that asks by a unix socket has no address: it is believed where any is named, "
        f'``["{UNIX}"]`` if it is the only one. Needed with ``WEBHOOK_ALLOWED_NETWORKS``.',
    )
    webhook_limit = Setting(64 * 1024, "Bytes of the largest notification that is read.", limits=(1024, 1024**3))
    fees = Setting[Mapping[str, Sequence[Mapping[str, Any]]]](
        {},
        "Currency → your contract with the provider: "
        '``[{"SINCE": date, "BANDS": [(up to, fixed, percent), …], "ROUNDING": …}, …]``. A fee in a currency without '
        "one is not compared.",
    )
    # Peru's general rate (reconciliation D.4).
    igv = Setting[Sequence[tuple[date, Decimal]]](
        [(date(2011, 3, 1), Decimal(18))],
        "``[(date, Decimal percent), …]``: the tax on the fee, by the day since when.",
    )
    fee_tolerance = Setting(Decimal("0.01"), "How much a fee may differ from the contract's.")
    order_link = Setting[str | None](
        None,
        "The path of your function of (order) that returns ``(address, label)`` of the order's page in your shop, or "
        "None; shown on the order's page in the admin (:doc:`/how-to/links`).",
    )
    oscar_statuses = Setting[Mapping[str, str]](
        {},
        "For ``contrib.oscar``: state of our order → status of Oscar's order, out of ``OSCAR_ORDER_STATUS_PIPELINE`` "
        "(:doc:`/how-to/oscar`).",
    )
    # That a transfer comes within a week is inferred (protocol 7.4).
    settled_within = Setting(5, "Business days in which a payment has to be in a settlement.", limits=(0, 90))
    # No law names these times; five years are the longest that a shop is usually asked about a sale.
    keep_calls = Setting(
        timedelta(days=30),
        "How long calls to the provider are kept.",
        limits=(timedelta(days=1), timedelta(days=3650)),
    )
    keep_bodies = Setting(
        timedelta(days=180),
        "How long the bytes of messages are kept.",
        limits=(timedelta(days=30), timedelta(days=3650)),
    )
    keep_payers = Setting(
        timedelta(days=5 * 365),
        "How long the data of payers is kept after their order was made; ask your lawyer.",
        limits=(timedelta(days=30), timedelta(days=36500)),
    )
    webhooks = Setting[Mapping[str, Any]](
        {},
        "Of outgoing webhooks (:doc:`/how-to/outgoing-webhooks`): ``ALLOW``, the networks beside the public internet "
        "that endpoints may be in, and ``HTTP``, ``True`` for addresses without TLS; for tests.",
    )
    statements = Setting[Mapping[str, Mapping[str, Any]]](
        {}, "Name → ``KIND`` and ``COLUMNS`` of statements that are not in the provider's own format."
    )

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
            raise Misconfigured(
                _("PAGOEFECTIVO['CHANNELS'][%(alias)s] is missing or has no BACKEND; add it."),
                code="channel_missing",
                alias=repr(alias),
            ) from None
        if not isinstance(options, Mapping):
            raise Misconfigured(
                _("The OPTIONS of PAGOEFECTIVO['CHANNELS'][%(alias)s] are no mapping; write a dict."),
                code="options_no_mapping",
                alias=repr(alias),
            )
        return backend, options

    def route(self, currency: str) -> list[str]:
        """Return the aliases that may issue codes in a currency, in order of preference.

        All channels where ``ROUTES`` is the path of a function, which chooses among those that can take an order.
        """
        routes = self.routes
        return list(self.channels) if routes is None or isinstance(routes, str) else list(routes.get(currency, []))

    @property
    def routing(self) -> Callable[..., Iterable[str]] | None:
        """The shop's own function that chooses channels; None where ``ROUTES`` names no function."""
        routes = self.routes
        if not isinstance(routes, str):
            return None
        if (found := _function(routes)) is None:
            raise Misconfigured(
                _("PAGOEFECTIVO['ROUTES'] is %(path)s, which is no function; write a function's path."),
                code="routes_no_function",
                path=repr(routes),
            )
        return found

    @property
    def link_of_order(self) -> Callable[..., tuple[str, str] | None] | None:
        """The shop's own function that links an order; None where ``ORDER_LINK`` is not set."""
        path = self.order_link
        if path is None:
            return None
        if (found := _function(path)) is None:
            raise Misconfigured(
                _("PAGOEFECTIVO['ORDER_LINK'] is %(path)s, which is no function; write its path."),
                code="order_link_no_function",
                path=repr(path),
            )
        return found

    @property
    def late_policy(self) -> str | Callable[..., bool]:
        """``"hold"``, ``"accept"``, or the shop's own function."""
        policy = self.late_payments
        if policy in ("hold", "accept"):
            return policy
        if (found := _function(policy)) is None:
            raise Misconfigured(
                _("PAGOEFECTIVO['LATE_PAYMENTS'] is %(value)s; use 'hold', 'accept' or the path of a function."),
                code="late_payments_no_function",
                value=repr(policy),
            )
        return found


conf = Settings()

#: Every setting, by key, in the manual's order.
SETTINGS: dict[str, Setting[Any]] = {one.name: one for one in vars(Settings).values() if isinstance(one, Setting)}


def table() -> list[tuple[str, str, str]]:
    """Return the manual's table of settings: for each setting its key, its default and its description."""
    return [(name, _python(setting.default), setting.description) for name, setting in SETTINGS.items()]


def _function(path: Any) -> Callable[..., Any] | None:
    """Return the function at a path; None if the path leads to none."""
    try:
        found = import_string(path)
    except (ImportError, AttributeError, TypeError, ValueError):
        return None
    return found if callable(found) else None


def _python(value: Any) -> str:
    """Return a default as ``settings.py`` would spell it, a ``timedelta`` in the largest whole unit."""
    if isinstance(value, timedelta):
        units = ((unit, timedelta(**{unit: 1})) for unit in ("days", "hours", "minutes", "seconds"))
        return next(f"timedelta({unit}={value // one})" for unit, one in units if not value % one)
    return repr(value).replace("datetime.", "")


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
