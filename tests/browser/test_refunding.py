"""Money on its way back, as its payer and staff see it: the button on the voucher, the link that is copied."""

import re
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from pagoefectivo_django.models import Refund
from pagoefectivo_django.testing import pay
from tests.browser.visiting import Open, assert_accessible, assert_fits, change_device
from tests.factories.orders import make
from tests.factories.people import hire_superuser
from tests.factories.refunds import refund_at

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def waiting(**of: Any) -> Refund:
    """A refund that was approved and has no account."""
    return refund_at("approved", pay(make(**of)))


@pytest.mark.parametrize("language", ["es", "en", "zh-hans"])
def test_a_payer_finds_the_button_and_names_an_account(visit: Open, live_server: Any, language: str) -> None:
    refund = waiting(language=language, concept="Dos polos de algodón")
    page = visit(f"{live_server.url}{refund.order.voucher_url}")
    for width, dark in ((360, False), (360, True), (1280, False)):
        change_device(page, width, dark)
        assert_fits(page)
        assert_accessible(page)
    page.click(".pagoefectivo-refunds a")
    for name, value in (("bank", "BCP"), ("cci", "01136600010003254221"), ("holder", "Ana Quispe")):
        page.fill(f"[name={name}]", value)
    page.click("form button")
    expect(page.locator("[role=status]")).to_contain_text("4221")
    page.goto(f"{live_server.url}{refund.order.voucher_url}")
    expect(page.locator(".pagoefectivo-refunds a")).to_have_count(0)
    expect(page.locator(".pagoefectivo-refunds p")).to_have_count(1)


def test_staff_copies_the_link(visit: Open, live_server: Any) -> None:
    refund, client = waiting(language="en"), hire_superuser("rosa")
    page = visit("about:blank", base_url=live_server.url, permissions=["clipboard-read", "clipboard-write"])
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(reverse("admin:pagoefectivo_refund_change", args=[refund.pk]))
    for width, dark in ((1280, False), (360, True)):
        change_device(page, width, dark)
        assert_fits(page)
        assert_accessible(page)
    page.click("button[data-copied]")
    expect(page.locator("button[data-copied]")).to_have_text("Copied")
    assert re.fullmatch(r"http://\S+/pay/refund/\S+/", page.evaluate("navigator.clipboard.readText()"))
