"""StaffAlert: a trouble already told to staff and not over yet."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .database import ExactCharField


class StaffAlert(models.Model):
    """A trouble already told to staff by mail; the row is deleted when the trouble ends, and a return is told again."""

    kind = models.CharField(max_length=20)
    #: The trouble's subject: a discrepancy's key, a receiver's name, an account.
    subject = ExactCharField(max_length=255)
    told_at = models.DateTimeField()

    class Meta:
        verbose_name = _("staff alert")
        verbose_name_plural = _("staff alerts")
        constraints = (models.UniqueConstraint(fields=["kind", "subject"], name="pagoefectivo_one_alert"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
