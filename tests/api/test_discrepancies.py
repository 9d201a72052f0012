"""Discrepancies in the API: listed, read, and resolved by who may do the deed."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from rest_framework.test import APIClient

from pagoefectivo_django.models import Discrepancy, Order, Refund
from tests.api.conftest import Caller
from tests.concurrency import at_once
from tests.factories.messages import paid, post
from tests.factories.orders import bought, make
from tests.reading import state_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
LIST = reverse("pagoefectivo-api:discrepancies")
WHY = {"resolution": "ignore", "reason": "The payer has been told."}


@pytest.fixture
def twice() -> Discrepancy:
    """An order that was paid twice."""
    post(paid(bought(), operation_number="8"))
    return Discrepancy.objects.get()


def one(row: Discrepancy, deed: str = "discrepancy") -> str:
    return reverse(f"pagoefectivo-api:{deed}", args=[row.pk])


def resolve(client: APIClient, row: Discrepancy, body: Any, **headers: str) -> Any:
    return client.post(one(row, "discrepancy-resolve"), body, format="json", headers=headers)


def test_a_discrepancy_as_its_reader_sees_it(caller: Caller, twice: Discrepancy) -> None:
    told = caller("view_discrepancy").get(one(twice)).json()
    assert told["evidence"][0]["operation_number"] == "8"
    assert twice.order
    assert told == {
        "id": twice.pk,
        "kind": "duplicate_payment",
        "status": "open",
        "order": str(twice.order.public_id),
        "settlement": None,
        "account": twice.account,
        "amount": "35.50",
        "currency": "PEN",
        "evidence": twice.evidence,
        "suggestion": "refund_due",
        "resolution": None,
        "closed_because": None,
        "actions": [],
        "created_at": twice.created_at.isoformat().replace("+00:00", "Z"),
        "resolved_at": None,
    }
    assert caller("view_discrepancy").get(LIST).json()["results"] == [told]


@pytest.mark.parametrize(
    ("permissions", "actions"),
    [
        (("change_discrepancy",), ["ignore"]),
        (("change_discrepancy", "add_refund"), ["refund_due", "ignore"]),
        (("change_discrepancy", "mark_paid", "add_refund"), ["accept", "refund_due", "ignore"]),
        (("mark_paid", "add_refund"), []),
    ],
)
def test_a_deed_needs_its_own_permission(caller: Caller, permissions: tuple[str, ...], actions: list[str]) -> None:
    post(paid(make(), amount="40.00"))
    row = Discrepancy.objects.get()
    client = caller("view_discrepancy", *permissions)
    assert client.get(one(row)).json()["actions"] == actions
    for resolution in {"accept", "refund_due", "ignore"} - {*actions}:
        assert resolve(client, row, WHY | {"resolution": resolution}).status_code == 403
    row.refresh_from_db()
    assert row.status == "open"


def test_resolved_once_and_the_same_again(shop: APIClient, twice: Discrepancy) -> None:
    first = resolve(shop, twice, WHY | {"resolution": "refund_due"})
    assert (first.status_code, first.json()["status"], first.json()["actions"]) == (200, "resolved", [])
    assert resolve(shop, twice, WHY | {"resolution": "refund_due"}).json() == first.json()
    other = resolve(shop, twice, WHY)
    assert (other.status_code, other.json()["code"]) == (409, "discrepancy_closed")
    twice.refresh_from_db()
    assert (twice.resolved_by, twice.reason) == ("api:shop", WHY["reason"])
    assert Refund.objects.count() == 1


@pytest.mark.every_database
@pytest.mark.usefixtures("shop")
def test_resolved_by_two_at_once(twice: Discrepancy) -> None:
    def ask(resolution: str) -> int:
        client = APIClient()
        client.force_authenticate(User.objects.get(username="shop"))
        return int(resolve(client, twice, WHY | {"resolution": resolution}).status_code)

    assert sorted(at_once(lambda: ask("ignore"), lambda: ask("refund_due"))) == [200, 409]
    twice.refresh_from_db()
    assert Refund.objects.count() == (twice.resolution == "refund_due")


def test_a_key_keeps_the_answer(shop: APIClient, twice: Discrepancy) -> None:
    answers = [resolve(shop, twice, WHY, **{"Idempotency-Key": "made-up-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    other = resolve(shop, twice, WHY | {"resolution": "accept"}, **{"Idempotency-Key": "made-up-1"})
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"resolution": "ignore"}, "reason"),
        ({"reason": "x"}, "resolution"),
        (WHY | {"resolution": "forget"}, "resolution"),
        (WHY | {"resolution": None}, "resolution"),
        (WHY | {"reason": " "}, "reason"),
        (WHY | {"reason": 7}, "reason"),
        (WHY | {"reason": "x" * 501}, "reason"),
        (WHY | {"order": "x"}, "order"),
        ([], None),
        ("ignore", None),
    ],
)
def test_a_wrong_body_is_400_by_field(shop: APIClient, twice: Discrepancy, body: Any, field: str | None) -> None:
    answer = resolve(shop, twice, body)
    assert answer.status_code == 400
    assert [*answer.json()["errors"]] == ([field] if field else [])
    twice.refresh_from_db()
    assert twice.status == "open"


def test_filters(shop: APIClient, twice: Discrepancy) -> None:
    order = twice.order
    assert order
    for query, count in (
        ({"status": "open"}, 1),
        ({"status": "resolved"}, 0),
        ({"kind": "duplicate_payment"}, 1),
        ({"kind": "conflict"}, 0),
        ({"order": str(order.public_id)}, 1),
        ({"order": str(uuid.uuid4())}, 0),
    ):
        assert len(shop.get(LIST, query).json()["results"]) == count, query
    for wrong in ("status=x", "kind=x", "order=7", f"order={order.token}x", "what=1"):
        assert shop.get(f"{LIST}?{wrong}").status_code == 400


def test_strangers(caller: Caller, twice: Discrepancy) -> None:
    assert APIClient().get(LIST).status_code == 401
    assert caller("view_order").get(one(twice)).status_code == 403
    assert resolve(caller("view_discrepancy"), twice, WHY).status_code == 403
    for unknown in ("0", "x", "9" * 30, "%00", "-1"):
        assert caller("view_discrepancy").get(f"{LIST}{unknown}/").status_code == 404


def test_a_resolution_moves_the_order(shop: APIClient) -> None:
    order = make()
    post(paid(order, amount="40.00"))
    row = Discrepancy.objects.get()
    assert shop.get(one(row)).json()["actions"] == ["accept", "refund_due", "ignore"]
    assert resolve(shop, row, WHY | {"resolution": "accept"}).status_code == 200
    assert state_of(Order.objects.get()) == "paid"
