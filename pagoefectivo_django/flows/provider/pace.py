"""The pace of searches: at most ``searches_per_minute`` per account, counted over all processes."""

from __future__ import annotations

import time
from datetime import timedelta

from ...channels.base import Channel
from ...models.clock import current_time
from ...models.heartbeat import in_pace
from ..outbox.budget import TimeBudget

#: Seconds between two checks whether the pace allows a search.
BREATH = 0.05


def may_search(channel: Channel) -> bool:
    """Take one search from the account's pace, shared by all processes; False if the pace allows none now."""
    every = timedelta(minutes=1) / channel.searches_per_minute
    return in_pace(f"search {channel.account}"[:150], every, current_time())


def await_pace(channel: Channel, budget: TimeBudget) -> bool:
    """Wait until the account's pace allows a search; False if the time budget is over first."""
    while not budget.over:
        if may_search(channel):
            return True
        time.sleep(BREATH)
    return False
