"""What happened and what is asked, written together at the end of a change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..channels.base import Report
from ..models import Cip, Delivery, Discrepancy, Notification, Order, OrderEvent, Payment
from ..models.database import LEASE, after_commit
from ..signals import SIGNALS, Receiver
from ..states import MONEY_KINDS, Fact, Kind, Resolution
from .publish import is_handed_over, publish_written

#: What is usually right, for the person who is asked.
SUGGESTIONS = {
    Kind.AMOUNT_MISMATCH: Resolution.REFUND_DUE,
    Kind.CURRENCY_MISMATCH: Resolution.REFUND_DUE,
    Kind.DUPLICATE_PAYMENT: Resolution.REFUND_DUE,
    Kind.PAID_AFTER_CANCEL: Resolution.REFUND_DUE,
    Kind.PAID_AFTER_REFUND: Resolution.REFUND_DUE,
    Kind.LATE_PAYMENT: Resolution.ACCEPT,
}


class History:
    """Events and their deliveries, written together at the end of a change."""

    def __init__(self, alias: str, now: datetime, actor: str) -> None:
        self.alias, self.now, self.actor = alias, now, actor
        self.events: list[OrderEvent] = []
        #: Orders about whose money a person was asked here.
        self.questioned: set[int] = set()

    def tell(
        self,
        order: Order | None,
        kind: str,
        fact: Fact | str = "",
        cip: Cip | None = None,
        detail: str = "",
        before: str = "",
        discrepancy: Discrepancy | None = None,
    ) -> None:
        """Remember that something happened; the order is locked, so that its events can be counted."""
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
                actor=self.actor[:150],
                detail=detail[:500],
                cip=cip,
                discrepancy=discrepancy,
                created_at=self.now,
            )
        )

    def ask(
        self,
        kind: Kind,
        subject: str,
        evidence: dict[str, str],
        *,
        order: Order | None = None,
        cip: Cip | None = None,
        payment: Payment | None = None,
        notification: Notification | None = None,
    ) -> None:
        """Open a question, or add evidence to the one that was opened before."""
        question, opened = Discrepancy.objects.using(self.alias).get_or_create(
            kind=kind,
            subject=subject,
            defaults={
                "order": order,
                "cip": cip,
                "payment": payment,
                "notification": notification,
                "evidence": [evidence],
                "suggestion": SUGGESTIONS.get(kind, ""),
                "created_at": self.now,
            },
        )
        if opened:
            if order and kind in MONEY_KINDS:
                self.questioned.add(order.pk)
            state = order.state if order else ""
            self.tell(order, "discrepancy_opened", "", cip, kind, state, question)
        elif not any(_alike(evidence, known) for known in question.evidence):
            question.evidence = [*question.evidence, evidence][:50]
            question.save(using=self.alias, update_fields=["evidence"])

    def write(self) -> None:
        """Write the events and one delivery for each receiver; they are published after the commit."""
        if not self.events:
            return
        events, self.events = self.events, []
        OrderEvent.objects.using(self.alias).append(events)
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
        # Taken by us already, so that no second statement has to claim what we are about to publish ourselves.
        ours = receiver.in_request and not is_handed_over()
        attempts, due = (1, self.now + LEASE) if ours else (0, self.now)
        return Delivery(event=event, receiver=receiver.name, attempts=attempts, next_attempt_at=due)


def evidence_of(report: Report) -> dict[str, str]:
    """Return what a report says, without personal data, for a person to look at."""
    said: dict[str, Any] = {
        "fact": report.fact,
        "code": report.code,
        "transaction_code": report.transaction_code,
        "amount": report.amount,
        "currency": report.currency,
        "paid_at": report.paid_at and report.paid_at.isoformat(),
        "operation_number": report.operation_number,
        "account": report.account,
        "source": "answer" if report.asked_at else "notification",
    }
    return {name: str(value) for name, value in said.items() if value not in (None, "")}


def _alike(evidence: dict[str, str], known: dict[str, str]) -> bool:
    return {**evidence, "at": ""} == {**known, "at": ""}


def closed(actor: str, reason: str, now: datetime) -> dict[str, Any]:
    """Return the fields of a question that is answered."""
    return {
        "status": Discrepancy.Status.RESOLVED,
        "resolved_by": actor[:150],
        "resolved_at": now,
        "reason": reason[:500],
    }
