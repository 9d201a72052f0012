"""Assignment of a discrepancy to a person."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...models import Discrepancy
from ...models.database import database
from ...states import Remark
from ..ledger.discrepancy import locked_discrepancy, remark


def assign_discrepancy(
    discrepancy: Discrepancy, to: str, *, actor: Actor | str, now: datetime | None = None
) -> Discrepancy:
    """Assign a discrepancy to a person (empty: nobody), and return the changed discrepancy.

    Raises ``InvalidRequest`` without an actor, for a resolved discrepancy, or if the discrepancy was assigned to
    another person since ``discrepancy`` was read.
    """
    to = to.strip()[:150]
    with locked_discrepancy(discrepancy, actor=actor, now=now) as (locked, unit):
        if locked.status == Discrepancy.Status.RESOLVED:
            raise InvalidRequest(
                _("Discrepancy %(discrepancy)s was resolved by %(who)s; reopen it first."),
                code="discrepancy_resolved",
                discrepancy=locked.pk,
                who=Actor.parse(locked.resolved_by),
            )
        if locked.assigned_to not in (discrepancy.assigned_to, to):
            if not locked.assigned_to:
                raise InvalidRequest(
                    _("Discrepancy %(discrepancy)s is assigned to nobody by now; look at it again first."),
                    code="assigned_to_nobody",
                    discrepancy=locked.pk,
                )
            raise InvalidRequest(
                _("Discrepancy %(discrepancy)s is assigned to %(who)s by now; look at it again first."),
                code="assigned_to_another",
                discrepancy=locked.pk,
                who=locked.assigned_to,
            )
        if locked.assigned_to != to:
            locked.assigned_to = to
            locked.save(using=unit.alias, update_fields=["assigned_to"])
            remark(unit, locked, Remark.ASSIGNED, to=to)
    discrepancy.refresh_from_db(using=database())
    return discrepancy
