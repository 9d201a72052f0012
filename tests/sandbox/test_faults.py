"""Each way to misbehave, told by the control endpoint or by a header."""

import hashlib
import hmac
import time

import pytest
import requests

from .running import order, wait_for


def codes(sandbox, transaction):
    cips = sandbox.send("GET", "/sandbox/cips").json()["cips"]
    return [each["cip"] for each in cips if each["transactionCode"] == transaction]


def test_drop_does_the_work(sandbox):
    sandbox.tell("faults", fault="drop", call="create", transactionCode="DROP")
    with pytest.raises(requests.ConnectionError):
        sandbox.call("POST", "/v1/cips", order(transactionCode="DROP"))
    assert len(codes(sandbox, "DROP")) == 1
    calls = sandbox.send("GET", "/sandbox/requests").json()["requests"]
    assert {"method": "POST", "path": "/v1/cips", "status": None} in calls
    sandbox.create(transactionCode="DROP")
    assert len(codes(sandbox, "DROP")) == 2


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("401", 401, None),
        ("500", 500, "application/json; charset=utf-8"),
        ("503", 503, "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("way", ["header", "control"])
def test_failing_answers_do_no_work(sandbox, fault, status, kind, way):
    name = f"F{fault}{way}"
    headers = {"X_Sandbox_Fault": fault} if way == "header" else {}
    if way == "control":
        sandbox.tell("faults", fault=fault, call="create", transactionCode=name)
    answer = sandbox.call("POST", "/v1/cips", order(transactionCode=name), **headers)
    assert answer.status_code == status
    assert answer.headers.get("Content-Type") == kind
    if fault == "500":
        assert answer.json()["code"] == "166"
        assert answer.json()["data"] == []
    assert codes(sandbox, name) == []
    sandbox.create(transactionCode=name)


def test_slow_answers_late_and_does_the_work(sandbox):
    start = time.monotonic()
    answer = sandbox.call("POST", "/v1/cips", order(), X_Sandbox_Fault="slow:0.3")
    assert answer.status_code == 201
    assert time.monotonic() - start >= 0.3
    sandbox.tell("faults", fault="slow", call="search", seconds=1)
    with pytest.raises(requests.Timeout):
        sandbox.session.post(f"{sandbox.base}cips/search", json={}, timeout=0.2)


@pytest.mark.parametrize("call", ["search", "update", "delete"])
def test_a_fault_for_one_code(sandbox, call):
    other, cip = sandbox.create(), sandbox.create(transactionCode=f"ONE-{call}")
    send = {
        "search": lambda number: sandbox.call("POST", "/v1/cips/search", {"data": [{"cip": str(number)}]}),
        "update": lambda number: sandbox.call("PATCH", f"/v1/cips/{number}", {"dateExpiry": order()["dateExpiry"]}),
        "delete": lambda number: sandbox.call("DELETE", f"/v1/cips/{number}"),
    }[call]
    sandbox.tell("faults", fault="503", call=call, cip=str(cip), times=2)
    sandbox.tell("faults", fault="500", call=call, transactionCode=f"ONE-{call}")
    assert [send(other).status_code] + [send(cip).status_code for _ in range(4)] == [200, 503, 503, 500, 200]


def test_a_fault_of_authorizations_and_of_any_call(sandbox):
    sandbox.create()  # the sandbox is shared: who comes first must not fetch its token after the fault is told
    sandbox.tell("faults", fault="503", call="authorizations")
    sandbox.create()
    assert sandbox.authorize().status_code == 503
    assert sandbox.authorize().status_code == 201
    sandbox.tell("faults", fault="401")
    assert sandbox.call("DELETE", "/v1/cips/1").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"fault": "fire"},
        {"fault": "drop", "call": "webhook"},
        {"fault": "webhook_never", "call": "create"},
        {"fault": "drop", "times": 0},
        {"fault": "drop", "times": "many"},
        {"fault": "drop", "cip": "x"},
        {"fault": "slow", "seconds": -1},
        {"fault": "slow", "seconds": "nan"},
    ],
)
def test_an_order_that_makes_no_sense(sandbox, body):
    answer = sandbox.send("POST", "/sandbox/faults", body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_header_that_makes_no_sense(sandbox):
    assert sandbox.call("POST", "/v1/cips", order(), X_Sandbox_Fault="fire").status_code == 400


def paid(sandbox, fault, **more):
    cip = sandbox.create()
    sandbox.tell("faults", fault=fault, call="webhook", cip=cip, **more)
    sandbox.tell("pay", cip=cip)
    return cip


def test_webhook_twice(sandbox, shop):
    paid(sandbox, "webhook_twice")
    wait_for(lambda: len(shop.received) == 2)
    assert shop.received[0] == shop.received[1]


def test_webhook_late(sandbox, shop):
    start = time.monotonic()
    cip = paid(sandbox, "webhook_late", seconds=0.4)
    wait_for(lambda: shop.about(cip))
    assert time.monotonic() - start >= 0.4


def test_webhook_with_a_wrong_amount(sandbox, shop):
    cip = paid(sandbox, "webhook_wrong_amount")
    assert wait_for(lambda: shop.about(cip))[0]["data"]["amount"] == 36.5
    assert sandbox.book(cip)["payments"][0]["amount"] == "35.50"


def test_webhook_with_a_wrong_currency(sandbox, shop):
    cip = paid(sandbox, "webhook_wrong_currency")
    assert wait_for(lambda: shop.about(cip))[0]["data"]["currency"] == "USD"


def test_webhook_with_a_bad_signature(sandbox, shop):
    paid(sandbox, "webhook_bad_signature")
    body, signature = wait_for(lambda: shop.received)[0]
    assert len(signature) == 64
    assert signature != hmac.new(sandbox.keys["SECRET_KEY"].encode(), body, hashlib.sha256).hexdigest()


def test_webhook_never(sandbox, shop):
    silent = paid(sandbox, "webhook_never")
    loud = sandbox.create()
    sandbox.tell("pay", cip=loud)
    wait_for(lambda: shop.about(loud))
    assert shop.about(silent) == []
    assert sandbox.book(silent)["webhooks"][0]["fault"] == "webhook_never"
    assert sandbox.search(silent)[0]["status"] == 23


def test_paying_does_not_wait_for_the_shop(sandbox, shop):
    cip = paid(sandbox, "webhook_late", seconds=600)
    assert sandbox.book(cip)["webhooks"][0]["answers"] == []
