"""The Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PagoEfectivoConfig(AppConfig):
    """The app ``pagoefectivo``: orders paid by PagoEfectivo."""

    name = "pagoefectivo_django"
    label = "pagoefectivo"
    verbose_name = _("PagoEfectivo")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers itself
        from .receivers import connect_messages
        from .traces import trace_logs

        trace_logs()
        connect_messages()
