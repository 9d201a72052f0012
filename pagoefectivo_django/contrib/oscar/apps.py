"""The app ``pagoefectivo_django.contrib.oscar``; it stands before Oscar's apps, whose templates it extends."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core.checks import register
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_save

from ..requirement import require

#: The name of our receiver in deliveries, which must not change.
RECEIVER = "pagoefectivo.oscar"
#: The signals after which Oscar's order may differ from ours.
FOLLOWED = (
    "cip_issued",
    "payment_confirmed",
    "payment_expired",
    "payment_cancelled",
    "payment_rejected",
    "payment_refunded",
    "payment_settled",
)


class PagoEfectivoOscarConfig(AppConfig):
    """The app config; has Oscar's orders follow ours, and registers the checks.

    Raises ``ImproperlyConfigured`` at start without django-oscar, or without Oscar's apps in ``INSTALLED_APPS``.
    """

    name = "pagoefectivo_django.contrib.oscar"
    label = "pagoefectivo_oscar"

    def ready(self) -> None:
        require(self, "oscar", "django-oscar", "oscar")
        if not apps.is_installed("oscar"):
            raise ImproperlyConfigured(
                f"INSTALLED_APPS has {self.name!r}, but none of Oscar's apps; add those that Oscar's manual lists."
            )
        from oscar.apps.order.signals import order_status_changed

        from ...signals import SIGNALS, ByPath
        from .checks import check_oscar

        here = f"{self.name}.receivers"
        for name in FOLLOWED:
            SIGNALS[name].connect(f"{here}.follow", dispatch_uid=RECEIVER)
        order_status_changed.connect(ByPath(f"{here}.withdraw"), weak=False, dispatch_uid=RECEIVER)
        refund = apps.get_model("pagoefectivo", "Refund")
        post_save.connect(ByPath(f"{here}.follow_refund"), sender=refund, weak=False, dispatch_uid=RECEIVER)
        register(check_oscar, "pagoefectivo")
