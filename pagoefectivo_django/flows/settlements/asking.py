"""Questions to the provider about lines of unpaid orders, since a file does not prove a payment."""

from __future__ import annotations

import logging

from ...actors import IMPORT
from ...channels.base import Channel, CodeRef, Report
from ...conf import conf
from ...errors import InvalidRequest, OutcomeUnknown, PagoEfectivoError
from ...facts import Data, of_error
from ...models import Cip, Settlement, SettlementLine
from ...models.database import database
from ...states import LineStatus
from ..ledger.advance import Outcome, advance
from ..ledger.attach import attach_forgotten
from ..outbox.budget import TimeBudget
from ..provider.accounts import accounts
from ..provider.look_up import ask_provider
from ..provider.pace import await_pace, may_search
from ..provider.search import ask_about
from .judging import judge

logger = logging.getLogger("pagoefectivo.provider")

_NOT_ASKED: Data = {"answer": "cannot_be_asked"}
_UNKNOWN: Data = {"answer": "code_unknown"}


def ask_about_lines(settlement: Settlement, budget: TimeBudget, *, patient: bool) -> bool:
    """Ask the provider about the lines with status ``asking``, apply the answers, and judge the lines anew.

    Returns False if the time budget or the pace of searches left lines out. ``patient``: wait for the pace, and for
    orders locked by another process; otherwise the lines of such orders go on waiting.
    """
    channel, last = accounts().get(settlement.account), 0
    waiting = SettlementLine.objects.using(database()).filter(settlement=settlement, status=LineStatus.ASKING)
    size = channel.batch_size if channel else conf.batch_size
    while lines := list(waiting.filter(number__gt=last).order_by("number")[:size]):
        if budget.over:
            return False
        if channel is None or not channel.can_look_up:
            said = dict.fromkeys(lines, _NOT_ASKED)
        elif await_pace(channel, budget) if patient else may_search(channel):
            said = _ask(channel, lines, budget, wait=patient)
        else:
            return False
        for line in lines:
            if line in said:
                judge(line.pk, settlement, budget.now, asked=said[line], wait=patient)
        last = lines[-1].number
    return True


def _ask(
    channel: Channel, lines: list[SettlementLine], budget: TimeBudget, *, wait: bool
) -> dict[SettlementLine, Data]:
    """Return data about the answer for each line; lines whose order is locked by another process are left out."""
    codes = {line: line.code or _code_of(line, channel) for line in lines}
    known = sorted({code for code in codes.values() if code})
    told: dict[str, Data] = {"": _UNKNOWN}
    try:
        answers = ask_about(channel, [CodeRef(code) for code in known], budget)
        if len(answers) > 1 and not any(answers.values()):
            return {line: {"answer": "knows_none"} for line in lines}
        for ref, answer in answers.items():
            if isinstance(answer, InvalidRequest):
                told[ref.code] = {"answer": "refused", **of_error(answer)}
            elif said := _apply(answer, channel, ref, budget, wait=wait):
                told[ref.code] = said
    except PagoEfectivoError as error:
        logger.warning("Account %s can't be asked about %d lines: %s", channel.account, len(lines), error)
        return {line: {"answer": "none", **of_error(error)} for line in lines}
    return {line: told[code] for line, code in codes.items() if code in told}


def _code_of(line: SettlementLine, channel: Channel) -> str:
    """Return the digits of the code named by a line's transaction code; empty if no code of ours has both."""
    cips = Cip.objects.using(database()).filter(account=channel.account, code__isnull=False)
    return str(cips.filter(transaction_code=line.transaction_code).values_list("code", flat=True).first() or "")


def _apply(answer: Report | None, channel: Channel, ref: CodeRef, budget: TimeBudget, *, wait: bool) -> Data:
    """Apply an answer, and return data about the fact; empty if another process holds the order."""
    if answer is None:
        return _UNKNOWN
    try:
        attach_forgotten(channel, answer, budget.now, wait=wait)
    except OutcomeUnknown:
        return {}
    for _attempt in range(3):
        (outcome,) = advance(answer, actor=IMPORT, wait=wait, now=budget.now)
        if outcome != Outcome.STALE:
            break
        answer = ask_provider(channel, [ref], budget.now).get(ref, answer)
    if outcome == Outcome.LOCKED:
        return {}
    if outcome == Outcome.NOT_OURS:
        return {"answer": "of_another", "told": answer.fact}
    return {"answer": "told", "told": answer.fact}
