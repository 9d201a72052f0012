"""Comments of staff on a discrepancy."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...models import Discrepancy
from ...states import Remark
from ..ledger.discrepancy import locked_discrepancy, remark

#: The most characters of a comment: the length of ``OrderEvent.reason``.
LONGEST = 500


def comment_on(discrepancy: Discrepancy, text: str, *, actor: Actor | str, now: datetime | None = None) -> Discrepancy:
    """Add a comment to a discrepancy's history, open or resolved, and return the discrepancy.

    Comments are staff's own words and must hold no personal data. Raises ``InvalidRequest`` without an actor, without a
    text, or for a text of more than 500 characters.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise InvalidRequest(
            _("The comment has %(count)d characters; write 1 to %(most)d."),
            code="comment_length",
            count=len(text),
            most=LONGEST,
        )
    with locked_discrepancy(discrepancy, actor=actor, now=now) as (locked, unit):
        remark(unit, locked, Remark.COMMENTED, text)
    return discrepancy
