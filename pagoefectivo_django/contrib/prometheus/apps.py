"""The app that measures."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class PagoEfectivoPrometheusConfig(AppConfig):
    """Counters and histograms of this process, and what the database says when it is scraped."""

    name = "pagoefectivo_django.contrib.prometheus"
    label = "pagoefectivo_prometheus"

    def ready(self) -> None:
        try:
            from .metrics import begin
        except ModuleNotFoundError as error:
            if error.name != "prometheus_client":
                raise
            raise ImproperlyConfigured(
                f"INSTALLED_APPS has {self.name!r}, but prometheus-client is not installed; "
                "pip install 'pagoefectivo-django[metrics]'."
            ) from error
        begin()
