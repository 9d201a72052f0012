"""Import of statements: read, match lines with payments, and record which money has arrived.

A file proves no payment: a line settles an order that is paid; for an order that is not, the provider is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import BinaryIO

from django.db import IntegrityError, OperationalError
from django.db.models import QuerySet

from ...actors import Actor
from ...models import Settlement, SettlementLine
from ...models.database import LEASE, claim_batch, database
from ...states import LineStatus, SettlementStatus
from ..outbox.budget import TimeBudget
from .asking import ask_about_lines
from .judging import judge, look_again
from .reading import confirm_settlement, discard_old_drafts, discard_settlement, problem_of, read_settlement, told
from .rules import match_range, ranges

__all__ = [
    "confirm_settlement",
    "discard_settlement",
    "import_settlement",
    "match_settlement",
    "problem_of",
    "read_settlement",
    "settle",
    "told",
]

logger = logging.getLogger("pagoefectivo.worker")

#: How often a transaction that conflicted with another is tried before the next round takes over.
TRIES = 3


def import_settlement(
    source: BinaryIO,
    name: str,
    *,
    actor: Actor | str,
    channel: str = "",
    format: str = "",
    currency: str = "",
    decimal: str = "",
    reference: str = "",
    dated: date | None = None,
    skip_bad: bool = False,
    now: datetime | None = None,
    progress: Callable[[int], object] = lambda lines: None,
) -> Settlement:
    """Read a statement, match every line, and return the settlement; importing the same file again changes nothing.

    Arguments and errors as of ``read_settlement``; ``skip_bad``: leave out lines that can't be read, instead of
    refusing the file. ``progress`` is called with the number of lines read so far, then of lines matched. A process
    killed while reading leaves a draft that is discarded in time; a process killed later leaves the rest to the worker.
    """
    draft = read_settlement(
        source,
        name,
        actor=actor,
        channel=channel,
        format=format,
        currency=currency,
        decimal=decimal,
        reference=reference,
        dated=dated,
        now=now,
        progress=progress,
    )
    settlement = draft
    if draft.status == SettlementStatus.DRAFT:
        try:
            settlement = confirm_settlement(draft, skip_bad=skip_bad, now=now)
        finally:
            if draft.status == SettlementStatus.DRAFT:  # the draft was refused, or the same file is confirmed by now
                discard_settlement(draft)
    return match_settlement(settlement, TimeBudget(now), patient=True, progress=progress)


def match_settlement(
    settlement: Settlement,
    budget: TimeBudget,
    *,
    patient: bool = False,
    progress: Callable[[int], object] = lambda lines: None,
) -> Settlement:
    """Match the lines of a confirmed settlement within the time budget, and return the settlement.

    ``patient``: wait for the pace of searches at the provider, and for orders locked by another process; otherwise the
    lines of such orders are left to a later round.
    """
    lines = SettlementLine.objects.using(database()).filter(settlement=settlement)
    for after, until in ranges(settlement):
        if budget.over:
            break
        _try(settlement, after, until, budget, wait=patient)
        _judge_left(settlement, lines.filter(number__gt=after, number__lte=until), budget, wait=patient)
        progress(until)
    asked = ask_about_lines(settlement, budget, patient=patient)
    mine = Settlement.objects.using(database()).filter(pk=settlement.pk, status=SettlementStatus.MATCHING)
    if not lines.filter(status__in=(LineStatus.NEW, LineStatus.ASKING)).exists():
        mine.update(status=SettlementStatus.DONE, finished_at=budget.now, retry_at=None)
    else:
        # Lines held by another process wait for a lease; lines without time or pace go on in the next round.
        mine.update(retry_at=budget.now + (LEASE if asked and not budget.over else timedelta(0)))
    settlement.refresh_from_db(using=database())
    return settlement


def _judge_left(settlement: Settlement, lines: QuerySet[SettlementLine], budget: TimeBudget, *, wait: bool) -> None:
    for pk in lines.filter(status=LineStatus.NEW).order_by("number").values_list("pk", flat=True):
        if budget.over:
            return
        judge(pk, settlement, budget.now, wait=wait)


def settle(budget: TimeBudget) -> int:
    """Go on with a settlement in matching, and return how many were worked on (0 or 1)."""
    discard_old_drafts(budget.now)
    look_again(budget)
    due = Settlement.objects.using(database()).filter(status=SettlementStatus.MATCHING)
    settlements = claim_batch(due, "retry_at", budget.now, 1)
    for settlement in settlements:
        match_settlement(settlement, budget)
    return len(settlements)


def _try(settlement: Settlement, after: int, until: int, budget: TimeBudget, *, wait: bool) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            match_range(settlement, after, until, budget.now, wait=wait)
            return
        except (IntegrityError, OperationalError):
            # Another import matched a payment of this range, or locked the same orders in another order.
            if attempt == TRIES:
                raise
            logger.info("Lines %d to %d of settlement %s are tried again.", after + 1, until, settlement.pk)
