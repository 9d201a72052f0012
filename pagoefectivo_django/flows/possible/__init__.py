"""What may be done to an order, a refund or a discrepancy now: one answer for flows, admin, API and voucher."""

from __future__ import annotations

from collections.abc import Iterable

from ...models import Discrepancy, Order, Refund
from .loading import discrepancy_situations, order_situations, refund_situations
from .rules import Actions, discrepancy_actions, order_actions, refund_actions

Row = Order | Refund | Discrepancy


def actions_of(rows: Iterable[Row], actor: str = "") -> dict[Row, Actions]:
    """Return, for each row, each action with why it can't be done now: the code of the reason, empty where it can.

    ``actor``: who would do it, where that matters (``REFUND_FOUR_EYES``). A few statements, however many rows. The
    flows ask the same rules again under the lock, and that answer decides.
    """
    wanted = list(rows)
    orders = order_situations(row for row in wanted if isinstance(row, Order))
    refunds = refund_situations((row for row in wanted if isinstance(row, Refund)), actor)
    discrepancies = discrepancy_situations(row for row in wanted if isinstance(row, Discrepancy))
    found: dict[Row, Actions] = {}
    for row in wanted:
        if isinstance(row, Order):
            found[row] = order_actions(orders[row.pk])
        elif isinstance(row, Refund):
            found[row] = refund_actions(refunds[row.pk])
        else:
            found[row] = discrepancy_actions(discrepancies[row.pk])
    return found
