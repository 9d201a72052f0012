"""A turn of work: what time it is in it, and whether it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from ...models.clock import current_time


class TimeBudget:
    """Some time for one kind of work. Between two pieces of it ``over`` is asked; none is ever interrupted.

    ``budget`` None: until all is done. ``stopped`` says whether the process shall end.
    """

    def __init__(
        self, now: datetime | None = None, budget: timedelta | None = None, stopped: Callable[[], bool] | None = None
    ) -> None:
        self._given, self._budget, self._stopped = now, budget, stopped
        self._start, self._began = now or current_time(), time.monotonic()
        self._stop = self._end()

    def renew(self) -> TimeBudget:
        """Begin the time for the next kind of work; what time it is, the database says."""
        if self._given is None:
            self._start, self._began = current_time(), time.monotonic()
        self._stop = self._end()
        return self

    def _end(self) -> float | None:
        return time.monotonic() + self._budget.total_seconds() if self._budget else None

    @property
    def now(self) -> datetime:
        """The time of the round, which goes on: a lease taken late in it is a whole one."""
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    @property
    def stopped(self) -> bool:
        return bool(self._stopped and self._stopped())

    @property
    def over(self) -> bool:
        return self.stopped or (self._stop is not None and time.monotonic() > self._stop)
