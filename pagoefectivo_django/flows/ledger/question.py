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
from .book import Shelf, open_shelf


def lock_question(question: Discrepancy, alias: str) -> Discrepancy:
    """Return a question as it is now, locked until the transaction ends; its order is locked."""
    if question.line_id:
        # Before the question, as who matches the line does.
        list(SettlementLine.objects.using(alias).filter(pk=question.line_id).select_for_update())
    return Discrepancy.objects.using(alias).select_for_update().get(pk=question.pk)


def ignore_line(question: Discrepancy, reason: str, alias: str) -> None:
    """Let the line that a question is about count as ignored; not one that was matched meanwhile."""
    _move_line(question, LineStatus.DISCREPANCY, LineStatus.IGNORED, reason, alias)


def ask_about_line(question: Discrepancy, reason: str, alias: str) -> None:
    """Let the line that was ignored by the answer to a question be in question again."""
    _move_line(question, LineStatus.IGNORED, LineStatus.DISCREPANCY, f"Reopened: {reason}", alias)


def _move_line(question: Discrepancy, of: LineStatus, to: LineStatus, reason: str, alias: str) -> None:
    if question.line_id and question.kind not in TO_BE_READ:
        lines = SettlementLine.objects.using(alias).filter(pk=question.line_id, status=of)
        lines.update(status=to, reason=reason[:500])


@contextmanager
def open_question(question: Discrepancy, *, actor: str, now: datetime | None) -> Iterator[tuple[Discrepancy, Shelf]]:
    """Lock a question and its order; raises ``InvalidRequest`` without an actor."""
    if not actor.strip():
        raise InvalidRequest("Somebody does this to a question; pass actor.")
    with one_transaction() as alias:
        orders = [question.order_id] if question.order_id else []
        shelf = open_shelf(orders, alias=alias, now=now, actor=actor)
        yield lock_question(question, alias), shelf
        shelf.write()


def remark(shelf: Shelf, question: Discrepancy, what: Remark, detail: str) -> None:
    """Write down what somebody did about a question."""
    order = shelf.books[0].order if shelf.books else None
    shelf.history.tell(order, "noted", what, question.cip, detail, order.state if order else "", question)
