"""Queues: rows waiting for a person or a worker, without discrepancies, messages and deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Min, Q

from ...models import Cip, FailingReceiver, Order, Refund, Settlement, SettlementLine, UnknownCode
from ...models.database import database
from ...models.orders import KNOWN
from ...models.refunds import RefundQuerySet
from ...states import CipStatus, LineStatus, OrderState, PendingAction, RefundStatus, SettlementStatus
from .health import MOST_COUNTED


@dataclass(frozen=True)
class Queue:
    """Rows of a model waiting for the same step; counted up to ``MOST_COUNTED``, ``since`` is the oldest date."""

    name: str
    count: int
    since: datetime | None


#: The filter of the admin's list of refunds at each step.
REFUND_LISTS = {
    "refund_requested": {"status__exact": "requested"},
    "refund_account": {"status__exact": "approved", "account": "wanted"},
    "refund_approved": {"status__exact": "approved", "account": "known"},
    "refund_sent": {"status__exact": "sent"},
}


def open_refunds() -> dict[str, RefundQuerySet]:
    """Return the open refunds, by the queue of the next step."""
    refunds = Refund.objects.using(database())
    approved = refunds.filter(status=RefundStatus.APPROVED)
    return {
        "refund_requested": refunds.filter(status=RefundStatus.REQUESTED),
        "refund_account": approved.without_account(),
        "refund_approved": approved.with_account(),
        "refund_sent": refunds.filter(status=RefundStatus.SENT),
    }


def queues(accounts: Iterable[str]) -> list[Queue]:
    """Return each queue with rows: codes of these accounts, every further queue of all environments."""
    alias = database()
    orders = Order.objects.using(alias)
    # By the index of ``code``: a code without digits is being requested, lost or refused, so few rows match.
    unknown = Cip.objects.using(alias).filter(~KNOWN, account__in=list(accounts))
    deleted = Cip.objects.using(alias).filter(account__in=list(accounts), retry_at__isnull=False)
    settlements, lines = Settlement.objects.using(alias), SettlementLine.objects.using(alias)
    waiting: dict[str, tuple[Any, str]] = {
        # Without an action an order waits for its payer's press, or for a person, whom a discrepancy tells.
        "new": (orders.filter(state=OrderState.NEW).exclude(pending_action="", deferred_action=""), "created_at"),
        **{
            # Pending at the provider, or deferred until a discrepancy about money is resolved.
            str(pending_action): (
                orders.filter(
                    Q(retry_at__isnull=False, pending_action=pending_action) | Q(deferred_action=pending_action)
                ),
                "action_requested_at",
            )
            for pending_action in PendingAction
            if pending_action != PendingAction.ISSUE
        },
        "requested": (unknown.filter(status=CipStatus.REQUESTED), "changed_at"),
        "lost": (unknown.filter(status=CipStatus.LOST), "changed_at"),
        "deletion": (deleted, "changed_at"),
        # Of all accounts: codes of accounts no longer in the settings are never asked about and go by age.
        "unknown": (UnknownCode.objects.using(alias), "hinted_at"),
        "paused": (FailingReceiver.objects.using(alias).filter(paused_until__isnull=False), "since"),
        **{step: (refunds, "requested_at") for step, refunds in open_refunds().items()},
        "draft": (settlements.filter(status=SettlementStatus.DRAFT), "created_at"),
        "matching": (settlements.filter(status=SettlementStatus.MATCHING), "created_at"),
        "line_new": (lines.filter(status=LineStatus.NEW), "settlement__created_at"),
        "line_asking": (lines.filter(status=LineStatus.ASKING), "settlement__created_at"),
        "erasure": (orders.filter(erase_asked_at__isnull=False, forgotten_at__isnull=True), "erase_asked_at"),
    }
    found = []
    for name, (rows, moment) in waiting.items():
        few = rows.order_by().annotate(moment=F(moment)).values("pk", "moment")[:MOST_COUNTED]
        sums = few.aggregate(count=Count("pk"), since=Min("moment"))
        if sums["count"]:
            found.append(Queue(name, sums["count"], sums["since"]))
    return found
