"""Recovery of codes missing in a restored backup: the provider's answer names an order, or a discrepancy is opened."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext_noop as _

from ...actors import POLL
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
from ..ledger.subject import Subject
from ..outbox.budget import TimeBudget
from ..provider.accounts import accounts
from ..provider.foreign import is_foreign
from ..provider.pace import await_pace
from ..provider.search import search

logger = logging.getLogger("pagoefectivo.provider")

#: The most digits of a group, where a code is written in groups.
LONGEST_GROUP = 4


def codes_written(lines: Iterable[str]) -> list[str]:
    """Return the codes in lines written by people and spreadsheets, a code a line, perhaps in groups or quoted.

    The first line may be a heading. Raises ``InvalidRequest`` for a line that is no code, and for a text without codes.
    """
    codes = list[str]()
    for number, line in enumerate(lines, 1):
        cells = unwrapped(line.strip().rstrip(";, \t")).strip('"').split()
        if number == 1 and not any(map(str.isdigit, line)):
            continue
        # Short cells are the groups of one code; long cells are a code each.
        grouped = all(len(cell) <= LONGEST_GROUP for cell in cells)
        try:
            codes += filter(None, map(code, ["".join(cells)] if grouped else cells))
        except Unreadable as error:
            raise InvalidRequest(
                _("line %(number)d %(problem)s Write digits only, one code a line."),
                code="code_line_unreadable",
                number=number,
                problem=error,
            ) from None
    if not codes:
        raise InvalidRequest(_("there is no code; write digits only, one code a line."), code="no_codes_written")
    return codes


@traced()
def find_forgotten(codes: Iterable[str], budget: TimeBudget, *, account: str = "") -> Counter[str]:
    """Ask about codes found in the provider's portal or a statement, apply the answers, and return counts.

    Counted are codes ``known`` here with their digits, ``found`` by our transaction code, ``attached`` to the order
    that their transaction code names, put to a person (``asked``), of no interest (``closed``), or ``unknown`` to every
    account that answered.
    """
    found: Counter[str] = Counter()
    left = list(dict.fromkeys(filter(None, map(plain, codes))))
    for name, channel in accounts().items():
        if not channel.can_look_up or account not in ("", name):
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
    """Ask an account about codes, and return the codes it knows."""
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
    (outcome,) = advance(answer, actor=POLL, wait=False, now=now)
    if outcome == Outcome.LOCKED:
        raise OutcomeUnknown(_("somebody else holds its order."), code="locked_by_another")
    return outcome != Outcome.NOT_OURS


def _apply(channel: Channel, answer: Report, now: datetime) -> str:
    """Apply an answer about a code unknown by its digits, and return the name of the count in ``find_forgotten``.

    Raises ``OutcomeUnknown`` if another process holds the order.
    """
    if _is_ours(answer, now):
        return "found"
    if attach_forgotten(channel, answer, now, wait=False) and _is_ours(answer, now):
        return "attached"
    if answer.fact in (Fact.CODE_EXPIRED, Fact.CODE_DELETED):
        return "closed"
    if answer.fact == Fact.PAYMENT and is_foreign(channel, answer.code or answer.provider_id):
        return "closed"
    kind = Kind.UNMATCHED if answer.fact == Fact.PAYMENT else Kind.LOST_CODE
    with one_transaction() as alias:
        history = History(alias, now, POLL)
        subject = Subject.of_unknown_code(answer.account, answer.code or answer.provider_id)
        money: dict[str, Any] = {"amount": answer.amount, "currency": answer.currency}
        history.open_discrepancy(kind, subject, evidence_of(answer), anew=None, **money)
        history.write()
    return "asked"
