"""The app ``pagoefectivo_django.contrib.tasks``."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class PagoEfectivoTasksConfig(AppConfig):
    """The app config; has a task backend deliver events after a commit.

    Raises ``ImproperlyConfigured`` at start where neither Django 6.0 nor django-tasks is installed.
    """

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
