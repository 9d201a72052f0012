"""The one receiver of the outbox: queues an event for every endpoint that wants its kind."""

from __future__ import annotations

from typing import Any

from ...models import OrderEvent
from ...models.clock import current_time
from ...models.database import database
from .models import Endpoint, EndpointStatus, WebhookMessage


def queue_messages(*, event: OrderEvent, **kwargs: Any) -> None:
    """Write a message for each endpoint that wants the event; called in the transaction that marks the delivery.

    A second call, after staff had the event delivered again, finds the messages written.
    """
    listening = Endpoint.objects.using(database()).exclude(status=EndpointStatus.DISABLED).order_by("pk")
    now = current_time()
    messages = [
        WebhookMessage(endpoint=endpoint, event=event, kind=event.kind, created_at=now, retry_at=now)
        for endpoint in listening
        if endpoint.wants(event.kind)
    ]
    WebhookMessage.objects.using(database()).bulk_create(messages, ignore_conflicts=True)
