"""Template tags for a shop's own pages: ``{% load pagoefectivo %}``."""

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
    """Show PagoEfectivo as a payment method at the checkout: an explanation, the ways to pay, and the limits.

    ``amount`` as ``create_order`` takes it. The limits are those of ``PAGOEFECTIVO["LIMITS"]``; a currency without an
    entry has none. In the template, ``available`` is False outside of the limits, and ``ways`` is the result of
    ``documents.ways.ways_of``. Raises ``InvalidRequest`` for an amount that no order can have.
    """
    money = Money(amount, currency)
    least, most = conf.limits.get(currency, (None, None))
    return {
        "money": money,
        "least": Money(least, currency) if least else None,
        "most": Money(most, currency) if most else None,
        "too_little": bool(least and money.amount < least),
        "too_much": bool(most and money.amount > most),
        "available": (not least or money.amount >= least) and (not most or money.amount <= most),
        "ways": ways_of(currency),
    }


@register.inclusion_tag("pagoefectivo/icon.svg")
def pagoefectivo_icon(size: int = 40) -> dict[str, int]:
    """Show our icon of the payment method, ``size`` pixels high; the icon has no text, so put words beside it."""
    return {"size": size}
