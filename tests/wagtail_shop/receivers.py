from typing import Any

from django.dispatch import receiver

from pagoefectivo_django.models import Order, OrderEvent
from pagoefectivo_django.signals import payment_confirmed

from .models import Purchase, Sale


@receiver(payment_confirmed)
def record_sale(sender: type[Order], order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Record the sale once: a person may have the event delivered again."""
    if purchase := Purchase.objects.filter(order=order).first():  # none of an order that another part of the site made
        Sale.objects.get_or_create(event_id=event.id, defaults={"purchase": purchase})
