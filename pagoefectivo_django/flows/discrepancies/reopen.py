"""A person asks a question once more that was answered."""

from __future__ import annotations

from datetime import datetime

from ...errors import InvalidRequest
from ...models import Discrepancy
from ...models.database import database
from ...states import Remark, Resolution
from ..ledger.discrepancy import ask_about_line, locked_discrepancy, remark
from ..ledger.history import UNANSWERED


def reopen_discrepancy(
    discrepancy: Discrepancy, *, actor: str, reason: str, now: datetime | None = None
) -> Discrepancy:
    """Open a resolved question again, and return it as it is then; its answer stays in the timeline.

    What followed from the answer stays as it is: an order that was accepted as paid is paid, a refund is asked for.
    A question about money freezes its order again; a line that was ignored is in question again. Raises
    ``InvalidRequest`` without actor or reason, or for a question that is open.
    """
    if not reason.strip():
        raise InvalidRequest("A discrepancy is reopened for a reason; pass reason.")
    with locked_discrepancy(discrepancy, actor=actor, now=now) as (locked, unit):
        if locked.status == Discrepancy.Status.OPEN:
            again = locked.events.filter(fact=Remark.REOPENED).order_by("created_at", "number").last()
            by = f"was reopened by {again.actor}" if again else "is open"
            raise InvalidRequest(f"Discrepancy {locked.pk} {by}; answer it, or leave it open.")
        if locked.resolution == Resolution.IGNORE:
            ask_about_line(locked, reason, unit.alias)
        Discrepancy.objects.using(unit.alias).filter(pk=locked.pk).update(**UNANSWERED)
        remark(unit, locked, Remark.REOPENED, reason)
    discrepancy.refresh_from_db(using=database())
    return discrepancy
