"""Orders as the API shows them: one, many, by page, by filter, and to whom."""

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.test import APIClient

from pagoefectivo_django.api.orders import Orders
from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import pay
from tests.api.conftest import Caller
from tests.factories.orders import bought, make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
LIST = reverse("pagoefectivo-api:orders")


def one(order: Order) -> str:
    return reverse("pagoefectivo-api:order", args=[order.public_id])


def test_an_order_as_its_reader_sees_it(caller: Caller) -> None:
    order = make(metadata={"cart": 7})
    assert caller("view_order").get(one(order)).json() == {
        "id": str(order.public_id),
        "reference": order.reference,
        "state": "pending",
        "in_review": False,
        "amount": "35.50",
        "currency": "PEN",
        "refunded": {"amount": "0.00", "currency": "PEN"},
        "presents": "code",
        "code": order.code,
        "qr": None,
        "payment_url": None,
        "concept": order.concept,
        "language": "es",
        "expires_at": order.expires_at.isoformat().replace("+00:00", "Z"),
        "paid_at": None,
        "settled_at": None,
        "operation_number": None,
        "actions": [],
        "metadata": {"cart": 7},
        "created_at": order.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_who_may_act_sees_actions_and_links(caller: Caller) -> None:
    order = make()
    told = caller("view_order", "change_order", "see_personal_data", "mark_paid").get(one(order)).json()
    assert told["actions"] == ["cancel", "extend", "reissue", "refresh", "mark_paid"]
    assert told["voucher_url"] == f"http://testserver{order.voucher_url}"
    assert told["pdf_url"].endswith(".pdf")
    assert told["payer"] == order.payer_data
    pay(order)
    told = caller("view_order", "change_order", "add_refund").get(one(order)).json()
    assert told["actions"] == ["refresh", "refund"]
    assert "payer" not in told


def test_an_unchanged_order_is_not_sent_again(shop: APIClient) -> None:
    order = make()
    first = shop.get(one(order))
    again = shop.get(one(order), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    pay(order)
    assert shop.get(one(order), headers={"If-None-Match": first["ETag"]}).status_code == 200


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [each["id"] for each in answer.json()["results"]]


def test_pages_stay_while_orders_are_added(shop: APIClient) -> None:
    made = [str(make(reference=f"page-{number}").public_id) for number in range(5)][::-1]
    first = shop.get(LIST, {"page_size": 2})
    assert (ids(first), first.json()["previous"], first.json()["page_size"]) == (made[:2], None, 2)
    make(reference="later")
    second = shop.get(first.json()["next"])
    assert ids(second) == made[2:4]
    third = shop.get(second.json()["next"])
    assert (ids(third), third.json()["next"]) == (made[4:], None)
    assert ids(shop.get(third.json()["previous"])) == made[2:4]


def test_filters(shop: APIClient) -> None:
    paid, waiting = pay(make(reference="a")), make(reference="b")
    for query, found in (
        ({"state": "paid"}, [paid]),
        ({"reference": "b"}, [waiting]),
        ({"currency": "USD"}, []),
        ({"in_review": "true"}, []),
        ({"in_review": "false", "state": "pending"}, [waiting]),
        ({"settled": "true"}, []),
        ({"created_after": waiting.created_at.isoformat()}, [waiting]),
        ({"created_before": waiting.created_at.isoformat()}, [paid]),
        ({"paid_after": "2020-01-01T00:00:00-05:00"}, [paid]),
    ):
        assert ids(shop.get(LIST, query)) == [str(order.public_id) for order in found], query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=payed", "state"),
        ("states=paid", "states"),
        ("state=paid&state=new", "state"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("created_after=9999-12-31T23:59:59-12:00", "created_after"),
        ("paid_before=0001-01-01T00:00:00%2B05:00", "paid_before"),
        ("in_review=1", "in_review"),
        ("reference=%00", "reference"),
        ("page_size=0", "page_size"),
        ("page_size=%E0%A5%A7", "page_size"),
        ("page_size=201", "page_size"),
        ("cursor=", "cursor"),
        ("cursor=nowhere", "cursor"),
        ("cursor=%FF", "cursor"),
        ("cursor=cD1hYmM=", "cursor"),
        ("cursor=bz05OTk5", "cursor"),
        ("cursor=cD0xJm89OQ%3D%3D", "cursor"),
        ("cursor=cD0xJmZvbz0x", "cursor"),
    ],
)
def test_an_unknown_question_is_refused_by_name(shop: APIClient, query: str, field: str) -> None:
    answer = shop.get(f"{LIST}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    told = answer.json()
    assert {*told} == {"type", "title", "status", "detail", "code", "trace", "errors"}
    assert [*told["errors"]] == [field]
    assert told["status"] == 400
    assert told["trace"]


def test_a_row_has_no_pages_and_a_write_has_no_parameters(shop: APIClient) -> None:
    order = bought()
    refund = refund_order(order, reason="torn", actor="marta")
    place = reverse("pagoefectivo-api:refund", args=[refund.pk])
    for answer in (
        shop.get(one(order) + "?cursor=x"),
        shop.get(place + "?page_size=0"),
        shop.post(one(order) + "refresh/?page_size=1", {}, format="json"),
        shop.post(place + "approve/?by=me", {}, format="json"),
        shop.post(LIST + "?state=new", {}, format="json"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "filter_unknown")


def test_a_stranger_is_401_whichever_class_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = [SessionAuthentication, TokenAuthentication]
    monkeypatch.setattr(Orders, "authentication_classes", classes)
    answer = APIClient().get(LIST)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (401, "not_authenticated", 401)


def test_strangers(caller: Caller) -> None:
    order = make()
    for address in (LIST, one(order)):
        nobody = APIClient().get(address)
        assert (nobody.status_code, nobody["WWW-Authenticate"], nobody.json()["code"]) == (
            401,
            "Token",
            "not_authenticated",
        )
        assert caller("view_refund").get(address).status_code == 403
        assert caller("view_order").delete(address).status_code == 405
    for unknown in (order.token, "nothing", "0", "%00", "a" * 500):
        answer = caller("view_order").get(LIST + f"{unknown}/")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_problems_speak_the_callers_language(shop: APIClient) -> None:
    answer = shop.get(one(make()) + "?x=1", headers={"Accept-Language": "es"})
    assert answer["Content-Language"] == "es"
    assert "Accept-Language" in answer["Vary"]
