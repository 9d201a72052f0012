"""Judges the settings before a payer does; the catalogue is in the manual, ``docs/reference/checks.rst``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from email.utils import parseaddr
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.urls import NoReverseMatch, reverse

from .carriers import carrier_class
from .channels import backend_class
from .channels.base import COMMON_OPTIONS, Channel, is_limit
from .channels.declarations import contradictions
from .channels.options import Configured
from .codes import LONGEST, LONGEST_PREFIX, is_prefix
from .conf import MESSAGES, SETTINGS, UNIX, Setting, conf, host_of, network_of, unknown_keys
from .documents.ways import Means
from .errors import InvalidRequest, Misconfigured
from .errors import gettext_noop as _
from .fees import faults_of_contract
from .models.database import database
from .money import CURRENCIES, exact
from .payer import has_phones
from .signals import SIGNALS, ByPath, payment_confirmed
from .statements import faults_of_formats

#: The hint for a class whose declarations contradict each other.
CONTRADICTED = "Mend the class; the manual's page on adding a channel tells how declarations depend on each other."
#: Nobody's proxies are in a larger network than a class A one.
NARROWEST = 8


@register("pagoefectivo")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Errors and warnings that concern every machine."""
    found: list[CheckMessage] = []
    if not settings.USE_TZ:
        hint = "Set USE_TZ = True; a code's expiry is a moment, and naive times would move it."
        found.append(Error("USE_TZ is False.", hint=hint, id="pagoefectivo.E006"))
    if not isinstance(getattr(settings, "PAGOEFECTIVO", {}), Mapping):
        hint = "Write it as {'CHANNELS': {…}, …}, or use conf.from_env()."
        return [*found, Error("PAGOEFECTIVO is no dictionary.", hint=hint, id="pagoefectivo.E001")]
    if not isinstance(_written("CHANNELS"), Mapping):
        hint = "Write it as {'default': {'BACKEND': …, 'OPTIONS': {…}}}."
        return [*found, Error("PAGOEFECTIVO['CHANNELS'] is no mapping.", hint=hint, id="pagoefectivo.E001")]
    if not conf.channels:
        hint = "Add PAGOEFECTIVO['CHANNELS']['default'] with BACKEND and OPTIONS, or use conf.from_env()."
        found.append(Error("PAGOEFECTIVO has no channel.", hint=hint, id="pagoefectivo.E001"))
    for alias, channel, options in _channels():
        if not isinstance(alias, str) or not re.fullmatch("[^/?#\\s]{1,60}", alias):
            hint = "Use a short word: it is part of the webhook's address, and stands in a column of 60 letters."
            problem = f"PAGOEFECTIVO['CHANNELS'] has the alias {alias!r}."
            found.append(Error(problem, hint=hint, id="pagoefectivo.E008"))
        found += unknown_keys(f"PAGOEFECTIVO['CHANNELS'][{alias!r}]", conf.channels[alias], ("BACKEND", "OPTIONS"))
        if isinstance(channel, Misconfigured):
            hint = "The direct one is pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel."
            found.append(Error(f"Channel {alias!r}: {channel}", hint=hint, id="pagoefectivo.E002"))
        else:
            if channel.option_names is not None:
                found += unknown_keys(
                    f"OPTIONS of channel {alias!r}", options, (*channel.option_names, *COMMON_OPTIONS)
                )
            found += [
                Error(f"The class of channel {alias!r} {what}.", hint=CONTRADICTED, id="pagoefectivo.E016")
                for what in contradictions(channel)
            ]
            found += channel.check(alias, options) + _prefix(alias, options) + _of_channel(alias, options)
            found += _shared(alias, options) + _taken(alias, channel, options)
    return [
        *found,
        *_one_account(),
        *_routes(),
        *_values(),
        *_sources(),
        *_carriers(),
        *_shown(),
        *_money(),
        *_outgoing(),
    ]


@register("pagoefectivo")
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn where SQLite would make two writers fail instead of wait."""
    connection = connections[database()]
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode", "")
    if connection.vendor != "sqlite" or mode.upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    hint = 'Set DATABASES[...]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".'
    return [Warning("SQLite transactions don't begin IMMEDIATE.", hint=hint, id="pagoefectivo.W002")]


@register("pagoefectivo")
def check_receivers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Errors in receivers that are connected by their paths, which nobody else imports before there is an event."""
    found: list[CheckMessage] = []
    for signal in SIGNALS.values():
        for receiver in signal.by_name.values():
            function = getattr(receiver.function, "func", receiver.function)  # the inside of a partial
            if not isinstance(function, ByPath):
                continue
            try:
                function.load()
            except Exception as error:  # a module raises whatever it likes
                problem = f"The receiver {receiver.name} of {signal.name} is {function.path!r}: {error!r}"
                hint = "Connect it by the path of a function, such as 'shop.receivers.ship'."
                found.append(Error(problem, hint=hint, id="pagoefectivo.E010"))
    return found


@register("pagoefectivo", deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warnings that concern production."""
    found: list[CheckMessage] = []
    for alias, channel, options in _channels():
        if not isinstance(channel, Misconfigured):
            found += channel.check_deploy(alias, options)
    found += _carriers_deployed() + _one_secret() + _heard()
    if _mapping("WEBHOOKS").get("HTTP") and not settings.DEBUG:
        hint = "Take HTTP out of PAGOEFECTIVO['WEBHOOKS'], and give endpoints addresses that begin with https://."
        problem = "Outgoing webhooks may go without TLS: others could read the messages."
        found.append(Warning(problem, hint=hint, id="pagoefectivo.W013"))
    backend = settings.CACHES.get("default", {}).get("BACKEND", "")
    if backend.endswith(("LocMemCache", "DummyCache")):
        hint = "Use a cache that all processes share, or each of them asks PagoEfectivo for tokens of its own."
        found.append(Warning("The default cache is not shared by processes.", hint=hint, id="pagoefectivo.W005"))
    if conf.messages and not conf.public_url:
        hint = "Set PAGOEFECTIVO['PUBLIC_URL'] to your shop's address, such as 'https://shop.example'."
        problem = "Messages to payers have no link to the voucher page."
        found.append(Warning(problem, hint=hint, id="pagoefectivo.W006"))
    if not (settings.MANAGERS if conf.staff_alerts is None else conf.staff_alerts):
        hint = "Set PAGOEFECTIVO['STAFF_ALERTS'] to addresses of yours, or Django's MANAGERS."
        problem = "Nobody gets a mail about open discrepancies, receivers that fail and a worker that is silent."
        found.append(Warning(problem, hint=hint, id="pagoefectivo.W020"))
    if conf.messages and settings.DEFAULT_FROM_EMAIL == "webmaster@localhost":
        hint = "Set DEFAULT_FROM_EMAIL to an address of yours; or PAGOEFECTIVO['MESSAGES'] = () to send none."
        problem = "Messages to payers come from webmaster@localhost."
        found.append(Warning(problem, hint=hint, id="pagoefectivo.W007"))
    return found


def _carriers_deployed() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias, entry in _mapping("CARRIERS").items():
        with suppress(Misconfigured, AttributeError, TypeError):  # told by check_settings
            found += carrier_class(entry.get("BACKEND", "")).check_deploy(alias, entry.get("OPTIONS", {}))
    return found


def _one_account() -> list[CheckMessage]:
    """Errors in aliases of one account with different keys: codes of the one would be looked up at the other."""
    accounts: dict[str, dict[tuple[str, ...], str]] = {}
    for alias, channel, options in _channels():
        with suppress(Misconfigured, AttributeError, TypeError, ValueError):  # told by check_settings
            if isinstance(channel, type) and issubclass(channel, Configured):
                keys = tuple(str(options.get(name)) for name in channel.needed)
                accounts.setdefault(channel(alias, options).account, {}).setdefault(keys, alias)
    hint = "If they are two accounts of the provider, set ACCOUNT in the OPTIONS of one of them; else use equal keys."
    return [
        Error(
            f"Channels {' and '.join(map(repr, named.values()))} are one account, {account}, with different keys.",
            hint=hint,
            id="pagoefectivo.E015",
        )
        for account, named in accounts.items()
        if len(named) > 1
    ]


def _one_secret() -> list[CheckMessage]:
    """Errors in accounts that share a secret: a message of the one would pay the other's order of the same code."""
    accounts: dict[str, dict[str, str]] = {}
    for alias, channel, options in _channels():
        with suppress(Misconfigured, AttributeError, TypeError, ValueError):  # told by check_settings
            if not isinstance(channel, Misconfigured):
                one = channel(alias, options)
                for fingerprint in one.fingerprints():
                    accounts.setdefault(fingerprint, {}).setdefault(one.account, alias)
    hint = "Ask the provider for another secret of one of them, or set WEBHOOK_SECRETS."
    return [
        Error(
            f"Channels {' and '.join(map(repr, shared.values()))} are different accounts with one webhook secret.",
            hint=hint,
            id="pagoefectivo.E014",
        )
        for shared in accounts.values()
        if len(shared) > 1
    ]


def _heard() -> list[CheckMessage]:
    """Warnings where a payment would come and nobody hear of it."""
    found: list[CheckMessage] = []
    try:
        reverse("pagoefectivo:webhook", args=["default"])
    except (NoReverseMatch, ImportError, ImproperlyConfigured):
        hint = 'Add path("pay/", include("pagoefectivo_django.urls")) to your ROOT_URLCONF.'
        problem = "The app's addresses are in no urls.py: no notification arrives, and no payer sees a voucher."
        found.append(Warning(problem, hint=hint, id="pagoefectivo.W009"))
    if not any(not name.startswith("pagoefectivo.") for name in payment_confirmed.by_name):
        hint = "Connect what ships an order, in a module that your AppConfig.ready() imports."
        found.append(Warning("Nobody listens to payment_confirmed.", hint=hint, id="pagoefectivo.W010"))
    return found


def _channels() -> list[tuple[str, type[Channel] | Misconfigured, dict[str, Any]]]:
    channels: list[tuple[str, type[Channel] | Misconfigured, dict[str, Any]]] = []
    for alias in _mapping("CHANNELS"):
        try:
            path, options = conf.channel(alias)
            channels.append((alias, backend_class(path), dict(options)))
        except Misconfigured as error:
            channels.append((alias, error, {}))
    return channels


def _prefix(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    """Errors in what the shop puts in front of transaction codes: without room behind it, two orders get the same."""
    if is_prefix(prefix := options.get("TRANSACTION_CODE_PREFIX", "")):
        return []
    hint = f"Use at most {LONGEST_PREFIX} letters, digits, - and _: a transaction code has {LONGEST} characters."
    problem = f"TRANSACTION_CODE_PREFIX of channel {alias!r} is {prefix!r}."
    return [Error(problem, hint=hint, id="pagoefectivo.E007")]


def _shared(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    """Errors in SHARED_ACCOUNT: a text, as an environment variable gives, is neither True nor False."""
    if isinstance(shared := options.get("SHARED_ACCOUNT", False), bool):
        return []
    hint = "Write True if other systems of yours issue codes on the account, else leave it out."
    return [Error(f"SHARED_ACCOUNT of channel {alias!r} is {shared!r}.", hint=hint, id="pagoefectivo.E007")]


def _taken(alias: str, channel: type[Channel], options: Mapping[str, Any]) -> list[CheckMessage]:
    """Errors in the amounts of a channel, and in routes that the channel can never serve."""
    found: list[CheckMessage] = []
    limits = [options[name] for name in ("MIN_AMOUNT", "MAX_AMOUNT") if name in options]
    if not all(map(is_limit, limits)):
        hint = "Write amounts as Decimal('2.00'), above zero."
        problem = f"MIN_AMOUNT or MAX_AMOUNT of channel {alias!r} is no amount."
        found.append(Error(problem, hint=hint, id="pagoefectivo.E007"))
    elif limits != sorted(limits):
        problem = f"MIN_AMOUNT of channel {alias!r} is above its MAX_AMOUNT: it takes no order."
        found.append(Error(problem, hint="Exchange them.", id="pagoefectivo.E007"))
    for currency, aliases in _mapping("ROUTES").items():
        if _is_list(aliases) and alias in aliases and currency in CURRENCIES and currency not in channel.currencies:
            hint = f"It takes {' and '.join(sorted(channel.currencies))}."
            problem = f"PAGOEFECTIVO['ROUTES'][{currency!r}] leads to {alias!r}, which takes no {currency}."
            found.append(Error(problem, hint=hint, id="pagoefectivo.E005"))
    return found


def _of_channel(alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
    """Errors in options that override a setting for one channel."""
    return [
        Error(f"{name} of channel {alias!r} is {options[name]!r}.", hint=_range(setting), id="pagoefectivo.E007")
        for name, setting in SETTINGS.items()
        if setting.of_channel and name in options and not setting.is_right(options[name])
    ]


def _range(setting: Setting[Any]) -> str:
    least, most = setting.limits or ("", "")
    return f"Use a {type(setting.default).__name__} from {least} to {most}."


def _routes() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    routes = _written("ROUTES")
    if isinstance(routes, str):
        try:
            _ = conf.routing
        except Misconfigured as error:
            hint = "The function takes (order, candidates) and returns aliases in order of preference."
            found.append(Error(str(error), hint=hint, id="pagoefectivo.E004"))
        return found
    if not isinstance(routes, Mapping | None) or not all(map(_is_list, (routes or {}).values())):
        hint = (
            "Write it as {'PEN': ['default'], 'USD': ['default']}: the aliases of a currency, in order of preference."
        )
        return [Error("PAGOEFECTIVO['ROUTES'] is no mapping of lists.", hint=hint, id="pagoefectivo.E004")]
    if routes is not None and not routes:
        hint = "Name the aliases of each currency, or leave ROUTES out: every channel, for PEN and USD."
        found.append(Error("PAGOEFECTIVO['ROUTES'] is empty: no order gets a code.", hint=hint, id="pagoefectivo.E004"))
    for currency, aliases in (routes or {}).items():
        if currency not in CURRENCIES:
            hint = f"PagoEfectivo issues codes in {' and '.join(CURRENCIES)}."
            found.append(Error(f"PAGOEFECTIVO['ROUTES'] has {currency!r}.", hint=hint, id="pagoefectivo.E005"))
        unknown = [alias for alias in aliases if alias not in conf.channels]
        if unknown or not aliases:
            where = f"leads to {unknown[0]!r}, which is no channel" if unknown else "leads nowhere"
            hint = f"Use aliases of PAGOEFECTIVO['CHANNELS']: {', '.join(conf.channels) or 'none is set'}."
            found.append(Error(f"PAGOEFECTIVO['ROUTES'][{currency!r}] {where}.", hint=hint, id="pagoefectivo.E004"))
    return found


def _values() -> list[CheckMessage]:
    found = unknown_keys("PAGOEFECTIVO", conf.all(), SETTINGS)
    for name, setting in SETTINGS.items():
        if not setting.is_right(value := _written(name)):
            found.append(Error(f"PAGOEFECTIVO[{name!r}] is {value!r}.", hint=_range(setting), id="pagoefectivo.E008"))
    if not found and conf.grace > conf.poll_after_expiry:
        hint = "A code that nobody asks about any more can't be paid on time; raise POLL_AFTER_EXPIRY."
        problem = "PAGOEFECTIVO['GRACE'] is longer than PAGOEFECTIVO['POLL_AFTER_EXPIRY']."
        found.append(Error(problem, hint=hint, id="pagoefectivo.E008"))
    try:
        _ = conf.late_policy
    except Misconfigured as error:
        hint = "The function takes (order, report) and returns whether to accept."
        found.append(Error(str(error), hint=hint, id="pagoefectivo.E008"))
    try:
        _ = conf.link_of_order
    except Misconfigured as error:
        hint = "The function takes (order) and returns (address, label) of a page of yours, or None."
        found.append(Error(str(error), hint=hint, id="pagoefectivo.E008"))
    return found


def _outgoing() -> list[CheckMessage]:
    """Errors in what outgoing webhooks may reach."""
    written = _written("WEBHOOKS")
    if not isinstance(written, Mapping):
        hint = "Write a dict, such as {'ALLOW': ['10.0.0.0/8']}."
        return [Error("PAGOEFECTIVO['WEBHOOKS'] is no dictionary.", hint=hint, id="pagoefectivo.E008")]
    found = unknown_keys("PAGOEFECTIVO['WEBHOOKS']", written, ("ALLOW", "HTTP"))
    allowed = written.get("ALLOW", ())
    if not isinstance(allowed, list | tuple) or not all(map(_is_network, allowed)):
        problem = f"PAGOEFECTIVO['WEBHOOKS']['ALLOW'] is {allowed!r}, no list of networks."
        found.append(Error(problem, hint="List them, such as ['10.0.0.0/8'].", id="pagoefectivo.E008"))
    if not isinstance(written.get("HTTP", False), bool):
        problem = "PAGOEFECTIVO['WEBHOOKS']['HTTP'] is neither True nor False."
        found.append(Error(problem, hint="Leave it out: endpoints need https://.", id="pagoefectivo.E008"))
    return found


def _sources() -> list[CheckMessage]:
    """Errors in who may send notifications: a list that means another than the shop believes is worse than none."""
    found: list[CheckMessage] = []
    for name in ("WEBHOOK_ALLOWED_NETWORKS", "TRUSTED_PROXIES"):
        value = _written(name)
        if value is None and name == "TRUSTED_PROXIES":
            continue
        known = (UNIX,) if name == "TRUSTED_PROXIES" else ()
        if not isinstance(value, list | tuple):  # of a text each letter would be a network
            hint = "List them, such as ['203.0.113.0/24']."
            found.append(Error(f"PAGOEFECTIVO[{name!r}] is {value!r}, no list.", hint=hint, id="pagoefectivo.E009"))
            continue
        listed = value
        wrong = [one for one in listed if one not in known and not _is_network(one)]
        hint = "List addresses or networks as texts, such as ['203.0.113.0/24', '2001:db8::/32']."
        text = "PAGOEFECTIVO[{!r}] has {!r}, which is no network."
        found += [Error(text.format(name, one), hint=hint, id="pagoefectivo.E009") for one in wrong]
        if name == "TRUSTED_PROXIES" and not wrong:
            text = "PAGOEFECTIVO['TRUSTED_PROXIES'] has {!r}, which holds everybody: anybody could write who sends."
            hint = "Name the networks of your own proxies only."
            everybody = [one for one in value if one != UNIX and network_of(one).prefixlen < NARROWEST]
            found += [Error(text.format(one), hint=hint, id="pagoefectivo.E009") for one in everybody]
    if conf.webhook_allowed_networks and conf.trusted_proxies is None:
        hint = "Name your proxies' networks in TRUSTED_PROXIES, or set it to [] if senders reach this server directly."
        problem = (
            "PAGOEFECTIVO['WEBHOOK_ALLOWED_NETWORKS'] is set without PAGOEFECTIVO['TRUSTED_PROXIES']: "
            "who sends can't be told."
        )
        found.append(Error(problem, hint=hint, id="pagoefectivo.E009"))
    return found


def _is_network(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(network_of(value))
    except ValueError:
        return False


def _carriers() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias, entry in _mapping("CARRIERS").items():
        entry = entry if isinstance(entry, Mapping) else {}
        found += unknown_keys(f"PAGOEFECTIVO['CARRIERS'][{alias!r}]", entry, ("BACKEND", "OPTIONS"))
        try:
            carrier, options = carrier_class(entry.get("BACKEND", "")), entry.get("OPTIONS", {})
            if not isinstance(options, Mapping):
                raise Misconfigured(_("its OPTIONS are no mapping; write a dict."), code="carrier_options_no_mapping")
            if carrier.option_names is not None:
                found += unknown_keys(f"OPTIONS of carrier {alias!r}", options, carrier.option_names)
            found += carrier.check(alias, options)
        except Misconfigured as error:
            hint = "Shipped are pagoefectivo_django.carriers.console.ConsoleCarrier and ….sinch.SinchCarrier."
            found.append(Error(f"Carrier {alias!r}: {error}", hint=hint, id="pagoefectivo.E002"))
    return found


def _shown() -> list[CheckMessage]:
    """Errors in what payers are told."""
    written = {name: _written(name) for name in SETTINGS}
    wrong: list[tuple[str, str]] = []
    names = written["MESSAGES"]
    if not isinstance(names, list | tuple | set | frozenset) or not all(name in MESSAGES for name in names):
        wrong.append(("MESSAGES", f"List some of {', '.join(MESSAGES)}, or none."))
    addresses = written["STAFF_ALERTS"]
    if addresses is not None and not (_is_list(addresses) and all(map(_is_mail_address, addresses))):
        wrong.append(("STAFF_ALERTS", "List mail addresses, such as ['ventas@shop.example'], or none."))
    countries = written["TEXT_COUNTRIES"]
    if not _is_list(countries) or not all(re.fullmatch("[A-Z]{2}", one) and has_phones(one) for one in countries):
        wrong.append(("TEXT_COUNTRIES", "List countries by their two letters, such as ['PE', 'CL'], or none."))
    # "False" in an environment variable is a text, and true.
    switches = [name for name, setting in SETTINGS.items() if isinstance(setting.default, bool)]
    wrong += [(name, "Write True or False.") for name in switches if not isinstance(written[name], bool)]
    if not isinstance(written["CARRIERS"], Mapping):
        wrong.append(("CARRIERS", "Write it as {'sms': {'BACKEND': …, 'OPTIONS': {…}}}, like CHANNELS."))
    limits = written["LIMITS"]
    if not isinstance(limits, Mapping) or not all(map(_is_limit, limits.items())):
        hint = "Write it as {'PEN': (Decimal('1.00'), Decimal('2000.00'))}: the least and the most of a currency."
        wrong.append(("LIMITS", hint))
    policy = written["CONTENT_SECURITY_POLICY"]
    if policy is not None and not (isinstance(policy, str) and policy.isprintable() and policy.isascii()):
        wrong.append(("CONTENT_SECURITY_POLICY", "Write one line of ASCII, '' to send none, or leave it out."))
    if not _is_origin(written["PUBLIC_URL"]):
        wrong.append(("PUBLIC_URL", "Write the scheme and the host only, such as https://shop.example."))
    ways = written["WAYS"]
    if ways is not None and not (isinstance(ways, Mapping) and all(map(_is_way, ways.items()))):
        hint = f"Write lists of names, or of (name, company number), under {', '.join(Means.values)}."
        wrong.append(("WAYS", hint))
    return [
        Error(f"PAGOEFECTIVO[{name!r}] is {written[name]!r}.", hint=hint, id="pagoefectivo.E008")
        for name, hint in wrong
    ]


def _money() -> list[CheckMessage]:
    """Errors in what settlements are compared with."""
    faults = [*faults_of_contract(conf.fees, conf.igv), *faults_of_formats(conf.statements)]
    tolerance = _written("FEE_TOLERANCE")
    if not isinstance(tolerance, Decimal) or not tolerance.is_finite() or not 0 <= tolerance < 100:
        faults.append("FEE_TOLERANCE has to be a Decimal such as Decimal('0.01').")
    hint = "See 'When the money arrives' in the manual."
    return [Error(f"PAGOEFECTIVO: {fault}", hint=hint, id="pagoefectivo.E008") for fault in faults]


def _written(name: str) -> Any:
    """Return a setting's value as the shop wrote it, of any type: ``conf`` declares the types of right values only."""
    return getattr(conf, name.lower())


def _mapping(name: str) -> Mapping[Any, Any]:
    """Return the mapping that is a setting's value; an empty one where the shop wrote another type."""
    value = _written(name)
    return value if isinstance(value, Mapping) else {}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _is_limit(entry: tuple[Any, Any]) -> bool:
    currency, limit = entry
    if currency not in CURRENCIES or not isinstance(limit, list | tuple) or len(limit) != 2:
        return False
    least, most = limit
    return all(isinstance(one, Decimal) and (one == 0 or _is_payable(one)) for one in limit) and least <= most


def _is_payable(amount: Decimal) -> bool:
    try:
        return bool(exact(amount))
    except InvalidRequest:
        return False


def _is_origin(url: Any) -> bool:
    """Whether an address is empty or ends with its host: our own paths already have what a site is mounted under."""
    return url == "" or (
        isinstance(url, str) and re.fullmatch(r"https?://[^/?#\s]+/?", url) is not None and bool(host_of(url))
    )


def _is_mail_address(text: str) -> bool:
    """Whether mail can be sent to it: one address, with a name before it or without."""
    _, address = parseaddr(text)
    fits = re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", address) and text.isprintable()
    return bool(fits) and (text == address or text.endswith(f"<{address}>"))


def _is_way(entry: tuple[Any, Any]) -> bool:
    means, places = entry
    return means in Means.values and isinstance(places, list | tuple) and all(map(_is_place, places))


def _is_place(place: Any) -> bool:
    parts = (place,) if isinstance(place, str) else place
    fits = isinstance(parts, list | tuple) and len(parts) in (1, 2)
    return fits and all(isinstance(part, str) for part in parts) and bool(parts[0])
