"""What an order of Oscar's has to show of ours: the amounts of the source, the stock, the status.

Each function compares what stands with what has to stand, and writes the difference. So a repeated event changes
nothing, an old event after a new one changes nothing, and an event after a gap brings all of it up to date.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from oscar.core.loading import get_class

from ...conf import conf
from ...models import Order, OrderEvent, Payment
from ...models.database import database
from ...signals import LABELS
from ...states import OPEN, OrderState, PaymentStatus, PendingAction
from .placed import note

#: Money was taken.
TAKEN = (OrderState.PAID, OrderState.REFUNDED)
#: The type of a transaction by which an allocation ends without money.
RELEASE = "Release"


def write_source(source: Any, order: Order, why: str) -> None:
    """Bring the amounts of a source in line with our order, with a transaction for each difference.

    ``why``: the status of those transactions, the kind of an event of ours.
    """
    if order.code and source.reference != order.code:
        source.reference = order.code
        source.save(update_fields=["reference"])
    wanted = order.amount if order.state in (*OPEN, *TAKEN) else Decimal(0)
    if source.amount_allocated < wanted:
        source.allocate(wanted - source.amount_allocated, reference=order.code, status=why)
    elif source.amount_allocated > wanted:
        freed, source.amount_allocated = source.amount_allocated - wanted, wanted
        source.save()
        source.transactions.create(txn_type=RELEASE, amount=freed, reference=order.code, status=why)
    held, wanted = source.amount_debited - source.amount_refunded, _held(order)
    if held < wanted:
        source.debit(wanted - held, reference=order.operation_number, status=why)
    elif held > wanted:
        source.refund(held - wanted, reference=order.operation_number, status=why)


def _held(order: Order) -> Decimal:
    """Return the money of an order that the shop holds: what was paid, without what was sent back."""
    if order.state != OrderState.PAID:
        return Decimal(0)
    payments = Payment.objects.using(database()).filter(cip__order=order, status=PaymentStatus.APPLIED)
    back = sum(payment.sent_back for payment in payments.prefetch_related("refunds"))
    return max(order.amount - back, Decimal(0))


def is_released(source: Any) -> bool:
    """Return whether our own release was the last transaction of a source: our order had ended, and the stock was
    freed.
    """
    last = source.transactions.using(database()).order_by("-pk").first()
    return last is not None and last.txn_type == RELEASE


def write_stock(placed: Any, order: Order, *, released: bool) -> None:
    """Allocate, free or consume the stock of an order's lines, as the state of our order has it.

    By the shop's own ``EventHandler`` where Oscar has a method for it. Stock that is not there is told by a note.
    ``released``: freed stock is allocated again; stock that staff freed by hand stays free.
    """
    lines = placed.lines.using(database()).select_related("stockrecord__product").order_by("stockrecord_id", "pk")
    tracked = [line for line in lines if line.stockrecord and line.can_track_allocations]
    handler = get_class("order.processing", "EventHandler")()
    for line in tracked:
        if order.state in (*OPEN, OrderState.PAID) and line.allocation_cancelled:
            if released:
                _allocate_again(placed, line)
            elif order.state == OrderState.PAID:
                _tell_of_missing(placed, line)
        if order.state not in OPEN and line.num_allocated:
            if order.state == OrderState.PAID:
                _consume(handler, placed, line)
            else:
                handler.cancel_stock_allocations(placed, [line], [line.num_allocated])


def _allocate_again(placed: Any, line: Any) -> None:
    """Take the stock again that was freed when the order had ended; others may have bought it meanwhile."""
    line.stockrecord.allocate(line.quantity)
    line.num_allocated, line.allocation_cancelled = line.quantity, False
    line.save(update_fields=["num_allocated", "allocation_cancelled"])
    line.stockrecord.refresh_from_db(using=database())
    if line.stockrecord.net_stock_level < 0:
        note(placed, _("PagoEfectivo: the stock of %(line)s was sold meanwhile.") % {"line": line.title})


def _consume(handler: Any, placed: Any, line: Any) -> None:
    line.stockrecord.refresh_from_db(using=database())  # an earlier line may have been of the same stock
    if line.stockrecord.is_allocation_consumption_possible(line.num_allocated):
        handler.consume_stock_allocations(placed, [line], [line.num_allocated])
    else:
        _tell_of_missing(placed, line)


def _tell_of_missing(placed: Any, line: Any) -> None:
    note(placed, _("PagoEfectivo: paid, and the stock of %(line)s is not there.") % {"line": line.title})


def told_of(event: OrderEvent) -> str:
    """Return what a note tells of an event."""
    return _("PagoEfectivo: %(event)s.") % {"event": LABELS[event.kind]}


def write_status(placed: Any, order: Order, event: OrderEvent) -> None:
    """Move an order of Oscar's to the status that ``OSCAR_STATUSES`` names for the state in which an event left ours.

    An event whose state is no longer our order's, or after which the status was set already, moves nothing, so the
    status that staff chose afterwards stands. Where the pipeline forbids the move, a note tells the staff.
    """
    wanted = conf.oscar_statuses.get(order.state)
    moved = event.state_after != event.state_before and event.state_after == order.state
    if not wanted or not moved or placed.status == wanted:
        return
    if order.state in OPEN and PendingAction.CANCEL in (order.pending_action, order.deferred_action):
        return
    if placed.status_changes.using(database()).filter(new_status=wanted, date_created__gte=event.created_at).exists():
        return
    told = told_of(event)
    if wanted in placed.available_statuses():
        get_class("order.processing", "EventHandler")().handle_order_status_change(placed, wanted, note_msg=told)
    else:
        stays = _("%(told)s The status stays “%(status)s”: the pipeline does not lead from it to “%(wanted)s”.")
        note(placed, stays % {"told": told, "status": placed.status, "wanted": wanted})
