import os
from typing import Any

from django.dispatch import receiver

from pagoefectivo_django.models import Order, OrderEvent
from pagoefectivo_django.signals import order_created, payment_confirmed, payment_expired
from tests.shop.models import Heard


@receiver([order_created, payment_confirmed, payment_expired])
def note(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Write down which process heard it, where ``tests.shop`` would write the state."""
    Heard.objects.create(signal=f"note {event.kind}", reference=order.reference, event=event.pk, state=str(os.getpid()))
