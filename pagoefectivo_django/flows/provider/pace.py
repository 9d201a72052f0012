"""How fast a provider is asked: one pace for each account, which all processes keep together."""

from __future__ import annotations

import time
from datetime import timedelta

from ...channels.base import Channel
from ...conf import conf
from ...models.clock import current_time
from ...models.heartbeat import in_pace
from ..outbox.budget import TimeBudget

#: Seconds between two looks whether the pace allows another question.
BREATH = 0.05


def may_search(channel: Channel) -> bool:
    """Take a turn to ask; all processes together keep the pace."""
    every = timedelta(minutes=1) / conf.searches_per_minute
    return in_pace(f"search {channel.account}"[:150], every, current_time())


def await_pace(channel: Channel, budget: TimeBudget) -> bool:
    """Wait for a turn to ask; False if the time is over before."""
    while not budget.over:
        if may_search(channel):
            return True
        time.sleep(BREATH)
    return False
