"""A question under its lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from ...errors import InvalidRequest
from ...models import Discrepancy, SettlementLine
from ...models.database import one_transaction
from ...states import LineStatus, Remark
from ..possible.rules import TO_BE_READ
from ..possible.rules import answers_to as answers_to
from .locked import UnitOfWork, open_unit_of_work


def lock_discrepancy(discrepancy: Discrepancy, alias: str) -> Discrepancy:
    """Return a question as it is now, locked until the transaction ends; its order is locked."""
    if discrepancy.line_id:
        # Before the question, as who matches the line does.
        list(SettlementLine.objects.using(alias).filter(pk=discrepancy.line_id).select_for_update())
    return Discrepancy.objects.using(alias).select_for_update().get(pk=discrepancy.pk)


def ignore_line(discrepancy: Discrepancy, reason: str, alias: str) -> None:
    """Let the line that a question is about count as ignored; not one that was matched meanwhile."""
    _move_line(discrepancy, LineStatus.DISCREPANCY, LineStatus.IGNORED, reason, alias)


def ask_about_line(discrepancy: Discrepancy, reason: str, alias: str) -> None:
    """Let the line that was ignored by the answer to a question be in question again."""
    _move_line(discrepancy, LineStatus.IGNORED, LineStatus.DISCREPANCY, f"Reopened: {reason}", alias)


def _move_line(discrepancy: Discrepancy, of: LineStatus, to: LineStatus, reason: str, alias: str) -> None:
    if discrepancy.line_id and discrepancy.kind not in TO_BE_READ:
        lines = SettlementLine.objects.using(alias).filter(pk=discrepancy.line_id, status=of)
        lines.update(status=to, reason=reason[:500])


@contextmanager
def locked_discrepancy(
    discrepancy: Discrepancy, *, actor: str, now: datetime | None
) -> Iterator[tuple[Discrepancy, UnitOfWork]]:
    """Lock a question and its order; raises ``InvalidRequest`` without an actor."""
    if not actor.strip():
        raise InvalidRequest("Somebody does this to a discrepancy; pass actor.")
    with one_transaction() as alias:
        orders = [discrepancy.order_id] if discrepancy.order_id else []
        unit = open_unit_of_work(orders, alias=alias, now=now, actor=actor)
        yield lock_discrepancy(discrepancy, alias), unit
        unit.write()


def remark(unit: UnitOfWork, discrepancy: Discrepancy, what: Remark, detail: str) -> None:
    """Write down what somebody did about a question."""
    order = unit.locked_orders[0].order if unit.locked_orders else None
    unit.history.tell(order, "noted", what, discrepancy.cip, detail, order.state if order else "", discrepancy)
