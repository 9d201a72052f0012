"""The link from an order's page in the admin to Oscar's dashboard, for the setting ``ORDER_LINK``."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from ...models import Order
from .placed import ShopOrder


def dashboard_link(order: Order) -> tuple[str, str] | None:
    """Return address and label of the dashboard's page of the order with our order's reference; None without one."""
    if not ShopOrder.objects.filter(number=order.reference).exists():
        return None
    return reverse("dashboard:order-detail", kwargs={"number": order.reference}), _("Order in Oscar's dashboard")
