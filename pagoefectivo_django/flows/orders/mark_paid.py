"""Mark an order as paid by hand, when neither message nor answer tells of a payment that a person has seen."""

from __future__ import annotations

from datetime import datetime

from ...channels.base import Report
from ...errors import InvalidRequest
from ...models import Order
from ...models.clock import current_time
from ...states import Fact
from ...texts import one_line
from ...traces import traced
from ..ledger.advance import Decision, advance


@traced()
def mark_paid(order: Order, operation_number: str, actor: str, reason: str, *, now: datetime | None = None) -> Order:
    """Let an order count as paid in full by the operation that a person saw, and return it as it is then.

    A message or an answer that tells of the same operation later changes nothing; one that contradicts becomes a
    question. Raises ``InvalidRequest`` without operation number, actor or reason, if the order has no code that could
    have been paid, or if that operation paid another order in these weeks; ``AlreadyPaid`` if it is paid;
    ``InReview`` if a person has to answer a question first.
    """
    number = one_line(operation_number) if isinstance(operation_number, str) else ""
    if not number or len(number) > 40 or not number.isprintable():
        raise InvalidRequest("The operation number is empty, too long or unprintable; copy it from the receipt.")
    if not actor.strip() or not reason.strip():
        raise InvalidRequest("An order is marked as paid by somebody and for a reason; pass actor and reason.")
    vouched = Report("", Fact.PAYMENT, amount=order.amount, currency=order.currency, operation_number=number)
    now = now or current_time()
    advance(Decision(order, reason, fact=Fact.ACCEPTED, vouched=vouched), actor=actor, now=now)
    order.reload()
    return order
