"""Ask a provider about many codes at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from ..channels.base import Channel, Report
from ..conf import conf
from ..errors import InvalidRequest
from ..models import Cip
from ..models.heartbeat import in_pace
from ..states import Fact
from .refresh import ask_provider
from .turn import Turn

logger = logging.getLogger("pagoefectivo.provider")

#: Seconds between two looks whether the pace allows another question.
BREATH = 0.05


def may_search(channel: Channel) -> bool:
    """Take a turn to ask; all processes together keep the pace."""
    every = timedelta(minutes=1) / conf.searches_per_minute
    return in_pace(f"search {channel.account}"[:150], every, timezone.now())


def await_pace(channel: Channel, turn: Turn) -> bool:
    """Wait for a turn to ask; False if the time is over before."""
    while not turn.over:
        if may_search(channel):
            return True
        time.sleep(BREATH)
    return False


def search(channel: Channel, cips: Iterable[Cip], turn: Turn) -> dict[int, Report]:
    """Return what a provider says of codes, by our key; ``Fact.ABSENT`` for one that it doesn't know.

    A batch that it refuses is halved; a code that is refused alone, or whose turn is over before, has no answer. Raises
    ``Unavailable``, ``OutcomeUnknown`` or ``Misconfigured`` if it gives none at all.
    """
    wanted = [cip for cip in cips if cip.code]
    if not wanted:
        return {}
    try:
        answers = ask_provider(channel, [cip.code or "" for cip in wanted], turn.now)
    except InvalidRequest as error:
        if len(wanted) == 1:
            logger.warning("The provider refuses to tell about code %s: %s", wanted[0], error)
            return {}
        middle, found = len(wanted) // 2, dict[int, Report]()
        for half in (wanted[:middle], wanted[middle:]):
            if await_pace(channel, turn):
                found |= search(channel, half, turn)
        return found
    return {cip.pk: answers.get(cip.code or "") or _absent(cip, turn.now) for cip in wanted}


def apart(cips: Sequence[Cip], moment: datetime) -> dict[int, datetime | None]:
    """Return when to ask again after a question without an answer: the halves apart, should one code be the reason."""
    middle = len(cips) // 2
    return {cip.pk: moment + timedelta(minutes=place >= middle) for place, cip in enumerate(cips)}


def _absent(cip: Cip, now: datetime) -> Report:
    detail = "The provider doesn't know this code."
    return Report(account=cip.account, fact=Fact.ABSENT, code=cip.code or "", asked_at=now, detail=detail)
