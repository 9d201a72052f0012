"""A turn of work: what time it is in it, and whether it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone


class Turn:
    """Some time for one kind of work. Between two pieces of it ``over`` is asked; none is ever interrupted.

    ``budget`` None: until all is done. ``stopped`` says whether the process shall end.
    """

    def __init__(
        self, now: datetime | None = None, budget: timedelta | None = None, stopped: Callable[[], bool] | None = None
    ) -> None:
        self._began = timezone.now()
        self._start = now or self._began
        self._budget, self._stopped = budget, stopped
        self.renew()

    def renew(self) -> Turn:
        """Begin the time for the next kind of work."""
        self._stop = time.monotonic() + self._budget.total_seconds() if self._budget else None
        return self

    @property
    def now(self) -> datetime:
        """The time of the round, which goes on: a lease taken late in it is a whole one."""
        return self._start + (timezone.now() - self._began)

    @property
    def stopped(self) -> bool:
        return bool(self._stopped and self._stopped())

    @property
    def over(self) -> bool:
        return self.stopped or (self._stop is not None and time.monotonic() > self._stop)
