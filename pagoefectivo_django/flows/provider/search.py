"""Ask a provider about many codes in batches, within a time budget."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from ...channels.base import Channel, CodeRef, Report
from ...errors import InvalidRequest, PagoEfectivoError
from ...models import Cip, UnknownCode
from ..outbox.budget import TimeBudget
from .halving import halves, in_halves
from .look_up import ask_provider, believed, by_key, ref_of
from .pace import await_pace

logger = logging.getLogger("pagoefectivo.provider")

Row = TypeVar("Row", Cip, UnknownCode)


def further_turns(channel: Channel, budget: TimeBudget) -> Iterator[bool]:
    """Yield, for each question in turn, whether the question may be asked within the time budget.

    The first question has been counted in the account's pace already; each further question waits for the pace.
    """
    yield True
    while True:
        yield await_pace(channel, budget)


def search(
    channel: Channel, cips: Iterable[Cip] | Iterable[UnknownCode], budget: TimeBudget, *, ours: bool = True
) -> dict[int, Report]:
    """Return a provider's reports about codes, by primary key, ``Fact.ABSENT`` for a code unknown to the provider.

    The first question must have been counted in the account's pace. Left out are codes refused by the provider, and
    codes for which the time budget is too short. Raises ``Unavailable``, ``OutcomeUnknown`` or ``Misconfigured`` if the
    provider doesn't answer, and for codes of ours (``ours``) ``KnowsNothing`` like ``believed``.
    """
    wanted = [cip for cip in cips if cip.code or cip.provider_id]
    said = ask_about(channel, [ref_of(cip) for cip in wanted], budget)
    for ref, answer in said.items():
        if isinstance(answer, InvalidRequest):
            logger.warning("The provider refuses to tell about code %s: %s", ref.code or ref.provider_id, answer)
    answers = {ref: answer for ref, answer in said.items() if not isinstance(answer, InvalidRequest)}
    if ours:
        answers = believed(channel, answers, budget.now, partial(await_pace, channel, budget))
    return by_key([cip for cip in wanted if ref_of(cip) in answers], answers, budget.now)


def ask_about(
    channel: Channel, refs: Sequence[CodeRef], budget: TimeBudget
) -> dict[CodeRef, Report | InvalidRequest | None]:
    """Return, for each code, the provider's report, None for an unknown code, or the error for a refused code.

    A refused batch is halved, at the account's pace, so that a bad code delays no good code; codes for which the time
    budget is too short are left out. Raises ``Unavailable``, ``OutcomeUnknown`` or ``Misconfigured``.
    """
    said: dict[CodeRef, Report | InvalidRequest | None] = {}
    turns = further_turns(channel, budget)

    def ask(some: Sequence[CodeRef]) -> None:
        if next(turns):
            said.update(dict.fromkeys(some) | ask_provider(channel, some, budget.now, paced=True))

    def refused(ref: CodeRef, error: Exception) -> None:
        if isinstance(error, InvalidRequest):
            said[ref] = error

    if refs:
        in_halves(refs, ask, splits=lambda error: isinstance(error, InvalidRequest), alone=refused)
    return said


def ask_and_apply(
    channel: Channel, rows: Sequence[Row], work: Callable[[Sequence[Row]], None], budget: TimeBudget
) -> None:
    """Call ``work`` to ask about claimed rows and apply the answers; errors of the provider are raised.

    The first question must have been counted in the account's pace. After any other error, a bug of ours, the rows are
    halved, at the account's pace, so that a bad row delays no good row. A row that fails alone is logged, and due again
    when the claim's lease is over.
    """
    turns = further_turns(channel, budget)

    def work_in_pace(some: Sequence[Row]) -> None:
        if next(turns):
            work(some)

    def tell(row: Row, error: Exception) -> None:
        logger.error("The answer about code %s could not be applied; it is asked again.", row, exc_info=error)

    in_halves(rows, work_in_pace, splits=lambda error: not isinstance(error, PagoEfectivoError), alone=tell)


def apart(cips: Sequence[Cip | UnknownCode], moment: datetime) -> dict[int, datetime | None]:
    """Return, by key, when to ask again after no answer.

    The second half of the codes is asked about a minute after the first, in case one of the codes is the cause.
    """
    minutes = enumerate(halves(cips))
    return {cip.pk: moment + timedelta(minutes=minute) for minute, half in minutes for cip in half}
