"""Count refused messages without keeping any content."""

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
    """Count a refused message in one row per channel and reason; a database error is logged, never raised."""
    logger.warning("A notification for channel %s was refused: %s.", alias, reason.value)
    try:
        now = now or current_time()
        rows = Refusal.objects.using(database())
        if not rows.filter(channel=alias, reason=reason).update(count=F("count") + 1, last_at=now):
            # Of two first refusals at the same moment one is not counted: better than two rows, or than a lock that
            # strangers' requests could contend for.
            first = Refusal(channel=alias, reason=reason, first_at=now, last_at=now)
            rows.bulk_create([first], ignore_conflicts=True)
    except Error as error:
        logger.warning("A refusal could not be counted (%s).", type(error).__name__)
