from typing import Any

from django.dispatch import receiver

from pagoefectivo_django.models import Order, OrderEvent
from pagoefectivo_django.signals import payment_confirmed

from .models import Heard


@receiver(payment_confirmed)
def ship(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    Heard.objects.create(signal=event.kind, reference=order.reference, event=event.pk, state=order.state)
