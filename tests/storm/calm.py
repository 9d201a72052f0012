"""After the storm: through the days to come, until nothing is left to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta

from django.utils import timezone

from pagoefectivo_django.flows import tick

#: The steps of the clock: past the pauses of failures, the dates of the orders, and what is watched after them.
STEPS = [
    *[timedelta(minutes=2)] * 15,
    *[timedelta(hours=1)] * 12,
    *[timedelta(hours=6)] * 4,
    *[timedelta(days=1)] * 8,
]
#: Rounds at one moment. What fails in them is put off to a later moment, so they end.
MOST = 50
#: Rounds at the end, in which there is nothing left to do.
MORE = 10


def calm() -> Counter[str]:
    """Make rounds through all the steps and return what they did; ``left``: how many at the end found something."""
    now, did = timezone.now(), Counter[str]()
    for step in STEPS:
        _settle(now, did)
        now += step
    _settle(now, did)
    did["left"] = sum(bool(tick(now)) for _ in range(MORE))
    return did


def _settle(now: datetime, did: Counter[str]) -> None:
    for _ in range(MOST):
        done = tick(now)
        did.update(asdict(done), rounds=1)
        if not done:
            return
    raise AssertionError(f"After {MOST} rounds at one moment there is still something to do: {done}.")
