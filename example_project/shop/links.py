"""Where staff finds the shop's own page about an order."""

from __future__ import annotations

from django.urls import reverse

from pagoefectivo_django.models import Order

from .models import Purchase


def link_of(order: Order) -> tuple[str, str] | None:
    """Return the address and the label of a purchase in the admin; the setting ``ORDER_LINK`` names this function."""
    purchase = Purchase.objects.filter(order=order).first()
    return (reverse("admin:shop_purchase_change", args=[purchase.pk]), "Compra") if purchase else None
