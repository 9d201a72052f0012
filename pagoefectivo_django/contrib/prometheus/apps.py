"""The app ``pagoefectivo_django.contrib.prometheus``."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class PagoEfectivoPrometheusConfig(AppConfig):
    """The app config; registers counters and histograms of this process, and gauges that query the database when
    scraped.

    Raises ``ImproperlyConfigured`` at start without prometheus-client.
    """

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
