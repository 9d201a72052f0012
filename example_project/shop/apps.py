"""The shop's app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """A shop that is paid by PagoEfectivo."""

    name = "shop"
    verbose_name = "Tienda"

    def ready(self) -> None:
        # Here, so that the worker hears payments too, not only the process that serves pages.
        from . import receivers  # noqa: F401
