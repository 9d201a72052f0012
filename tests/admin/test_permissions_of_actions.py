"""Kind 5, two sources of one truth: staff is offered what the flows do, by one permission an action everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import PagoEfectivoError, Unavailable
from pagoefectivo_django.flows import cancel_order, extend_order, reissue_code
from pagoefectivo_django.models import Discrepancy, Order, Refund
from pagoefectivo_django.testing import expire, notify, pay
from tests.reading import page

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]
Hire = Callable[..., Client]

SITUATIONS: dict[str, Callable[[Order], object]] = {
    "new": lambda order: None,
    "pending": lambda order: None,
    "paid": pay,
    "expired": expire,
    "cancelled": lambda order: cancel_order(order, actor="ana"),
    "in question": lambda order: notify(order, amount=Decimal("1.00"), operation_number="4711"),
}
FLOWS: dict[str, Callable[[Order], object]] = {
    "cancel": lambda order: cancel_order(order, actor="ana"),
    "extend": lambda order: extend_order(order, timezone.now() + timedelta(days=5), actor="ana"),
    "reissue": lambda order: reissue_code(order, actor="ana"),
}


@pytest.mark.parametrize("action", FLOWS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_button_is_there_where_its_flow_does_it(staff: Client, new_order: Make, situation: str, action: str) -> None:
    """A new order offered *Extend*, which refused; a paid one *Cancel*, *Extend* and *Reissue*."""
    if situation == "new":
        MemoryChannel.fail("issue", Unavailable("Nobody answers."))
    order = new_order()
    SITUATIONS[situation](order)
    order.reload()
    offered = reverse(f"admin:pagoefectivo_order_{action}", args=[order.pk]) in page(staff, order)
    before = (order.state, order.code, order.expires_at, order.event_count)
    try:
        FLOWS[action](order)
    except PagoEfectivoError:
        done = False
    else:
        order.reload()
        done = (order.state, order.code, order.expires_at, order.event_count) != before
    assert offered == done


@pytest.mark.parametrize(("answer", "needs"), [("accept", "mark_paid"), ("refund_due", "add_refund")])
def test_an_answer_needs_the_permission_of_its_action(
    hire: Hire, discrepancy: Discrepancy, answer: str, needs: str
) -> None:
    """Who may only *change* discrepancies made an order of 120.50 paid by 1.00, or opened a refund."""
    may = ("view_order", "change_order", "view_discrepancy", "change_discrepancy")
    address = reverse("admin:pagoefectivo_discrepancy_resolve", args=[discrepancy.pk])
    data = {"resolution": answer, "reason": "Agreed by phone"}
    other = {"mark_paid", "add_refund"} - {needs}
    for client in (hire("luis", *may), hire("eva", *may, *other)):
        client.post(address, data)
        discrepancy.refresh_from_db()
        assert (discrepancy.status, Order.objects.get().state, Refund.objects.count()) == ("open", "pending", 0)
        assert f'value="{answer}"' not in client.get(address).content.decode()
    hire("rosa", *may, needs).post(address, data)
    discrepancy.refresh_from_db()
    assert (discrepancy.status, discrepancy.resolution, discrepancy.resolved_by) == ("resolved", answer, "rosa")


def test_an_answer_that_moves_no_money_needs_no_further_permission(hire: Hire, discrepancy: Discrepancy) -> None:
    client = hire("luis", "view_order", "view_discrepancy", "change_discrepancy")
    address = reverse("admin:pagoefectivo_discrepancy_resolve", args=[discrepancy.pk])
    client.post(address, {"resolution": "ignore", "reason": "Seen"})
    discrepancy.refresh_from_db()
    assert (discrepancy.status, discrepancy.resolved_by) == ("resolved", "luis")
