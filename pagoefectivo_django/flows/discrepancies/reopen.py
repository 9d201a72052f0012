"""Reopening of a resolved discrepancy."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...models import Discrepancy
from ...models.database import database
from ...states import Remark, Resolution
from ..ledger.discrepancy import ask_about_line, locked_discrepancy, remark
from ..ledger.history import UNANSWERED


def reopen_discrepancy(
    discrepancy: Discrepancy, *, actor: Actor | str, reason: str, now: datetime | None = None
) -> Discrepancy:
    """Reopen a resolved discrepancy, and return the changed discrepancy; the old resolution stays in the history.

    The resolution's effects stay: an order accepted as paid is paid, a refund is requested. A discrepancy about money
    freezes its order again; an ignored line is in discrepancy again. Raises ``InvalidRequest`` without actor or reason,
    or for an open discrepancy.
    """
    if not reason.strip():
        raise InvalidRequest(_("A discrepancy is reopened for a reason; pass reason."), code="reopening_needs_reason")
    with locked_discrepancy(discrepancy, actor=actor, now=now) as (locked, unit):
        if locked.status == Discrepancy.Status.OPEN:
            again = locked.events.filter(fact=Remark.REOPENED).order_by("created_at", "number").last()
            if again:
                raise InvalidRequest(
                    _("Discrepancy %(discrepancy)s was reopened by %(who)s; answer it, or leave it open."),
                    code="discrepancy_reopened",
                    discrepancy=locked.pk,
                    who=again.actor,
                )
            raise InvalidRequest(
                _("Discrepancy %(discrepancy)s is open; answer it, or leave it open."),
                code="discrepancy_open",
                discrepancy=locked.pk,
            )
        if locked.resolution == Resolution.IGNORE:
            ask_about_line(locked, reason, unit.alias)
        Discrepancy.objects.using(unit.alias).filter(pk=locked.pk).update(**UNANSWERED)
        remark(unit, locked, Remark.REOPENED, reason)
    discrepancy.refresh_from_db(using=database())
    return discrepancy
