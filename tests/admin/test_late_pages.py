"""Kind 14, found by ``make fuzz``: a page of an action that somebody else took meanwhile leads back, and is no 500."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from pagoefectivo_django.admin.base import RecordAdmin
from pagoefectivo_django.flows import refund_order, resolve_discrepancy
from pagoefectivo_django.models import Delivery, FailingReceiver, Notification, Order, Settlement, SettlementLine
from pagoefectivo_django.states import Kind
from pagoefectivo_django.testing import pay
from tests.factories.discrepancies import open_discrepancy
from tests.factories.orders import make
from tests.factories.settlements import settlement_line

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]

ACTIONS = [
    (str(ours.opts.model_name), staff_action.name)
    for ours in admin.site._registry.values()
    if isinstance(ours, RecordAdmin) and ours.opts.app_label == "pagoefectivo"
    for staff_action in ours.staff_actions
]


@pytest.mark.parametrize(("name", "staff_action"), ACTIONS)
@pytest.mark.parametrize("over", [False, True])
def test_no_page_of_an_action_is_an_error(admin_client: Client, name: str, staff_action: str, over: bool) -> None:
    order = pay(make())
    discrepancy = open_discrepancy(Kind.UNMATCHED, line=settlement_line())
    if over:
        refund_order(order, actor="rosa", reason="Sold out")
        resolve_discrepancy(discrepancy, "ignore", actor="rosa", reason="x")
        SettlementLine.objects.update(status="duplicate", reason="x")
    pay(make("SHOP-2"))
    order.reload()
    refund = refund_order(Order.objects.get(reference="SHOP-2"), actor="rosa", reason="Sold out")
    failing = FailingReceiver.objects.create(
        receiver="shop.ship", failures=9, since=order.created_at, paused_until=None if over else order.created_at
    )
    rows: dict[str, Model] = {
        "order": order, "discrepancy": discrepancy, "settlement": Settlement.objects.get(), "refund": refund,
        "settlementline": SettlementLine.objects.get(), "notification": Notification.objects.earliest("pk"),
        "delivery": Delivery.objects.earliest("pk"), "failingreceiver": failing,
    }  # fmt: skip
    answer = admin_client.get(f"/admin/pagoefectivo/{name}/{rows[name].pk}/{staff_action}/")
    assert answer.status_code in (200, 302)


@pytest.mark.parametrize("key", ["abc", "9" * 30, "-1", "1.5", "\u0661", ""])
def test_chosen_rows_have_numbers_for_keys(admin_client: Client, key: str) -> None:
    """Django's own admin answers 500."""
    order = make()
    for name, action in (("order", "cancel"), ("refund", "approve"), ("delivery", "deliver_once_more")):
        path = f"/admin/pagoefectivo/{name}/"
        answer = admin_client.post(path, {"action": action, "_selected_action": [str(order.pk), key]})
        assert answer.status_code == 400
    order.refresh_from_db()
    assert order.state == "pending"
