"""Endpoints in the API: created, changed, tested, ended, and their deliveries looked at and sent again."""

import uuid
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from pagoefectivo_django.contrib.webhooks.models import Endpoint, EndpointStatus, WebhookMessage
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import IdempotencyKey
from tests.api.conftest import Caller
from tests.contrib.webhooks.listening import Listener
from tests.factories.orders import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("webhooks")]
LIST = reverse("pagoefectivo-api:webhook-endpoints")
ADDRESS = "https://hooks.example/pagoefectivo"


def to(name: str, *arguments: Any) -> str:
    return reverse(f"pagoefectivo-api:webhook-{name}", args=arguments)


@pytest.fixture
def endpoint(shop: APIClient, listener: Listener) -> dict[str, Any]:
    created = shop.post(LIST, {"url": listener.url, "kinds": ["cip_issued"]}, format="json")
    assert created.status_code == 201, created.json()
    told: dict[str, Any] = created.json()
    return told


def test_a_secret_is_told_once(shop: APIClient) -> None:
    created = shop.post(LIST, {"url": ADDRESS, "kinds": ["payment_confirmed", "cip_issued"]}, format="json")
    assert (created.status_code, created["Cache-Control"]) == (201, "no-store")
    told = created.json()
    secret = told.pop("secret")
    assert secret.startswith("whsec_")
    assert Webhook(secret)
    assert told["kinds"] == ["cip_issued", "payment_confirmed"]
    assert (told["url"], told["status"], told["failing_since"]) == (ADDRESS, "active", None)
    assert told["secrets"][0]["begins"] == f"{secret[:10]}…"
    assert shop.get(to("endpoint", told["id"])).json() == told
    page = shop.get(LIST)
    assert page.json()["results"] == [told]
    assert secret not in page.content.decode()


def test_rotating_tells_the_new_secret_and_keeps_the_old_for_a_day(
    shop: APIClient,
    endpoint: dict[str, Any],
    listener: Listener,
) -> None:
    rotated = shop.post(to("rotate", endpoint["id"]))
    assert (rotated.status_code, rotated["Cache-Control"]) == (200, "no-store")
    assert [each["ends_at"] is None for each in rotated.json()["secrets"]] == [False, True]
    tested = shop.post(to("test", endpoint["id"])).json()
    assert (tested["kind"], tested["status"], tested["outcome"], tested["http_status"]) == (
        *("test", "delivered", "ok", 204),
    )
    (heard,) = listener.heard
    for secret in (endpoint["secret"], rotated.json()["secret"]):
        Webhook(secret).verify(heard.body, heard.headers)


def test_a_repetition_with_a_key_writes_nothing_twice_and_tells_no_secret(shop: APIClient, listener: Listener) -> None:
    key = {"Idempotency-Key": "made-up-key"}
    body = {"url": listener.url, "kinds": ["cip_issued"]}

    def twice(send: Any, *arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        first, again = (send(*arguments, format="json", headers=key) for _ in range(2))
        assert first.status_code == again.status_code, (first.content, again.content)
        return (first.json(), again.json()) if first.content else ({}, {})

    made, again = twice(shop.post, LIST, body)
    assert made.pop("secret")
    assert made == again
    one = to("endpoint", made["id"])
    rotated, again = twice(shop.post, to("rotate", made["id"]))
    assert rotated.pop("secret")
    assert rotated == again
    assert len(rotated["secrets"]) == 2
    tested, again = twice(shop.post, to("test", made["id"]))
    assert tested == again
    assert len(listener.heard) == 1
    make()
    tick()
    sent = WebhookMessage.objects.get(kind="cip_issued")
    again_at = f"{to('delivery', made['id'], sent.public_id)}redeliver/"
    assert shop.post(again_at, headers=key).json()["status"] == "waiting"
    tick()
    assert shop.post(again_at, headers=key).json()["status"] == "delivered"
    tick()
    assert len(listener.heard) == 3
    twice(shop.patch, one, {"status": "paused"})
    twice(shop.delete, one)
    assert not Endpoint.objects.exists()


def test_an_endpoint_whose_process_ended_before_the_answer_is_made_once(shop: APIClient) -> None:
    key = {"Idempotency-Key": "made-up-key"}
    made = shop.post(LIST, {"url": ADDRESS}, format="json", headers=key).json()
    IdempotencyKey.objects.update(status=None, leased_until=None)
    again = shop.post(LIST, {"url": ADDRESS}, format="json", headers=key)
    assert (again.status_code, again.json()["id"], Endpoint.objects.count()) == (201, made["id"], 1)
    assert "secret" not in again.json()


def test_deliveries_are_seen_and_sent_again(shop: APIClient, endpoint: dict[str, Any], listener: Listener) -> None:
    order = make()
    tick()
    deliveries = to("deliveries", endpoint["id"])
    (told,) = shop.get(deliveries).json()["results"]
    assert (told["kind"], told["status"], told["attempts"]) == ("cip_issued", "delivered", 1)
    assert told["event"] == listener.heard[0].headers["webhook-id"]
    assert told["order"] == str(order.public_id)
    one = to("delivery", endpoint["id"], told["id"])
    assert shop.get(one).json() == told
    assert shop.post(f"{one}redeliver/").json()["status"] == "waiting"
    tick()
    assert len(listener.heard) == 2
    assert shop.get(deliveries, {"status": "waiting"}).json()["results"] == []
    assert len(shop.get(deliveries, {"status": "delivered", "kind": "cip_issued"}).json()["results"]) == 1
    wrong = shop.get(deliveries, {"status": "sent"})
    assert (wrong.status_code, set(wrong.json()["errors"])) == (400, {"status"})


def test_an_endpoint_whose_address_is_not_allowed_any_more_can_be_disabled(
    shop: APIClient, endpoint: dict[str, Any], settings: Any
) -> None:
    """Only what is given is judged and written."""
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"WEBHOOKS": {}}
    one = to("endpoint", endpoint["id"])
    Endpoint.objects.update(kinds=["order_created"])  # by somebody else, since the caller has read the endpoint
    changed = shop.patch(one, {"status": "disabled"}, format="json")
    assert (changed.status_code, changed.json()["status"]) == (200, "disabled")
    assert Endpoint.objects.get().kinds == ["order_created"]
    assert shop.patch(one, {"url": endpoint["url"]}, format="json").status_code == 400


def test_an_endpoint_is_changed_and_deleted(shop: APIClient, endpoint: dict[str, Any]) -> None:
    one = to("endpoint", endpoint["id"])
    changed = shop.patch(one, {"status": "disabled", "kinds": []}, format="json").json()
    assert (changed["status"], changed["kinds"], changed["url"]) == ("disabled", [], endpoint["url"])
    make()
    assert not WebhookMessage.objects.exists()
    assert shop.delete(one).status_code == 204
    assert shop.get(one).status_code == 404
    assert not Endpoint.objects.exists()


def test_a_disabled_endpoint_sends_nothing_again(shop: APIClient, endpoint: dict[str, Any]) -> None:
    make()
    tick()
    Endpoint.objects.update(status=EndpointStatus.DISABLED)
    again = to("redeliver", endpoint["id"], WebhookMessage.objects.get().public_id)
    refused = shop.post(again)
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({}, "url", id="nothing"),
        pytest.param({"url": "https://10.0.0.1/"}, "url", id="private"),
        pytest.param({"url": "https://localhost/"}, "url", id="this machine"),
        pytest.param({"url": "http://hooks.example/"}, "url", id="without TLS"),
        pytest.param({"url": "hooks.example"}, "url", id="no address"),
        pytest.param({"url": ["https://hooks.example/"]}, "url", id="a list"),
        pytest.param({"url": None}, "url", id="null"),
        pytest.param({"url": f"https://hooks.example/{'a' * 1000}"}, "url", id="long"),
        pytest.param({"url": ADDRESS, "kinds": ["noted"]}, "kinds.0", id="no kind of event"),
        pytest.param({"url": ADDRESS, "kinds": "cip_issued"}, "kinds", id="no list"),
        pytest.param({"url": ADDRESS, "kinds": [7]}, "kinds.0", id="a number"),
        pytest.param({"url": ADDRESS, "kinds": [{}]}, "kinds.0", id="an object"),
        pytest.param({"url": ADDRESS, "status": "asleep"}, "status", id="no status"),
        pytest.param({"url": ADDRESS, "secret": "whsec_made-up"}, "secret", id="unknown"),
    ],
)
def test_a_wrong_body_names_the_field(shop: APIClient, body: Any, field: str) -> None:
    refused = shop.post(LIST, body, format="json")
    assert refused.status_code == 400
    assert refused["Content-Type"] == "application/problem+json"
    assert set(refused.json()["errors"]) == {field}
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"{", b"\xff", b'{"url": "\\ud800"}', b'{"url": NaN}'])
def test_whatever_is_no_object_is_a_problem(shop: APIClient, body: bytes) -> None:
    assert shop.post(LIST, body, content_type="application/json").status_code == 400


ROUTES = {
    "list": ("get", LIST, "view_endpoint"),
    "create": ("post", LIST, "add_endpoint"),
    "read": ("get", "endpoint", "view_endpoint"),
    "change": ("patch", "endpoint", "change_endpoint"),
    "delete": ("delete", "endpoint", "delete_endpoint"),
    "rotate": ("post", "rotate", "change_endpoint"),
    "test": ("post", "test", "change_endpoint"),
    "deliveries": ("get", "deliveries", "view_webhookmessage"),
    "delivery": ("get", "delivery", "view_webhookmessage"),
    "redeliver": ("post", "redeliver", "change_webhookmessage"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_has_its_permission(caller: Caller, route: str) -> None:
    method, name, permission = ROUTES[route]
    ids = [uuid.uuid4()] * (1 + (name in ("delivery", "redeliver")))
    address = name if name == LIST else to(name, *ids)
    others = {wanted for _, _, wanted in ROUTES.values()} - {permission}
    assert getattr(APIClient(), method)(address).status_code == 401
    assert getattr(caller(*others, name="others"), method)(address).status_code == 403
    assert getattr(caller(permission), method)(address).status_code in (200, 400, 404)


def test_an_id_from_nowhere_is_404(shop: APIClient, endpoint: dict[str, Any]) -> None:
    for wrong in (uuid.uuid4(), "1", "x" * 300):
        assert shop.get(to("endpoint", wrong)).status_code == 404
        assert shop.get(to("delivery", endpoint["id"], wrong)).status_code == 404
