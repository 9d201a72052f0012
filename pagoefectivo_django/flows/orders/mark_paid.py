"""Mark an order as paid by hand, for a payment seen by a person and not reported by the provider."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...channels.base import Report
from ...errors import InvalidRequest
from ...models import Order
from ...models.clock import current_time
from ...states import Fact
from ...texts import one_line
from ...traces import traced
from ..ledger.advance import advance
from ..ledger.decisions import Vouching


@traced()
def mark_paid(
    order: Order, operation_number: str, actor: Actor | str, reason: str, *, now: datetime | None = None
) -> Order:
    """Mark an order as paid in full by an operation seen by a person, and return the order afterwards.

    ``operation_number`` is the number on the receipt, at most 40 characters. A later report of the same operation
    changes nothing; a report that contradicts opens a discrepancy. Raises ``InvalidRequest`` without operation number,
    actor or reason, if no code of the order can have been paid, if the reference was ordered again, or if the operation
    paid another order in the last 60 days; ``AlreadyPaid`` for an order that is paid or refunded; ``InReview`` while a
    discrepancy about the order's money is open.
    """
    number = one_line(operation_number) if isinstance(operation_number, str) else ""
    if not number or len(number) > 40 or not number.isprintable():
        raise InvalidRequest(
            _("The operation number is empty, too long or unprintable; copy it from the receipt."),
            code="operation_number_unusable",
        )
    if not Actor.of(actor) or not reason.strip():
        raise InvalidRequest(
            _("An order is marked as paid by somebody and for a reason; pass actor and reason."),
            code="marking_needs_reason",
        )
    vouched = Report("", Fact.PAYMENT, amount=order.amount, currency=order.currency, operation_number=number)
    now = now or current_time()
    advance(Vouching(order, reason, payment=vouched), actor=actor, now=now)
    order.reload()
    return order
