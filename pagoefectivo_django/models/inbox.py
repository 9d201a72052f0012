"""Notification: what a provider signed, byte for byte."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from .database import Attempted, ExactCharField, Hinted


class NotificationStatus(models.TextChoices):
    """What became of a notification."""

    APPLIED = "applied", _("applied")
    WAITING = "waiting", _("waiting")
    DEAD = "dead", _("dead")


class Notification(Attempted):
    """A proven message. The inherited ``retry_at`` says when it is applied again."""

    channel = ExactCharField(_("channel"), max_length=60)
    account = ExactCharField(_("account"), max_length=120)
    #: SHA-256 of ``body`` in hex. One row for each text, whichever secret signed it.
    digest = ExactCharField(_("digest"), max_length=64)
    #: The text that its signature was made over, not always the bytes that came (``Channel.verified``).
    body = models.BinaryField(_("body"))
    signature = models.CharField(_("signature"), max_length=200, blank=True)
    #: What it is about, as far as it could be read; empty otherwise.
    code = ExactCharField(_("code"), max_length=40, blank=True, default="")
    fact = models.CharField(_("fact"), max_length=20, blank=True, default="")
    received_at = models.DateTimeField(_("first received"))
    #: When the repetition came that is to be applied, or was applied last; NULL: the first reception.
    queued_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_received_at = models.DateTimeField(_("last received"))
    times_received = models.PositiveIntegerField(_("times received"), default=1)
    status = models.CharField(
        _("status"), max_length=10, choices=NotificationStatus, default=NotificationStatus.APPLIED
    )
    #: The fingerprint of the secret that proved it (``Channel.verified_by``); never the secret.
    verified_by = ExactCharField(_("verified by"), max_length=16, blank=True, default="")
    #: Its bytes were taken away by age, or with its payer.
    forgotten = models.BooleanField(default=False, editable=False)
    #: Joins it with the log lines, events and calls of the request that brought it.
    trace = ExactCharField(_("request id"), max_length=32, blank=True, default="")

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = (models.UniqueConstraint(fields=["account", "digest"], name="pagoefectivo_one_digest"),)
        indexes = (
            models.Index(fields=["retry_at"], name="pagoefectivo_inbox_due"),
            models.Index(fields=["account", "code"], name="pagoefectivo_inbox_code"),
            models.Index(fields=["received_at"], name="pagoefectivo_inbox_received"),
            models.Index(fields=["account", "received_at"], name="pagoefectivo_inbox_account"),
            models.Index(fields=["status", "id"], name="pagoefectivo_inbox_status"),
            models.Index(fields=["fact", "id"], name="pagoefectivo_inbox_fact"),
            models.Index(fields=["channel", "id"], name="pagoefectivo_inbox_channel"),
            models.Index(fields=["forgotten", "last_received_at"], name="pagoefectivo_inbox_forget"),
        )

    @property
    def heard_at(self) -> datetime:
        """When what is to be applied next was received."""
        return self.queued_at or self.received_at

    def __str__(self) -> str:
        return f"{self.fact or 'unreadable'} {self.code} {self.digest[:8]}"


class UnknownCode(Hinted):
    """Digits that a hint named and that no code of ours has, until the provider has said whose they are.

    One row for each, however many hints come: perhaps they are of a request whose answer got lost, or of another system
    on the same account.
    """

    account = ExactCharField(_("account"), max_length=120)
    code = ExactCharField(_("code"), max_length=40)

    class Meta:
        verbose_name = _("unknown code")
        verbose_name_plural = _("unknown codes")
        constraints = (models.UniqueConstraint(fields=["account", "code"], name="pagoefectivo_one_unknown_code"),)
        indexes = (models.Index(fields=["account", "look_at"], name="pagoefectivo_unknown_due"),)

    def __str__(self) -> str:
        return str(self.code)


class Refusal(models.Model):
    """How many messages a channel refused for one reason; one row for each, however many come."""

    class Reason(models.TextChoices):
        UNSIGNED = "unsigned", _("no signature")
        UNPROVEN = "unproven", _("no current secret made its signature")
        SOURCE = "source", _("its sender's address is not listed")
        TOO_LARGE = "too_large", _("too large")
        NO_LENGTH = "no_length", _("sent in pieces, and this server does not tell where they end")
        ENCODING = "encoding", _("packed (Content-Encoding), and its signature is over what is inside")
        ADDRESS = "address", _("no channel has that address")

    channel = ExactCharField(_("channel"), max_length=60)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    count = models.PositiveBigIntegerField(_("count"), default=1)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("refused messages")
        verbose_name_plural = _("refused messages")
        constraints = (models.UniqueConstraint(fields=["channel", "reason"], name="pagoefectivo_one_refusal"),)

    def __str__(self) -> str:
        return f"{self.channel} {self.reason}"
