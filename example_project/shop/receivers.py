"""What the shop does when something happens to a payment."""

from typing import Any

from django.db.models import F
from django.dispatch import receiver
from django.utils import timezone

from pagoefectivo_django.models import Order, OrderEvent
from pagoefectivo_django.signals import payment_confirmed

from .models import Purchase


@receiver(payment_confirmed)
def ship(sender: type[Order], order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Send the goods off; ``order.payer`` has what the boleta or factura needs.

    A receiver that writes to the same database has its effect exactly once, but a person may have an event delivered
    again: what was sent off is not sent off once more.
    """
    unshipped = Purchase.objects.filter(order=order, shipped_at__isnull=True)
    unshipped.update(shipped_at=timezone.now(), shipments=F("shipments") + 1)
