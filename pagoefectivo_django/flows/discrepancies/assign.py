"""Somebody takes a question, or gives it to somebody."""

from __future__ import annotations

from datetime import datetime

from ...errors import InvalidRequest
from ...models import Discrepancy
from ...models.database import database
from ...states import Remark
from ..ledger.question import open_question, remark


def assign_discrepancy(discrepancy: Discrepancy, to: str, *, actor: str, now: datetime | None = None) -> Discrepancy:
    """Say who looks at a question (empty: nobody), and return it as it is then.

    Raises ``InvalidRequest`` without an actor, for a question that is resolved, or if it was given to somebody else
    since ``discrepancy`` was read.
    """
    to = to.strip()[:150]
    with open_question(discrepancy, actor=actor, now=now) as (question, shelf):
        if question.status == Discrepancy.Status.RESOLVED:
            raise InvalidRequest(f"Question {question.pk} was resolved by {question.resolved_by}; reopen it first.")
        if question.assigned_to not in (discrepancy.assigned_to, to):
            holder = question.assigned_to or "nobody"
            raise InvalidRequest(f"Question {question.pk} is assigned to {holder} by now; look at it again first.")
        if question.assigned_to != to:
            question.assigned_to = to
            question.save(using=shelf.alias, update_fields=["assigned_to"])
            remark(shelf, question, Remark.ASSIGNED, to)
    discrepancy.refresh_from_db(using=database())
    return discrepancy
