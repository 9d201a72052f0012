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

    No look at whether they were sent before: a receiver that writes to the same database has its effect exactly once.
    """
    Purchase.objects.filter(order=order).update(shipped_at=timezone.now(), shipments=F("shipments") + 1)
