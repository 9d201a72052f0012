"""A check for django-health-check: whether outgoing webhooks arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...models.database import database
from ..health.checks import LONGEST_WAIT, Check
from .models import Endpoint, EndpointStatus, WebhookMessage


@dataclass
class Webhooks(Check):
    """Fails if a message waits too long for an attempt, or an endpoint was disabled because it failed too long."""

    max_age: timedelta = field(default=LONGEST_WAIT, repr=False)

    def problems(self, now: datetime) -> Iterator[str]:
        messages = WebhookMessage.objects.using(database()).filter(endpoint__status=EndpointStatus.ACTIVE)
        if messages.filter(retry_at__lt=now - self.max_age).exists():
            yield "Webhook messages wait for too long; see the endpoints in the admin."
        if count := Endpoint.objects.using(database()).filter(given_up_at__isnull=False).count():
            yield f"{count} webhook endpoints were disabled because they failed too long."
