"""What staff does with orders, on the list and on an order's page."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import pay
from tests.factories.provider import channel
from tests.reading import page
from tests.wording import REQUIRED, levels

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/pagoefectivo/order/"
Make = Callable[..., Order]
Act = Callable[..., str]


def local(moment: object) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M")  # type: ignore[arg-type]


def button(order: Order, action: str) -> str:
    return reverse(f"admin:pagoefectivo_order_{action}", args=[order.pk])


def test_refresh_asks_the_provider(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    channel().set(order.code, "payment", paid_at=timezone.now())  # type: ignore[arg-type]
    assert "paid" in act(staff, "refresh", order)
    order.refresh_from_db()
    assert order.state == "paid"


def test_cancel_asks_first(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    asked = act(staff, "cancel", order)
    assert order.reference in asked
    assert "Yes: Cancel" in asked
    order.refresh_from_db()
    assert order.state == "pending"
    assert "SHOP-1001: cancelled" in act(staff, "cancel", order, confirmed="yes", reason="asked")
    order.refresh_from_db()
    assert order.state == "cancelled"
    assert order.events.get(kind="payment_cancelled").actor.name == "rosa"


def test_extend_needs_a_date(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    assert REQUIRED in act(staff, "extend", order, confirmed="yes", reason="asked")
    until = timezone.now().replace(second=0, microsecond=0) + timedelta(days=5)
    assert "SHOP-1001: pending" in act(staff, "extend", order, confirmed="yes", reason="asked", expires_at=local(until))
    order.refresh_from_db()
    assert order.expires_at == until
    assert "America/Lima" in act(staff, "extend", order)


@pytest.mark.parametrize("days", [None, 5])
def test_reissue_with_and_without_a_date(staff: Client, new_order: Make, act: Act, days: int | None) -> None:
    order = new_order()
    old, date = order.code, order.expires_at
    until = timezone.now().replace(second=0, microsecond=0) + timedelta(days=days) if days else date
    text = act(staff, "reissue", order, confirmed="yes", reason="asked", expires_at=local(until) if days else "")
    order.refresh_from_db()
    assert order.code != old
    assert order.code in text
    assert order.expires_at == until


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("cancel", {}),
        ("extend", {"expires_at": "2031-01-01T10:00"}),
        ("reissue", {}),
        ("extend", {"expires_at": "2001-01-01T10:00"}),
    ],
)
def test_what_a_flow_refuses_is_a_message(
    staff: Client, new_order: Make, act: Act, action: str, more: dict[str, str]
) -> None:
    order = pay(new_order())
    text = act(staff, action, order, confirmed="yes", reason="asked", **more)
    assert "SHOP-1001: " in text
    assert levels(text) == {"error": 1}
    order.refresh_from_db()
    assert order.state == "paid"


@pytest.mark.parametrize("error", [Unavailable("Not reached."), OutcomeUnknown("No answer came.")])
def test_a_provider_that_fails_is_a_message(staff: Client, new_order: Make, act: Act, error: Exception) -> None:
    order, other = new_order(), new_order("OTHER-2")
    for call in ("look_up", "delete"):
        MemoryChannel.fail(call, error)
    assert str(error) in act(staff, "refresh", order)
    if isinstance(error, OutcomeUnknown):
        MemoryChannel.fail("look_up", error)
    text = act(staff, "cancel", order, other, confirmed="yes", reason="asked")
    assert levels(text) == {"success": 1, "error": 1}
    assert sorted(Order.objects.values_list("state", flat=True)) == ["cancelled", "pending"]


def test_what_is_still_to_be_done_is_shown(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    assert "Still to be done" not in page(staff, order)
    MemoryChannel.fail("delete", Unavailable("Not reached."))
    act(staff, "cancel", order, confirmed="yes", reason="asked")
    text = page(staff, order)
    assert "Still to be done" in text
    assert "Not reached." in text


def test_a_record_s_button_returns_to_the_record(staff: Client, new_order: Make) -> None:
    order = new_order()
    url = reverse("admin:pagoefectivo_order_change", args=[order.pk])
    shown = page(staff, order)
    assert f'formaction="{button(order, "refresh")}"' in shown
    assert f'href="{button(order, "cancel")}"' in shown
    assert staff.post(button(order, "refresh")).url == url  # type: ignore[attr-defined]
    assert f'href="{url}"' in staff.get(button(order, "cancel")).content.decode()
    assert staff.post(button(order, "cancel"), {"reason": "asked"}).url == url  # type: ignore[attr-defined]
    order.refresh_from_db()
    assert order.state == "cancelled"


def test_get_changes_nothing(staff: Client, new_order: Make) -> None:
    order = new_order()
    MemoryChannel.calls.clear()
    query = {"action": "cancel", "_selected_action": str(order.pk), "confirmed": "yes", "reason": "asked"}
    staff.get(LIST, query)
    staff.get(reverse("admin:pagoefectivo_order_change", args=[order.pk]), query)
    order.refresh_from_db()
    assert order.state == "pending"
    assert not MemoryChannel.calls


def test_without_csrf_token_nothing_happens(staff: Client, new_order: Make) -> None:
    order = new_order()
    staff.handler.enforce_csrf_checks = True
    data = {"action": "cancel", "_selected_action": order.pk, "confirmed": "yes", "reason": "asked"}
    assert staff.post(LIST, data).status_code == 403


@pytest.mark.parametrize("action", ["refresh", "cancel"])
def test_at_most_50_at_once(staff: Client, new_order: Make, act: Act, action: str) -> None:
    order = new_order()
    Order.objects.bulk_create(
        Order(reference=f"R{n}", amount=1, currency="PEN", created_at=order.created_at, expires_at=order.expires_at)
        for n in range(50)
    )
    MemoryChannel.calls.clear()
    text = act(staff, action, order, confirmed="yes", reason="asked", select_across="1", index="0")
    assert "at most 50" in text
    assert not MemoryChannel.calls


def test_under_atomic_requests_it_is_done_after_the_commit(
    staff: Client, new_order: Make, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new_order()
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    assert "SHOP-1001: will be done" in act(staff, "cancel", order, confirmed="yes", reason="asked")
    order.refresh_from_db()
    assert order.state == "cancelled"
