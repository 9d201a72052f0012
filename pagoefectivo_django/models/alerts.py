"""StaffAlert: what staff was told of, until it is over."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .database import ExactCharField


class StaffAlert(models.Model):
    """A trouble that staff was told of by mail; its row goes when it is over, so that it is told anew if it returns."""

    kind = models.CharField(max_length=20)
    #: What it is about: a question's key, a receiver's name, an account.
    subject = ExactCharField(max_length=255)
    told_at = models.DateTimeField()

    class Meta:
        verbose_name = _("staff alert")
        verbose_name_plural = _("staff alerts")
        constraints = (models.UniqueConstraint(fields=["kind", "subject"], name="pagoefectivo_one_alert"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
