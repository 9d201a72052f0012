"""Selling from pages of Wagtail: ``tests/recipes/test_wagtail.py`` runs this file in the site's own project."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from wagtail.admin.icons import get_icons
from wagtail.models import GroupPagePermission, Locale, Page, PageViewRestriction, Site

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows.outbox.publish import deliver_again
from pagoefectivo_django.models import Delivery, Order
from pagoefectivo_django.testing import check_receivers, deliver, make_order, pay
from tests.factories.payers import ANA
from tests.wagtail_shop.links import link_of
from tests.wagtail_shop.models import ProductPage, Purchase, Sale
from tests.wagtail_shop.wagtail_hooks import payments_item

pytestmark = pytest.mark.django_db

PRICE = Decimal("34.90")


@pytest.fixture(autouse=True)
def home() -> Any:
    """The site's first page, as Wagtail's migrations make it with the rows around it: they take long."""
    MemoryChannel.clear()
    Locale.objects.create(language_code="es")
    root = Page.add_root(title="Root", slug="root")
    page = root.add_child(instance=Page(title="Tienda Quipu", slug="home"))
    Site.objects.create(hostname="localhost", root_page=page, is_default_site=True)
    return page


@pytest.fixture
def product(home: Any) -> Any:
    return home.add_child(instance=ProductPage(title="Café de Jaén", slug="cafe", price=PRICE))


@pytest.fixture
def buy(client: Client, product: Any, django_capture_on_commit_callbacks: Any) -> Callable[..., Any]:
    """A function that sends the form of the product's page, by default as it stands there now."""

    def send(token: str = "", **changes: str) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return client.post("/cafe/comprar/", ANA | {"token": token or token_of(client)} | changes)

    return send


def token_of(client: Client, path: str = "/cafe/comprar/") -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get(path).content.decode())
    assert found
    return found[1]


def editor(*permissions: str, staff: bool = True) -> Client:
    """Return the browser of a person who may edit every page, and has these permissions too."""
    person = User.objects.create_user("rosa", is_staff=staff)
    group = Group.objects.create(name="Editors")
    change = Permission.objects.get(codename="change_page")
    GroupPagePermission.objects.create(group=group, page=Page.get_first_root_node(), permission=change)
    person.groups.add(group)
    person.user_permissions.set(Permission.objects.filter(codename__in=["access_admin", *permissions]))
    client = Client()
    client.force_login(person)
    return client


def test_a_page_shows_price_and_button_and_nothing_of_one_visitor(client: Client, product: Any) -> None:
    page = client.get("/cafe/")
    text = page.content.decode()
    assert "S/\u00a034.90" in text
    assert '<form action="/cafe/comprar/"><button>Comprar</button></form>' in text
    assert page["Cache-Control"] == "max-age=60"
    assert not page.has_header("Vary")
    assert not page.cookies
    form = client.get("/cafe/comprar/")
    assert "no-store" in form["Cache-Control"]
    assert "csrfmiddlewaretoken" in form.content.decode()


def test_buying_makes_an_order_of_the_live_price_and_leads_to_the_voucher(
    client: Client, product: Any, buy: Callable[..., Any]
) -> None:
    answer = buy()
    order = Order.objects.get()
    assert (order.state, order.money.amount, order.currency) == ("pending", PRICE, "PEN")
    assert (order.concept, order.payer.email) == ("Café de Jaén", "ana@example.com")
    assert (answer.status_code, answer.url) == (302, order.voucher_url)
    assert Purchase.objects.get(order=order).page == product
    assert order.code in client.get(answer.url).content.decode()


def test_a_second_press_leads_to_the_same_order(client: Client, product: Any, buy: Callable[..., Any]) -> None:
    token = token_of(client)
    first = buy(token)
    product.price = Decimal("99.00")
    product.save_revision().publish()  # a price that changed between the presses changes nothing
    assert buy(token).url == first.url
    assert Purchase.objects.get().order == Order.objects.get()
    assert buy().url != first.url
    assert [order.money.amount for order in Order.objects.order_by("pk")] == [PRICE, Decimal("99.00")]
    assert Purchase.objects.filter(page=product).count() == 2


def test_what_the_browser_says_of_the_price_counts_for_nothing(buy: Callable[..., Any]) -> None:
    buy(price="0.10", amount="0.10")
    assert Order.objects.get().money.amount == PRICE


def test_a_token_that_is_not_of_this_page_buys_nothing(client: Client, home: Any, buy: Callable[..., Any]) -> None:
    home.add_child(instance=ProductPage(title="Té de coca", slug="te", price=PRICE))
    for token in ("made-up", token_of(client, "/te/comprar/")):
        assert buy(token).status_code == 400
    assert not Order.objects.exists()


def test_order_and_purchase_are_written_together(
    client: Client, buy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: Any, **kwargs: Any) -> None:
        raise SystemExit

    token = token_of(client)
    with monkeypatch.context() as patch:
        patch.setattr(Purchase.objects, "get_or_create", die)
        with pytest.raises(SystemExit):
            buy(token)
    assert not Order.objects.exists()
    buy(token)
    assert Purchase.objects.get().order == Order.objects.get()


def test_a_payer_of_wrong_data_is_asked_again(client: Client, buy: Callable[..., Any]) -> None:
    token = token_of(client)
    text = buy(token, email="nobody").content.decode()
    assert token in text
    assert not Order.objects.exists()
    buy(token)
    assert Order.objects.count() == 1


def test_a_price_that_no_channel_takes_is_told(buy: Callable[..., Any], settings: Any) -> None:
    channel = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    most = channel | {"OPTIONS": channel["OPTIONS"] | {"MAX_AMOUNT": PRICE - 1}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": most}}
    assert "No pudimos tomar tu pedido." in buy().content.decode()
    assert not Order.objects.exists()


def test_a_draft_changes_no_price_until_it_is_published(product: Any, buy: Callable[..., Any]) -> None:
    product.price = Decimal("1.00")
    draft = product.save_revision()
    buy()
    assert Order.objects.get().money.amount == PRICE
    draft.publish()
    buy()
    assert Order.objects.latest("pk").money.amount == Decimal("1.00")


def test_an_unpublished_page_is_not_sold(client: Client, product: Any, buy: Callable[..., Any]) -> None:
    token = token_of(client)
    product.unpublish()
    assert client.get("/cafe/").status_code == 404
    assert client.get("/cafe/comprar/").status_code == 404
    assert buy(token).status_code == 404
    assert not Order.objects.exists()


def test_a_private_page_is_sold_to_those_who_may_see_it(client: Client, product: Any, buy: Callable[..., Any]) -> None:
    token = token_of(client)
    PageViewRestriction.objects.create(page=product, restriction_type=PageViewRestriction.LOGIN)
    answer = buy(token)
    assert (answer.status_code, Order.objects.count()) == (302, 0)
    assert "login" in answer.url
    client.force_login(User.objects.create_user("ana"))
    assert "no-store" in client.get("/cafe/")["Cache-Control"]
    buy(token)
    assert Order.objects.count() == 1


def test_a_payment_is_recorded_as_a_sale_once(product: Any, buy: Callable[..., Any]) -> None:
    buy()
    order = pay(Order.objects.get())
    deliver()
    sale = Sale.objects.get()
    assert sale.purchase.order == order
    (delivery,) = Delivery.objects.filter(event=sale.event_id)
    deliver_again(delivery)
    assert deliver() == 1
    assert Sale.objects.get() == sale


def test_the_receiver_survives_a_bad_day(product: Any) -> None:
    def make() -> Order:
        order = make_order()
        Purchase.objects.create(order=order, page=product)
        return order

    check_receivers(make)
    pay(make_order())  # of another part of the site
    deliver()
    assert not Sale.objects.exists()


def test_order_and_editor_lead_to_each_other(product: Any, buy: Callable[..., Any], admin_client: Client) -> None:
    buy()
    order = Order.objects.get()
    edit = reverse("wagtailadmin_pages:edit", args=[product.pk])
    assert f'href="{edit}"' in admin_client.get(order.admin_url).content.decode()
    text = admin_client.get(edit).content.decode()
    assert f'<a href="{order.admin_url}">{order.reference}</a></li>' in text
    pay(order)
    assert f'<a href="{order.admin_url}">{order.reference}</a>, pagada</li>' in admin_client.get(edit).content.decode()
    product.delete()
    assert link_of(order) is None
    page = admin_client.get(order.admin_url)
    assert page.status_code == 200
    assert edit not in page.content.decode()


def test_a_new_page_has_no_purchases_yet(home: Any, admin_client: Client) -> None:
    add = reverse("wagtailadmin_pages:add", args=["wagtail_shop", "productpage", home.pk])
    page = admin_client.get(add)
    assert page.status_code == 200
    assert "Compras" not in page.content.decode()


MENU = reverse("admin:app_list", args=["pagoefectivo"])


@pytest.mark.parametrize(
    ("permissions", "staff", "seen"),
    [(["view_order"], True, True), ([], True, False), (["view_order"], False, False)],
    ids=["may", "without the permission", "not of Django's admin"],
)
def test_the_menu_leads_those_who_may_to_the_first_page(permissions: list[str], staff: bool, seen: bool) -> None:
    client = editor(*permissions, staff=staff)
    home = client.get(reverse("wagtailadmin_home"))
    assert home.status_code == 200
    assert (MENU in home.content.decode()) == seen
    assert (client.get(MENU).status_code == 200) == seen


def test_the_menus_icon_is_one_of_wagtails() -> None:
    assert f'id="icon-{payments_item().icon_name}"' in get_icons()


@pytest.mark.parametrize("may", [True, False], ids=["may", "may not"])
def test_an_editor_sees_purchases_with_the_permission_for_orders(
    product: Any, buy: Callable[..., Any], may: bool
) -> None:
    buy()
    page = editor(*(["view_order"] if may else [])).get(reverse("wagtailadmin_pages:edit", args=[product.pk]))
    assert page.status_code == 200
    assert (Order.objects.get().reference in page.content.decode()) == may
