"""The abilities that a channel declares, as plain values: for the manual, the first page of the admin and routing."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from . import __path__ as folders
from .base import Channel, Presents


@dataclass(frozen=True)
class Abilities:
    """The declarations of a channel's class, or of a channel by its options; see ``Channel``."""

    presents: Presents
    currencies: tuple[str, ...]
    amounts: Mapping[str, tuple[Decimal, Decimal]]
    expires_within: tuple[timedelta, timedelta] | None
    life: timedelta | None
    look_up: bool
    find: bool
    delete: bool
    extend: bool
    refund: bool
    tells_reversals: bool
    settlements: bool
    countries: tuple[str, ...]
    needs_document: tuple[str, ...]


def abilities_of(channel: Channel | type[Channel]) -> Abilities:
    """Return the abilities of a channel or of a channel's class."""
    return Abilities(
        presents=channel.presents,
        currencies=tuple(sorted(channel.currencies)),
        amounts=channel.amounts,
        expires_within=channel.expires_within,
        life=channel.life,
        look_up=channel.can_look_up,
        find=channel.can_find,
        delete=channel.can_delete,
        extend=channel.can_extend,
        refund=channel.can_refund,
        tells_reversals=channel.tells_reversals,
        settlements=bool(channel.statement_formats),
        countries=tuple(sorted(channel.countries)),
        needs_document=tuple(channel.needs_document),
    )


def built_in() -> list[type[Channel]]:
    """Return the classes of the channels in the folders beside this module, by the names of the folders."""
    found = []
    for each in pkgutil.iter_modules(folders):
        if each.ispkg:
            module = importlib.import_module(f"{__package__}.{each.name}")
            found += [getattr(module, name) for name in module.__all__]
    return found
