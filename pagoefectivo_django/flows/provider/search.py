"""Ask a provider about many codes at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from ...channels.base import Channel, Report
from ...errors import InvalidRequest, PagoEfectivoError
from ...models import Cip, UnknownCode
from ..outbox.budget import TimeBudget
from .halving import halves, in_halves
from .look_up import ask_provider, believed, by_key
from .pace import await_pace

logger = logging.getLogger("pagoefectivo.provider")

Row = TypeVar("Row", Cip, UnknownCode)


def further_turns(channel: Channel, budget: TimeBudget) -> Iterator[bool]:
    """Yield whether the next question may be asked: the first, whose turn was taken, at once, further ones in pace."""
    yield True
    while True:
        yield await_pace(channel, budget)


def search(
    channel: Channel, cips: Iterable[Cip] | Iterable[UnknownCode], budget: TimeBudget, *, ours: bool = True
) -> dict[int, Report]:
    """Return what a provider says of codes, by our key; ``Fact.ABSENT`` for one that it doesn't know.

    A code about which it refuses to tell, or whose turn is over before, has no answer. Raises ``Unavailable``,
    ``OutcomeUnknown`` or ``Misconfigured`` if it gives none at all, and ``KnowsNothing`` like ``believed``; not where
    the codes are not known to be ``ours``.
    """
    wanted = [cip for cip in cips if cip.code]
    said = ask_about(channel, [cip.code or "" for cip in wanted], budget)
    for code, answer in said.items():
        if isinstance(answer, InvalidRequest):
            logger.warning("The provider refuses to tell about code %s: %s", code, answer)
    answers = {code: answer for code, answer in said.items() if not isinstance(answer, InvalidRequest)}
    if ours:
        answers = believed(channel, answers, budget.now, partial(await_pace, channel, budget))
    return by_key([cip for cip in wanted if cip.code in answers], answers, budget.now)


def ask_about(channel: Channel, codes: Sequence[str], budget: TimeBudget) -> dict[str, Report | InvalidRequest | None]:
    """Return what a provider says of codes: None for one that it doesn't know, its refusal for one that it refuses.

    A batch that it refuses is halved, in pace, so that one code keeps no other waiting; what there is no time for is
    left out. Raises like ``search``.
    """
    said: dict[str, Report | InvalidRequest | None] = {}
    turns = further_turns(channel, budget)

    def ask(some: Sequence[str]) -> None:
        if next(turns):
            said.update(dict.fromkeys(some) | ask_provider(channel, some, budget.now, paced=True))

    def refused(code: str, error: Exception) -> None:
        if isinstance(error, InvalidRequest):
            said[code] = error

    if codes:
        in_halves(codes, ask, splits=lambda error: isinstance(error, InvalidRequest), alone=refused)
    return said


def ask_and_apply(
    channel: Channel, rows: Sequence[Row], work: Callable[[Sequence[Row]], None], budget: TimeBudget
) -> None:
    """Let a function ask about claimed rows, whose turn was taken, and apply the answers; a provider's error is raised.

    A mistake of ours in one answer keeps no other waiting: what fails is halved, in pace, and what fails alone is
    logged; its lease brings it back.
    """
    turns = further_turns(channel, budget)

    def work_in_pace(some: Sequence[Row]) -> None:
        if next(turns):
            work(some)

    def tell(row: Row, error: Exception) -> None:
        logger.error("The answer about code %s could not be applied; it is asked again.", row, exc_info=error)

    in_halves(rows, work_in_pace, splits=lambda error: not isinstance(error, PagoEfectivoError), alone=tell)


def apart(cips: Sequence[Cip | UnknownCode], moment: datetime) -> dict[int, datetime | None]:
    """Return when to ask again after a question without an answer: the halves apart, should one code be the reason."""
    minutes = enumerate(halves(cips))
    return {cip.pk: moment + timedelta(minutes=minute) for minute, half in minutes for cip in half}
