"""Lock a discrepancy, move its settlement line, and record remarks about a discrepancy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...models import Discrepancy, SettlementLine
from ...models.database import one_transaction
from ...states import LineStatus, Remark
from ..possible.rules import TO_BE_READ
from ..possible.rules import answers_to as answers_to
from .locked import UnitOfWork, open_unit_of_work


def lock_discrepancy(discrepancy: Discrepancy, alias: str) -> Discrepancy:
    """Return a fresh row of the discrepancy, locked until the transaction ends; the caller has locked the order."""
    if discrepancy.line_id:
        # The line is locked before the discrepancy, as the flow that matches lines does; else the two could deadlock.
        list(SettlementLine.objects.using(alias).filter(pk=discrepancy.line_id).select_for_update())
    return Discrepancy.objects.using(alias).select_for_update().get(pk=discrepancy.pk)


def ignore_line(discrepancy: Discrepancy, reason: str, alias: str) -> None:
    """Mark the discrepancy's settlement line as ignored, unless the line was matched meanwhile."""
    _move_line(discrepancy, LineStatus.DISCREPANCY, LineStatus.IGNORED, alias, reason=reason[:500])


def ask_about_line(discrepancy: Discrepancy, reason: str, alias: str) -> None:
    """Mark the discrepancy's ignored settlement line as in discrepancy again, for a reopened discrepancy."""
    _move_line(
        discrepancy, LineStatus.IGNORED, LineStatus.DISCREPANCY, alias, about="reopened", data={}, reason=reason[:500]
    )


def _move_line(discrepancy: Discrepancy, of: LineStatus, to: LineStatus, alias: str, **why: object) -> None:
    if discrepancy.line_id and discrepancy.kind not in TO_BE_READ:
        lines = SettlementLine.objects.using(alias).filter(pk=discrepancy.line_id, status=of)
        lines.update(status=to, **why)


@contextmanager
def locked_discrepancy(
    discrepancy: Discrepancy, *, actor: Actor | str, now: datetime | None
) -> Iterator[tuple[Discrepancy, UnitOfWork]]:
    """Yield a locked discrepancy and the unit of work with its order; write the unit of work at the end.

    Raises ``InvalidRequest`` if ``actor`` is blank.
    """
    if not Actor.of(actor):
        raise InvalidRequest(_("Somebody does this to a discrepancy; pass actor."), code="discrepancy_needs_actor")
    with one_transaction() as alias:
        orders = [discrepancy.order_id] if discrepancy.order_id else []
        unit = open_unit_of_work(orders, alias=alias, now=now, actor=actor)
        yield lock_discrepancy(discrepancy, alias), unit
        unit.write()


def remark(unit: UnitOfWork, discrepancy: Discrepancy, what: Remark, reason: str = "", **data: str) -> None:
    """Record an event for what a person did with a discrepancy, without resolving."""
    order = unit.locked_orders[0].order if unit.locked_orders else None
    state = order.state if order else ""
    unit.history.tell(order, "noted", what, discrepancy.cip, data, before=state, reason=reason, discrepancy=discrepancy)
