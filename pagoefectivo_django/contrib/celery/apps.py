"""The app ``pagoefectivo_django.contrib.celery``, in which Celery finds the tasks."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Warning, register

from ..requirement import require


class PagoEfectivoCeleryConfig(AppConfig):
    """The app config; has Celery deliver events after a commit, and registers ``check_beat``.

    Raises ``ImproperlyConfigured`` at start without Celery.
    """

    name = "pagoefectivo_django.contrib.celery"
    label = "pagoefectivo_celery"

    def ready(self) -> None:
        require(self, "celery", "Celery", "celery")
        from ...flows.outbox.publish import hand_over_to
        from .tasks import enqueue

        hand_over_to(enqueue)
        register(check_beat, "pagoefectivo", deploy=True)


def check_beat(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return warning W011 if no Celery beat calls ``tick``: no code would expire and no provider would be asked."""
    from .tasks import tick

    entries = tick.app.conf.beat_schedule or {}
    if apps.is_installed("django_celery_beat") or any(entry.get("task") == tick.name for entry in entries.values()):
        return []
    hint = (
        "Add BEAT_SCHEDULE of pagoefectivo_django.contrib.celery.schedule to your beat_schedule, and run celery beat."
    )
    return [Warning(f"No beat calls {tick.name}.", hint=hint, id="pagoefectivo.W011")]
