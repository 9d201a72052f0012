"""How a code can be paid, and what the payer says or chooses there.

The names are the common core of the lists in protocol 7.1, which differ by publisher and year; a shop knows its own
contract and says so in ``PAGOEFECTIVO["WAYS"]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from ..conf import conf


class Means(TextChoices):
    """The ways to pay, in the order of the page."""

    WALLET = "wallet", _("Wallet")
    ONLINE = "online", _("Online banking")
    CASH = "cash", _("In cash")


@dataclass(frozen=True)
class Place:
    """One wallet, bank, or chain of agents."""

    name: str
    #: What one asks for or searches there instead of PagoEfectivo, by its number.
    company: str = ""


@dataclass(frozen=True)
class Way:
    """One way to pay, with the places that know it."""

    means: Means
    places: tuple[Place, ...]


#: The company that a payer chooses or names, by currency (protocol 7.2).
COMPANY = {"PEN": "PagoEfectivo Soles", "USD": "PagoEfectivo Dólares"}

#: Wallets are known for soles only (protocol 7.3). Agents of BCP ask for a number (protocol 7.2, one source of 2018).
USUAL: dict[str, Sequence[Any]] = {
    "wallet": ["Yape", "Plin"],
    "online": ["BCP", "BBVA", "Interbank", "Scotiabank", "BanBif", "Caja Arequipa"],
    "cash": [
        ("BCP", "02186"),
        *("BBVA", "Interbank", "Scotiabank", "Kasnet", "Tambo", "Western Union", "Red Digital", "Disashop"),
    ],
}


def ways_of(currency: str) -> tuple[Way, ...]:
    """Return how an amount in a currency can be paid."""
    told = USUAL if conf.ways is None else conf.ways
    found = []
    for means in Means:
        places = [Place(place) if isinstance(place, str) else Place(*place) for place in told.get(means.value, ())]
        if places and (conf.ways is not None or currency == "PEN" or means != Means.WALLET):
            found.append(Way(means, tuple(places)))
    return tuple(found)
