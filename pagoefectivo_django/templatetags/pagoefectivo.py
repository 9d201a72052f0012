"""What a shop shows of PagoEfectivo on pages of its own: ``{% load pagoefectivo %}``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import template

from ..conf import conf
from ..documents.ways import ways_of
from ..money import Money

register = template.Library()


@register.inclusion_tag("pagoefectivo/method.html")
def pagoefectivo_method(amount: Decimal, currency: str) -> dict[str, Any]:
    """Offer PagoEfectivo at the checkout: what it is, where one can pay, and whether it takes this amount.

    ``amount`` as ``create_order`` takes it. The limits are those of ``PAGOEFECTIVO["LIMITS"]``; a currency that it
    does not name has none. The template's ``available`` is False outside of them, its ``ways`` are
    ``documents.ways.ways_of``. Raises ``InvalidRequest`` for an amount that nobody could pay.
    """
    money = Money(amount, currency)
    least, most = conf.limits.get(currency, (None, None))
    return {
        "money": money,
        "least": Money(least, currency) if least else None,
        "most": Money(most, currency) if most else None,
        "too_little": bool(least) and money.amount < least,
        "too_much": bool(most) and money.amount > most,
        "available": (not least or money.amount >= least) and (not most or money.amount <= most),
        "ways": ways_of(currency),
    }


@register.inclusion_tag("pagoefectivo/icon.svg")
def pagoefectivo_icon(size: int = 40) -> dict[str, int]:
    """Draw our icon of this way to pay, ``size`` pixels high; it has no name, so put words beside it."""
    return {"size": size}
