"""Compare our book of codes with the provider's, batch after batch."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime

from django.db import InterfaceError, OperationalError

from ..channels.base import Channel, Report
from ..conf import conf
from ..errors import PagoEfectivoError
from ..models import Cip, Match, Payment
from ..models.database import LEASE, claim_batch, database, make_due, one_transaction, put_back
from ..states import CipStatus, Fact, Kind, Standing, StatementKind
from ..traces import traced
from .accounts import accounts
from .advance import Outcome, advance
from .book import open_book
from .search import apart, await_pace, may_search, search
from .turn import Turn
from .watch import next_poll

logger = logging.getLogger("pagoefectivo.provider")


def reconcile(turn: Turn, *, account: str = "", patient: bool = False) -> Counter[str]:
    """Ask about the codes that are due, one question for each batch, and apply what the provider says.

    Returns what was learnt: ``asked`` codes, and of them how many were ``paid`` without our knowing, how many
    ``differ``, and how many had no ``answer``. What was done is kept code by code, so an interrupted run goes on where
    it was. ``account``: only that one. ``patient``: wait where the pace says so, instead of leaving the rest to the
    next round.
    """
    found: Counter[str] = Counter()
    _look_at_unknown(turn, found)
    for name, channel in accounts().items():
        if not channel.can_search or account not in ("", name):
            continue
        due = Cip.objects.using(database()).filter(account=name, code__isnull=False)
        while not turn.over and due.filter(poll_at__lte=turn.now).exists():
            if not (await_pace(channel, turn) if patient else may_search(channel)):
                break
            cips = claim_batch(due, "poll_at", turn.now, conf.batch_size)
            if not cips:
                break  # others are at them
            try:
                _compare(channel, cips, turn, found)
            except PagoEfectivoError as error:
                found["unanswered"] += len(cips)
                logger.warning("Account %s can't be asked about %d codes: %s", name, len(cips), error)
                put_back(cips, "poll_at", apart(cips, turn.now + LEASE))
                break
            except Exception:
                # A mistake of ours in one answer: the lease brings the batch back, and the others go on.
                logger.exception("The answers about %d codes could not be applied at once.", len(cips))
                _one_by_one(channel, cips, turn, found)
    return found


def watch_again(now: datetime, account: str = "") -> int:
    """Make every code that is watched due now, and return how many there are."""
    watched = Cip.objects.using(database()).filter(poll_at__gt=now, code__isnull=False)
    return make_due(watched.filter(account=account) if account else watched, "poll_at", now)


@traced()
def _compare(channel: Channel, cips: list[Cip], turn: Turn, found: Counter[str]) -> None:
    """Ask about claimed codes, apply the answers and say when to ask again; all in a few statements a batch."""
    cips = _not_settled(cips)
    answers = search(channel, cips, turn)
    found["asked"] += len(cips)
    found["unanswered"] += len(cips) - len(answers)
    payments = _payments_of(cips)
    heard = [(cip, answers[cip.pk]) for cip in cips if cip.pk in answers]
    told = [(cip, answer) for cip, answer in heard if not _as_we_know(cip, answer, payments.get(cip.pk, []))]
    outcomes = advance(*(answer for _, answer in told), actor="poll", now=turn.now)
    now, again = turn.now, {cip.pk: next_poll(cip, turn.now) for cip in cips}
    for (cip, answer), outcome in zip(told, outcomes, strict=True):
        if outcome == Outcome.STALE:
            again[cip.pk] = now
        found["paid"] += answer.fact == Fact.PAYMENT and cip.status != CipStatus.PAID
        found["differ"] += cip.status == CipStatus.PAID and answer.fact != Fact.PAYMENT
    put_back(cips, "poll_at", again)


def _not_settled(cips: list[Cip]) -> list[Cip]:
    """Return the codes whose money is not there yet; the others are not watched any more."""
    paid = [cip.pk for cip in cips if cip.status == CipStatus.PAID]
    settled = Match.objects.using(database()).filter(
        payment__cip__in=paid, payment__standing=Standing.APPLIED, kind=StatementKind.SETTLEMENT, part=0, stands=True
    )
    done = set(settled.values_list("payment__cip", flat=True)) if paid else set()
    put_back(cips, "poll_at", {cip.pk: None for cip in cips if cip.pk in done})
    return [cip for cip in cips if cip.pk not in done]


def _one_by_one(channel: Channel, cips: list[Cip], turn: Turn, found: Counter[str]) -> None:
    for cip in cips:
        if turn.over:
            return
        try:
            _compare(channel, [cip], turn, found)
        except Exception:
            logger.exception("The answer about code %s could not be applied; it is asked again.", cip)


def _payments_of(cips: list[Cip]) -> dict[int, list[Payment]]:
    """Return the payments of those codes that an answer called paid before."""
    payments: dict[int, list[Payment]] = {}
    if told_before := [cip.pk for cip in cips if cip.status == CipStatus.PAID and cip.paid_at]:
        for payment in Payment.objects.using(database()).filter(cip__in=told_before):
            payments.setdefault(payment.cip_id, []).append(payment)
    return payments


def _as_we_know(cip: Cip, answer: Report, payments: list[Payment]) -> bool:
    """Return whether an answer tells nothing new, so that no order has to be locked for it."""
    if answer.fact == Fact.PAYMENT and payments:
        standing = all(payment.standing != Standing.REVERSED for payment in payments)
        same = all((payment.amount, payment.currency) == (answer.amount, answer.currency) for payment in payments)
        return standing and same and answer.expires_at in (None, cip.expires_at)
    if answer.fact == Fact.ISSUED:
        return cip.status == CipStatus.CURRENT and answer.expires_at in (None, cip.expires_at)
    if answer.fact == Fact.CODE_EXPIRED:
        return cip.status == CipStatus.EXPIRED
    if answer.fact == Fact.CODE_DELETED:
        return cip.status in (CipStatus.DELETED, CipStatus.SUPERSEDED) and cip.next_attempt_at is None
    return False


def _look_at_unknown(turn: Turn, found: Counter[str]) -> None:
    """Codes whose digits nobody knows can't be asked about: a request that died is lost, a lost one is a person's."""
    due = Cip.objects.using(database()).filter(code__isnull=True)
    while not turn.over and (cips := claim_batch(due, "poll_at", turn.now, conf.batch_size)):
        for cip in cips:
            try:
                _settle_unknown(cip, turn, found)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("Request %s could not be settled; it is tried again.", cip)


@traced()
def _settle_unknown(cip: Cip, turn: Turn, found: Counter[str]) -> None:
    if cip.status == CipStatus.REQUESTED and cip.asked_at:
        detail = "The process that asked for it ended before the answer."
        lost = Report(account=cip.account, fact=Fact.LOST, transaction_code=cip.transaction_code, detail=detail)
        advance(lost, actor="poll", now=turn.now)
        return
    if cip.status == CipStatus.LOST:
        found["lost"] += 1
        _put_to_person(cip, turn.now)
    put_back([cip], "poll_at", {cip.pk: None})


def _put_to_person(cip: Cip, now: datetime) -> None:
    with one_transaction() as alias:
        book = open_book(cip.order, alias=alias, now=now, actor="poll")
        mine = next(each for each in book.cips if each.pk == cip.pk)
        if mine.code is None:
            detail = "Its answer got lost; look in the provider's portal whether it exists and was paid."
            evidence = {"at": now.isoformat(), "transaction_code": mine.transaction_code, "detail": detail}
            book.history.ask(Kind.LOST_CODE, f"cip:{mine.pk}", evidence, order=book.order, cip=mine)
            book.write()
