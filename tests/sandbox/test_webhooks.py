"""Notices over real HTTP (protocol 6)."""

import hashlib
import hmac
import json
import re

import pytest

from .running import running, wait_for


def proves(sandbox, body, signature):
    made = hmac.new(sandbox.keys["SECRET_KEY"].encode(), body, hashlib.sha256).hexdigest()
    return signature == made


def first(shop):
    return wait_for(lambda: shop.received)[0]


def test_the_newer_payload(sandbox, shop):
    cip = sandbox.create(transactionCode="Ñandú 1", amount=35.5)
    paid = sandbox.tell("pay", cip=cip, paymentDate="2026-11-22T10:05:00-05:00")
    body, signature = first(shop)
    assert body.decode() == (
        f'{{"eventType":"cip.paid","operationNumber":"{paid["operationNumber"]}","data":{{"cip":"{cip}",'
        '"currency":"PEN","amount":35.50,"paymentDate":"2026-11-22T10:05:00-05:00",'
        '"transactionCode":"Ñandú 1"}}'
    )
    assert re.fullmatch("[0-9a-f]{64}", signature)
    assert proves(sandbox, body, signature)


def test_the_older_payload_and_an_empty_operation_number(sandbox, shop):
    cip = sandbox.create(amount=7)
    assert sandbox.tell("pay", cip=cip, operationNumber="", payload="old") == {"operationNumber": ""}
    body, signature = first(shop)
    assert body.decode() == (
        f'{{"eventType":"cip.paid","operationNumber":"","data":{{"cip":"{cip}","currency":"PEN","amount":7.00}}}}'
    )
    assert proves(sandbox, body, signature)


def test_one_repeat_when_the_answer_is_not_200(sandbox, shop):
    shop.answers = [503, 500]
    cip = sandbox.create()
    sandbox.tell("pay", cip=cip)
    (notice,) = wait_for(lambda: [each for each in sandbox.book(cip)["webhooks"] if len(each["answers"]) == 2])
    assert notice["answers"] == [503, 500]
    assert len(shop.received) == 2
    assert shop.received[0] == shop.received[1]


def test_no_repeat_after_the_second_went_well(sandbox, shop):
    shop.answers = [302]
    cip = sandbox.create()
    sandbox.tell("pay", cip=cip)
    assert wait_for(lambda: sandbox.book(cip)["webhooks"][0]["answers"] == [302, 200])


def test_a_shop_that_is_not_there(sandbox):
    sandbox.tell("webhook", url="http://127.0.0.1:9/")
    cip = sandbox.create()
    sandbox.tell("pay", cip=cip)
    refused = ["ConnectionRefusedError"] * 2
    assert wait_for(lambda: sandbox.book(cip)["webhooks"][0]["answers"] == refused)
    sandbox.tell("webhook", url="")


def test_without_an_address_a_payment_is_still_taken(sandbox):
    cip = sandbox.create()
    sandbox.tell("pay", cip=cip)
    assert sandbox.book(cip)["webhooks"][0]["answers"] == []
    assert sandbox.send("POST", "/sandbox/notify", {"body": {}}).status_code == 400


def test_the_address_on_the_command_line(shop):
    with running("--webhook-url", shop.url) as own:
        assert own.keys["WEBHOOK_URL"] == shop.url
        cip = own.create()
        own.tell("pay", cip=cip)
        assert wait_for(lambda: shop.about(cip))


def test_a_reversal(sandbox, shop):
    cip = sandbox.create()
    operation = sandbox.tell("pay", cip=cip)["operationNumber"]
    wait_for(lambda: shop.about(cip))
    assert sandbox.tell("reverse", cip=cip) == {"operationNumber": operation}
    events = wait_for(lambda: shop.about(cip)[1:])
    assert (events[0]["eventType"], events[0]["operationNumber"]) == ("cip.refunded", operation)
    (found,) = sandbox.search(cip)
    assert (found["status"], found["datePayment"]) == (22, "1900-01-01T00:00:00-05:00")
    assert sandbox.send("POST", "/sandbox/reverse", {"cip": cip}).status_code == 409
    assert sandbox.tell("pay", cip=cip)["operationNumber"] != operation
    assert [each["reversed"] for each in sandbox.book(cip)["payments"]] == [True, False]


def test_a_quiet_reversal(sandbox, shop):
    cip = sandbox.create()
    sandbox.tell("pay", cip=cip)
    sandbox.tell("reverse", cip=cip, notify=False)
    assert len(sandbox.book(cip)["webhooks"]) == 1


def test_an_expiry_is_told_only_when_asked_for(sandbox, shop):
    quiet, loud = sandbox.create(), sandbox.create(transactionCode="LOUD")
    sandbox.tell("expire", cip=quiet)
    sandbox.tell("expire", cip=loud, notify=True)
    body, signature = first(shop)
    assert json.loads(body) == {
        "eventType": "cip.expired",
        "operationNumber": "",
        "data": {"cip": str(loud), "currency": "PEN", "amount": 35.5, "transactionCode": "LOUD"},
    }
    assert proves(sandbox, body, signature)
    assert sandbox.book(quiet)["webhooks"] == []


def test_any_notice(sandbox, shop):
    assert sandbox.tell("notify", body={"eventType": "cip.new", "data": {"amount": 1}}) == {"answers": [200]}
    assert sandbox.tell("notify", raw="not\u00a0json") == {"answers": [200]}
    shop.answers = [403, 403]
    assert sandbox.tell("notify", raw="{}", signature="0" * 64) == {"answers": [403, 403]}
    assert sandbox.tell("notify", raw="{}", signature=None) == {"answers": [200]}
    bodies = [body for body, _ in shop.received]
    assert bodies[0] == b'{"eventType":"cip.new","data":{"amount":1}}'
    assert bodies[1] == "not\u00a0json".encode()
    assert [proves(sandbox, *each) for each in shop.received] == [True, True, False, False, False]
    assert shop.received[-1][1] is None
    others = sandbox.send("GET", "/sandbox/cips").json()["otherWebhooks"]
    assert others[-2]["answers"] == [403, 403]


def test_an_exact_amount_in_any_notice(sandbox, shop):
    text = '{"body":{"data":{"amount":35.50,"huge":1e400}}}'
    sandbox.session.post(f"{sandbox.site}/sandbox/notify", text, timeout=20).raise_for_status()
    assert shop.received[0][0] == b'{"data":{"amount":35.50,"huge":1E+400}}'


@pytest.mark.parametrize("url", ["ftp://x/", "http://", 5, "http://[", "http://a:99999999/"])
def test_an_address_that_is_none(sandbox, url):
    assert sandbox.send("POST", "/sandbox/webhook", {"url": url}).status_code == 400
