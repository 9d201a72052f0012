"""The body of a message: the event and its order, as the API has both, read when the message is sent."""

from __future__ import annotations

import json
from typing import Any

from ...api.payload import event_data, moment_text, order_data
from ...flows.reports.standing import standings
from ...models import FeedEntry
from ...models.database import database
from .models import WebhookMessage


def body_of(message: WebhookMessage) -> str:
    """Return the JSON of a message: ``type``, ``timestamp`` and ``data`` with ``event`` and ``order``.

    The order is as it is now, not as it was at the event: messages may overtake each other. Without the payer, and
    without what people wrote. A test has neither event nor order.
    """
    event = message.event
    data: dict[str, Any] = {"event": None, "order": None}
    if event:
        place = FeedEntry.objects.using(database()).filter(event=event).first()
        data["event"] = event_data(event, (place.cursor if place else "") or None)
        if order := event.order:
            data["order"] = order_data(order, **standings([order])[order.pk]._asdict())
    timestamp = moment_text(event.created_at if event else message.created_at)
    return json.dumps({"type": message.kind, "timestamp": timestamp, "data": data}, ensure_ascii=False)
