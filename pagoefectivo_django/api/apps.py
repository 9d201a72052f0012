"""The Django app configuration of the REST API."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ApiConfig(AppConfig):
    """The app ``pagoefectivo_api``, without models of its own; its URLs are in ``pagoefectivo_django.api.urls``."""

    name = "pagoefectivo_django.api"
    label = "pagoefectivo_api"
    verbose_name = _("PagoEfectivo API")
