"""The shop's own way through three providers in the storm: most orders belong to one account, some to whoever is up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pagoefectivo_django.flows.provider.routes import Candidate
from pagoefectivo_django.models import Order

#: From these amounts in soles an order belongs to the provider of links, and to any provider.
LINKS, ANY = Decimal(1000), Decimal(5000)


def choose(order: Order, candidates: Sequence[Candidate]) -> list[str]:
    """Return the alias of the account that an order belongs to, or all aliases, those that fail last."""
    if order.amount >= ANY:
        turn = sum(map(ord, order.reference))
        turned = [candidates[(place + turn) % len(candidates)] for place in range(len(candidates))]
        return [one.alias for one in sorted(turned, key=lambda one: one.health.asked_last_until is not None)]
    mine = "hinting" if order.currency == "USD" else "linking" if order.amount >= LINKS else ""
    others = {"hinting", "linking"} - {mine}
    return [one.alias for one in candidates if one.alias == mine or not (mine or one.alias in others)]
