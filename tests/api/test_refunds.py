"""Refunds by the API: asked for, read, approved, sent, closed."""

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from pagoefectivo_django.flows import approve_refund
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.models import Refund
from tests.api.conftest import Caller
from tests.api.test_writing import at, post
from tests.factories.orders import bought, make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
ASKED = {"amount": "10.00", "reason": "torn"}


def step(refund: Refund, name: str = "") -> str:
    return reverse("pagoefectivo-api:refund", args=[refund.pk]) + (f"{name}/" if name else "")


def test_the_way_of_a_refund(shop: APIClient) -> None:
    order = bought()
    answer = post(shop, at(order, "refunds"), ASKED)
    refund, told = Refund.objects.get(), answer.json()
    assert (answer.status_code, told["id"], told["order"]) == (201, refund.pk, str(order.public_id))
    assert (told["amount"], told["currency"], told["status"]) == ("10.00", "PEN", "requested")
    assert (told["actions"], refund.requested_by) == (["approve", "fail"], "api:shop")
    assert shop.get(at(order, "refunds")).json()["results"] == [told] == [shop.get(step(refund)).json()]

    assert post(shop, step(refund, "send")).status_code == 409
    for _each in range(2):  # what is done already may be asked for again
        answer = post(shop, step(refund, "approve"))
        assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    answer = post(shop, step(refund, "send"))
    assert (answer.status_code, answer.json()["code"]) == (409, "refund_without_account")
    give_account(refund, bank="BCP", cci="00219300123456789012", holder="Ana")
    for _each in range(2):
        answer = post(shop, step(refund, "send"))
        assert (answer.status_code, answer.json()["status"], answer.json()["account_known"]) == (200, "sent", True)
    for _each in range(2):
        answer = post(shop, step(refund, "close"), {"done": True, "reason": "seen at the bank"})
        assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert post(shop, step(refund, "close"), {"done": False, "reason": "no"}).status_code == 409
    assert post(shop, step(refund, "close"), {"done": True, "reason": " "}).status_code == 400
    assert shop.get(at(order)).json()["refunded"] == {"amount": "10.00", "currency": "PEN"}


def test_no_more_goes_back_than_came(shop: APIClient) -> None:
    order = bought()  # over 35.50
    answer = post(shop, at(order, "refunds"), {"amount": "35.51", "reason": "torn"})
    assert (answer.status_code, answer.json()["code"]) == (409, "refund_too_large")
    assert [*answer.json()["errors"]] == ["amount"]
    assert post(shop, at(order, "refunds"), {"reason": "all of it"}).json()["amount"] == "35.50"
    assert post(shop, at(make(), "refunds"), {"reason": "not paid"}).json()["code"] == "no_payment"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": 10, "reason": "torn"}, "amount"),
        ({"amount": "10.005", "reason": "torn"}, "amount"),
        ({"amount": "0.00", "reason": "torn"}, "amount"),
        ({"amount": "10.00"}, "reason"),
        ({"amount": "10.00", "reason": " "}, "reason"),
        ({"amount": "10.00", "reason": "torn", "payment": 1}, "payment"),
    ],
)
def test_a_wrong_body(shop: APIClient, body: dict[str, Any], field: str) -> None:
    answer = post(shop, at(bought(), "refunds"), body)
    assert (answer.status_code, [*answer.json()["errors"]]) == (400, [field])
    assert not Refund.objects.exists()


def test_what_each_permission_allows(caller: Caller) -> None:
    order = bought()
    clerk = caller("add_refund", name="clerk")
    assert post(clerk, at(order, "refunds"), ASKED).json()["actions"] == []
    refund = Refund.objects.get()
    assert clerk.get(step(refund)).status_code == 403
    for name, body in (("approve", {}), ("send", {}), ("close", {"done": False, "reason": "x"})):
        assert post(clerk, step(refund, name), body).status_code == 403
    refund.refresh_from_db()
    assert refund.status == "requested"
    assert post(caller("approve_refund", name="chief"), step(refund, "approve")).status_code == 200
    assert (
        post(caller("send_refund", name="till"), step(refund, "close"), {"done": False, "reason": "x"}).status_code
        == 200
    )
    assert clerk.get(step(refund) + "?x=1").status_code == 403
    for unknown in ("0", "x", "١", "9" * 19):
        assert caller("view_refund", name="reader").get(f"/pay/api/refunds/{unknown}/").status_code == 404


def test_four_eyes_see_through_a_token(shop: APIClient, settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"REFUND_FOUR_EYES": True}
    post(shop, at(bought(), "refunds"), ASKED)
    refund = Refund.objects.get()
    answer = post(shop, step(refund, "approve"))
    assert (answer.status_code, answer.json()["code"]) == (409, "approved_by_who_asked")
    with pytest.raises(ValueError, match="somebody else"):  # in the admin
        approve_refund(refund, actor="shop")
    assert approve_refund(refund, actor="chief").status == "approved"


def test_a_long_name_is_the_same_person(caller: Caller, settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"REFUND_FOUR_EYES": True}
    client = caller("add_refund", "approve_refund", name="n" * 150)
    assert post(client, at(bought(), "refunds"), ASKED).status_code == 201
    refund = Refund.objects.get()
    assert len(refund.requested_by) <= 150
    answer = post(client, step(refund, "approve"))
    assert (answer.status_code, answer.json()["code"]) == (409, "approved_by_who_asked")
