"""Orders in the admin: the list, one order's page, and who may see them."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.models import Cip, Delivery, Discrepancy, Notification, Order, Payment, Refund
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.testing import notify, pay
from tests.reading import page

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/pagoefectivo/order/"
Make = Callable[..., Order]
Act = Callable[..., str]


def test_the_list_shows_state_amount_code_and_account(staff: Client, new_order: Make) -> None:
    order = new_order()
    text = staff.get(LIST).content.decode()
    for shown in (order.reference, "S/\u00a0120.50", order.code, "memory:default", "pagoefectivo-pending"):
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


@pytest.mark.parametrize("name", ["provider_id", "other_code"])
def test_search_by_the_provider_s_names_of_a_code(staff: Client, new_order: Make, name: str) -> None:
    order, other = new_order(), new_order("OTHER-2")
    order.cips.update(**{name: "ord_test_made_up"})
    text = staff.get(LIST, {"q": "ord_test_made_up"}).content.decode()
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
    for shown in ("code issued", ">paid<", "4711", "tests.shop.receivers.ship", "memory:default", order.code):
        assert shown in text
    assert f"/admin/pagoefectivo/notification/{Notification.objects.get().pk}/change/" in text
    assert f"/admin/pagoefectivo/delivery/{Delivery.objects.get().pk}/change/" in text
    assert "Ana &lt;b&gt;" in text
    assert "nobody listens" not in text
    assert "<script>" not in text


def test_the_provider_s_ids_are_shown_where_there_are_any(staff: Client, new_order: Make) -> None:
    order = pay(new_order())
    refund = refund_order(order, actor="rosa", reason="Sold out")
    assert "provider&#x27;s id" not in (page(staff, order) + page(staff, refund)).lower()
    Cip.objects.update(provider_id="ord_314", other_code="24308767")
    Payment.objects.update(provider_id="pay_314")
    Refund.objects.update(provider_id="ref_271")
    ids = ("ord_314", "24308767", "pay_314", "ref_271")
    for row, shown in (*((order, one) for one in ids), (refund, "ref_271")):
        text = page(staff, row)
        assert "provider&#x27;s id" in text.lower()
        assert shown in text


def test_the_page_leads_to_its_open_discrepancies(staff: Client, new_order: Make) -> None:
    order = new_order()
    notify(order, amount=Decimal("1.00"))
    discrepancy = Discrepancy.objects.get()
    link = f"/admin/pagoefectivo/discrepancy/{discrepancy.pk}/change/"
    assert page(staff, order).count(link) == 2
    Discrepancy.objects.update(status="resolved", resolved_by="rosa", reason="x", resolved_at=timezone.now())
    assert page(staff, order).count(link) == 1  # among the discrepancies that were answered


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
    assert not re.search(r'<input\b[^>]*\btype="text"', page(admin_client, order))


def test_who_may_only_look_sees_no_buttons_and_gets_403(looker: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    text = page(looker, order)
    assert '/cancel/"' not in text
    act(looker, "cancel", order, status=403, confirmed="yes")
    order.refresh_from_db()
    assert order.state == "pending"


def test_who_may_not_look_gets_403(client: Client, django_user_model: type, new_order: Make) -> None:
    order = new_order()
    client.force_login(django_user_model.objects.create_user("eva", password="made-up", is_staff=True))  # type: ignore[attr-defined]
    assert client.get(LIST).status_code == 403
    assert client.get(reverse("admin:pagoefectivo_order_change", args=[order.pk])).status_code == 403


def test_a_payment_in_any_currency_is_shown(staff: Client, new_order: Make) -> None:
    order = new_order()
    assert notify(order, currency="EUR", amount="1234.50") == 200
    assert "EUR\u00a01,234.50" in page(staff, order)
