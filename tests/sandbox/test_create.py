"""POST /v1/cips (protocol 3)."""

import json
import re
from datetime import datetime, timedelta

import pytest

from .running import lima, order, running


def refused(sandbox, body, **headers):
    answer = sandbox.call("POST", "/v1/cips", body, **headers)
    assert answer.status_code == 400
    found = answer.json()
    assert found["message"]
    assert all(entry["message"] for entry in found["data"])
    return found["code"], [(entry["code"], entry["field"]) for entry in found["data"]]


def test_a_new_code(sandbox):
    expiry = lima(hours=5)
    answer = sandbox.call("POST", "/v1/cips", order(amount=35.5, dateExpiry=expiry))
    assert answer.status_code == 201
    body = answer.json()
    assert body["code"] == 100
    data = body["data"]
    assert set(data) == {"cip", "currency", "amount", "transactionCode", "dateExpiry", "cipUrl"}
    assert isinstance(data["cip"], int)
    assert 7 <= len(str(data["cip"])) <= 9
    assert (data["currency"], data["transactionCode"]) == ("PEN", "ORDER-1001")
    assert data["dateExpiry"] == expiry
    assert re.fullmatch(re.escape(sandbox.site) + r"/[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\.html", data["cipUrl"])


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("1", b"1,"),
        ("1.00", b"1,"),
        ('"120.50"', b"120.5,"),
        ("35.05", b"35.05,"),
        ('"4000"', b"4000,"),
        ("1e2", b"100,"),
    ],
)
def test_amounts_come_back_without_trailing_zeros(sandbox, sent, written):
    text = json.dumps(order(amount="AMOUNT")).replace('"AMOUNT"', sent)
    answer = sandbox.session.post(
        sandbox.base + "cips/",
        text,
        headers={
            "Authorization": f"Bearer {sandbox.token or sandbox.authorize().json()['data']['token']}",
            "Content-Type": "application/json; charset=utf-8",
        },
        timeout=20,
    )
    assert answer.status_code == 201
    assert b'"amount":' + written in answer.content


def test_the_same_transaction_code_makes_another_code(sandbox):
    assert sandbox.create(transactionCode="AGAIN") != sandbox.create(transactionCode="AGAIN")


def test_pascal_case_and_a_trailing_slash(sandbox):
    body = {name[0].upper() + name[1:]: value for name, value in order().items()}
    assert sandbox.call("POST", "/v1/cips/", body, Origin="IOS").status_code == 201


def test_only_what_is_mandatory(sandbox):
    names = ("currency", "amount", "transactionCode", "userEmail", "userPhone", "userCodeCountry")
    body = {name: value for name, value in order().items() if name in names}
    before = datetime.fromisoformat(lima())
    answer = sandbox.call("POST", "/v1/cips", body)
    assert answer.status_code == 201
    ahead = datetime.fromisoformat(answer.json()["data"]["dateExpiry"]) - before
    assert timedelta(hours=4) <= ahead < timedelta(hours=4, minutes=1)


def test_the_default_period_can_be_set():
    with running("--expires-after", "600") as short:
        before = datetime.fromisoformat(lima())
        answer = short.call("POST", "/v1/cips", order(dateExpiry=None))
        ahead = datetime.fromisoformat(answer.json()["data"]["dateExpiry"]) - before
        assert timedelta(minutes=10) <= ahead < timedelta(minutes=11)


@pytest.mark.parametrize("name", ["currency", "amount", "transactionCode", "userEmail", "userPhone", "userCodeCountry"])
@pytest.mark.parametrize("value", [None, ""])
def test_112_a_mandatory_field_is_missing(sandbox, name, value):
    body = order() | {name: value}
    assert refused(sandbox, body) == ("111", [("112", name)])


def test_111_every_complaint_at_once(sandbox):
    body = order(currency="EUR", amount=None, userDocumentType="RUC")
    assert refused(sandbox, body) == (
        "111",
        [("113", "currency"), ("112", "amount"), ("113", "userDocumentType")],
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("currency", "pen"),
        ("currency", "EUR"),
        ("amount", 0),
        ("amount", -1),
        ("amount", 1.005),
        ("amount", "1,00"),
        ("amount", "1.234"),
        ("amount", " 1"),
        ("amount", True),
        ("amount", []),
        ("amount", 10**16),
        ("transactionCode", "x" * 37),
        ("transactionCode", {}),
        ("paymentConcept", "x" * 51),
        ("additionalData", "x" * 201),
        ("adminEmail", "nobody"),
        ("userEmail", "nobody"),
        ("userEmail", "a@" + "x" * 95 + ".com"),
        ("userName", "x" * 31),
        ("userLastName", "x" * 31),
        ("userUbigeo", "1501155"),
        ("userUbigeo", "Lima"),
        ("userCountry", "x" * 21),
        ("userDocumentType", "RUC"),
        ("userDocumentNumber", "1234567"),
        ("userDocumentNumber", "1234567A"),
        ("userDocumentNumber", "x" * 15),
        ("userPhone", "9" * 16),
        ("userCodeCountry", "+51999"),
        ("serviceId", "x"),
        ("dateExpiry", "mañana"),
        ("dateExpiry", "2030-01-01"),
        ("dateExpiry", "2030-02-30T10:00:00-05:00"),
    ],
)
def test_113_a_value_is_not_valid(sandbox, name, value):
    assert refused(sandbox, order(**{name: value})) == ("111", [("113", name)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("currency", "USD"),
        ("transactionCode", "x" * 36),
        ("transactionCode", "a b-ñ/7"),
        ("paymentConcept", "x" * 50),
        ("userUbigeo", 150115),
        ("userUbigeo", "15"),
        ("userCountry", "PE"),
        ("userPhone", 999888777),
        ("userCodeCountry", "PE"),
        ("userId", 77),
        ("serviceId", "1234"),
        ("userDocumentNumbe", "ignored"),
    ],
)
def test_values_that_pass(sandbox, name, value):
    sandbox.create(**{name: value})


def test_letters_in_a_passport(sandbox):
    sandbox.create(userDocumentType="PAS", userDocumentNumber="AB1234567")


def test_508_another_service(sandbox):
    assert refused(sandbox, order(serviceId=4321)) == ("508", [])


def test_511_above_the_maximum(sandbox):
    assert refused(sandbox, order(amount=5000.01)) == ("511", [])
    sandbox.create(amount=5000)


def test_messages_in_english(sandbox):
    answer = sandbox.call("POST", "/v1/cips", order(amount=9999), Accept_Language="en-US")
    assert answer.json()["message"] == "The amount is above the maximum allowed."


@pytest.mark.parametrize(("minutes", "passes"), [(-1, False), (9, False), (11, True)])
def test_at_least_ten_minutes_ahead(sandbox, minutes, passes):
    status = sandbox.call("POST", "/v1/cips", order(dateExpiry=lima(minutes=minutes))).status_code
    assert status == (201 if passes else 400)


@pytest.mark.parametrize(("days", "passes"), [(180, True), (184, False)])
def test_under_six_months_ahead(sandbox, days, passes):
    status = sandbox.call("POST", "/v1/cips", order(dateExpiry=lima(days=days))).status_code
    assert status == (201 if passes else 400)


@pytest.mark.parametrize(
    ("old", "new"),
    [("T", " "), ("-05:00", "-0500"), ("-05:00", "-05:00")],
    ids=["blank", "no-colon", "plain"],
)
def test_the_forms_of_a_date(sandbox, old, new):
    expiry = lima(hours=5)
    answer = sandbox.call("POST", "/v1/cips", order(dateExpiry=expiry.replace(old, new)))
    assert answer.json()["data"]["dateExpiry"] == expiry


@pytest.mark.parametrize("offset", ["", "-", "-05:00-05:00"])
def test_a_lost_offset(sandbox, offset):
    expiry = lima(hours=5).replace("-05:00", offset)
    assert refused(sandbox, order(dateExpiry=expiry)) == ("111", [("113", "dateExpiry")])


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "NaN", '{"amount": NaN}', "[" * 5000, '{"amount": 1e99999999999999999999}']
)
def test_a_body_that_is_no_object(sandbox, text):
    token = sandbox.authorize().json()["data"]["token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = sandbox.session.post(sandbox.base + "cips", text, headers=headers, timeout=20)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["data"]) == ("111", [])


def test_another_content_type(sandbox):
    token = sandbox.authorize().json()["data"]["token"]
    answer = sandbox.session.post(
        sandbox.base + "cips", data=order(), headers={"Authorization": f"Bearer {token}"}, timeout=20
    )
    assert answer.status_code == 415


def test_half_a_surrogate_pair_harms_nobody(sandbox):
    cip = sandbox.create(transactionCode="\ud800")
    assert sandbox.search(cip)[0]["transactionCode"] == "?"
