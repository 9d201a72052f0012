"""Notification: a provider's verified message, byte for byte; and counts of refused messages."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..states import Fact, Mention
from .database import Attempted, ExactCharField, Hinted

#: The words for what a message tells; nothing could be read of some.
_FACTS = {**dict(Fact.choices), **dict(Mention.choices), "": _("unreadable")}


class NotificationStatus(models.TextChoices):
    """The status of a notification."""

    APPLIED = "applied", _("applied")
    WAITING = "waiting", _("waiting")
    DEAD = "dead", _("dead")


class Notification(Attempted):
    """A verified message of a provider, or one item of it; the inherited ``retry_at`` says when it is applied again.

    A message with a list has one row for each item, so that an item that has to wait holds back no other item.
    """

    channel = ExactCharField(_("channel"), max_length=60)
    account = ExactCharField(_("account"), max_length=120)
    #: ``Proof.identity``: one row for each verified text and item, whichever secret signed the text.
    identity = ExactCharField(_("digest"), max_length=64)
    #: The place in the message's list, from 0.
    item = models.PositiveIntegerField(default=0, editable=False)
    #: What the signature covers (``Trust``).
    trust = models.CharField(max_length=20, default="signed_body", editable=False)
    #: The message as verified (``Proof.kept``), which is not always the bytes received.
    body = models.BinaryField(_("body"))
    headers = models.JSONField(default=dict, blank=True, editable=False)
    query = models.TextField(blank=True, default="", editable=False)
    #: The code, else the provider's id, and the fact, as far as they could be read; else empty.
    code = ExactCharField(_("code"), max_length=64, blank=True, default="")
    fact = models.CharField(_("fact"), max_length=20, blank=True, default="")
    received_at = models.DateTimeField(_("first received"))
    #: When the repetition came that is to be applied or was applied last; NULL: the first reception.
    queued_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_received_at = models.DateTimeField(_("last received"))
    times_received = models.PositiveIntegerField(_("times received"), default=1)
    status = models.CharField(
        _("status"), max_length=10, choices=NotificationStatus, default=NotificationStatus.APPLIED
    )
    #: The fingerprint of the secret that verified the message (``Proof.key_id``); never the secret.
    verified_by = ExactCharField(_("verified by"), max_length=16, blank=True, default="")
    #: The body was emptied, by age or with the payer's data.
    forgotten = models.BooleanField(default=False, editable=False)
    #: Joins the notification with the log lines, events and calls of the request that brought it.
    trace = ExactCharField(_("request id"), max_length=32, blank=True, default="")

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = (
            models.UniqueConstraint(fields=["account", "identity", "item"], name="pagoefectivo_one_message"),
        )
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
        """When the reception to be applied next took place."""
        return self.queued_at or self.received_at

    def __str__(self) -> str:
        return f"{_FACTS.get(self.fact, self.fact)} {self.code} {self.identity[:8]}"


class UnknownCode(Hinted):
    """A code named by a hint and unknown to us, until the provider has said whose code it is.

    One row for each code or provider's id, however many hints come. The code may be of a request whose answer got lost,
    or of another system on the same account.
    """

    account = ExactCharField(_("account"), max_length=120)
    code = ExactCharField(_("code"), max_length=40, blank=True, default="")
    provider_id = ExactCharField(_("provider's id"), max_length=64, blank=True, default="")

    class Meta:
        verbose_name = _("unknown code")
        verbose_name_plural = _("unknown codes")
        constraints = (
            models.UniqueConstraint(fields=["account", "code", "provider_id"], name="pagoefectivo_one_unknown_code"),
        )
        indexes = (models.Index(fields=["account", "look_at"], name="pagoefectivo_unknown_due"),)

    def __str__(self) -> str:
        return str(self.code or self.provider_id)


class Refusal(models.Model):
    """How many messages a channel refused for one reason."""

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
        return f"{self.channel}: {self.get_reason_display()}"
