"""A single-page shop shows how a payment stands."""

from typing import Any

import pytest
from playwright.sync_api import expect

from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import expire, pay
from tests.browser.visiting import Open, assert_accessible, assert_fits

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.urls("tests.recipes.urls"),
]


@pytest.mark.parametrize(
    ("ends", "says"), [(pay, "¡Pagado! Gracias."), (expire, "El código venció.")], ids=["paid", "expired"]
)
def test_the_page_follows_the_payment(visit: Open, live_server: Any, ends: Any, says: str) -> None:
    page = visit(f"{live_server.url}/spa/index.html", clock=True)
    page.get_by_role("button").click()
    shown = page.get_by_role("status")
    expect(shown).to_contain_text("Paga con este código:")
    order = Order.objects.get(reference="CART-7")
    expect(shown).to_contain_text(order.code)
    expect(shown).to_contain_text("PEN 35.50")
    assert_accessible(page)
    assert_fits(page)
    ends(order)
    page.clock.run_for(5_000)
    expect(shown).to_have_text(says)


def test_a_lost_connection_is_looked_over(visit: Open, live_server: Any) -> None:
    page = visit(f"{live_server.url}/spa/index.html", clock=True)
    page.get_by_role("button").click()
    shown = page.get_by_role("status")
    expect(shown).to_contain_text("Paga con este código:")
    page.evaluate("() => { window.real = window.fetch; window.fetch = () => Promise.reject(new TypeError('gone')) }")
    page.clock.run_for(5_000)
    page.evaluate("() => { window.fetch = window.real }")
    pay(Order.objects.get())
    expect(shown).to_contain_text("Paga con este código:")
    page.clock.run_for(10_000)
    expect(shown).to_have_text("¡Pagado! Gracias.")


def test_an_unchanged_status_is_not_sent_again(visit: Open, live_server: Any) -> None:
    page = visit(f"{live_server.url}/spa/index.html", clock=True)
    page.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("Paga con este código:")
    with page.expect_response(lambda response: response.url.endswith("/status/")) as answer:
        page.clock.run_for(5_000)
    assert answer.value.status == 304
