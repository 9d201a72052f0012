"""Hints, messages that prove nothing: the provider is asked about the code, and only the answer counts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from ...actors import NOTIFICATION, POLL
from ...channels.base import Channel, Hint, Report, Trust
from ...errors import OutcomeUnknown, PagoEfectivoError
from ...models import Cip, UnknownCode
from ...models.database import LEASE, claim_batch, database, one_transaction, put_back
from ...models.orders import KNOWN
from ...states import CipStatus, Fact, Kind
from ...traces import traced
from ..ledger.advance import WHAT_BECOMES, Outcome, advance
from ..ledger.attach import attach_forgotten
from ..ledger.history import History, evidence_of
from ..ledger.locked import NAMES
from ..ledger.subject import Subject
from ..outbox.budget import TimeBudget
from ..provider.accounts import accounts
from ..provider.foreign import is_foreign
from ..provider.pace import may_search
from ..provider.search import apart, ask_and_apply, search

logger = logging.getLogger("pagoefectivo.provider")

#: Facts that count from a message alone; a message with another fact is a hint if the provider can be asked.
COUNTED_FROM_MESSAGES = (Fact.PAYMENT, Fact.PAYMENT_REVERSED)
#: When a question is repeated after an answer without news, counted from the hint: messages may be ahead of answers.
AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
#: Shortest pause between two questions about a code, however many hints come.
APART = timedelta(minutes=1)


def is_hint(item: Report | Hint, channel: Channel, trust: str) -> bool:
    """Return whether a message only names a code to ask the provider about.

    Nothing counts from a message whose signature leaves out a byte. Of the others a payment and a reversal count, and
    all facts where the provider can't be asked.
    """
    if isinstance(item, Hint) or trust != Trust.SIGNED_BODY:
        return True
    return channel.can_look_up and item.fact in WHAT_BECOMES and item.fact not in COUNTED_FROM_MESSAGES


def hint(item: Report | Hint, now: datetime) -> None:
    """Make the code named in a message due for a question to the provider: a code of ours, else an ``UnknownCode``.

    A number that is no request's of ours is put to a person, since no provider is asked about a number alone.
    """
    alias = database()
    cips = Cip.objects.using(alias).filter(account=item.account)
    named = bool(item.code or item.provider_id)
    for name in NAMES:
        # With another name at hand the number alone decides nothing: it may be of a request whose answer got lost.
        value = getattr(item, name) if name != "transaction_code" or not named else ""
        if value and _make_due(cips.filter(KNOWN, **{name: value}), now):
            return
    if item.transaction_code:  # a lost code is found by our number, where the provider can be asked so
        requests = cips.filter(transaction_code=item.transaction_code)
        lost = requests.filter(~KNOWN, status__in=(CipStatus.LOST, CipStatus.SUPERSEDED))
        # The hint is kept on the code where the number is all there is: see ``reconcile.end_requests``.
        lost.update(poll_at=now, **({} if named else {"hinted_at": now}))
        # A provider that names a request which it refused may have taken money for it.
        if not named and not requests.exclude(status=CipStatus.REFUSED).exists():
            _ask_about_number(item, now)
    if named:
        names = {"account": item.account, "code": item.code, "provider_id": item.provider_id}
        unknown = UnknownCode.objects.using(alias)
        unknown.bulk_create([UnknownCode(**names)], ignore_conflicts=True)
        _make_due(unknown.filter(**names), now)


def number_named(account: str, transaction_code: str) -> dict[str, object]:
    """Return the evidence of a message that names nothing but our number."""
    named = {"transaction_code": transaction_code, "account": account}
    return {"about": "number_named", **named, "source": "notification"}


def _ask_about_number(item: Report | Hint, now: datetime) -> None:
    """Put a number without a request here to a person; on a shared account the number is another system's."""
    channel = accounts().get(item.account)
    if channel and is_foreign(channel, item.transaction_code):
        return
    with one_transaction() as alias:
        history = History(alias, now, NOTIFICATION)
        # Another message may tell of a payment after a person looked, so the discrepancy is reopened.
        history.open_discrepancy(
            Kind.UNMATCHED,
            Subject.of_unknown_code(item.account, item.transaction_code),
            number_named(item.account, item.transaction_code),
            anew=True,
        )
        history.write()


def _make_due(rows: QuerySet[Cip] | QuerySet[UnknownCode], now: datetime) -> int:
    # A ``looked_at`` in the future was written by a wrong clock, so the question doesn't wait for that time.
    just_looked = Q(looked_at__gt=now - APART, looked_at__lte=now)
    return rows.filter(just_looked).update(hinted_at=now, look_at=F("looked_at") + APART) or rows.update(
        hinted_at=now, look_at=now
    )


def next_look(row: Cip | UnknownCode, asked_at: datetime) -> datetime | None:
    """Return when to repeat a question after an answer without news, None after the last repetition."""
    hinted_at = row.hinted_at or asked_at
    if hinted_at > asked_at + AGAIN[-1]:  # a hint so long after the question has a wrong clock's time
        return None
    moment = next((hinted_at + pause for pause in AGAIN if hinted_at + pause > asked_at), None)
    return moment and max(moment, asked_at + APART)


def begin_look(rows: Sequence[Cip] | Sequence[UnknownCode], now: datetime) -> None:
    """Record on claimed rows that the provider is asked about the codes now."""
    type(rows[0])._base_manager.using(database()).filter(pk__in=[row.pk for row in rows]).update(looked_at=now)


def end_look(rows: Sequence[Cip], again: dict[int, datetime | None], asked_at: datetime) -> None:
    """Set when hinted codes are asked about again, and clear answered hints; a hint newer than the question stays."""
    put_back(rows, "look_at", dict(again))
    over = [pk for pk, moment in again.items() if moment is None]
    done = Cip.objects.using(database()).filter(pk__in=over, look_at__isnull=True, hinted_at__lte=asked_at)
    done.update(hinted_at=None)


def look_at_unknown_codes(channel: Channel, budget: TimeBudget) -> int:
    """Ask about unknown codes named in hints, in batches at the account's pace; return how many were asked about.

    An answer with a transaction code of ours completes the request whose answer got lost. An answer about a code of
    another system ends the matter; if the code was paid, a discrepancy is opened. A code that the provider doesn't know
    is asked about again as after any hint, and then dropped with a warning in the log.
    """
    asked, begun = 0, budget.now
    due = UnknownCode.objects.using(database()).filter(account=channel.account)
    while not budget.over and due.filter(look_at__lte=begun).exists() and may_search(channel):
        rows = claim_batch(due, "look_at", budget.now, channel.batch_size, since=begun)
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
    outcomes = dict(zip(known, advance(*known.values(), actor=POLL, wait=False, now=budget.now), strict=True))
    outcomes |= dict.fromkeys(held, Outcome.LOCKED)
    again: dict[int, datetime | None] = {}
    for row in rows:
        outcome = outcomes.get(row.pk)
        paid_elsewhere = outcome == Outcome.NOT_OURS and known[row.pk].fact == Fact.PAYMENT
        if paid_elsewhere and not is_foreign(channel, str(row)):
            _ask_person(known[row.pk], budget.now)
        if outcome == Outcome.STALE:
            # A code of ours under a name that we did not know: the code itself is asked about, and learns the name.
            hint(replace(known[row.pk], provider_id=""), budget.now)
            UnknownCode.objects.using(database()).filter(pk=row.pk, hinted_at=row.hinted_at).delete()
        elif outcome == Outcome.LOCKED:
            again[row.pk] = asked_at + APART
        elif outcome or not (moment := next_look(row, asked_at)):
            if not outcome:
                logger.warning("Account %s doesn't know code %s, of which a message told; it is dropped.", *_names(row))
            UnknownCode.objects.using(database()).filter(pk=row.pk, hinted_at=row.hinted_at).delete()
        else:
            again[row.pk] = moment
    put_back(rows, "look_at", again)


def _attached(channel: Channel, answer: Report, now: datetime) -> bool:
    """Attach a code missing after a restored backup, if any; False while another transaction holds the order."""
    try:
        attach_forgotten(channel, answer, now, wait=False)
    except OutcomeUnknown:
        return False
    return True


def _names(row: UnknownCode) -> tuple[str, str]:
    return row.account, str(row)


def _ask_person(answer: Report, now: datetime) -> None:
    with one_transaction() as alias:
        history = History(alias, now, POLL)
        history.open_discrepancy(
            Kind.UNMATCHED,
            Subject.of_unknown_code(answer.account, answer.code or answer.provider_id),
            evidence_of(answer),
            amount=answer.amount,
            currency=answer.currency,
            anew=None,
        )
        history.write()
