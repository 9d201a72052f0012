"""A person asks a question once more that was answered."""

from __future__ import annotations

from datetime import datetime

from ...errors import InvalidRequest
from ...models import Discrepancy
from ...models.database import database
from ...states import Remark, Resolution
from ..ledger.history import UNANSWERED
from ..ledger.question import ask_about_line, open_question, remark


def reopen_discrepancy(
    discrepancy: Discrepancy, *, actor: str, reason: str, now: datetime | None = None
) -> Discrepancy:
    """Open a resolved question again, and return it as it is then; its answer stays in the timeline.

    What followed from the answer stays as it is: an order that was accepted as paid is paid, a refund is asked for.
    A question about money freezes its order again; a line that was ignored is in question again. Raises
    ``InvalidRequest`` without actor or reason, or for a question that is open.
    """
    if not reason.strip():
        raise InvalidRequest("A question is reopened for a reason; pass reason.")
    with open_question(discrepancy, actor=actor, now=now) as (question, shelf):
        if question.status == Discrepancy.Status.OPEN:
            again = question.events.filter(fact=Remark.REOPENED).order_by("created_at", "number").last()
            by = f"was reopened by {again.actor}" if again else "is open"
            raise InvalidRequest(f"Question {question.pk} {by}; answer it, or leave it open.")
        if question.resolution == Resolution.IGNORE:
            ask_about_line(question, reason, shelf.alias)
        Discrepancy.objects.using(shelf.alias).filter(pk=question.pk).update(**UNANSWERED)
        remark(shelf, question, Remark.REOPENED, reason)
    discrepancy.refresh_from_db(using=database())
    return discrepancy
