"""Template tags for the pages of Oscar: ``{% load pagoefectivo_oscar %}``."""

from __future__ import annotations

from typing import Any

from django import template

from ....models import Order
from ..placed import payment_of

register = template.Library()


@register.simple_tag
def pagoefectivo_payment(order: Any) -> Order | None:
    """Return our order by which an order of Oscar's is paid; None if the order is paid otherwise."""
    return payment_of(order.number)
