"""A sale in a shop of Oscar's, with browser, server and sandbox: ``tests/contrib/test_oscar.py`` runs this file."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from oscar.core.loading import get_model
from playwright.sync_api import Page, expect

from pagoefectivo_django.models import Order
from tests.browser.visiting import Open, assert_accessible, assert_fits, change_device
from tests.factories.payers import ANA
from tests.oscar_shop.selling import ADDRESS
from tests.oscar_shop.shelf import IN_STOCK, employ, stock
from tests.sandbox.running import Client, running

pytestmark = pytest.mark.django_db(transaction=True)

#: A folder for pictures of the pages, for who wants to look at them.
PICTURES = os.environ.get("OSCAR_PICTURES", "")


@pytest.fixture
def sandbox(live_server: Any, settings: Any) -> Iterator[Client]:
    """A PagoEfectivo of its own process, and the shop's channel to it."""
    with running("--webhook-url", f"{live_server.url}/pagar/webhooks/default/") as client:
        backend = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
        options = client.options | {"ENVIRONMENT": "sandbox", "BASE_URL": client.base}
        channels = {"CHANNELS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | channels
        yield client


def look(page: Page, name: str) -> None:
    """See the page on a wide screen and on a telephone, and keep pictures where they are wanted."""
    for width in (1280, 360):
        change_device(page, width)
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)


def check_out(page: Page) -> None:
    """From the product to the preview, as a guest."""
    page.locator("#add_to_basket_form button").click()
    page.goto(page.url.split("/catalogue/")[0] + reverse("checkout:index"))
    page.fill("[name=username]", ANA["email"])
    page.get_by_role("button", name="Continue").click()
    for name, value in ADDRESS.items():
        if name != "country":
            page.fill(f"[name={name}]", value)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#id_email")).to_have_value(ANA["email"])
    look(page, "payment-details")
    assert_fits(page)
    page.select_option("[name=receipt]", ANA["receipt"])
    page.select_option("[name=document_type]", ANA["document_type"])
    page.fill("[name=document_number]", ANA["document_number"])
    page.locator("#view_preview").click()
    expect(page.get_by_role("button", name="Place order")).to_be_visible()
    look(page, "preview")
    assert_fits(page)


def test_a_guest_buys_pays_at_an_agent_and_the_staff_sees_it(live_server: Any, sandbox: Client, visit: Open) -> None:
    record = stock()
    page = visit(live_server.url + record.product.get_absolute_url(), width=1280)
    check_out(page)
    page.get_by_role("button", name="Place order").click()
    expect(page.locator("#pagoefectivo-code")).to_be_visible()
    look(page, "voucher")
    assert_fits(page)
    # Oscar's layout stands around it.
    expect(page.locator("header.header")).to_be_visible()
    expect(page).to_have_title(re.compile(r"· PagoEfectivo \| Tienda Quipu"))
    assert_accessible_inside(page)
    order = Order.objects.select_related("cip").get()
    assert order.code in page.locator("#pagoefectivo-code").inner_text().replace("\n", "").replace(" ", "")
    sandbox.tell("pay", cip=int(order.code))
    expect(page.locator("#pagoefectivo-news")).to_have_text("We received your payment")
    placed = get_model("order", "Order").objects.get()
    record.refresh_from_db()
    assert (placed.status, placed.sources.get().amount_debited) == ("Being processed", order.amount)
    assert (record.num_allocated, record.num_in_stock) == (0, IN_STOCK - 1)
    see_as_staff(page, live_server.url, placed.number)


def assert_accessible_inside(page: Page) -> None:
    """Find nothing against AA in our part of the page; the rest is Oscar's."""
    page.evaluate("document.body.replaceChildren(document.getElementById('pagoefectivo'))")
    assert_accessible(page, advice=False)
    page.reload()


def see_as_staff(page: Page, shop: str, number: str) -> None:
    """From the dashboard's page of the order to the admin's, and back.

    In a page of its own: Oscar's calls a function of its script that is not there, and is wider than a telephone.
    """
    rosa, page = employ(), page.context.new_page()
    page.goto(shop + reverse("dashboard:login"))
    page.fill("[name$=username]", rosa.email)
    page.fill("[name$=password]", "made-up-password")
    page.press("#dashboard_login_form [name$=password]", "Enter")
    page.goto(shop + reverse("dashboard:order-detail", args=[number]))
    look(page, "dashboard")
    change_device(page, 1280)
    page.get_by_role("link", name="Open in the admin").click()
    expect(page).to_have_url(re.compile(r"/admin/pagoefectivo/order/\d+/change/"))
    page.get_by_role("link", name="Order in Oscar's dashboard").click()
    expect(page).to_have_url(shop + reverse("dashboard:order-detail", args=[number]))
