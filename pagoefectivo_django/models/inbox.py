"""Notification: what a provider sent, byte for byte."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .database import Attempted, ExactCharField


class Fate(models.TextChoices):
    """What became of a notification."""

    APPLIED = "applied", _("applied")
    WAITING = "waiting", _("waiting")
    DEAD = "dead", _("dead")


class Notification(Attempted):
    """A proven message. The inherited ``next_attempt_at`` says when it is applied again."""

    channel = ExactCharField(_("channel"), max_length=60)
    account = ExactCharField(_("account"), max_length=120)
    #: SHA-256 of ``body`` in hex.
    digest = ExactCharField(_("digest"), max_length=64)
    body = models.BinaryField(_("body"))
    signature = models.CharField(_("signature"), max_length=200, blank=True)
    #: What it is about, as far as it could be read; empty otherwise.
    code = ExactCharField(_("code"), max_length=40, blank=True, default="")
    fact = models.CharField(_("fact"), max_length=20, blank=True, default="")
    received_at = models.DateTimeField(_("first received"))
    last_received_at = models.DateTimeField(_("last received"))
    times_received = models.PositiveIntegerField(_("times received"), default=1)
    fate = models.CharField(_("fate"), max_length=10, choices=Fate, default=Fate.APPLIED)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = (models.UniqueConstraint(fields=["account", "digest"], name="pagoefectivo_one_digest"),)
        indexes = (
            models.Index(fields=["next_attempt_at"], name="pagoefectivo_inbox_due"),
            models.Index(fields=["account", "code"], name="pagoefectivo_inbox_code"),
            models.Index(fields=["received_at"], name="pagoefectivo_inbox_received"),
        )

    def __str__(self) -> str:
        return f"{self.fact or 'unreadable'} {self.code} {self.digest[:8]}"
