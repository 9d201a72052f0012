"""The example shop's pages, in the shop's own project: ``test_pages.py`` runs this file there."""

from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import check_receivers, make_order, pay

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)  # with its shelf

COFFEE, JUMPER = "cafe-de-chanchamayo", "chompa-de-alpaca"  # 34.90 and 189.00
PAYER = {
    "email": "ana@example.com",
    "name": "Ana",
    "last_name": "Quispe",
    "phone": "999 888 777",
    "document_type": "DNI",
    "document_number": "01234567",
    "receipt": "boleta",
}


@pytest.fixture(autouse=True)
def _memory(settings: Any) -> None:
    """The shop's own settings, with a provider in a list."""
    MemoryChannel.clear()
    backend = f"{MemoryChannel.__module__}.{MemoryChannel.__qualname__}"
    channel = {"BACKEND": backend, "OPTIONS": {"WEBHOOK_SECRETS": ["made-up-webhook-secret"]}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": channel}}


def put(client: Client, slug: str, quantity: object) -> str:
    answer = client.post(reverse("shop:put", args=[slug]), {"quantity": quantity}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def check_out(client: Client, **changes: str) -> Any:
    return client.post(reverse("shop:checkout"), PAYER | changes)


def cart(client: Client) -> Any:
    return client.get(reverse("shop:cart")).context["cart"]


def test_a_cart_has_what_was_chosen_last(client: Client) -> None:
    put(client, COFFEE, 2)
    put(client, JUMPER, 1)
    put(client, COFFEE, 3)
    assert (cart(client).count, cart(client).money.amount) == (4, Decimal("293.70"))
    put(client, JUMPER, 0)
    put(client, JUMPER, 0)
    assert (cart(client).count, cart(client).money.amount) == (3, Decimal("104.70"))


@pytest.mark.parametrize("quantity", ["21", "-1", "two", "", "1.5"])
def test_a_quantity_that_is_none_changes_nothing_and_is_told(client: Client, quantity: str) -> None:
    put(client, COFFEE, 20)
    assert "Elige de 0 a 20 de cada uno." in put(client, COFFEE, quantity)
    assert cart(client).count == 20


def test_nothing_is_ordered_from_an_empty_cart(client: Client) -> None:
    assert check_out(client).url == reverse("shop:cart")
    assert not Order.objects.exists()


def test_an_order_that_is_changed_withdraws_the_old_code(client: Client) -> None:
    put(client, COFFEE, 1)
    check_out(client)
    old = Order.objects.get()
    client.post(reverse("shop:change", args=[old.token]))
    assert cart(client).count == 1
    put(client, COFFEE, 3)
    check_out(client)
    tick()
    old.reload()
    new = Order.objects.exclude(pk=old.pk).get()
    assert (old.state, old.amount) == ("cancelled", Decimal("34.90"))
    assert ("delete", old.code) in MemoryChannel.calls
    assert (new.state, new.reference, new.amount) == ("pending", old.reference, Decimal("104.70"))
    assert new.code not in ("", old.code)


def test_an_order_that_is_paid_is_not_changed(client: Client) -> None:
    put(client, COFFEE, 1)
    check_out(client)
    order = pay(Order.objects.get())
    answer = client.post(reverse("shop:change", args=[order.token]), follow=True)
    assert "Este pedido ya no se puede cambiar." in answer.content.decode()
    assert cart(client).count == 0


def test_a_double_click_on_the_checkout_makes_one_order(client: Client) -> None:
    put(client, COFFEE, 2)
    session = client.session
    before = dict(session.items())
    first = check_out(client)
    assert check_out(client).url == first.url
    # Both clicks at once: the second still sees the cart.
    session = client.session
    session.update(before)
    session.save()
    assert check_out(client).url == first.url
    order = Order.objects.get()
    assert [(line.quantity, line.price) for line in order.purchase.lines.all()] == [(2, Decimal("34.90"))]  # type: ignore[attr-defined]


def test_what_pagoefectivo_does_not_take_is_told_and_not_ordered(client: Client) -> None:
    put(client, JUMPER, 20)
    for answer in (client.get(reverse("shop:checkout")), check_out(client)):
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "S/\u00a03,780.00 es demasiado para PagoEfectivo" in text
        assert 'name="email"' not in text
    assert not Order.objects.exists()


@pytest.mark.parametrize(("debug", "status"), [(True, 200), (False, 404)])
def test_mails_are_shown_to_developers_only(client: Client, settings: Any, debug: bool, status: int) -> None:
    settings.DEBUG = debug
    assert client.get(reverse("shop:mails")).status_code == status


def test_receivers_survive_a_bad_day() -> None:
    """What a shop's own tests have: each receiver is called twice, killed in the middle, and called out of order."""

    def make() -> Order:
        order = make_order()
        apps.get_app_config("shop").get_model("Purchase")._default_manager.create(order=order)
        return order

    check_receivers(make)


def test_an_order_in_the_admin_leads_to_its_purchase_and_back(admin_client: Client) -> None:
    order = make_order()
    assert admin_client.get(order.admin_url).status_code == 200
    purchase = apps.get_app_config("shop").get_model("Purchase")._default_manager.create(order=order)
    address = reverse("admin:shop_purchase_change", args=[purchase.pk])
    assert f'href="{address}"' in admin_client.get(order.admin_url).content.decode()
    assert f'href="{order.admin_url}"' in admin_client.get(address).content.decode()
