"""The ways to pay a code, and the company name or number that the payer needs for each.

The names are the common core of the lists in protocol 7.1, which differ by publisher and year; a shop sets the names of
its own contract in ``PAGOEFECTIVO["WAYS"]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from ..conf import conf


class Means(TextChoices):
    """The means of payment, in the order of the page."""

    WALLET = "wallet", _("Wallet")
    ONLINE = "online", _("Online banking")
    CASH = "cash", _("In cash")


@dataclass(frozen=True)
class Place:
    """One wallet, bank, or chain of agents."""

    name: str
    #: The number to ask or search for at this place instead of the name PagoEfectivo.
    company: str = ""


@dataclass(frozen=True)
class Way:
    """A means of payment and the places with this means."""

    means: Means
    places: tuple[Place, ...]


#: The company name that a payer chooses or says, by currency (protocol 7.2).
COMPANY = {"PEN": "PagoEfectivo Soles", "USD": "PagoEfectivo Dólares"}

#: The default places. Wallets are known for soles only (protocol 7.3). BCP's agents ask for a number (protocol 7.2, one
#: source of 2018).
USUAL: dict[str, Sequence[Any]] = {
    "wallet": ["Yape", "Plin"],
    "online": ["BCP", "BBVA", "Interbank", "Scotiabank", "BanBif", "Caja Arequipa"],
    "cash": [
        ("BCP", "02186"),
        *("BBVA", "Interbank", "Scotiabank", "Kasnet", "Tambo", "Western Union", "Red Digital", "Disashop"),
    ],
}


def ways_of(currency: str) -> tuple[Way, ...]:
    """Return the ways to pay an amount in a currency, by ``PAGOEFECTIVO["WAYS"]`` or else ``USUAL``."""
    told = USUAL if conf.ways is None else conf.ways
    found = []
    for means in Means:
        places = [Place(place) if isinstance(place, str) else Place(*place) for place in told.get(means.value, ())]
        if places and (conf.ways is not None or currency == "PEN" or means != Means.WALLET):
            found.append(Way(means, tuple(places)))
    return tuple(found)
