"""The admin's pages of outgoing webhooks, for staff who can't see them or not well."""

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from pagoefectivo_django.contrib.webhooks.managing import create_endpoint, rotate_secret
from pagoefectivo_django.contrib.webhooks.models import Endpoint, Outcome, WebhookMessage
from pagoefectivo_django.flows import tick
from tests.browser.test_staff_pages import desk, look  # noqa: F401  a fixture
from tests.contrib.webhooks.conftest import webhooks  # noqa: F401  a fixture
from tests.factories.orders import make

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "webhooks"),
]


def at(page: str, *arguments: Any, model: str = "endpoint") -> str:
    return reverse(f"admin:pagoefectivo_webhooks_{model}_{page}", args=arguments)


def test_staff_adds_an_endpoint_and_copies_its_secret(desk: Page) -> None:  # noqa: F811
    look(desk, at("add"))
    desk.get_by_label("Address").fill("https://10.0.0.1/hooks")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_text("not in the public internet")).to_be_visible()
    look(desk)
    desk.get_by_label("Address").fill("https://hooks.example/pagoefectivo")
    desk.get_by_label("payment_confirmed").check()
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_text("whsec_")).to_be_visible()
    look(desk)
    desk.get_by_role("link", name="I have copied it").click()
    expect(desk.get_by_label("payment_confirmed")).to_be_checked()
    desk.get_by_role("link", name="Change the secret").click()
    look(desk)
    desk.get_by_role("button", name="Yes: Change the secret").click()
    expect(desk.get_by_text("whsec_")).to_be_visible()


def test_pages_with_messages(desk: Page) -> None:  # noqa: F811
    endpoint, _ = create_endpoint("https://hooks.example/a-long-path-that-does-not-end-soon/pagoefectivo/incoming")
    rotate_secret(endpoint)
    make()
    tick()
    WebhookMessage.objects.filter(kind="cip_issued").update(outcome=Outcome.TIMED_OUT, retry_at=None, attempts=10)
    Endpoint.objects.update(status="disabled")
    for page in (at("changelist"), at("changelist", model="webhookmessage")):
        look(desk, page, advice=False)
    for page in (at("change", endpoint.pk), at("delete", endpoint.pk)):
        look(desk, page)
    look(desk, at("change", WebhookMessage.objects.first().pk, model="webhookmessage"))  # type: ignore[union-attr]
