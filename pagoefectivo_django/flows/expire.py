"""End orders whose date has passed, after a last look at the provider."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from ..channels.base import Channel, Report
from ..conf import conf
from ..errors import PagoEfectivoError
from ..models import Cip, Order
from ..models.database import claim_batch, database, one_transaction, put_back
from ..states import CipStatus, Fact, Kind, Wish
from ..traces import traced
from .accounts import accounts
from .advance import Decision, advance
from .book import open_book
from .delete import delete_code
from .search import await_pace, search
from .turn import Turn
from .watch import deadline

logger = logging.getLogger("pagoefectivo.provider")

#: A provider that doesn't say what became of a code is asked again, rarer and rarer; after a day a person knows.
SOONEST, LATEST = timedelta(minutes=2), timedelta(hours=2)
LIMIT = timedelta(days=1)


def expire_orders(turn: Turn) -> int:
    """Look once more at every order past its date and grace, in batches, and return how many were looked at.

    Paid: that counts. A later date at the provider: it is adopted. Still payable: deleted, then expired. No answer:
    postponed, and in front of a person after a day. No code: by our clock.
    """
    channels, unreachable, looked = accounts(), set[str](), 0
    open_orders = Order.objects.using(database()).only("expires_at", "lapses_at")
    while not turn.over:
        orders = claim_batch(open_orders, "lapses_at", turn.now, conf.batch_size)
        if not orders:
            break
        looked += len(orders)
        try:
            _expire(orders, channels, unreachable, turn)
        except Exception:
            # A mistake of ours in one order: the others of the batch still end, each alone.
            logger.exception("A batch of %d orders could not be expired at once.", len(orders))
            for order in orders:
                _expire_alone(order, channels, unreachable, turn)
    return looked


def _expire_alone(order: Order, channels: dict[str, Channel], unreachable: set[str], turn: Turn) -> None:
    try:
        _expire([order], channels, unreachable, turn)
    except Exception:
        logger.exception("Order %s could not be expired; it is tried again.", order.pk)


@traced()
def _expire(orders: list[Order], channels: dict[str, Channel], unreachable: set[str], turn: Turn) -> None:
    """Give each claimed order its last look, and the end that follows from it."""
    now = turn.now
    # Extended meanwhile, or GRACE was raised.
    later: dict[int, datetime | None] = {
        order.pk: deadline(order.expires_at) for order in orders if deadline(order.expires_at) > now
    }
    past = [order for order in orders if order.pk not in later]
    cips = (
        Cip.objects.using(database())
        .filter(order__in=past, status=CipStatus.CURRENT)
        .defer("early_reversals", "last_error", "url")
    )
    answers, had_no_turn = _ask(cips, channels, unreachable, turn)
    payable = {cip.order_id: cip for cip in cips}
    in_doubt: list[Order] = []
    changes: list[Report | Decision] = []
    adopted: list[Report] = []
    for order in past:
        cip = payable.get(order.pk)
        answer = answers.get(cip.pk) if cip else None
        if cip and answer and answer.fact == Fact.ISSUED:
            if answer.expires_at and deadline(answer.expires_at) > now:
                adopted.append(answer)
                continue
            if turn.over:
                later[order.pk] = now
                continue
            if _moved(order):
                later[order.pk] = now + SOONEST
                continue
            answer = _delete(cip, now)
        if cip is None:
            changes.append(Decision(order, fact=Fact.LAPSED))
        elif cip.account in had_no_turn:
            later[order.pk] = now
        elif answer is None or answer.fact in (Fact.ISSUED, Fact.UNKNOWN, Fact.ABSENT):
            changes += [answer] if answer else []
            later[order.pk] = now + _pause(order, now)
            in_doubt.append(order)
        elif answer.fact == Fact.CODE_DELETED:
            changes += [Decision(order, fact=Fact.LAPSED, gone=cip), answer]
        else:
            changes.append(answer)
    advance(*changes, actor="clock", now=now)
    advance(*adopted, actor="clock", asked=True, now=now)
    put_back(orders, "lapses_at", later)
    for order in in_doubt:
        if now - deadline(order.expires_at) > LIMIT:
            _put_to_person(order, payable[order.pk], now)


def _moved(order: Order) -> bool:
    """Return whether an order has another date by now, or wishes for something that is to be done first."""
    date, wish = Order.objects.using(database()).values_list("expires_at", "wish").get(pk=order.pk)
    return date != order.expires_at or wish in (Wish.CANCEL, Wish.EXTEND, Wish.REISSUE)


def _ask(
    cips: Iterable[Cip], channels: dict[str, Channel], unreachable: set[str], turn: Turn
) -> tuple[dict[int, Report], set[str]]:
    """Return what the providers say, by our key, and the accounts that could not be asked for want of our time."""
    answers: dict[int, Report] = {}
    had_no_turn: set[str] = set()
    by_account: dict[str, list[Cip]] = {}
    for cip in cips:
        by_account.setdefault(cip.account, []).append(cip)
    for account, mine in by_account.items():
        channel = channels.get(account)
        if channel and not channel.can_search:
            expired = Report(account=account, fact=Fact.CODE_EXPIRED, detail="by our clock")
            answers |= {cip.pk: replace(expired, code=cip.code or "") for cip in mine}
        if not channel or not channel.can_search or account in unreachable:
            continue
        if not await_pace(channel, turn):
            had_no_turn.add(account)
            continue
        try:
            answers |= search(channel, mine, turn)
        except PagoEfectivoError as error:
            unreachable.add(account)
            logger.warning("Account %s can't be asked about %d codes past their date: %s", account, len(mine), error)
        except Exception:
            # A mistake in the channel; the orders wait, and a person knows after a day.
            logger.exception("Account %s can't be asked about %d codes past their date.", account, len(mine))
    return answers, had_no_turn


def _delete(cip: Cip, now: datetime) -> Report | None:
    """Make a code unpayable that is still open past its date; None if the provider doesn't confirm it."""
    try:
        return delete_code(cip, now)
    except PagoEfectivoError as error:
        logger.warning("Code %s is past its date and could not be deleted: %s", cip, error)
        return None


def _pause(order: Order, now: datetime) -> timedelta:
    return min(max((now - deadline(order.expires_at)) / 4, SOONEST), LATEST)


def _put_to_person(order: Order, cip: Cip, now: datetime) -> None:
    """Ask a person about an order that can't be ended, once for each date it had."""
    with one_transaction() as alias:
        book = open_book(order, alias=alias, now=now, actor="clock")
        detail = f"The provider doesn't say what became of code {cip}; the order stays open until it does."
        subject = f"order:{order.pk}:expiry:{order.expires_at.isoformat()}"
        evidence = {"at": now.isoformat(), "detail": detail}
        book.history.ask(Kind.NOT_CONFIRMED, subject, evidence, order=book.order, cip=cip)
        book.write()
