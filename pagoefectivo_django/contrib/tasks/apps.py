"""The app that enqueues Django's tasks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class PagoEfectivoTasksConfig(AppConfig):
    """Django's tasks deliver."""

    name = "pagoefectivo_django.contrib.tasks"
    label = "pagoefectivo_tasks"

    def ready(self) -> None:
        from ...flows.outbox.publish import hand_over_to

        try:
            from .tasks import enqueue
        except ModuleNotFoundError as error:
            if error.name != "django_tasks":
                raise
            raise ImproperlyConfigured(
                f"INSTALLED_APPS has {self.name!r}, but this Django has no tasks yet; "
                "pip install 'pagoefectivo-django[tasks]', or use Django 6.0."
            ) from error
        hand_over_to(enqueue)
