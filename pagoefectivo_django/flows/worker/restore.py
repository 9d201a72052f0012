"""After a restored backup: codes that it forgot find their order, or a person, by what the provider says of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError

from ...channels.base import Channel, Report
from ...codes import plain
from ...conf import conf
from ...errors import InvalidRequest, OutcomeUnknown, PagoEfectivoError
from ...models import Cip
from ...models.database import database, one_transaction
from ...statements.values import Unreadable, code, unwrapped
from ...states import Fact, Kind
from ...traces import traced
from ..ledger.advance import Outcome, advance
from ..ledger.attach import attach_forgotten
from ..ledger.history import History, evidence_of
from ..outbox.budget import TimeBudget
from ..provider.accounts import accounts
from ..provider.pace import await_pace
from ..provider.search import search

logger = logging.getLogger("pagoefectivo.provider")

#: Digits of a code that are read out together.
LONGEST_GROUP = 4


def codes_written(lines: Iterable[str]) -> list[str]:
    """Return the codes that people and spreadsheets write, one a line: in groups, with what keeps their zeros.

    The first line may be a heading. Raises ``InvalidRequest`` for a line that is no code, and where there is none.
    """
    codes = list[str]()
    for number, line in enumerate(lines, 1):
        cells = unwrapped(line.strip().rstrip(";, \t")).strip('"').split()
        if number == 1 and not any(map(str.isdigit, line)):
            continue
        # A code as it is read out; two codes between blanks are longer.
        grouped = all(len(cell) <= LONGEST_GROUP for cell in cells)
        try:
            codes += filter(None, map(code, ["".join(cells)] if grouped else cells))
        except Unreadable as error:
            raise InvalidRequest(f"line {number} {error} Write digits only, one code a line.") from None
    if not codes:
        raise InvalidRequest("there is no code; write digits only, one code a line.")
    return codes


@traced()
def find_forgotten(codes: Iterable[str], budget: TimeBudget, *, account: str = "") -> Counter[str]:
    """Ask about codes that somebody has from the provider's portal or a statement, and apply the answers.

    Returns how many were ``known`` here with their digits, ``found`` by our transaction code, ``attached`` to the order
    that their transaction code names, put to a person (``asked``), of no interest (``closed``), or ``unknown`` to every
    account that answered.
    """
    found: Counter[str] = Counter()
    left = list(dict.fromkeys(filter(None, map(plain, codes))))
    for name, channel in accounts().items():
        if not channel.can_search or account not in ("", name):
            continue
        known = set[str]()
        for begin in range(0, len(left), 1000):
            rows = Cip.objects.using(database()).filter(account=name, code__in=left[begin : begin + 1000])
            known |= {str(code) for code in rows.values_list("code", flat=True)}
        found["known"] += len(known)
        left = [code for code in left if code not in known]
        done = set[str]()
        for begin in range(0, len(left), conf.batch_size):
            done |= _ask(channel, left[begin : begin + conf.batch_size], budget, found)
        left = [code for code in left if code not in done]
    found["unknown"] = len(left)
    return found


def _ask(channel: Channel, codes: list[str], budget: TimeBudget, found: Counter[str]) -> set[str]:
    """Ask one account about codes, and return those that it knows."""
    if not await_pace(channel, budget):
        return set()
    asked = [Cip(pk=place, account=channel.account, code=code) for place, code in enumerate(codes)]
    try:
        answers = search(channel, asked, budget, ours=False)
    except PagoEfectivoError as error:
        logger.warning("Account %s can't be asked about %d codes: %s", channel.account, len(codes), error)
        return set()
    done = set[str]()
    for place, answer in answers.items():
        if answer.fact == Fact.ABSENT:
            continue
        try:
            found[_apply(channel, answer, budget.now)] += 1
            done.add(codes[place])
        except (OperationalError, InterfaceError):
            raise
        except OutcomeUnknown as error:
            logger.warning("Look code %s up again: %s", codes[place], error)
        except Exception:
            logger.exception("The answer about code %s could not be applied; look it up again.", codes[place])
    return done


def _is_ours(answer: Report, now: datetime) -> bool:
    (outcome,) = advance(answer, actor="poll", wait=False, now=now)
    if outcome == Outcome.LOCKED:
        raise OutcomeUnknown("somebody else holds its order.")
    return outcome != Outcome.NOT_OURS


def _apply(channel: Channel, answer: Report, now: datetime) -> str:
    """Apply what the provider says of one code that nobody knew by its digits, and return what became of it.

    Raises ``OutcomeUnknown`` if somebody else holds its order.
    """
    if _is_ours(answer, now):
        return "found"
    if attach_forgotten(channel, answer, now, wait=False) and _is_ours(answer, now):
        return "attached"
    if answer.fact in (Fact.CODE_EXPIRED, Fact.CODE_DELETED):
        return "closed"
    kind = Kind.UNMATCHED if answer.fact == Fact.PAYMENT else Kind.LOST_CODE
    with one_transaction() as alias:
        history = History(alias, now, "poll")
        subject = f"code:{answer.account}:{answer.code}"[:180]  # as of one that a hint named
        money: dict[str, Any] = {"amount": answer.amount, "currency": answer.currency}
        history.open_discrepancy(kind, subject, evidence_of(answer), account=answer.account, anew=None, **money)
        history.write()
    return "asked"
