"""Endpoint (where a shop's further system listens), EndpointSecret, and WebhookMessage (an event for an endpoint)."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ...models.database import Attempted, ExactCharField, database
from ...models.events import OrderEvent
from ...signals import LABELS

#: The pauses after a message's first, second … attempt without a yes; after the last one the message is given up.
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
#: The kind of a message that is no event, by which a person sees whether an endpoint answers.
TEST = "test"


class EndpointStatus(models.TextChoices):
    """Whether an endpoint gets messages."""

    ACTIVE = "active", _("active")
    #: Messages are queued, and sent once the endpoint is active again.
    PAUSED = "paused", _("paused")
    #: Nothing is queued and nothing sent.
    DISABLED = "disabled", _("disabled")


class MessageStatus(models.TextChoices):
    """What became of a message."""

    WAITING = "waiting", _("waiting")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("given up")


class Outcome(models.TextChoices):
    """How the last attempt to send a message ended."""

    OK = "ok", _("accepted")
    REFUSED = "refused", _("answered, but not with 2xx")
    REDIRECTED = "redirected", _("redirected, which is not followed; write the new address")
    NOT_PUBLIC = "not_public", _("the address is not in the public internet, so nothing was sent")
    NO_ADDRESS = "no_address", _("the name has no address")
    TLS = "tls", _("no valid certificate for the name")
    TIMED_OUT = "timed_out", _("no answer in time")
    TOO_LONG = "too_long", _("the headers of the answer are too long")
    BROKEN = "broken", _("not reached, or no answer that could be read")


class Endpoint(models.Model):
    """An address of a shop's further system, with the kinds of events that are sent there."""

    #: The endpoint's number in the API.
    public_id = models.UUIDField(_("id"), unique=True, default=uuid.uuid4, editable=False)
    #: May hold a token of the receiver's, so errors and logs name the host alone.
    url = models.CharField(_("address"), max_length=1000)
    #: Names of signals; empty: every kind.
    kinds = models.JSONField(_("kinds of events"), default=list, blank=True)
    status = models.CharField(_("status"), max_length=8, choices=EndpointStatus, default=EndpointStatus.ACTIVE)
    #: When the first attempt failed since the last yes; NULL while the endpoint answers.
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    #: When the endpoint was disabled because it failed too long; NULL where a person decided.
    given_up_at = models.DateTimeField(_("given up"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("when"), editable=False)

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")

    def __str__(self) -> str:
        return f"{self.host} ({self.pk})"

    @property
    def host(self) -> str:
        """The host of the address, for texts that more people read than may see the address."""
        return urlsplit(self.url).hostname or ""

    @property
    def receiver(self) -> str:
        """The endpoint's name in ``FailingReceiver``."""
        return f"pagoefectivo.webhooks.{self.pk}"

    def wants(self, kind: str) -> bool:
        """Return whether events of a kind are sent to this endpoint."""
        return not self.kinds or kind in self.kinds


class EndpointSecret(models.Model):
    """A secret that signs an endpoint's messages; while rotating, old and new ones sign."""

    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="secrets", verbose_name=_("endpoint"))
    value = ExactCharField(_("secret"), max_length=120)
    created_at = models.DateTimeField(_("since"))
    #: When the secret stops to sign; NULL for the current one.
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")

    def __str__(self) -> str:
        return f"{self.value[:10]}…"

    @classmethod
    def current(cls, endpoint: Endpoint, now: datetime) -> list[str]:
        """Return the values that sign now, the newest first."""
        signing = cls.objects.using(database()).filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), endpoint=endpoint)
        return list(signing.order_by("-pk").values_list("value", flat=True))


class WebhookMessage(Attempted):
    """An event to be sent to an endpoint, or a test; the body is made at each attempt, so no personal data is kept."""

    #: The delivery's number in the API, and the message's own number where no event has one.
    public_id = models.UUIDField(_("id"), unique=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="messages", verbose_name=_("endpoint"))
    #: NULL for a test.
    event = models.ForeignKey(OrderEvent, models.PROTECT, null=True, related_name="+", verbose_name=_("event"))
    kind = ExactCharField(_("what"), max_length=30)
    created_at = models.DateTimeField(_("when"))
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome, blank=True, default="")
    http_status = models.PositiveIntegerField(_("HTTP status"), null=True, blank=True)

    class Meta:
        verbose_name = _("webhook message")
        verbose_name_plural = _("webhook messages")
        constraints = (models.UniqueConstraint(fields=["endpoint", "event"], name="pagoefectivo_webhooks_once"),)
        indexes = (
            models.Index(fields=["endpoint", "retry_at"], name="pagoefectivo_webhooks_due"),
            models.Index(fields=["endpoint", "id"], name="pagoefectivo_webhooks_list"),
        )

    def __str__(self) -> str:
        return f"{LABELS.get(self.kind, self.kind)} → {self.endpoint.host}"

    @property
    def message_id(self) -> str:
        """The header ``webhook-id``: the event's id, the same at every attempt, at every endpoint and in the feed."""
        return str(self.event_id or self.public_id)

    @property
    def status(self) -> MessageStatus:
        if self.delivered_at:
            return MessageStatus.DELIVERED
        return MessageStatus.WAITING if self.retry_at else MessageStatus.FAILED

    def pause(self) -> timedelta:
        """Return the pause after the present attempt."""
        return SCHEDULE[min(self.attempts, len(SCHEDULE)) - 1] if self.attempts else timedelta(0)

    @property
    def is_last_attempt(self) -> bool:
        return self.attempts > len(SCHEDULE)


def of_status(status: str) -> Q:
    """Return a filter for messages of a status."""
    delivered = Q(delivered_at__isnull=False)
    waiting = Q(delivered_at__isnull=True, retry_at__isnull=False)
    return {
        MessageStatus.DELIVERED: delivered,
        MessageStatus.WAITING: waiting,
        MessageStatus.FAILED: Q(delivered_at__isnull=True, retry_at__isnull=True),
    }[MessageStatus(status)]
