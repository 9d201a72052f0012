"""The app ``pagoefectivo_django.contrib.django_payments``."""

from __future__ import annotations

from django.apps import AppConfig

from ...signals import SIGNALS
from ..requirement import require

#: The signals after which a payment's status may be another, and the receiver of all of them. Deliveries in the
#: database keep the receiver's name, so the name must not change.
HEARD = (
    "cip_issued",
    "payment_confirmed",
    "payment_expired",
    "payment_cancelled",
    "payment_rejected",
    "payment_refunded",
    "payment_settled",
    "discrepancy_opened",
)
RECEIVER = "pagoefectivo_django.contrib.django_payments.receivers.follow_order"


class PagoEfectivoDjangoPaymentsConfig(AppConfig):
    """The app config; connects the receiver by which payments of django-payments follow our orders.

    Raises ``ImproperlyConfigured`` at start without django-payments.
    """

    name = "pagoefectivo_django.contrib.django_payments"
    label = "pagoefectivo_django_payments"

    def ready(self) -> None:
        require(self, "payments", "django-payments", "django-payments")
        for name in HEARD:
            SIGNALS[name].connect(RECEIVER)
