"""Links between an order's page in the admin and the shop's own pages."""

import logging
from typing import Any

import pytest
from django.test import Client, override_settings

from pagoefectivo_django.conf import conf
from pagoefectivo_django.models import Order
from tests.factories.orders import make

pytestmark = pytest.mark.django_db(transaction=True)


def link_of(order: Order) -> tuple[str, str]:
    return f"/backoffice/{order.reference}/?a=1&b=2", "Sale <1>"


def none_of(order: Order) -> None:
    return None


def failing(order: Order) -> tuple[str, str]:
    raise LookupError("no such sale")


def page(client: Client, order: Order, function: Any) -> str:
    setting = {**conf.all(), "ORDER_LINK": f"{__name__}.{function.__name__}"}
    with override_settings(PAGOEFECTIVO=setting):
        answer = client.get(order.admin_url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_orders_page_leads_to_the_shop(staff: Client) -> None:
    shown = page(staff, make("SHOP-1"), link_of)
    assert 'href="/backoffice/SHOP-1/?a=1&amp;b=2"' in shown
    assert "Sale &lt;1&gt;" in shown


def test_an_order_may_have_no_page_in_the_shop(staff: Client) -> None:
    assert "backoffice" not in page(staff, make("SHOP-1"), none_of)


def test_a_function_that_fails_costs_its_link_only(staff: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="pagoefectivo.orders"):
        assert "SHOP-1" in page(staff, make("SHOP-1"), failing)
    assert "ORDER_LINK failed for order SHOP-1" in caplog.text


@pytest.mark.urls("tests.admin.no_admin")
def test_a_project_without_the_admin_has_no_page_to_lead_to() -> None:
    assert make().admin_url == ""
