"""Possible actions on an order, a refund or a discrepancy: the same answer for flows, admin, API and voucher."""

from __future__ import annotations

from collections.abc import Iterable

from ...actors import Actor
from ...models import Discrepancy, Order, Refund
from .loading import discrepancy_situations, order_situations, refund_situations
from .rules import Actions, discrepancy_actions, order_actions, refund_actions

Row = Order | Refund | Discrepancy


def actions_of(rows: Iterable[Row], actor: Actor | str = "") -> dict[Row, Actions]:
    """Return the actions of each row, each action with the code of the reason why not; empty if possible now.

    Example: ``actions_of([order])[order]["cancel"]`` is ``"paid"`` for a paid order, ``""`` for a pending order that is
    not in review. ``actor``: the person who would act, which matters for refunds with ``REFUND_FOUR_EYES``. The number
    of statements doesn't depend on the number of rows. Flows apply the same rules again under the order's lock, and
    that answer decides. Permissions are not considered (see ``rules.PERMISSIONS``).
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
