"""Resolution of a discrepancy by a person."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...models import Discrepancy
from ...models.database import database
from ...states import Resolution
from ..ledger.advance import advance
from ..ledger.decisions import Answer


def resolve_discrepancy(
    discrepancy: Discrepancy,
    resolution: Resolution | str,
    *,
    actor: Actor | str,
    reason: str,
    now: datetime | None = None,
) -> Discrepancy:
    """Resolve a discrepancy with ``"accept"`` (the payment pays the order), ``"refund_due"`` or ``"ignore"``.

    Raises ``InvalidRequest`` without actor or reason, for an unknown resolution, for a resolved discrepancy, or if
    there is no payment to accept; ``AlreadyPaid`` if another payment paid the order.
    """
    if resolution not in Resolution.values:
        raise InvalidRequest(
            _("resolution is %(value)s; use one of %(known)s."),
            code="resolution_unknown",
            value=repr(resolution),
            known=", ".join(Resolution.values),
        )
    if not Actor.of(actor) or not reason.strip():
        raise InvalidRequest(
            _("A discrepancy is resolved by somebody and for a reason; pass actor and reason."),
            code="resolving_needs_reason",
        )
    decision = Answer(discrepancy.order, reason, discrepancy=discrepancy, resolution=Resolution(resolution))
    advance(decision, actor=actor, now=now)
    discrepancy.refresh_from_db(using=database())
    return discrepancy
