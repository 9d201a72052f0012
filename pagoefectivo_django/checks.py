"""Judges the settings before a payer does; the catalogue is in the README."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections

from .channels import backend_class
from .channels.base import Channel
from .conf import DEFAULTS, conf
from .errors import Misconfigured
from .models.database import database
from .money import CURRENCIES

#: The values that can work, from the least to the most; of the same type.
LIMITS: tuple[tuple[str, Any, Any], ...] = (
    ("EXPIRES_AFTER", timedelta(minutes=10), timedelta(days=182)),
    ("GRACE", timedelta(0), timedelta(days=30)),
    ("REMIND_BEFORE", timedelta(0), timedelta(days=182)),
    ("WATCH", timedelta(0), timedelta(days=365)),
    ("WATCH_PAID", timedelta(0), timedelta(days=365)),
    ("BATCH_SIZE", 1, 1000),
    ("SEARCHES_PER_MINUTE", 1, 60_000),
    ("WEBHOOK_LIMIT", 1024, 1024**3),
)


@register("pagoefectivo")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Errors and warnings that concern every machine."""
    found: list[CheckMessage] = []
    if not settings.USE_TZ:
        hint = "Set USE_TZ = True; a code's expiry is a moment, and naive times would move it."
        found.append(Error("USE_TZ is False.", hint=hint, id="pagoefectivo.E006"))
    if not conf.channels:
        hint = "Add PAGOEFECTIVO['CHANNELS']['default'] with BACKEND and OPTIONS, or use conf.from_env()."
        found.append(Error("PAGOEFECTIVO has no channel.", hint=hint, id="pagoefectivo.E001"))
    for alias, channel, options in _channels():
        if isinstance(channel, Misconfigured):
            hint = "The direct one is pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel."
            found.append(Error(f"Channel {alias!r}: {channel}", hint=hint, id="pagoefectivo.E002"))
        else:
            found += channel.check(alias, options)
    return [*found, *_routes(), *_values()]


@register("pagoefectivo")
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn where SQLite would make two writers fail instead of wait."""
    connection = connections[database()]
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode", "")
    if connection.vendor != "sqlite" or mode.upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    hint = 'Set DATABASES[...]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".'
    return [Warning("SQLite transactions don't begin IMMEDIATE.", hint=hint, id="pagoefectivo.W002")]


@register("pagoefectivo", deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warnings that concern production."""
    found: list[CheckMessage] = []
    for alias, channel, options in _channels():
        if not isinstance(channel, Misconfigured):
            found += channel.check_deploy(alias, options)
    backend = settings.CACHES.get("default", {}).get("BACKEND", "")
    if backend.endswith(("LocMemCache", "DummyCache")):
        hint = "Use a cache that all processes share, or each of them asks PagoEfectivo for tokens of its own."
        found.append(Warning("The default cache is not shared by processes.", hint=hint, id="pagoefectivo.W005"))
    return found


def _channels() -> list[tuple[str, type[Channel] | Misconfigured, dict[str, Any]]]:
    channels: list[tuple[str, type[Channel] | Misconfigured, dict[str, Any]]] = []
    for alias in conf.channels:
        try:
            path, options = conf.channel(alias)
            channels.append((alias, backend_class(path), dict(options)))
        except Misconfigured as error:
            channels.append((alias, error, {}))
    return channels


def _routes() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for currency, aliases in (conf.routes or {}).items():
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
    found: list[CheckMessage] = []
    for name in conf.all():
        if name not in DEFAULTS:
            hint = f"Known are {', '.join(DEFAULTS)}."
            found.append(Error(f"PAGOEFECTIVO[{name!r}] is not a setting.", hint=hint, id="pagoefectivo.E008"))
    for name, least, most in LIMITS:
        value = getattr(conf, name.lower())
        if isinstance(value, bool) or not isinstance(value, type(least)) or not least <= value <= most:
            hint = f"Use a {type(least).__name__} from {least} to {most}."
            found.append(Error(f"PAGOEFECTIVO[{name!r}] is {value!r}.", hint=hint, id="pagoefectivo.E008"))
    if not found and conf.grace > conf.watch:
        hint = "A code that nobody asks about any more can't be paid on time; raise WATCH."
        problem = "PAGOEFECTIVO['GRACE'] is longer than PAGOEFECTIVO['WATCH']."
        found.append(Error(problem, hint=hint, id="pagoefectivo.E008"))
    try:
        _ = conf.late_policy
    except Misconfigured as error:
        hint = "The function takes (order, report) and returns whether to accept."
        found.append(Error(str(error), hint=hint, id="pagoefectivo.E008"))
    return found
