"""Expiry: orders past their date end after a last look at the provider."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...actors import CLOCK
from ...channels.base import Channel, Report
from ...conf import conf
from ...errors import PagoEfectivoError
from ...facts import utc
from ...models import Cip, Order
from ...models.database import claim_batch, database, one_transaction, put_back
from ...states import CipStatus, Fact, Kind
from ...traces import traced
from ..ledger.advance import Outcome, advance
from ..ledger.decisions import Decision, Lapse
from ..ledger.locked import lock_free_order
from ..ledger.schedule import LIMIT, deadline
from ..ledger.subject import Subject
from ..orders.delete import StillPayable, begin_deletion, delete_code, give_up_deletion
from ..outbox.budget import TimeBudget
from ..provider.accounts import accounts
from ..provider.halving import in_halves
from ..provider.look_up import AFTER_NOTHING, KnowsNothing, report_on
from ..provider.pace import await_pace
from ..provider.search import search

logger = logging.getLogger("pagoefectivo.provider")

#: Pauses between looks while a provider doesn't say what became of a code; after a day a discrepancy is opened.
SOONEST, LATEST = timedelta(minutes=2), timedelta(hours=2)
#: Facts after which an order stays open past its date.
UNDECIDED = (Fact.ISSUED, Fact.IN_PROCESS, Fact.UNKNOWN, Fact.ABSENT)


def expire_orders(budget: TimeBudget) -> int:
    """Look at every order past its date and grace, in batches, and return the number looked at.

    Paid: the payment counts. A later date at a provider that takes ours: the order takes it. Still payable: the code is
    deleted, then the order expires. In process: the look is postponed. No answer: the look is postponed, and a
    discrepancy opened after a day. No code: the order expires.
    """
    channels, unreachable, looked = accounts(), set[str](), 0
    open_orders = Order.objects.using(database()).only("expires_at", "lapses_at")
    while not budget.over:
        orders = claim_batch(open_orders, "lapses_at", budget.now, conf.batch_size)
        if not orders:
            break
        looked += len(orders)
        # After a mistake of ours in one order, the others of the batch still end.
        in_halves(
            orders,
            lambda some: _expire(some, channels, unreachable, budget),
            splits=lambda error: True,
            alone=lambda order, error: logger.error(
                "Order %s could not be expired; it is tried again.", order.pk, exc_info=error
            ),
        )
    return looked


@dataclass(frozen=True)
class Look:
    """The result of the last look at an order past its date."""

    #: Applied to the order, in this sequence.
    changes: tuple[Report | Decision, ...] = ()
    #: The order takes the date of the provider's answer.
    adopts: bool = False
    #: The pause until the next look; None: the order needs none.
    again: timedelta | None = None
    #: The provider doesn't say what became of the code, which a person is told after ``LIMIT``.
    in_doubt: bool = False


@traced()
def _expire(orders: Sequence[Order], channels: dict[str, Channel], unreachable: set[str], budget: TimeBudget) -> None:
    """Give claimed orders their last look, and apply the end that follows."""
    now = budget.now
    # Not past its deadline: the order was extended meanwhile, or GRACE was raised.
    later: dict[int, datetime | None] = {
        order.pk: deadline(order.expires_at) for order in orders if deadline(order.expires_at) > now
    }
    past = [order for order in orders if order.pk not in later]
    codes = {cip.order_id: cip for cip in _current_codes(past)}
    answers, waits = _ask(codes.values(), channels, unreachable, budget)
    looks: list[tuple[Order, Look]] = []
    for order in past:
        if (cip := codes.get(order.pk)) is None:
            looks.append((order, Look((Lapse(order),))))
        elif cip.account in waits:
            looks.append((order, Look(again=waits[cip.account])))
        else:
            looks.append((order, _look(order, cip, answers.get(cip.pk), channels, budget)))
    later |= {order.pk: now + look.again for order, look in looks if look.again is not None}
    for adopts in (False, True):
        told = [(order, change) for order, look in looks if look.adopts == adopts for change in look.changes]
        stale = _apply(told, wanted=adopts, now=now)
        later |= dict.fromkeys(stale, now + SOONEST)  # the code changed while the provider was asked
    put_back(orders, "lapses_at", later)
    for order, look in looks:
        if look.in_doubt and now - deadline(order.expires_at) > LIMIT:
            _put_to_person(order, codes[order.pk], now)


def _look(order: Order, cip: Cip, answer: Report | None, channels: dict[str, Channel], budget: TimeBudget) -> Look:
    """Return what follows from the provider's answer about an order's code; a code still payable is deleted first."""
    now = budget.now
    if answer and answer.fact == Fact.ISSUED:
        takes_dates = channels[cip.account].expires_within is not None
        if takes_dates and answer.expires_at and deadline(answer.expires_at) > now:
            return Look((answer,), adopts=True)
        if cip.in_process_at:  # the answer ends the process; the next look deletes the code
            return Look((answer,), again=SOONEST)
        if budget.over:
            return Look(again=timedelta(0))
        if not begin_deletion(cip, now, date=order.expires_at):
            return Look(again=SOONEST)
        answer = _delete(cip, now)
    if answer is None or answer.fact in UNDECIDED:
        # The ledger itself limits the time in process.
        in_doubt = answer is None or answer.fact != Fact.IN_PROCESS
        return Look((answer,) if answer else (), again=_pause(order, now), in_doubt=in_doubt)
    if answer.fact == Fact.CODE_DELETED:
        return Look((Lapse(order, gone=cip), answer))
    return Look((answer,))


def _current_codes(orders: list[Order]) -> list[Cip]:
    """Return the payable codes of orders, without their large fields."""
    cips = Cip.objects.using(database()).filter(order__in=orders, status=CipStatus.CURRENT)
    return list(cips.defer("early_reversals", "last_error", "error_data", "url"))


def _apply(told: list[tuple[Order, Report | Decision]], *, wanted: bool, now: datetime) -> list[int]:
    """Apply reports and decisions, and return the keys of orders whose report was stale or not applicable.

    An order held by another process is left alone, and is due again when its lease is over.
    """
    outcomes = advance(*(change for _, change in told), actor=CLOCK, wanted=wanted, wait=False, now=now)
    done = (Outcome.APPLIED, Outcome.LOCKED)
    return [order.pk for (order, _), outcome in zip(told, outcomes, strict=True) if outcome not in done]


def _ask(
    cips: Iterable[Cip], channels: dict[str, Channel], unreachable: set[str], budget: TimeBudget
) -> tuple[dict[int, Report], dict[str, timedelta]]:
    """Return the providers' answers by our key, and how long to postpone the orders of each account in the second dict.

    An account is postponed if the pace allowed no search within the time budget, or if it knew none of our codes.
    """
    answers: dict[int, Report] = {}
    waits: dict[str, timedelta] = {}
    by_account: dict[str, list[Cip]] = {}
    for cip in cips:
        by_account.setdefault(cip.account, []).append(cip)
    for account, mine in by_account.items():
        channel = channels.get(account)
        if channel and not channel.can_look_up:
            over = [cip for cip in mine if not cip.in_process_at]
            answers |= {cip.pk: report_on(cip, Fact.CODE_EXPIRED, "by_our_clock") for cip in over}
        if not channel or not channel.can_look_up or account in unreachable:
            continue
        if not await_pace(channel, budget):
            waits[account] = timedelta(0)
            continue
        try:
            answers |= search(channel, mine, budget)
        except KnowsNothing as error:
            waits[account] = AFTER_NOTHING
            logger.warning("%s", error)
        except PagoEfectivoError as error:
            unreachable.add(account)
            logger.warning("Account %s can't be asked about %d codes past their date: %s", account, len(mine), error)
        except Exception:
            # A mistake in the channel: the orders wait, and a discrepancy is opened after a day.
            logger.exception("Account %s can't be asked about %d codes past their date.", account, len(mine))
    return answers, waits


def _delete(cip: Cip, now: datetime) -> Report | None:
    """Delete a code still payable past its date and return the report; None if the provider doesn't confirm."""
    try:
        return delete_code(cip, now)
    except StillPayable as error:
        give_up_deletion(cip)
        if error.watched:
            return report_on(cip, Fact.CODE_EXPIRED, "cannot_be_deleted")
        logger.warning("Code %s is past its date and may still be paid: %s", cip, error)
        return None
    except PagoEfectivoError as error:
        logger.warning("Code %s is past its date and could not be deleted: %s", cip, error)
        give_up_deletion(cip)
        return None


def _pause(order: Order, now: datetime) -> timedelta:
    return min(max((now - deadline(order.expires_at)) / 4, SOONEST), LATEST)


def _put_to_person(order: Order, cip: Cip, now: datetime) -> None:
    """Open a discrepancy about an order that can't be ended, once for each date the order had."""
    with one_transaction() as alias:
        locked = lock_free_order(order, alias=alias, now=now, actor=CLOCK)
        if locked is None:
            return
        subject = Subject.of_order(locked.order, cip, f"expiry:{order.expires_at.isoformat()}")
        evidence = {"at": utc(now), "about": "code_not_confirmed", "code": str(cip)}
        locked.history.open_discrepancy(Kind.NOT_CONFIRMED, subject, evidence)
        locked.write()
