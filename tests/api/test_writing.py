"""Orders created and changed by the API: the answers, the permissions, and what a wrong body is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from pagoefectivo_django.api.problems import problem_of
from pagoefectivo_django.channels import failures
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.models import IdempotencyKey, Order, OrderEvent
from pagoefectivo_django.testing import expire, pay
from tests.api.conftest import Caller
from tests.factories.orders import bought, make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
LIST = reverse("pagoefectivo-api:orders")
#: A body that creates an order.
BODY: dict[str, Any] = {
    "reference": "SHOP-1001",
    "amount": "120.50",
    "currency": "PEN",
    "payer": {"email": "ana@example.com", "name": "Ana", "phone": "999888777"},
}


def post(client: APIClient, address: str, body: object = None, **headers: str) -> Any:
    return client.post(address, {} if body is None else body, format="json", headers=headers)


def at(order: Order, change: str = "") -> str:
    return reverse("pagoefectivo-api:order", args=[order.public_id]) + (f"{change}/" if change else "")


def in_hours(hours: int) -> str:
    return (timezone.now() + timedelta(hours=hours)).replace(microsecond=0).isoformat()


def test_an_order_is_created_with_its_code(caller: Caller) -> None:
    client = caller("add_order")
    answer = post(client, LIST, BODY | {"concept": "Two T-shirts", "language": "en", "metadata": {"weight": 1.5}})
    told, order = answer.json(), Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (201, f"http://testserver{at(order)}")
    assert (told["id"], told["state"], told["code"]) == (str(order.public_id), "pending", order.code)
    assert (told["amount"], told["currency"], told["metadata"]) == ("120.50", "PEN", {"weight": 1.5})
    assert told["voucher_url"] == f"http://testserver{order.voucher_url}"
    assert "payer" not in told
    assert (order.concept, order.language, order.payer.phone) == ("Two T-shirts", "en", "999888777")
    assert post(client, LIST, BODY).status_code == 200
    assert Order.objects.count() == 1


def test_a_reference_in_the_way(shop: APIClient) -> None:
    post(shop, LIST, BODY)
    answer = post(shop, LIST, BODY | {"amount": "99.00"})
    assert (answer.status_code, answer.json()["code"], [*answer.json()["errors"]]) == (
        409,
        "reference_taken",
        ["reference"],
    )
    answer = post(shop, LIST, BODY | {"amount": "99.00", "replace": True})
    assert (answer.status_code, answer.json()["amount"]) == (201, "99.00")
    assert Order.objects.get(newest=None).state == "cancelled"


def test_to_replace_an_order_is_to_change_it(caller: Caller) -> None:
    client = caller("add_order")
    assert post(client, LIST, BODY | {"replace": False}).status_code == 201
    answer = post(client, LIST, BODY | {"amount": "99.00", "replace": True})
    assert (answer.status_code, Order.objects.get().state) == (403, "pending")
    client = caller("add_order", "change_order")
    assert post(client, LIST, BODY | {"amount": "99.00", "replace": True}).status_code == 201


def test_a_provider_that_is_down_stops_no_order(shop: APIClient) -> None:
    MemoryChannel.fail("issue", Unavailable("down"))
    answer = post(shop, LIST, BODY)
    assert (answer.status_code, answer.json()["state"], answer.json()["code"]) == (201, "new", None)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"amount": 120.5}, ["amount"]),
        ({"amount": 120}, ["amount"]),
        ({"amount": "120.505"}, ["amount"]),
        ({"amount": "1e5"}, ["amount"]),
        ({"amount": "NaN"}, ["amount"]),
        ({"amount": "-1.00"}, ["amount"]),
        ({"amount": "0"}, ["amount"]),
        ({"amount": "١٢.٠٠"}, ["amount"]),
        ({"amount": None}, ["amount"]),
        ({"currency": "EUR"}, ["currency"]),
        ({"currency": 1}, ["currency"]),
        ({"reference": ""}, ["reference"]),
        ({"reference": "x" * 65}, ["reference"]),
        ({"reference": True}, ["reference"]),
        ({"reference": 1.5}, ["reference"]),
        ({"payer": "ana@example.com"}, ["payer"]),
        ({"payer": None}, ["payer"]),
        ({"payer": {}}, ["payer.email"]),
        ({"payer": {"email": "nobody"}}, ["payer.email"]),
        ({"payer": {"email": "ana@example.com", "name": 7}}, ["payer.name"]),
        ({"payer": {"email": "ana@example.com", "nombre": "Ana"}}, ["payer.nombre"]),
        ({"expires_at": "tomorrow"}, ["expires_at"]),
        ({"expires_at": "2030-01-01T00:00:00"}, ["expires_at"]),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ["expires_at"]),
        ({"expires_at": 1893456000}, ["expires_at"]),
        ({"language": "fr"}, ["language"]),
        ({"metadata": [1]}, ["metadata"]),
        ({"replace": "true"}, ["replace"]),
        ({"referenz": "x", "state": "paid"}, ["referenz", "state"]),
        ({"concept": "x" * 201}, ["concept"]),
        ({"concept": ["x"]}, ["concept"]),
    ],
)
def test_a_wrong_body_is_told_its_fields(shop: APIClient, changes: dict[str, Any], fields: list[str]) -> None:
    answer = post(shop, LIST, BODY | changes, **{"Idempotency-Key": "one"})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json"), answer.content
    assert [*answer.json()["errors"]] == fields
    assert all(answer.json()["errors"].values())
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    "body", [b"[]", b'"x"', b"null", b"{", b"", b"\xff", b'{"a": NaN}', b'{"a": "\\u0000"}', b"[" * 9999]
)
def test_a_body_that_is_no_object(shop: Any, body: bytes) -> None:
    answer = shop.generic("POST", LIST, body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert not Order.objects.exists()


def test_another_form_or_too_large_a_body(shop: Any) -> None:
    assert shop.generic("POST", LIST, b"a=b", content_type="application/x-www-form-urlencoded").status_code == 415
    large = shop.generic("POST", LIST, b"{" + b" " * 3_000_000 + b"}", content_type="application/json")
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


def test_an_order_is_cancelled_once_and_again(shop: APIClient) -> None:
    order = make()
    for _each in range(2):
        answer = post(shop, at(order, "cancel"), {"reason": "the cart was emptied"})
        assert (answer.status_code, answer.json()["state"], answer.json()["actions"]) == (
            200,
            "cancelled",
            ["refresh", "mark_paid"],
        )
    event = OrderEvent.objects.get(order=order, kind="payment_cancelled")
    assert str(event.actor) == "api:shop"


def test_a_paid_order_stands_in_the_way(shop: APIClient) -> None:
    order = pay(make())
    for change, body in (("cancel", {}), ("reissue", {}), ("extend", {"expires_at": in_hours(30)})):
        answer = post(shop, at(order, change), body)
        assert (answer.status_code, answer.json()["code"]) == (409, "code_of_paid_order"), change


def test_an_order_is_extended_reissued_and_refreshed(shop: APIClient) -> None:
    order, until = make(), in_hours(100)
    answer = post(shop, at(order, "extend"), {"expires_at": until})
    assert answer.status_code == 200
    assert answer.json()["expires_at"][:19] == until[:19]
    code = order.code
    answer = post(shop, at(order, "reissue"), {"reason": "lost", "expires_at": None})
    assert (answer.status_code, answer.json()["code"] != code) == (200, True)
    expire(order)
    assert post(shop, at(order, "refresh")).json()["state"] == "expired"
    assert post(shop, at(order, "extend"), {}).json()["errors"].keys() == {"expires_at"}
    assert post(shop, at(order, "refresh"), {"reason": "x"}).status_code == 400


def test_a_reason_that_would_be_cut_is_refused(shop: APIClient) -> None:
    order, paid = make(), bought()
    place = reverse("pagoefectivo-api:refund", args=[refund_order(paid, reason="torn", actor="marta").pk])
    for address, body in (
        (at(order, "cancel"), {}),
        (at(order, "extend"), {"expires_at": in_hours(80)}),
        (at(order, "reissue"), {}),
        (at(paid, "refunds"), {}),
        (f"{place}close/", {"done": False}),
    ):
        answer = post(shop, address, body | {"reason": "x" * 501})
        assert (answer.status_code, [*answer.json()["errors"]]) == (400, ["reason"]), address
    assert post(shop, at(order, "cancel"), {"reason": "x" * 500}).status_code == 200
    bodies = APIClient().get(reverse("pagoefectivo-api:schema")).json()["components"]["schemas"]
    reasons = [
        body["properties"]["reason"]
        for name, body in bodies.items()
        if name.endswith("Body") and "reason" in body.get("properties", ())
    ]
    assert {reason["maxLength"] for reason in reasons} == {500}
    assert len(reasons) == 6


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("a setting is wrong"), "misconfigured"),
        (failures.answered(Misconfigured, "dLocal", 401, []), "misconfigured"),
        (failures.answered(Unavailable, "dLocal", 429, []), "provider_unavailable"),
    ],
    ids=["settings", "401", "429"],
)
def test_keys_to_mend_and_a_provider_to_wait_for_are_503_with_codes_apart(
    shop: APIClient, error: Exception, code: str
) -> None:
    order = make()
    MemoryChannel.fail("delete", error)
    answer = post(shop, at(order, "cancel"))
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert int(answer["Retry-After"]) > 0


def test_a_provider_that_is_down_is_503_and_an_unknown_end_202(shop: APIClient) -> None:
    order = make()
    MemoryChannel.fail("delete", Unavailable("down"))
    answer = post(shop, at(order, "cancel"), **{"Idempotency-Key": "c"})
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert int(answer["Retry-After"]) > 0
    order.reload()
    assert (order.state, order.pending_action) == ("pending", "cancel")
    # 5xx is not kept: the same key goes on with what was recorded.
    answer = post(shop, at(order, "cancel"), **{"Idempotency-Key": "c"})
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")

    other = make()
    MemoryChannel.fail("extend", OutcomeUnknown("dropped"))
    answer = post(shop, at(other, "extend"), {"expires_at": in_hours(90)})
    assert (answer.status_code, answer.json()["id"]) == (202, str(other.public_id))


def test_what_each_permission_allows(caller: Caller) -> None:
    order = make()
    reader, writer = caller("view_order", name="reader"), caller("change_order", name="writer")
    assert post(reader, LIST, BODY).status_code == 403
    for change in ("cancel", "extend", "reissue", "refresh", "refunds"):
        answer = post(reader, at(order, change))
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied"), change
        assert post(APIClient(), at(order, change)).status_code == 401
    assert writer.get(at(order)).status_code == 403
    assert post(writer, at(order, "refresh")).status_code == 200
    assert not IdempotencyKey.objects.exists()


def test_a_no_that_is_not_believed_is_no_refusal_to_a_client() -> None:
    error = failures.answered(Refused, "EBANX", 200, [])
    answers = [problem_of(each) for each in (error, error.recast(OutcomeUnknown))]
    assert [answer and (answer.status_code, answer.data["code"]) for answer in answers] == [
        *[(409, "refused"), (503, "provider_unavailable")],
    ]
