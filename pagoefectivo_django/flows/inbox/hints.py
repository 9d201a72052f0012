"""Hints: what was told of a code and proves nothing makes its provider be asked; the answer counts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from ...channels.base import Channel, Report
from ...conf import conf
from ...errors import OutcomeUnknown, PagoEfectivoError
from ...models import Cip, UnknownCode
from ...models.database import LEASE, claim_batch, database, one_transaction, put_back
from ...states import Fact, Kind
from ...traces import traced
from ..ledger.advance import WHAT_BECOMES, Outcome, advance
from ..ledger.attach import attach_forgotten
from ..ledger.history import History, evidence_of
from ..outbox.budget import TimeBudget
from ..provider.pace import may_search
from ..provider.search import apart, ask_and_apply, search

logger = logging.getLogger("pagoefectivo.provider")

#: From a message these count by themselves; everything else is a hint where the provider can be asked.
COUNTED_FROM_MESSAGES = (Fact.PAYMENT, Fact.PAYMENT_REVERSED)
#: When an answer without news is asked for again, counted from the hint: what is told may be ahead of what is answered.
AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
#: However many hints come, a code is looked at once in this time at most.
APART = timedelta(minutes=1)


def is_hint(report: Report, channel: Channel) -> bool:
    """Return whether a message only says where to look."""
    return channel.can_search and report.fact in WHAT_BECOMES and report.fact not in COUNTED_FROM_MESSAGES


def hint(report: Report, now: datetime) -> None:
    """Make the code that a message names due: one of ours, watched or not, else the digits alone, kept once."""
    alias, names = database(), {"account": report.account, "code": report.code}
    if not report.code or _make_due(Cip.objects.using(alias).filter(**names), now):
        return
    unknown = UnknownCode.objects.using(alias)
    unknown.bulk_create([UnknownCode(**names)], ignore_conflicts=True)
    _make_due(unknown.filter(**names), now)


def _make_due(rows: QuerySet[Cip] | QuerySet[UnknownCode], now: datetime) -> int:
    # A look of the future is a wrong clock's, and nothing to wait for.
    just_looked = Q(looked_at__gt=now - APART, looked_at__lte=now)
    return rows.filter(just_looked).update(hinted_at=now, look_at=F("looked_at") + APART) or rows.update(
        hinted_at=now, look_at=now
    )


def next_look(row: Cip | UnknownCode, asked_at: datetime) -> datetime | None:
    """Return when an answer without news is asked for again; None if that was often enough."""
    hinted_at = row.hinted_at or asked_at
    if hinted_at > asked_at + AGAIN[-1]:  # no hint comes so long after the question: a wrong clock's
        return None
    moment = next((hinted_at + pause for pause in AGAIN if hinted_at + pause > asked_at), None)
    return moment and max(moment, asked_at + APART)


def begin_look(rows: Sequence[Cip] | Sequence[UnknownCode], now: datetime) -> None:
    """Write down that the provider is asked about claimed rows now."""
    type(rows[0])._base_manager.using(database()).filter(pk__in=[row.pk for row in rows]).update(looked_at=now)


def end_look(rows: Sequence[Cip], again: dict[int, datetime | None], asked_at: datetime) -> None:
    """Say when hinted codes are looked at again; a hint that came after the question stays."""
    put_back(rows, "look_at", dict(again))
    over = [pk for pk, moment in again.items() if moment is None]
    done = Cip.objects.using(database()).filter(pk__in=over, look_at__isnull=True, hinted_at__lte=asked_at)
    done.update(hinted_at=None)


def look_at_unknown_codes(channel: Channel, budget: TimeBudget) -> int:
    """Ask about digits that hints named and nobody knows, batch after batch at the account's pace; return of how many.

    An answer with a transaction code of ours tells the request whose answer got lost. One of somebody else's code ends
    the matter, unless it says that this was paid: then a person is asked. A code that the provider doesn't know is
    asked about again, and then dropped.
    """
    asked, begun = 0, budget.now
    due = UnknownCode.objects.using(database()).filter(account=channel.account)
    while not budget.over and due.filter(look_at__lte=begun).exists() and may_search(channel):
        rows = claim_batch(due, "look_at", budget.now, conf.batch_size, since=begun)
        if not rows:
            break
        try:
            ask_and_apply(channel, rows, lambda some: _identify(channel, some, budget), budget)
        except PagoEfectivoError as error:
            logger.warning("Account %s can't be asked about %d unknown codes: %s", channel.account, len(rows), error)
            put_back(rows, "look_at", apart(rows, budget.now + LEASE))
            break
        asked += len(rows)
    return asked


@traced()
def _identify(channel: Channel, rows: Sequence[UnknownCode], budget: TimeBudget) -> None:
    asked_at = budget.now
    begin_look(rows, asked_at)
    answers = search(channel, rows, budget, ours=False)
    known = {row.pk: answers[row.pk] for row in rows if row.pk in answers and answers[row.pk].fact != Fact.ABSENT}
    held = {pk for pk, answer in known.items() if not _attached(channel, answer, budget.now)}
    outcomes = dict(zip(known, advance(*known.values(), actor="poll", wait=False, now=budget.now), strict=True))
    outcomes |= dict.fromkeys(held, Outcome.LOCKED)
    again: dict[int, datetime | None] = {}
    for row in rows:
        outcome = outcomes.get(row.pk)
        if outcome == Outcome.NOT_OURS and known[row.pk].fact == Fact.PAYMENT:
            _ask_person(known[row.pk], budget.now)
        if outcome in (Outcome.STALE, Outcome.LOCKED):
            again[row.pk] = asked_at + APART
        elif outcome or not (moment := next_look(row, asked_at)):
            if not outcome:
                logger.warning("Account %s doesn't know code %s, of which a message told; it is dropped.", *_names(row))
            UnknownCode.objects.using(database()).filter(pk=row.pk, hinted_at=row.hinted_at).delete()
        else:
            again[row.pk] = moment
    put_back(rows, "look_at", again)


def _attached(channel: Channel, answer: Report, now: datetime) -> bool:
    """Give a code to the order that a restored backup forgot it of; False while somebody else holds that order."""
    try:
        attach_forgotten(channel, answer, now, wait=False)
    except OutcomeUnknown:
        return False
    return True


def _names(row: UnknownCode) -> tuple[str, str]:
    return row.account, row.code


def _ask_person(answer: Report, now: datetime) -> None:
    with one_transaction() as alias:
        history = History(alias, now, "poll")
        history.open_discrepancy(
            Kind.UNMATCHED,
            f"code:{answer.account}:{answer.code}"[:180],
            evidence_of(answer),
            amount=answer.amount,
            currency=answer.currency,
            account=answer.account,
            anew=None,
        )
        history.write()
