"""Count what was refused, without keeping any of it."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import Error
from django.db.models import F

from ...models import Refusal
from ...models.clock import current_time
from ...models.database import database

logger = logging.getLogger("pagoefectivo.webhook")


def refuse(alias: str, reason: Refusal.Reason, *, now: datetime | None = None) -> None:
    """Count one refused message; one row for each reason, however many come, and never an error for the webhook."""
    logger.warning("A notification for channel %s was refused: %s.", alias, reason.value)
    try:
        now = now or current_time()
        rows = Refusal.objects.using(database())
        if not rows.filter(channel=alias, reason=reason).update(count=F("count") + 1, last_at=now):
            # Of two first ones one is not counted: better than two rows, or a lock that strangers could fight for.
            first = Refusal(channel=alias, reason=reason, first_at=now, last_at=now)
            rows.bulk_create([first], ignore_conflicts=True)
    except Error as error:
        logger.warning("A refusal could not be counted (%s).", type(error).__name__)
