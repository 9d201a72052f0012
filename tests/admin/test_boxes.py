"""Inbox and outbox in the admin."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Delivery, Notification, Order
from pagoefectivo_django.testing import notify, pay
from tests.shop.models import Heard

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]
Act = Callable[..., str]


def test_a_message_is_shown_as_text_and_escaped(staff: Client, new_order: Make) -> None:
    pay(new_order())
    row = Notification.objects.get()
    body = b'{"a": "<script>alert(1)</script>", "b": "\xff"}'
    Notification.objects.update(body=body)
    text = staff.get(reverse("admin:pagoefectivo_notification_change", args=[row.pk])).content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert(1)" not in text
    assert "\ufffd" in text
    assert row.identity in text
    assert row.headers["PE-Signature"] not in text
    assert row.headers["PE-Signature"][:12] in text
    listed = staff.get("/admin/pagoefectivo/notification/", {"fact": "payment", "channel": "default"})
    assert row.code in listed.content.decode()


@pytest.mark.parametrize("status", ["waiting", "dead"])
def test_a_message_is_applied_again(staff: Client, new_order: Make, act: Act, status: str) -> None:
    order = pay(new_order())
    Notification.objects.update(status=status, attempts=10, retry_at=None, last_error="broken")
    row = Notification.objects.get()
    assert "applied" in act(staff, "apply_now", row)
    row.refresh_from_db()
    assert (row.status, row.retry_at, row.last_error) == ("applied", None, "")
    assert order.state == "paid"


def test_an_applied_message_stays_so(staff: Client, new_order: Make, act: Act) -> None:
    pay(new_order())
    before = Notification.objects.values().get()
    act(staff, "apply_now", Notification.objects.get())
    assert Notification.objects.values().get() == before


def test_a_message_that_still_can_t_be_applied_says_why(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    notify(order, code="99999999")
    row = Notification.objects.get()
    assert row.status == "waiting"
    text = act(staff, "apply_now", row)
    row.refresh_from_db()
    assert row.status == "waiting"
    assert row.attempts == 1
    assert row.retry_at
    assert row.retry_at > timezone.now()
    assert "know this code" in text


def test_who_may_only_look_can_t_apply_or_deliver(looker: Client, new_order: Make, act: Act) -> None:
    pay(new_order())
    act(looker, "apply_now", Notification.objects.get(), status=403)
    act(looker, "deliver_once_more", Delivery.objects.get(), status=403)
    assert Delivery.objects.get().delivered_at


def test_a_delivery_is_delivered_again(staff: Client, new_order: Make, act: Act) -> None:
    pay(new_order())
    assert Heard.objects.count() == 1
    text = act(staff, "deliver_once_more", Delivery.objects.get())
    assert "in its next round" in text
    assert Delivery.objects.get().delivered_at is None
    tick()
    assert Heard.objects.count() == 2


def test_the_list_of_deliveries(staff: Client, new_order: Make) -> None:
    pay(new_order())
    url = "/admin/pagoefectivo/delivery/"
    assert "tests.shop.receivers.ship" in staff.get(url, {"delivered": "yes"}).content.decode()
    assert "tests.shop.receivers.ship" not in staff.get(url, {"delivered": "no"}).content.decode()
    Delivery.objects.update(receiver="gone.away", delivered_at=None)
    text = staff.get(url, {"delivered": "no", "q": "SHOP-1001"}).content.decode()
    assert "nobody listens" in text
    detail = staff.get(reverse("admin:pagoefectivo_delivery_change", args=[Delivery.objects.get().pk]))
    assert "nobody listens" in detail.content.decode()


@pytest.mark.parametrize("name", ["notification", "delivery", "discrepancy"])
def test_nobody_edits(admin_client: Client, new_order: Make, name: str) -> None:
    order = pay(new_order(), operation_number="1")
    notify(order, operation_number="2")
    from django.apps import apps

    row = apps.get_model("pagoefectivo", name).objects.first()
    assert row
    url = reverse(f"admin:pagoefectivo_{name}_change", args=[row.pk])
    assert admin_client.get(url).status_code == 200
    assert admin_client.post(url, {"last_error": "x"}).status_code == 403
    assert admin_client.get(f"/admin/pagoefectivo/{name}/add/").status_code == 403
    assert admin_client.post(f"/admin/pagoefectivo/{name}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
