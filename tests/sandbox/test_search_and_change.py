"""Search, PATCH, DELETE and the payment page (protocol 4, 5)."""

import xml.etree.ElementTree as ET

import pytest

from .running import lima, order

NEVER = "1900-01-01T00:00:00-05:00"


def test_a_new_code(sandbox):
    made = sandbox.call("POST", "/v1/cips", order(amount=120, transactionCode="S-1")).json()["data"]
    (found,) = sandbox.search(made["cip"])
    assert found == {
        "cip": made["cip"],
        "transactionCode": "S-1",
        "amount": 120,
        "currency": "PEN",
        "status": 22,
        "statusName": "Generado.",
        "dateCreation": found["dateCreation"],
        "dateExpiry": made["dateExpiry"],
        "datePayment": NEVER,
        "dateRemoval": NEVER,
        "token": found["token"],
    }
    assert found["dateCreation"] > "2026"
    assert made["cipUrl"] == f"{sandbox.site}/{found['token']}.html"


def test_one_element_for_each_code_and_an_empty_one_for_a_wrong_code(sandbox):
    first, second = sandbox.create(), sandbox.create()
    found = sandbox.search(second, 99, first, "x", str(first), None, 0, second)
    assert [each.get("cip") for each in found] == [second, None, first, None, first, None, None, second]
    assert found[1] == {}


def test_pascal_case(sandbox):
    cip = sandbox.create()
    answer = sandbox.call("POST", "/v1/cips/search/", {"Data": [{"Cip": cip}]})
    assert answer.json()["data"][0]["cip"] == cip


@pytest.mark.parametrize(("body", "code"), [({}, "112"), ({"data": []}, "113"), ({"data": 5}, "113")])
def test_no_list(sandbox, body, code):
    answer = sandbox.call("POST", "/v1/cips/search", body)
    assert answer.status_code == 400
    assert [(each["code"], each["field"]) for each in answer.json()["data"]] == [(code, "data")]


def test_the_states(sandbox):
    expired, paid, deleted = sandbox.create(), sandbox.create(), sandbox.create()
    sandbox.tell("expire", cip=expired)
    sandbox.tell("pay", cip=paid, paymentDate="2026-11-22T10:05:00-05:00")
    assert sandbox.call("DELETE", f"/v1/cips/{deleted}").status_code == 200
    found = sandbox.search(expired, paid, deleted)
    assert [each["status"] for each in found] == [21, 23, 25]
    assert [each["statusName"] for each in found] == ["Expirado.", "Cancelado.", "Eliminado."]
    assert [each["datePayment"] for each in found] == [NEVER, "2026-11-22T10:05:00-05:00", NEVER]
    assert [each["dateRemoval"] == NEVER for each in found] == [True, True, False]


def test_patch_revives_an_expired_code(sandbox):
    cip, later = sandbox.create(), lima(days=2)
    sandbox.tell("expire", cip=cip)
    assert sandbox.search(cip)[0]["status"] == 21
    answer = sandbox.call("PATCH", f"/v1/cips/{cip}", {"DateExpiry": later})
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, 100, {})
    (found,) = sandbox.search(cip)
    assert (found["status"], found["dateExpiry"]) == (22, later)
    sandbox.tell("pay", cip=cip)


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "112"), ({"dateExpiry": "soon"}, "113"), ({"dateExpiry": "2020-01-01T00:00:00-05:00"}, "113")],
)
def test_patch_with_a_wrong_date(sandbox, body, code):
    answer = sandbox.call("PATCH", f"/v1/cips/{sandbox.create()}", body)
    assert answer.status_code == 400
    assert [(each["code"], each["field"]) for each in answer.json()["data"]] == [(code, "dateExpiry")]


@pytest.mark.parametrize("state", ["paid", "deleted", "unknown", "expired"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_codes_that_cannot_be_changed(sandbox, state, method):
    cip = 1 if state == "unknown" else sandbox.create()
    if state == "paid":
        sandbox.tell("pay", cip=cip)
    if state == "deleted":
        sandbox.call("DELETE", f"/v1/cips/{cip}")
    if state == "expired":
        sandbox.tell("expire", cip=cip)
    answer = sandbox.call(method, f"/v1/cips/{cip}", {"dateExpiry": lima(days=1)} if method == "PATCH" else None)
    if (state, method) == ("expired", "PATCH"):
        assert answer.status_code == 200
        return
    assert answer.status_code == 400
    assert answer.json()["code"] == "111"
    assert [(each["code"], each["field"]) for each in answer.json()["data"]] == [("113", "cip")]


def test_the_payment_page_goes_with_the_code(sandbox):
    made = sandbox.call("POST", "/v1/cips", order(amount=1234.5, paymentConcept="<b>Polo</b>")).json()["data"]
    page = sandbox.session.get(made["cipUrl"], timeout=20)
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert str(made["cip"]) in page.text
    assert "S/ 1,234.50" in page.text
    assert "&lt;b&gt;Polo&lt;/b&gt;" in page.text
    day = made["dateExpiry"]
    assert f"{day[8:10]}/{day[5:7]}/{day[:4]} {day[11:16]}" in page.text
    sandbox.call("DELETE", f"/v1/cips/{made['cip']}")
    page = sandbox.session.get(made["cipUrl"], timeout=20)
    assert page.status_code == 404
    assert page.headers["Content-Type"] == "application/xml"
    assert ET.fromstring(page.content).findtext("Code") == "NoSuchKey"


def test_unknown_paths_and_methods(sandbox):
    assert sandbox.call("POST", "/v1/refunds", {}).status_code == 404
    assert sandbox.call("PATCH", "/v1/cips/abc", {}).status_code == 404
    answer = sandbox.call("GET", "/v1/cips")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert sandbox.send("GET", "/nothing").status_code == 404
