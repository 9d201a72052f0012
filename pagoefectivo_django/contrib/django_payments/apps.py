"""The app ``pagoefectivo_django.contrib.django_payments``."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

from ...signals import SIGNALS

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
        if find_spec("payments") is None:
            raise ImproperlyConfigured(
                f"INSTALLED_APPS has {self.name!r}, but django-payments is not installed; "
                "pip install 'pagoefectivo-django[django-payments]'."
            )
        for name in HEARD:
            SIGNALS[name].connect(RECEIVER)
