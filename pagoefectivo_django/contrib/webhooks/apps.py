"""The app ``pagoefectivo_django.contrib.webhooks``."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from ..requirement import require


class PagoEfectivoWebhooksConfig(AppConfig):
    """The app config; queues each event for the endpoints, and has the worker send the messages.

    Raises ``ImproperlyConfigured`` at start without standardwebhooks.
    """

    name = "pagoefectivo_django.contrib.webhooks"
    label = "pagoefectivo_webhooks"
    verbose_name = _("PagoEfectivo: outgoing webhooks")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        require(self, "standardwebhooks", "standardwebhooks", "webhooks")
        from ...hooks import also_deliver, also_report
        from ...signals import SIGNALS

        also_deliver(f"{self.name}.sending.send_due")
        also_report(f"{self.name}.troubles.troubles")
        for signal in SIGNALS.values():
            # The name is in the database with every delivery, so it must not change.
            signal.connect(f"{self.name}.receivers.queue_messages", dispatch_uid="pagoefectivo.webhooks")
