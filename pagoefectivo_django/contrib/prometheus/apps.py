"""The app ``pagoefectivo_django.contrib.prometheus``."""

from __future__ import annotations

from django.apps import AppConfig

from ..requirement import require


class PagoEfectivoPrometheusConfig(AppConfig):
    """The app config; registers counters and histograms of this process, and gauges that query the database when
    scraped.

    Raises ``ImproperlyConfigured`` at start without prometheus-client.
    """

    name = "pagoefectivo_django.contrib.prometheus"
    label = "pagoefectivo_prometheus"

    def ready(self) -> None:
        require(self, "prometheus_client", "prometheus-client", "metrics")
        from .metrics import begin

        begin()
