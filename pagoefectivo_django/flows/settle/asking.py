"""Ask the provider about lines of orders that are not paid here: a file is not proof."""

from __future__ import annotations

import logging

from ...channels.base import Channel, Report
from ...conf import conf
from ...errors import InvalidRequest, PagoEfectivoError
from ...models import Cip, Settlement, SettlementLine
from ...models.database import database
from ...states import Fact, LineStatus
from ..accounts import accounts
from ..advance import Outcome, advance
from ..refresh import ask_provider
from ..search import await_pace, may_search
from ..turn import Turn
from .judging import judge

logger = logging.getLogger("pagoefectivo.provider")


def ask_about_lines(settlement: Settlement, turn: Turn, *, patient: bool) -> None:
    """Ask about the lines that wait for it, apply what the provider says, and judge them anew."""
    channel = accounts().get(settlement.account)
    waiting = SettlementLine.objects.using(database()).filter(settlement=settlement, status=LineStatus.ASKING)
    while not turn.over and (lines := list(waiting.order_by("number")[: conf.batch_size])):
        if channel is None or not channel.can_search:
            said = dict.fromkeys(lines, "This provider can't be asked.")
        elif await_pace(channel, turn) if patient else may_search(channel):
            said = _ask(channel, lines, turn)
        else:
            return
        for line in lines:
            judge(line.pk, settlement, turn.now, asked=said[line])


def _ask(channel: Channel, lines: list[SettlementLine], turn: Turn) -> dict[SettlementLine, str]:
    """Return what came of asking about each line."""
    codes = {line: line.code or _code_of(line, channel) for line in lines}
    known = sorted({code for code in codes.values() if code})
    try:
        answers = ask_provider(channel, known, turn.now) if known else {}
    except InvalidRequest as error:
        if len(lines) > 1:
            middle = len(lines) // 2
            return _ask(channel, lines[:middle], turn) | _ask(channel, lines[middle:], turn)
        return {lines[0]: f"The provider refuses to tell: {error}"}
    except PagoEfectivoError as error:
        logger.warning("Account %s can't be asked about %d lines: %s", channel.account, len(lines), error)
        return dict.fromkeys(lines, f"The provider did not answer: {error}")
    told = {code: _apply(answers.get(code), channel, code, turn) for code in set(codes.values())}
    return {line: told[codes[line]] for line in lines}


def _code_of(line: SettlementLine, channel: Channel) -> str:
    """Return the digits of the code that a line names by its transaction code only; empty if nobody knows them."""
    cips = Cip.objects.using(database()).filter(account=channel.account, code__isnull=False)
    return str(cips.filter(transaction_code=line.transaction_code).values_list("code", flat=True).first() or "")


def _apply(answer: Report | None, channel: Channel, code: str, turn: Turn) -> str:
    if answer is None:
        return "The provider doesn't know the code."
    for _attempt in range(3):
        (outcome,) = advance(answer, actor="settlement", now=turn.now)
        if outcome != Outcome.STALE:
            break
        answer = ask_provider(channel, [code], turn.now).get(code, answer)
    if outcome == Outcome.NOT_OURS:
        return f"The provider says {Fact(answer.fact).value}, for an order that is not ours."
    return f"The provider says {Fact(answer.fact).value}."
