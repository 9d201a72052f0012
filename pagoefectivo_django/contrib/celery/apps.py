"""The app that Celery finds its tasks in."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class PagoEfectivoCeleryConfig(AppConfig):
    """Celery delivers."""

    name = "pagoefectivo_django.contrib.celery"
    label = "pagoefectivo_celery"

    def ready(self) -> None:
        from ...flows.publish import hand_over_to

        try:
            from .tasks import enqueue
        except ModuleNotFoundError as error:
            if error.name != "celery":
                raise
            raise ImproperlyConfigured(
                f"INSTALLED_APPS has {self.name!r}, but Celery is not installed; "
                "pip install 'pagoefectivo-django[celery]', and the package of your broker."
            ) from error
        hand_over_to(enqueue)
