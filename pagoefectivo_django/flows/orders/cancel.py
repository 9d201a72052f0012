"""Cancel an order; the code is deleted at the provider first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.utils.translation import gettext_noop as _

from ...actors import SHOP, Actor
from ...errors import AlreadyPaid, InvalidRequest, Misconfigured, OutcomeUnknown
from ...facts import of_error
from ...models import Cip, Discrepancy, Order
from ...models.clock import current_time
from ...models.database import database
from ...states import CipStatus, Fact, Kind, OrderState, PendingAction
from ..ledger.advance import Outcome, advance
from ..ledger.decisions import Supersession, Withdrawal
from ..possible.refusing import refuse_change
from .delete import StillPayable, begin_deletion, delete_code, give_up_deletion
from .pending_action import fulfil, record
from .refresh import apply_answer

_HELD = _("Somebody else holds order %(order)s, or changed it; the pending action is tried again.")


def cancel_order(
    order: Order,
    *,
    actor: Actor | str = SHOP,
    reason: str = "",
    now: datetime | None = None,
    on_write: Callable[[Order], None] | None = None,
) -> Order:
    """Cancel an open order and return the order afterwards; an order that ended unpaid is returned unchanged.

    The code is deleted at the provider first. Raises ``AlreadyPaid`` if the order is paid or turns out to be paid,
    ``InReview`` while a discrepancy about the order's money is open, and ``Unavailable`` or ``OutcomeUnknown`` if the
    provider doesn't confirm the deletion: then nothing has changed, and the worker tries again.

    The order is cancelled without confirmation if waiting is in vain: the provider doesn't know the code or can't
    delete codes, or the account is no longer configured; with a ``reason`` also if the provider refuses, if a
    discrepancy about an unconfirmed change was opened before, or while a payment of the code is in process. The code
    may still be paid then: polling goes on, and so do attempts to delete the code. A code whose digits are unknown
    can't be deleted; the order's history says so.

    Inside a transaction the cancellation is recorded, done after the commit, and the order returned unchanged.
    ``on_write``: called with the locked order in the transaction that records the cancellation, before anything
    changes; an error raised there ends the call.
    """
    now = now or current_time()
    try:
        record(order, PendingAction.CANCEL, actor=actor, now=now, reason=reason.strip(), on_write=on_write)
    except InvalidRequest:
        order.reload()
        if order.state in (OrderState.EXPIRED, OrderState.CANCELLED, OrderState.REJECTED):
            return order
        raise
    return fulfil(order, PendingAction.CANCEL, cancel, now)


def cancel(order: Order, now: datetime, wait: bool) -> None:
    """Delete the current code of a claimed order and cancel the order."""
    remove_current_code(order, now, wait=wait)
    lost = Cip.objects.using(database()).filter(order=order, status__in=(CipStatus.LOST, CipStatus.REQUESTED))
    data = {"about": "lost_code_not_deleted"} if lost.exists() else {}
    _decide(Withdrawal(order, data=data), order, now, wait)


def remove_current_code(order: Order, now: datetime, *, reissue: bool = False, wait: bool) -> None:
    """Delete the order's current code, if any, or give the code up where waiting is in vain.

    ``reissue``: the order keeps its state, since another code follows. Raises ``AlreadyPaid`` if the code was paid, the
    errors of ``delete_code``, and with ``wait`` False ``OutcomeUnknown`` if another transaction holds the order.
    """
    for cip in Cip.objects.using(database()).filter(order=order, status=CipStatus.CURRENT):
        begun = begin_deletion(cip, now, wait=wait)
        if not begun and Cip.objects.using(database()).filter(pk=cip.pk, in_process_at__isnull=False).exists():
            if reissue or not order.action_reason:
                raise refuse_change("reissue" if reissue else "cancel", "in_process", order)
            _decide(Supersession(order, code=cip, nobody_knows=False), order, now, wait)
            continue
        if not begun and not wait:
            raise OutcomeUnknown(_HELD, code="locked_meanwhile", order=str(order))
        try:
            report = delete_code(cip, now)
        except Exception as error:
            give_up_deletion(cip)
            if not _in_vain(order, error):
                raise
            nobody = isinstance(error, StillPayable) and error.nobody
            _decide(Supersession(order, data=of_error(error), code=cip, nobody_knows=nobody), order, now, wait)
            continue
        apply_answer(report, actor=Actor.parse(order.action_requested_by), wanted=reissue, wait=wait, now=now)
        if report.fact == Fact.PAYMENT:
            raise AlreadyPaid(
                _("Order %(order)s was paid meanwhile with code %(cip)s."),
                code="paid_meanwhile",
                order=str(order),
                cip=str(cip),
            )


def _decide(decision: Withdrawal | Supersession, order: Order, now: datetime, wait: bool) -> None:
    if Outcome.LOCKED in advance(decision, actor=Actor.parse(order.action_requested_by), wait=wait, now=now):
        raise OutcomeUnknown(_HELD, code="locked_meanwhile", order=str(order))


def _in_vain(order: Order, error: Exception) -> bool:
    """Return whether waiting for the provider's confirmation is in vain, so the order may change without."""
    if isinstance(error, StillPayable) and error.final:
        return True
    if not order.action_reason:
        return False
    discrepancies = Discrepancy.objects.using(database()).filter(order=order, kind=Kind.NOT_CONFIRMED)
    return isinstance(error, StillPayable | Misconfigured) or discrepancies.exists()
