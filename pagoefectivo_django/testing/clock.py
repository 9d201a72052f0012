"""Time travel for the clock by which our flows compare dates, leases and paces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.utils import timezone

from ..models.clock import current_time, move_clock


@contextmanager
def at(moment: datetime | timedelta) -> Iterator[None]:
    """Move our clock to a moment, or ahead of now by a ``timedelta``, for a block of a test; time goes on from there.

    All threads of the process see the moved clock, and so does whatever is called within the block without a ``now``:
    flows, ``tick()``, the webhook. Django's own ``timezone.now()``, which a shop's code calls, and a provider's clock
    are not moved. Raises ``ValueError`` for a naive moment. Also a decorator of a test function.
    """
    if isinstance(moment, datetime) and timezone.is_naive(moment):
        raise ValueError("The moment has no time zone; pass an aware one, such as order.expires_at.")
    before = move_clock(current_time() + moment if isinstance(moment, timedelta) else moment)
    try:
        yield
    finally:
        move_clock(before)
