"""The history of a change: events, deliveries to receivers, and discrepancies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any

from ...actors import NOTIFICATION, Actor, ActorKind
from ...channels.base import Report
from ...facts import Data, utc
from ...measures import Measure, tell
from ...models import (
    Cip,
    Delivery,
    Discrepancy,
    FeedEntry,
    Order,
    OrderEvent,
    Refund,
)
from ...models.database import LEASE, after_commit
from ...signals import SIGNALS, Receiver
from ...states import MONEY_KINDS, Fact, Kind, Resolution
from ...traces import current_message, current_trace, traced
from ..outbox.publish import is_handed_over, publish_written
from .subject import Subject

logger = logging.getLogger("pagoefectivo.orders")

#: The resolution suggested to staff, by kind of discrepancy.
SUGGESTIONS = {
    Kind.AMOUNT_MISMATCH: Resolution.REFUND_DUE,
    Kind.CURRENCY_MISMATCH: Resolution.REFUND_DUE,
    Kind.DUPLICATE_PAYMENT: Resolution.REFUND_DUE,
    Kind.PAID_AFTER_CANCEL: Resolution.REFUND_DUE,
    Kind.PAID_AFTER_REFUND: Resolution.REFUND_DUE,
    Kind.LATE_PAYMENT: Resolution.ACCEPT,
    Kind.DUPLICATE_LINE: Resolution.IGNORE,
}


class History:
    """Events of one change, collected with ``tell`` and written, with feed entries and deliveries, by ``write``."""

    def __init__(self, alias: str, now: datetime, actor: Actor | str) -> None:
        self.alias, self.now, self.actor = alias, now, Actor.of(actor)
        self.events: list[OrderEvent] = []
        #: Keys of the orders about whose money this history opened a discrepancy.
        self.in_review: set[int] = set()

    def tell(
        self,
        order: Order | None,
        kind: str,
        fact: Fact | str = "",
        cip: Cip | None = None,
        data: Data | None = None,
        *,
        before: str = "",
        reason: str = "",
        discrepancy: Discrepancy | None = None,
        refund: Refund | None = None,
    ) -> None:
        """Collect an event for ``write``. The caller holds the order's lock, since the event takes the next number.

        ``data`` is for programs (see the manual's list of keys); ``reason`` is what a person wrote.
        """
        if order:
            order.event_count += 1
        self.events.append(
            OrderEvent(
                order=order,
                number=order.event_count if order else 0,
                kind=kind,
                fact=fact,
                state_before=before,
                state_after=order.state if order else "",
                actor_kind=self.actor.kind,
                actor_name=self.actor.name,
                data={**(data or {})},
                reason=reason[:500],
                cip=cip,
                discrepancy=discrepancy,
                refund=refund,
                trace=current_trace(),
                created_at=self.now,
            )
        )

    def open_discrepancy(
        self,
        kind: Kind,
        subject: Subject,
        evidence: Data,
        *,
        amount: Decimal | None = None,
        currency: str = "",
        anew: bool | None = False,
    ) -> None:
        """Open a discrepancy, or add evidence to the discrepancy of the same kind and subject.

        ``anew``: whether a discrepancy resolved by a person is reopened: True, False, or None for "if no earlier
        evidence tells of the same money". A discrepancy closed without a person's resolution is always reopened.
        Amount and currency are by default ``Subject.money``.
        """
        told = subject.money if amount is None else (amount, currency)
        discrepancy, opened = Discrepancy.objects.using(self.alias).get_or_create(
            kind=kind,
            subject=subject.text,
            defaults={
                **subject.columns,
                "amount": told[0],
                "currency": told[1],
                "account": subject.concerned_account,
                "evidence": [{**evidence}],
                "suggestion": _suggestion(kind, subject),
                "created_at": self.now,
            },
        )
        order, cip = subject.order, subject.cip
        if opened or self._reopen(discrepancy, evidence, anew):
            if order and kind in MONEY_KINDS and subject.line is None:  # as DiscrepancyQuerySet.about_money
                self.in_review.add(order.pk)
            state = order.state if order else ""
            self.tell(
                order, "discrepancy_opened", "", cip, {"discrepancy": kind}, before=state, discrepancy=discrepancy
            )

    def _reopen(self, discrepancy: Discrepancy, evidence: Data, anew: bool | None) -> bool:
        """Add evidence to an existing discrepancy and return whether the discrepancy was reopened."""
        if anew is None:
            anew = not any(_tells_the_same(evidence, known) for known in discrepancy.evidence)
        reopened = discrepancy.status == Discrepancy.Status.RESOLVED and (anew or not discrepancy.resolution)
        if reopened:
            Discrepancy.objects.using(self.alias).filter(pk=discrepancy.pk).update(**UNANSWERED)
        alike = any(_alike(evidence, known) for known in discrepancy.evidence)
        again = {"at": utc(self.now)} if alike and reopened and "source" in evidence else {}
        if again or not alike:  # equal evidence counts again only after a reopening, with the moment added
            discrepancy.evidence = [*discrepancy.evidence, {**evidence, **again}][:50]
            discrepancy.save(using=self.alias, update_fields=["evidence"])
        return reopened

    def write(self) -> None:
        """Write the collected events and one delivery per receiver; publishing starts after the commit."""
        if not self.events:
            return
        events, self.events = self.events, []
        after_commit(_log, [(event.trace, _line(event)) for event in events])
        OrderEvent.objects.using(self.alias).append(events)
        in_feed = [FeedEntry(event=event) for event in events if event.kind in SIGNALS]
        FeedEntry.objects.using(self.alias).bulk_create(in_feed)
        for event in events:
            tell(Measure.EVENT, 1, event.kind)
        deliveries = [
            self._delivery(event, receiver)
            for event in events
            if event.kind in SIGNALS
            for receiver in SIGNALS[event.kind].by_name.values()
        ]
        Delivery.objects.using(self.alias).bulk_create(deliveries)
        if deliveries:
            after_commit(publish_written, deliveries)

    def _delivery(self, event: OrderEvent, receiver: Receiver) -> Delivery:
        # A delivery to be published by this process right after the commit is inserted as claimed (one attempt, due
        # after the lease), which saves the statement of a claim.
        ours = receiver.in_request and not is_handed_over()
        attempts, due = (1, self.now + LEASE) if ours else (0, self.now)
        return Delivery(event=event, receiver=receiver.name, attempts=attempts, retry_at=due)


def _line(event: OrderEvent) -> str:
    """Return an event as a log line: facts and the shop's reference, without free text or people's names."""
    order = f"order {event.order.reference}" if event.order else "no order"
    before, after = event.state_before, event.state_after
    moved = f"{before} -> {after}" if before and before != after else after
    what = "" if before and before != after else event.kind if event.kind != "noted" else f"noted {event.fact}".strip()
    if event.discrepancy:
        what = f"{what} {event.discrepancy.kind}"
    by = "staff" if event.actor_kind == ActorKind.PERSON else event.actor_name or event.actor_kind
    if event.actor == NOTIFICATION:
        by = f"{by} {current_message()}".strip()
    return f"{order}: {', '.join(filter(None, [moved, what, by]))}"


def _log(lines: Sequence[tuple[str, str]]) -> None:
    for trace, line in lines:
        with traced(trace) if trace else nullcontext():
            logger.info("%s", line)


def evidence_of(report: Report) -> dict[str, object]:
    """Return a report's facts as evidence for staff, without personal data; empty values are left out."""
    said = {
        "fact": report.fact,
        "code": report.code,
        "transaction_code": report.transaction_code,
        "provider_id": report.provider_id,
        "payment_id": report.payment_id,
        "amount": report.amount,
        "payer_total": None if report.payer_total == report.amount else report.payer_total,
        "returned": report.returned,
        "currency": report.currency,
        "paid_at": report.paid_at and utc(report.paid_at),
        "operation_number": report.operation_number,
        "account": report.account,
        "source": "answer" if report.asked_at else "notification",
    }
    return {name: str(value) for name, value in said.items() if value not in (None, "")}


def _suggestion(kind: Kind, subject: Subject) -> Resolution | str:
    if kind == Kind.DUPLICATE_LINE and subject.line and not subject.line.operation_number:
        return ""  # without an operation number the line may be about a second payment, so "ignore" is not suggested
    # A statement proves no payment, so a line gets no suggestion about money. Without a payment nothing can be accepted
    # or refunded, so nothing is suggested.
    usual = SUGGESTIONS.get(kind, "")
    return "" if kind in MONEY_KINDS and (subject.line or subject.payment is None) else usual


def _alike(evidence: Data, known: Data) -> bool:
    return {**evidence, "at": ""} == {**known, "at": ""}


def _tells_the_same(evidence: Data, known: Data) -> bool:
    """Return whether two pieces of evidence tell of the same money; a missing number or id equals any."""
    names = ("operation_number", "payment_id")
    if any(len({evidence.get(name), known.get(name)} - {None}) > 1 for name in names):
        return False
    return all(evidence.get(name) == known.get(name) for name in ("fact", "amount", "currency"))


#: Field values of an open discrepancy.
UNANSWERED: dict[str, Any] = {
    "status": Discrepancy.Status.OPEN,
    "resolution": "",
    "resolved_by": "",
    "resolved_at": None,
    "closed_because": "",
    "reason": "",
}


def closed(actor: Actor | str, because: str, now: datetime, *, reason: str = "") -> dict[str, Any]:
    """Return the field values of a closed discrepancy; a person's resolution is added by the caller.

    ``because``: the code of a program's reason (``wording.evidence.CLOSED``), empty for a person's ``reason``.
    """
    return {
        "status": Discrepancy.Status.RESOLVED,
        "resolved_by": str(Actor.of(actor)),
        "resolved_at": now,
        "closed_because": because,
        "reason": reason[:500],
    }
