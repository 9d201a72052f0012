"""Orders in the admin: the list, one order's page, and the buttons."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.models import Delivery, Discrepancy, Notification, Order
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.testing import notify, pay

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/pagoefectivo/order/"
Make = Callable[..., Order]
Act = Callable[..., str]


def page(client: Client, row: object) -> str:
    meta = row._meta  # type: ignore[attr-defined]
    answer = client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk]))  # type: ignore[attr-defined]
    assert answer.status_code == 200
    return answer.content.decode()


def local(moment: object) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M")  # type: ignore[arg-type]


# Looking.


def test_the_list_shows_state_amount_code_and_account(staff: Client, new_order: Make) -> None:
    order = new_order()
    text = staff.get(LIST).content.decode()
    for shown in (order.reference, "PEN 120.50", order.code, "memory:default", "pagoefectivo-pending"):
        assert shown in text


@pytest.mark.parametrize(
    "search", ["SHOP-1", "ana@", "{code}", "000000{code}", "0000 00{code}", " {code} "], ids=lambda text: text.strip()
)
def test_search(staff: Client, new_order: Make, search: str) -> None:
    order = new_order()
    other = new_order("OTHER-2", payer=Payer(email="other@example.com"))
    text = staff.get(LIST, {"q": search.format(code=order.code)}).content.decode()
    assert order.reference in text
    assert other.reference not in text


def test_zeros_find_nothing_rather_than_everything(staff: Client, new_order: Make) -> None:
    new_order()
    assert "SHOP-1001" not in staff.get(LIST, {"q": "00000000"}).content.decode()


def test_filters(staff: Client, new_order: Make) -> None:
    new_order()
    new_order("IN-DOLLARS", currency="USD")
    text = staff.get(LIST, {"currency": "USD", "state__exact": "pending"}).content.decode()
    assert "IN-DOLLARS" in text
    assert "SHOP-1001" not in text


def test_the_page_shows_everything_that_happened(staff: Client, new_order: Make) -> None:
    order = pay(new_order(), operation_number="4711")
    text = page(staff, order)
    for shown in ("cip_issued", "payment_confirmed", "4711", "tests.shop.receivers.ship", "memory:default", order.code):
        assert shown in text
    assert f"/admin/pagoefectivo/notification/{Notification.objects.get().pk}/change/" in text
    assert f"/admin/pagoefectivo/delivery/{Delivery.objects.get().pk}/change/" in text
    assert "Ana &lt;b&gt;" in text
    assert "nobody listens" not in text
    assert "<script>" not in text


def test_the_page_leads_to_its_open_questions(staff: Client, new_order: Make) -> None:
    order = new_order()
    notify(order, amount=Decimal("1.00"))
    question = Discrepancy.objects.get()
    link = f"/admin/pagoefectivo/discrepancy/{question.pk}/change/"
    assert link in page(staff, order)
    Discrepancy.objects.update(status="resolved", resolved_by="rosa", reason="x", resolved_at=timezone.now())
    assert link not in page(staff, order)


def test_a_delivery_without_a_listener_is_marked(staff: Client, new_order: Make) -> None:
    order = pay(new_order())
    Delivery.objects.update(receiver="gone.away", delivered_at=None)
    assert "nobody listens" in page(staff, order)


def queries(client: Client, url: str) -> int:
    client.get(url)  # content types and templates are read once
    with CaptureQueriesContext(connection) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


def test_as_many_queries_for_30_orders_as_for_3(staff: Client, new_order: Make) -> None:
    lists = ["order", "notification", "delivery", "discrepancy"]

    def counts() -> list[int]:
        return [queries(staff, f"/admin/pagoefectivo/{name}/") for name in lists]

    def make(numbers: range) -> None:
        for number in numbers:
            order = pay(new_order(f"SHOP-{number}"), operation_number="1")
            notify(order, operation_number="2")

    make(range(3))
    few = counts()
    make(range(3, 30))
    assert Discrepancy.objects.count() == 30
    assert counts() == few


def test_as_many_queries_for_a_long_history_as_for_a_short_one(staff: Client, new_order: Make) -> None:
    order = new_order()
    url = reverse("admin:pagoefectivo_order_change", args=[order.pk])

    def happen(numbers: range) -> None:
        for number in numbers:
            notify(order, operation_number=str(number))

    happen(range(3))
    few = queries(staff, url)
    happen(range(3, 30))
    assert order.events.count() > 30
    assert queries(staff, url) == few


# Read-only.


@pytest.mark.parametrize("verb", ["add/", "{pk}/delete/"])
def test_nobody_adds_or_deletes(admin_client: Client, new_order: Make, verb: str) -> None:
    order = new_order()
    assert admin_client.get(LIST + verb.format(pk=order.pk)).status_code == 403
    assert admin_client.post(LIST + verb.format(pk=order.pk), {"post": "yes"}).status_code == 403


def test_nobody_edits(admin_client: Client, new_order: Make) -> None:
    order = new_order()
    url = reverse("admin:pagoefectivo_order_change", args=[order.pk])
    assert admin_client.post(url, {"reference": "X", "amount": "1", "state": "paid"}).status_code == 403
    order.refresh_from_db()
    assert (order.reference, order.state) == ("SHOP-1001", "pending")
    assert '<input type="text"' not in page(admin_client, order)


def test_who_may_only_look_sees_no_buttons_and_gets_403(looker: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    text = page(looker, order)
    assert 'value="cancel"' not in text
    act(looker, "cancel", order, status=403, confirmed="yes")
    order.refresh_from_db()
    assert order.state == "pending"


def test_who_may_not_look_gets_403(client: Client, django_user_model: type, new_order: Make) -> None:
    order = new_order()
    client.force_login(django_user_model.objects.create_user("eva", password="made-up", is_staff=True))  # type: ignore[attr-defined]
    assert client.get(LIST).status_code == 403
    assert client.get(reverse("admin:pagoefectivo_order_change", args=[order.pk])).status_code == 403


# Acting.


def test_refresh_asks_the_provider(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    MemoryChannel("default", {}).set(order.code, "payment", paid_at=timezone.now())  # type: ignore[arg-type]
    assert "paid" in act(staff, "refresh", order)
    order.refresh_from_db()
    assert order.state == "paid"


def test_cancel_asks_first(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    question = act(staff, "cancel", order)
    assert order.reference in question
    assert "Yes: Cancel" in question
    order.refresh_from_db()
    assert order.state == "pending"
    assert "SHOP-1001: cancelled" in act(staff, "cancel", order, confirmed="yes")
    order.refresh_from_db()
    assert order.state == "cancelled"
    assert order.events.get(kind="payment_cancelled").actor == "rosa"


def test_extend_needs_a_date(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    assert "This field is required" in act(staff, "extend", order, confirmed="yes")
    until = timezone.now().replace(second=0, microsecond=0) + timedelta(days=5)
    assert "SHOP-1001: pending" in act(staff, "extend", order, confirmed="yes", expires_at=local(until))
    order.refresh_from_db()
    assert order.expires_at == until
    assert "America/Lima" in act(staff, "extend", order)


@pytest.mark.parametrize("days", [None, 5])
def test_reissue_with_and_without_a_date(staff: Client, new_order: Make, act: Act, days: int | None) -> None:
    order = new_order()
    old, date = order.code, order.expires_at
    until = timezone.now().replace(second=0, microsecond=0) + timedelta(days=days) if days else date
    text = act(staff, "reissue", order, confirmed="yes", expires_at=local(until) if days else "")
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
    text = act(staff, action, order, confirmed="yes", **more)
    assert '<li class="error">SHOP-1001: ' in text
    order.refresh_from_db()
    assert order.state == "paid"


@pytest.mark.parametrize("error", [Unavailable("Not reached."), OutcomeUnknown("No answer came.")])
def test_a_provider_that_fails_is_a_message(staff: Client, new_order: Make, act: Act, error: Exception) -> None:
    order, other = new_order(), new_order("OTHER-2")
    for call in ("search", "delete"):
        MemoryChannel.fail(call, error)
    assert str(error) in act(staff, "refresh", order)
    if isinstance(error, OutcomeUnknown):
        MemoryChannel.fail("search", error)
    text = act(staff, "cancel", order, other, confirmed="yes")
    assert text.count('<li class="error">') == 1
    assert text.count('<li class="success">') == 1
    assert sorted(Order.objects.values_list("state", flat=True)) == ["cancelled", "pending"]


def test_what_is_still_to_be_done_is_shown(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    assert "Still to be done" not in page(staff, order)
    MemoryChannel.fail("delete", Unavailable("Not reached."))
    act(staff, "cancel", order, confirmed="yes")
    text = page(staff, order)
    assert "Still to be done" in text
    assert "Not reached." in text


def test_a_record_s_button_returns_to_the_record(staff: Client, new_order: Make) -> None:
    order = new_order()
    url = reverse("admin:pagoefectivo_order_change", args=[order.pk])
    data = {"action": "refresh", "_selected_action": order.pk, "from_record": "yes"}
    assert staff.post(LIST, data).url == url  # type: ignore[attr-defined]
    data = {"action": "cancel", "_selected_action": order.pk, "from_record": "yes"}
    question = staff.post(LIST, data).content.decode()
    assert f'href="{url}"' in question
    assert 'name="from_record"' in question


def test_get_changes_nothing(staff: Client, new_order: Make) -> None:
    order = new_order()
    MemoryChannel.calls.clear()
    query = {"action": "cancel", "_selected_action": str(order.pk), "confirmed": "yes"}
    staff.get(LIST, query)
    staff.get(reverse("admin:pagoefectivo_order_change", args=[order.pk]), query)
    order.refresh_from_db()
    assert order.state == "pending"
    assert not MemoryChannel.calls


def test_without_csrf_token_nothing_happens(staff: Client, new_order: Make) -> None:
    order = new_order()
    staff.handler.enforce_csrf_checks = True
    data = {"action": "cancel", "_selected_action": order.pk, "confirmed": "yes"}
    assert staff.post(LIST, data).status_code == 403


@pytest.mark.parametrize("action", ["refresh", "cancel"])
def test_at_most_50_at_once(staff: Client, new_order: Make, act: Act, action: str) -> None:
    order = new_order()
    Order.objects.bulk_create(
        Order(reference=f"R{n}", amount=1, currency="PEN", created_at=order.created_at, expires_at=order.expires_at)
        for n in range(50)
    )
    MemoryChannel.calls.clear()
    text = act(staff, action, order, confirmed="yes", select_across="1", index="0")
    assert "at most 50" in text
    assert not MemoryChannel.calls


def test_under_atomic_requests_it_is_done_after_the_commit(
    staff: Client, new_order: Make, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new_order()
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    assert "SHOP-1001: will be done" in act(staff, "cancel", order, confirmed="yes")
    order.refresh_from_db()
    assert order.state == "cancelled"
