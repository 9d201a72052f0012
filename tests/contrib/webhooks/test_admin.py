"""Endpoints in the admin: added, changed, tested, rotated and deleted, and their messages sent again."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.contrib.webhooks.managing import create_endpoint
from pagoefectivo_django.contrib.webhooks.models import (
    Endpoint,
    EndpointSecret,
    EndpointStatus,
    MessageStatus,
    WebhookMessage,
)
from pagoefectivo_django.flows import tick
from tests.contrib.webhooks.listening import Listener
from tests.factories.orders import make
from tests.factories.people import hire_superuser

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("webhooks")]
ADDRESS = "https://hooks.example/pagoefectivo?token=made-up-token"


def at(page: str, *arguments: Any, model: str = "endpoint") -> str:
    return reverse(f"admin:pagoefectivo_webhooks_{model}_{page}", args=arguments)


@pytest.fixture
def staff() -> Client:
    return hire_superuser("rosa")


def hire(*codenames: str) -> Client:
    user = User.objects.create_user("luis", password="made-up", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def test_the_secret_of_a_new_endpoint_is_shown_once(staff: Client) -> None:
    assert "Kinds of events" in staff.get(at("add")).content.decode()
    added = staff.post(at("add"), {"url": ADDRESS, "kinds": ["payment_confirmed"]})
    endpoint, secret = Endpoint.objects.get(), EndpointSecret.objects.get().value
    assert added.status_code == 200
    assert "no-store" in added["Cache-Control"]
    assert secret in added.content.decode()
    assert (endpoint.url, endpoint.kinds, endpoint.status) == (ADDRESS, ["payment_confirmed"], "active")
    for page in (at("changelist"), at("change", endpoint.pk), at("history", endpoint.pk)):
        found = staff.get(page)
        assert found.status_code == 200
        assert secret not in found.content.decode()
    assert "made-up-token" not in staff.get(at("changelist")).content.decode()


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "http://hooks.example/", "hooks.example", "https://localhost/", ""]
)
def test_a_wrong_address_is_an_error_of_the_form(staff: Client, url: str) -> None:
    refused = staff.post(at("add"), {"url": url})
    assert refused.status_code == 200
    assert "errorlist" in refused.content.decode()
    assert not Endpoint.objects.exists()


def test_an_endpoint_is_changed(staff: Client) -> None:
    endpoint, _ = create_endpoint(ADDRESS)
    changes = {"url": "https://hooks.example/new", "kinds": ["cip_issued"], "status": "paused"}
    assert staff.post(at("change", endpoint.pk), changes).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.kinds, endpoint.status) == tuple(changes.values())


def test_a_new_secret_is_asked_for_and_shown_once(staff: Client) -> None:
    endpoint, _ = create_endpoint(ADDRESS)
    assert "former secrets sign too" in staff.get(at("rotate", endpoint.pk)).content.decode()
    assert EndpointSecret.objects.count() == 1
    rotated = staff.post(at("rotate", endpoint.pk))
    assert "no-store" in rotated["Cache-Control"]
    assert EndpointSecret.objects.order_by("pk").last().value in rotated.content.decode()  # type: ignore[union-attr]
    assert EndpointSecret.objects.count() == 2


def test_a_test_says_how_it_ended(staff: Client, listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url)
    for answer, words in (
        (b"HTTP/1.1 204 Fine\r\n\r\n", "accepted (204)"),
        (b"HTTP/1.1 503 No\r\n\r\n", "not with 2xx"),
    ):
        listener.answer = answer
        told = staff.post(at("send_test", endpoint.pk), follow=True)
        assert words in told.content.decode()


def test_messages_are_sent_again_one_or_many(staff: Client, listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"])
    orders = [make(), make()]
    tick()
    messages = list(WebhookMessage.objects.order_by("pk"))
    listed = staff.get(at("changelist", model="webhookmessage"), {"q": orders[0].reference})
    assert listed.status_code == 200
    assert staff.post(at("send_again", messages[0].pk, model="webhookmessage"), follow=True).status_code == 200
    assert WebhookMessage.objects.get(pk=messages[0].pk).status == MessageStatus.WAITING
    chosen = {"action": "send_again", "_selected_action": [message.pk for message in messages]}
    staff.post(at("changelist", model="webhookmessage"), chosen)
    tick()
    assert len(listener.heard) == 4
    page = staff.get(at("change", messages[0].pk, model="webhookmessage")).content.decode()
    assert str(messages[0].public_id) in page
    for status in MessageStatus.values:
        found = staff.get(
            at("changelist", model="webhookmessage"), {"status": str(status), "endpoint": str(endpoint.pk)}
        )
        assert found.context["cl"].result_count == (2 if status == "delivered" else 0)


def test_a_message_of_a_disabled_endpoint_has_no_button(staff: Client, listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"])
    make()
    Endpoint.objects.update(status=EndpointStatus.DISABLED)
    message = WebhookMessage.objects.get()
    assert "Send again" not in staff.get(at("change", message.pk, model="webhookmessage")).content.decode()
    refused = staff.post(at("send_again", message.pk, model="webhookmessage"))
    assert "make it active first" in refused.content.decode()
    assert endpoint.messages.count() == 1


def test_an_endpoint_is_deleted_with_its_messages(staff: Client, listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url)
    make()
    assert staff.get(at("delete", endpoint.pk)).status_code == 200
    assert staff.post(at("delete", endpoint.pk), {"post": "yes"}).status_code == 302
    assert not Endpoint.objects.exists()
    assert not WebhookMessage.objects.exists()


def test_whoever_may_only_look_changes_nothing(listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"])
    make()
    tick()
    message = WebhookMessage.objects.get()
    looker = hire("view_endpoint", "view_webhookmessage")
    page = looker.get(at("change", endpoint.pk))
    assert page.status_code == 200
    for words in ("Send a test", "Change the secret", 'name="_save"'):
        assert words not in page.content.decode()
    again = at("send_again", message.pk, model="webhookmessage")
    for forbidden in (at("send_test", endpoint.pk), at("rotate", endpoint.pk), at("delete", endpoint.pk), again):
        assert looker.post(forbidden).status_code == 403
    assert looker.post(at("change", endpoint.pk), {"url": ADDRESS}).status_code == 403
    assert looker.get(at("add")).status_code == 403
    assert EndpointSecret.objects.count() == 1
