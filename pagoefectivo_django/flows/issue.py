"""Ask a provider for a code: claim, commit, call, and apply the answer; it may be yes, no or not known."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from ..channels import get_channel
from ..channels.base import Channel, Charge, Report
from ..conf import conf
from ..errors import InvalidRequest, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from ..models import Cip, Order
from ..models.database import LEASE, database, one_transaction
from ..states import CipStatus, Fact, Kind, OrderState, Wish
from .advance import advance
from .book import Book, open_book
from .record import recorded
from .watch import next_poll
from .wish import attempt_quietly, fulfil, put_to_person, record

logger = logging.getLogger("pagoefectivo.provider")

#: A lost code may still be mailed to the payer and paid, so the next one waits a little; and there is only one more.
AFTER_LOST = timedelta(minutes=1)
MOST_LOST = 2


def issue_code(order: Order, *, now: datetime | None = None) -> Order:
    """Have a code issued for a new order that has none, and return the order as it is then.

    Never raises for what a provider does: the order's state and its events tell. Inside a transaction it waits for
    the commit.
    """
    now = now or timezone.now()
    try:
        record(order, Wish.ISSUE, actor="shop", now=now)
    except InvalidRequest:
        order.reload()
        return order
    try:
        return fulfil(order, Wish.ISSUE, issue, now)
    except PagoEfectivoError as error:
        logger.warning("Order %s has no code yet: %s", order.pk, error)
        order.reload()
        return order


def issue_quietly(order: Order, now: datetime) -> None:
    """Issue after a commit, and let the caller's object show the code."""
    attempt_quietly(order.pk, Wish.ISSUE, issue, max(now, timezone.now()))
    order.reload()


def issue(order: Order, now: datetime) -> datetime | None:
    """Ask the channels of a claimed order in turn until one issues; return when to go on (None: nothing left to do).

    Raises ``Unavailable`` or ``Misconfigured`` if no channel could be asked; the claim on the order then goes back.
    """
    asked = order.wish == Wish.REISSUE
    if busy_until := _settle_requests(order, now):
        return busy_until
    if _lost_of_this_wish(order) >= MOST_LOST:
        put_to_person(order, Kind.LOST_CODE, now, "Twice the provider's answer got lost; both codes may be payable.")
        return None
    problem: PagoEfectivoError | None = None
    refusal = ""
    for channel in _channels(order, asked):
        if isinstance(channel, PagoEfectivoError):
            problem = channel
            continue
        cip = _request(order, channel, now, asked=asked)
        if cip is None:
            return None
        try:
            report = _ask(channel, order, cip)
        except (Unavailable, Misconfigured) as error:
            # Certainly not sent: the same row may ask again, there or elsewhere.
            Cip.objects.using(database()).filter(pk=cip.pk, status=CipStatus.REQUESTED).update(asked_at=None)
            problem = error
            continue
        advance(report, asked=asked, actor="provider", now=now)
        if report.fact == Fact.ISSUED and not _moved(cip):
            detail = f"The provider gave code {report.code}, which it gave for another order before."
            advance(replace(report, fact=Fact.LOST, code="", detail=detail), actor="pagoefectivo", now=now)
            put_to_person(order, Kind.LOST_CODE, now, detail)
            return None
        if report.fact != Fact.REFUSED:
            return now + AFTER_LOST if report.fact == Fact.LOST else None
        problem, refusal = None, report.detail
    if problem:
        raise problem
    if asked and refusal:
        put_to_person(order, Kind.NOT_CONFIRMED, now, f"No provider issues another code. {refusal}")
        raise Refused(refusal)
    return None


def _ask(channel: Channel, order: Order, cip: Cip) -> Report:
    """Return the provider's answer, whichever of the three it is; raises only if it was not asked."""
    charge = Charge(
        transaction_code=cip.transaction_code,
        amount=order.amount,
        currency=order.currency,
        expires_at=cip.expires_at,
        payer=order.payer,
        concept=order.concept,
        language=order.language,
    )
    answer, detail = Fact.LOST, ""
    try:
        with recorded(channel, order=order):
            return channel.issue(charge)
    except (Unavailable, Misconfigured):
        raise
    except Refused as error:
        answer, detail = Fact.REFUSED, str(error)
    except OutcomeUnknown as error:
        detail = str(error)
    except Exception:
        # A mistake of ours or the channel's: it may have been sent.
        logger.exception("Issuing a code for order %s failed; it may exist.", order.pk)
    return Report(account=cip.account, fact=answer, transaction_code=cip.transaction_code, detail=detail)


def _channels(order: Order, asked: bool) -> Iterator[Channel | PagoEfectivoError]:
    """Yield the order's channels in order of preference, without those that refused it before."""
    cips = Cip.objects.using(database()).filter(order=order, status=CipStatus.REFUSED)
    refused = set() if asked else set(cips.values_list("channel", flat=True))
    for alias in conf.route(order.currency):
        if alias not in refused:
            try:
                yield get_channel(alias)
            except Misconfigured as error:
                yield error


def _settle_requests(order: Order, now: datetime) -> datetime | None:
    """Call a request lost whose process died before its answer; return until when another process may be at one."""
    cips = Cip.objects.using(database()).filter(order=order)
    for cip in cips.filter(status=CipStatus.REQUESTED, asked_at__isnull=False):
        if cip.asked_at and cip.asked_at + LEASE > now:
            return cip.asked_at + LEASE
        detail = "The process that asked for it ended before the answer."
        lost = Report(account=cip.account, fact=Fact.LOST, transaction_code=cip.transaction_code, detail=detail)
        advance(lost, actor="pagoefectivo", now=now)
    return None


def _lost_of_this_wish(order: Order) -> int:
    lost = Cip.objects.using(database()).filter(order=order, status=CipStatus.LOST)
    return lost.filter(asked_at__gte=order.wished_at or order.created_at).count()


def _moved(cip: Cip) -> bool:
    return not Cip.objects.using(database()).filter(pk=cip.pk, status=CipStatus.REQUESTED).exists()


def _request(order: Order, channel: Channel, now: datetime, *, asked: bool) -> Cip | None:
    """Claim by writing the code that will be asked for; None if the order needs none, or somebody else is at it."""
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor="pagoefectivo")
        live = book.live_cip()
        may_have_one = (OrderState.NEW, OrderState.PENDING, OrderState.EXPIRED, OrderState.REJECTED)
        if book.state not in (may_have_one if asked else (OrderState.NEW,)):
            return None
        # What was asked for before money came, or before the reference was ordered again, is not wanted any more.
        if asked and (book.in_question() or book.ordered_again()):
            return None
        until = book.order.wish_date or book.order.expires_at
        if until <= now or (live and (live.status != CipStatus.REQUESTED or live.asked_at)):
            return None
        cip = live or Cip(order=book.order, transaction_code=_transaction_code(book, channel))
        cip.channel, cip.account, cip.expires_at = channel.alias, channel.account, until
        cip.asked_at = cip.changed_at = now
        cip.poll_at = next_poll(cip, now)
        cip.save(using=alias)
        return cip


def _transaction_code(book: Book, channel: Channel) -> str:
    """Return a code of our own for this request: readable where the reference allows, else hashed."""
    prefix = str(channel.options.get("TRANSACTION_CODE_PREFIX", ""))
    readable = f"{prefix}{book.order.reference}-{book.order.pk}-{len(book.cips) + 1}"
    if len(readable) <= 36 and re.fullmatch(r"[A-Za-z0-9_-]+", readable):
        return readable
    return (prefix + hashlib.sha256(readable.encode()).hexdigest())[:36]
