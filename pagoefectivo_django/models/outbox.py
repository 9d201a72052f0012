"""Delivery: one event for one receiver."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .database import Attempted, ExactCharField
from .events import OrderEvent


class Delivery(Attempted):
    """One event that one receiver will hear, written in the transaction that wrote the event."""

    event = models.ForeignKey(OrderEvent, models.PROTECT, related_name="deliveries", verbose_name=_("event"))
    #: The receiver's ``dispatch_uid``, or its ``module.qualname``.
    receiver = ExactCharField(_("receiver"), max_length=255)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = (models.UniqueConstraint(fields=["event", "receiver"], name="pagoefectivo_one_delivery"),)
        indexes = (
            models.Index(fields=["next_attempt_at"], name="pagoefectivo_delivery_due"),
            models.Index(fields=["delivered_at", "id"], name="pagoefectivo_delivery_heard"),
        )

    def __str__(self) -> str:
        return f"{self.event.kind} → {self.receiver}"
