"""Time budgets for the worker's rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from ...models.clock import current_time


class TimeBudget:
    """A limit on the time spent on one kind of work; ``over`` is read between two pieces of work.

    A piece of work that has begun is never interrupted. ``now``: the moment at the start, by default the database's.
    ``budget`` None: no limit. ``stopped``: a function that returns whether the process is to end.
    """

    def __init__(
        self, now: datetime | None = None, budget: timedelta | None = None, stopped: Callable[[], bool] | None = None
    ) -> None:
        self._given, self._budget, self._stopped = now, budget, stopped
        self._start, self._began = now or current_time(), time.monotonic()
        self._stop = self._end()

    def renew(self) -> TimeBudget:
        """Start the budget anew for the next kind of work and return the budget.

        The database's time is read again, unless ``now`` was given.
        """
        if self._given is None:
            self._start, self._began = current_time(), time.monotonic()
        self._stop = self._end()
        return self

    def _end(self) -> float | None:
        return time.monotonic() + self._budget.total_seconds() if self._budget else None

    @property
    def now(self) -> datetime:
        """The present moment: the start plus the time passed, so that a lease taken late lasts as long as any."""
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    @property
    def stopped(self) -> bool:
        return bool(self._stopped and self._stopped())

    @property
    def over(self) -> bool:
        return self.stopped or (self._stop is not None and time.monotonic() > self._stop)
