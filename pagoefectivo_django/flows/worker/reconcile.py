"""Reconciliation: our codes are compared with the provider's answers, batch by batch."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import InterfaceError, OperationalError
from django.db.models import Q, prefetch_related_objects

from ...actors import POLL
from ...channels.base import Channel, Report
from ...conf import conf
from ...errors import Misconfigured, PagoEfectivoError
from ...models import Cip, Discrepancy, Match, Order, Payment, Refund
from ...models.database import LEASE, claim_batch, database, make_due, one_transaction, put_back
from ...models.orders import KNOWN
from ...states import CipStatus, Fact, Kind, PaymentStatus, RefundStatus, Remark, StatementKind
from ...traces import traced
from ..inbox.hints import AGAIN, begin_look, end_look, look_at_unknown_codes, next_look, number_named
from ..ledger.advance import Outcome, advance
from ..ledger.locked import lock_free_order
from ..ledger.payments import same_payment
from ..ledger.schedule import deadline, next_poll
from ..ledger.subject import Subject
from ..orders.find import NO_COUNTS_AFTER, find, is_clear, put_lost_to_person, supersede_lost_link
from ..outbox.budget import TimeBudget
from ..provider.accounts import accounts, channel_of
from ..provider.look_up import AFTER_NOTHING, KnowsNothing
from ..provider.pace import await_pace, may_search
from ..provider.search import apart, ask_and_apply, search

logger = logging.getLogger("pagoefectivo.provider")

_ANSWER_LOST = {"about": "answer_lost"}

#: When to ask again about a code that changed while its provider was asked.
AFTER_STALE = timedelta(minutes=1)


def reconcile(budget: TimeBudget, *, account: str = "", patient: bool = False) -> Counter[str]:
    """Ask about the codes that are due, one request for each batch, apply the answers, and return counts.

    Counted are ``asked`` codes, and of those the ``paid`` without our knowing, those that ``differ``, the
    ``unanswered``; also the requests found ``lost``. Work is committed batch by batch, so an interrupted run goes on
    where it ended. ``account``: only this account. ``patient``: wait for the pace, instead of leaving the rest to the
    next round.
    """
    found: Counter[str] = Counter()
    channels = accounts()
    end_requests(budget, found)
    end_watches(budget, [name for name, channel in channels.items() if channel.can_look_up])
    for name, channel in channels.items():
        if not channel.can_look_up or account not in ("", name):
            continue
        _ask_due(channel, "look_at", budget, found, patient)
        found["asked"] += look_at_unknown_codes(channel, budget)
        _ask_due(channel, "poll_at", budget, found, patient)
    return found


def _ask_due(channel: Channel, field: str, budget: TimeBudget, found: Counter[str], patient: bool) -> None:
    """Ask about codes due by a field: ``look_at`` after a hint, ``poll_at`` by schedule.

    Codes put off meanwhile are left to the next round, so an answer that never helps is requested once a round.
    """
    begun = budget.now
    due = Cip.objects.using(database()).filter(KNOWN, account=channel.account)
    while not budget.over and due.filter(**{f"{field}__lte": begun}).exists():
        if not (await_pace(channel, budget) if patient else may_search(channel)):
            return
        cips = claim_batch(due, field, budget.now, channel.batch_size, since=begun)
        if not cips:
            return  # other processes have claimed the rest
        try:
            ask_and_apply(channel, cips, lambda some: _compare(channel, some, budget, found, field), budget)
        except PagoEfectivoError as error:
            found["unanswered"] += len(cips)
            logger.warning("Account %s can't be asked about %d codes: %s", channel.account, len(cips), error)
            soon = apart(cips, budget.now + LEASE)
            put_back(cips, field, _postponed(cips, field, budget.now) if isinstance(error, KnowsNothing) else soon)
            return


def _postponed(cips: list[Cip], field: str, now: datetime) -> dict[int, datetime | None]:
    """Return when to ask again about codes whose account knows none of ours; never after the end of their schedule."""
    soon = now + AFTER_NOTHING
    if field == "look_at":
        return dict.fromkeys([cip.pk for cip in cips], soon)
    moments = {cip.pk: next_poll(cip, now) for cip in cips}
    return {pk: moment and min(moment, soon) for pk, moment in moments.items()}


def watch_again(now: datetime, account: str = "", *, restored: datetime | None = None) -> int:
    """Make every scheduled code due now, and return the count.

    ``restored``: the database is a backup of that moment. Codes paid in the weeks before are due once more too, though
    settled or no longer scheduled: the payment may have been reversed since.
    """
    codes = Cip.objects.using(database()).filter(KNOWN)
    codes = codes.filter(account=account) if account else codes
    watched = codes.filter(poll_at__gt=now)
    if restored is None:
        return make_due(watched, "poll_at", now)
    askable = [name for name, channel in accounts().items() if channel.can_look_up]
    paid = Q(account__in=askable, status=CipStatus.PAID, changed_at__gt=restored - conf.poll_after_payment)
    # Due as after a hint of long ago, so an answer without news is not requested again.
    count = make_due(codes.filter(paid, look_at__isnull=True), "look_at", now, hinted_at=now - AGAIN[-1])
    return count + make_due(watched.exclude(paid), "poll_at", now)


@traced()
def _compare(channel: Channel, cips: Sequence[Cip], budget: TimeBudget, found: Counter[str], field: str) -> None:
    """Ask about claimed codes, apply the answers and set when to ask again, in a few statements for each batch."""
    asked_at, hinted = budget.now, field == "look_at"
    if hinted:
        begin_look(cips, asked_at)
    else:
        cips = _not_settled(cips)
    answers = search(channel, cips, budget)
    found["asked"] += len(cips)
    found["unanswered"] += len(cips) - len(answers)
    payments = _payments_of(cips)
    heard = [(cip, answers[cip.pk]) for cip in cips if cip.pk in answers]
    went_back = _went_back(heard, payments)
    told = [
        (cip, answer)
        for cip, answer in heard
        if cip.pk in went_back or not _as_we_know(cip, answer, payments.get(cip.pk, []))
    ]
    outcomes = advance(*(answer for _, answer in told), actor=POLL, wait=False, now=budget.now)
    prefetch_related_objects([cip for cip in cips if cip.expires_at is None], "order")
    again = {cip.pk: next_look(cip, asked_at) if hinted else next_poll(cip, budget.now) for cip in cips}
    for (cip, answer), outcome in zip(told, outcomes, strict=True):
        if hinted:
            again[cip.pk] = None  # the answer is news, so the hint is answered
        if outcome == Outcome.STALE:
            again[cip.pk] = budget.now + AFTER_STALE
        if outcome == Outcome.LOCKED:
            again[cip.pk] = budget.now + LEASE
            continue
        found["paid"] += answer.fact == Fact.PAYMENT and cip.status != CipStatus.PAID
        found["differ"] += cip.status == CipStatus.PAID and answer.fact != Fact.PAYMENT
    if hinted:
        unheard = budget.now + LEASE
        again |= {cip.pk: unheard for cip in cips if cip.pk not in answers}
        end_look(cips, again, asked_at)
    else:
        put_back(cips, field, again)


def _not_settled(cips: Sequence[Cip]) -> Sequence[Cip]:
    """Return the codes without a settled payment, and end the schedule of the rest."""
    paid = [cip.pk for cip in cips if cip.status == CipStatus.PAID and not cip.in_process_at]
    settled = Match.objects.using(database()).filter(
        payment__cip__in=paid, payment__status=PaymentStatus.APPLIED, kind=StatementKind.SETTLEMENT, part=0, stands=True
    )
    done = set(settled.values_list("payment__cip", flat=True)) if paid else set()
    put_back(cips, "poll_at", {cip.pk: None for cip in cips if cip.pk in done})
    return [cip for cip in cips if cip.pk not in done]


def _payments_of(cips: Sequence[Cip]) -> dict[int, list[Payment]]:
    """Return the payments of paid codes whose payment an answer has told before, by the code's key."""
    payments: dict[int, list[Payment]] = {}
    if told_before := [cip.pk for cip in cips if cip.status == CipStatus.PAID and cip.paid_at]:
        for payment in Payment.objects.using(database()).filter(cip__in=told_before).order_by("pk"):
            payments.setdefault(payment.cip_id, []).append(payment)
    return payments


def _went_back(heard: Sequence[tuple[Cip, Report]], payments: dict[int, list[Payment]]) -> set[int]:
    """Return the keys of paid codes whose answer names a sum given back that is news here.

    Known are the sums in the evidence of discrepancies, and the sums explained by the provider's refunds for us, as in
    ``advance``. Answers without a sum given back, the common case, cost no query.
    """
    told = dict[int, tuple[Payment | None, Decimal]]()
    for cip, answer in heard:
        if answer.returned and cip.pk in payments:
            told[cip.pk] = same_payment(payments[cip.pk], answer), answer.returned
    mine = [payment.pk for payment, _ in told.values() if payment]
    known, explained = set[tuple[int, Decimal]](), dict.fromkeys(mine, Decimal(0))
    if mine:
        discrepancies = Discrepancy.objects.using(database()).filter(kind=Kind.REVERSED, payment__in=mine)
        for pk, evidence in discrepancies.values_list("payment", "evidence"):
            known |= {(pk, Decimal(said["returned"])) for said in evidence if "returned" in said}
        sent = Refund.objects.using(database()).filter(payment__in=mine, by_channel=True)
        sent = sent.filter(status__in=(RefundStatus.SENT, RefundStatus.DONE))
        for pk, amount in sent.values_list("payment", "amount"):
            explained[pk] += amount

    def is_news(payment: Payment | None, returned: Decimal) -> bool:
        if payment is None or returned >= payment.amount:
            return True
        return returned > explained[payment.pk] and (payment.pk, returned) not in known

    return {pk for pk, one in told.items() if is_news(*one)}


def _as_we_know(cip: Cip, answer: Report, payments: list[Payment]) -> bool:
    """Return whether an answer tells nothing new, so that no order needs a lock."""
    if cip.answer or cip.in_process_at or answer.provider_id not in ("", cip.provider_id):
        return False  # the answer before contradicted us, or this answer teaches the provider's id
    if answer.fact == Fact.PAYMENT and payments:
        kept = all(payment.status != PaymentStatus.REVERSED for payment in payments)
        same = all((payment.amount, payment.currency) == (answer.amount, answer.currency) for payment in payments)
        return kept and same and answer.expires_at in (None, cip.expires_at)
    if answer.fact == Fact.ISSUED:
        return cip.status == CipStatus.CURRENT and answer.expires_at in (None, cip.expires_at)
    if answer.fact == Fact.CODE_EXPIRED:
        return cip.status == CipStatus.EXPIRED or (cip.status == CipStatus.SUPERSEDED and cip.retry_at is None)
    if answer.fact == Fact.CODE_DELETED:
        return cip.status in (CipStatus.DELETED, CipStatus.SUPERSEDED) and cip.retry_at is None
    return False


def end_requests(budget: TimeBudget, found: Counter[str]) -> int:
    """End requests for codes whose digits nobody knows, and return the number of requests worked on.

    A request whose process died before the answer becomes lost, here and nowhere else; for a lost request a discrepancy
    is opened at its date.
    """
    ended = 0
    due = Cip.objects.using(database()).filter(~KNOWN)
    while not budget.over and (cips := claim_batch(due, "poll_at", budget.now, conf.batch_size)):
        ended += len(cips)
        for cip in cips:
            try:
                _end_request(cip, budget, found)
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("Request %s could not be ended; it is tried again.", cip)
    return ended


def end_watches(budget: TimeBudget, asked: Collection[str]) -> int:
    """End schedules that have lasted, of codes whose account is not among those ``asked``, and return the count.

    Until then, the dashboard shows such codes of accounts that are no longer in the settings.
    """
    passed = budget.now - conf.poll_after_expiry
    over = (Q(expires_at__lt=passed) | Q(expires_at=None)) & ~Q(status=CipStatus.PAID)
    over |= Q(changed_at__lt=budget.now - conf.poll_after_payment, status=CipStatus.PAID)
    left = Cip.objects.using(database()).exclude(account__in=asked).filter(over, KNOWN)
    due, ended, held = left.filter(poll_at__lte=budget.now).order_by("poll_at", "pk"), 0, set[int]()
    while cips := list(due.exclude(pk__in=held)[: conf.batch_size]):
        for cip in cips:
            if budget.over:
                return ended
            if cip.status != CipStatus.PAID and cip.until >= passed:  # without a date of its own
                held.add(cip.pk)
                continue
            with one_transaction() as alias:
                locked = lock_free_order(Order(pk=cip.order_id), alias=alias, now=budget.now, actor=POLL)
                mine = Cip.objects.using(alias).filter(pk=cip.pk, poll_at=cip.poll_at)
                if locked and mine.update(poll_at=None, look_at=None, hinted_at=None):
                    data = {"about": "watch_ended", "code": str(cip)}
                    locked.history.tell(locked.order, "noted", Remark.ENDED, cip, data, before=locked.order.state)
                    locked.write()
                    ended += 1
                else:
                    held.add(cip.pk)
    return ended


@traced()
def _end_request(cip: Cip, budget: TimeBudget, found: Counter[str]) -> None:
    if cip.status == CipStatus.REQUESTED and cip.asked_at:
        lost = Report(cip.account, Fact.LOST, transaction_code=cip.transaction_code, data={"about": "request_ended"})
        advance(lost, actor=POLL, wait=False, now=budget.now)
        supersede_lost_link(cip, budget.now, wait=False)
        return
    if cip.hinted_at and not _can_find(cip) and not _put_named_to_person(cip, budget.now):
        return  # another process holds the order; due again after the claim's lease
    if cip.status == CipStatus.SUPERSEDED:
        early = budget.now < (cip.asked_at or cip.changed_at) + NO_COUNTS_AFTER
        again = next_poll(cip, budget.now) if _may_exist(cip, budget, unasked=False) or early else None
        put_back([cip], "poll_at", {cip.pk: again})
        return
    if cip.status == CipStatus.LOST and supersede_lost_link(cip, budget.now, wait=False):
        return
    if cip.status == CipStatus.LOST:
        found["lost"] += 1
        until = deadline(cip.until)
        if _may_exist(cip, budget) and until <= budget.now and not put_lost_to_person(cip, budget.now, _ANSWER_LOST):
            return
        if budget.now < until:  # a hint asked for an early look
            put_back([cip], "poll_at", {cip.pk: until})
            return
    put_back([cip], "poll_at", {cip.pk: None})


def _can_find(cip: Cip) -> bool:
    try:
        return channel_of(cip).can_find
    except Misconfigured:
        return False


def _put_named_to_person(cip: Cip, now: datetime) -> bool:
    """Open a discrepancy about a lost code whose number a message named; False while another process holds the order.

    The provider can't be asked by the number, so nobody here learns whether the code was paid.
    """
    with one_transaction() as alias:
        locked = lock_free_order(cip.order, alias=alias, now=now, actor=POLL)
        if locked is None:
            return False
        mine = next(each for each in locked.cips if each.pk == cip.pk)
        if not mine.is_known:
            evidence = number_named(mine.account, mine.transaction_code)
            subject = Subject.of_cip(mine, locked.order)
            locked.history.open_discrepancy(Kind.UNMATCHED, subject, evidence, anew=True)
            locked.write()
        Cip.objects.using(alias).filter(pk=cip.pk, hinted_at=cip.hinted_at).update(hinted_at=None)
    return True


def _may_exist(cip: Cip, budget: TimeBudget, *, unasked: bool = True) -> bool:
    """Return whether a lost code may exist; where the provider can be asked by our number, the answer is applied.

    ``unasked``: the result where the provider can't be asked so.
    """
    try:
        channel = channel_of(cip)
        if not channel.can_find:
            return unasked
        report = find(channel, cip, budget.now)
    except PagoEfectivoError:
        return True
    if report and is_clear(report):
        advance(report, actor=POLL, wait=False, now=budget.now)
    return report is not None
