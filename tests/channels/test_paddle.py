"""Paddle's channel: each word and error, signatures, refunds, options."""

from __future__ import annotations

import hashlib
import hmac
import json
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Report, Trust
from pagoefectivo_django.channels.paddle import PaddleChannel
from pagoefectivo_django.channels.paddle.rows import ERRORS, REFUNDS, STATUSES
from pagoefectivo_django.errors import InvalidSignature, Malformed, Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import Fact, RefundStatus

from .examples import charge
from .scripted import Says, Script

SECRET = "made-up-webhook-secret"
GOOD = {"ENVIRONMENT": "sandbox", "API_KEY": "made-up-key", "WEBHOOK_SECRETS": [SECRET]}
REF = CodeRef(provider_id="txn_1", transaction_code="ORDER-1")
LISTS = "GET /v1/transactions?id=txn_1&per_page=30&include=adjustments"
TRANSACTION: dict[str, Any] = {
    "id": "txn_1",
    "status": "completed",
    "custom_data": {"transaction_code": "ORDER-1"},
    "currency_code": "PEN",
    "details": {"totals": {"total": "12050"}, "line_items": [{"id": "txnitm_1"}]},
    "payments": [
        {"status": "error", "captured_at": None},
        {"status": "captured", "captured_at": "2026-11-22T15:05:00.469551Z"},
    ],
    "updated_at": "2026-11-23T15:05:00Z",
    "checkout": {"url": "https://shop.example/pay?_ptxn=txn_1"},
}
VECTOR = "53f08055b7bbf9c5f9fbe0935ae952207255f4c2b4c3345ef2e49d7e4c90e043"
BODY = b'{"type":"payment_approved"}'


@pytest.fixture
def channel(script: Script) -> PaddleChannel:
    return PaddleChannel("default", GOOD | {"BASE_URL": script.base})


def seen(channel: PaddleChannel, script: Script, **changes: Any) -> Report:
    script.on(LISTS, Says(200, {"data": [TRANSACTION | changes]}))
    return channel.look_up([REF])[REF]


def read(channel: PaddleChannel, data: Any) -> Report | Hint:
    (item,) = channel.read(Incoming(json.dumps({"event_type": "made.up", "data": data}).encode()))
    return item


# Words.


@pytest.mark.parametrize(("word", "fact"), [*STATUSES.items(), ("moon", Fact.UNKNOWN)])
def test_each_word(channel: PaddleChannel, script: Script, word: str, fact: Fact) -> None:
    report = seen(channel, script, status=word)
    assert (report.fact, report.transaction_code, report.amount) == (fact, "ORDER-1", Decimal("120.50"))
    assert fact != Fact.UNKNOWN or word in report.detail
    assert (str(report.paid_at) == "2026-11-22 15:05:00.469551+00:00") == (fact == Fact.PAYMENT)


@pytest.mark.parametrize(
    ("adjustments", "fact", "returned"),
    [
        ([], Fact.PAYMENT, "0"),
        ([("refund", "approved", "2050")], Fact.PAYMENT, "20.50"),
        ([("refund", "pending_approval", "12050"), ("refund", "rejected", "12050")], Fact.PAYMENT, "0"),
        ([("refund", "approved", "2050"), ("refund", "approved", "10000")], Fact.PAYMENT_REVERSED, "120.50"),
        ([("chargeback", "approved", "12050")], Fact.PAYMENT_REVERSED, "120.50"),
        ([("chargeback", "reversed", "12050"), ("credit", "approved", "12050")], Fact.PAYMENT, "0"),
    ],
)
def test_approved_adjustments_are_what_went_back(
    channel: PaddleChannel, script: Script, adjustments: Any, fact: Fact, returned: str
) -> None:
    shown = [{"action": action, "status": status, "totals": {"total": sum}} for action, status, sum in adjustments]
    report = seen(channel, script, adjustments=shown)
    assert (report.fact, report.returned, report.operation_number) == (fact, Decimal(returned), "txn_1")


def test_an_adjustment_without_a_sum_is_no_answer(channel: PaddleChannel, script: Script) -> None:
    with pytest.raises(OutcomeUnknown):
        seen(channel, script, adjustments=[{"action": "refund", "status": "approved"}])


def test_a_list_that_goes_on_is_no_answer(channel: PaddleChannel, script: Script) -> None:
    script.on(LISTS, Says(200, {"data": [], "meta": {"pagination": {"has_more": True}}}), Says(200, {"data": []}))
    with pytest.raises(OutcomeUnknown):
        channel.look_up([REF])
    assert channel.look_up([REF]) == {}


def test_only_ids_of_paddle_are_asked_about_and_many_in_several_lists(channel: PaddleChannel, script: Script) -> None:
    assert channel.look_up([CodeRef(provider_id="nobody-1"), CodeRef("1234"), CodeRef(transaction_code="A")]) == {}
    assert not script.heard
    refs = [CodeRef(provider_id=f"txn_{number}") for number in range(31)]
    for batch in (refs[:30], refs[30:]):
        names = ",".join(ref.provider_id for ref in batch)
        data = [TRANSACTION | {"id": ref.provider_id} for ref in batch]
        script.on(f"GET /v1/transactions?id={names}&per_page=30&include=adjustments", Says(200, {"data": data}))
    assert {*channel.look_up(refs)} == {*refs}


# Errors.


def no(code: str) -> dict[str, Any]:
    return {"error": {"type": "request_error", "code": code, "detail": "made up"}, "meta": {}}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        *((400, no(code), row.error) for code, row in ERRORS.items()),
        (400, no("bad_request"), Refused),
        (400, b"", OutcomeUnknown),
        (401, no("authentication_malformed"), Misconfigured),
        (403, no("forbidden"), Misconfigured),
        (404, b"<html>", OutcomeUnknown),
        (429, no("too_many_requests"), Unavailable),
        (500, no("internal_error"), OutcomeUnknown),
        (201, {"data": TRANSACTION}, OutcomeUnknown),
        (201, {"data": TRANSACTION | {"status": "draft", "custom_data": {}}}, OutcomeUnknown),
        (201, {"data": TRANSACTION | {"status": "draft", "currency_code": "USD"}}, OutcomeUnknown),
        (201, {"data": TRANSACTION | {"status": "draft", "details": {"totals": {"total": "12051"}}}}, OutcomeUnknown),
        (201, {"data": TRANSACTION | {"status": "draft", "checkout": {"url": "javascript:a"}}}, OutcomeUnknown),
        (201, {"data": TRANSACTION | {"status": "draft", "id": "pri_1"}}, OutcomeUnknown),
    ],
)
def test_issue_ends_as_the_answer_says(
    channel: PaddleChannel, script: Script, status: int, body: Any, error: type[Exception]
) -> None:
    script.on("POST /v1/transactions", Says(status, body))
    with pytest.raises(error) as raised:
        channel.issue(charge(transaction_code="ORDER-1"))
    assert type(raised.value) is error
    assert len(script.asked("POST /v1/transactions")) == 1


def test_the_request_for_a_transaction_names_no_payer(channel: PaddleChannel, script: Script) -> None:
    script.on("POST /v1/transactions", Says(201, {"data": TRANSACTION | {"status": "draft"}}))
    report = channel.issue(charge(transaction_code="ORDER-1"))
    assert (report.provider_id, report.url) == ("txn_1", "https://shop.example/pay?_ptxn=txn_1")
    (heard,) = script.asked("POST /v1/transactions")
    assert heard.headers["Authorization"] == "Bearer made-up-key"
    (item,) = heard.json["items"]
    assert item["price"]["unit_price"] == {"amount": "12050", "currency_code": "PEN"}
    assert (item["quantity"], item["price"]["tax_mode"]) == (1, "internal")
    assert heard.json["custom_data"] == {"transaction_code": "ORDER-1"}
    assert not {"Ana", "ana@example.com", "Quispe"} & {*heard.body.decode().split('"')}


# Refunds.


@pytest.mark.parametrize(
    ("amount", "more"),
    [
        ("120.50", {"type": "full"}),
        ("20.50", {"type": "partial", "items": [{"item_id": "txnitm_1", "type": "partial", "amount": "2050"}]}),
    ],
)
@pytest.mark.parametrize(("word", "status"), [*REFUNDS.items(), ("moon", RefundStatus.SENT)])
def test_a_refund(
    channel: PaddleChannel, script: Script, amount: str, more: Any, word: str, status: RefundStatus
) -> None:
    script.on("GET /v1/transactions/txn_1", Says(200, {"data": TRANSACTION}))
    script.on("POST /v1/adjustments", Says(201, {"data": {"id": "adj_1", "status": word}}))
    sent = channel.refund(REF, Money(Decimal(amount), "PEN"), "refund-1")
    assert (sent.provider_id, sent.status) == ("adj_1", status)
    (heard,) = script.asked("POST /v1/adjustments")
    assert heard.json == {"action": "refund", "transaction_id": "txn_1", "reason": "refund refund-1"} | more


@pytest.mark.parametrize("said", [Says(502), Says(200, {"data": TRANSACTION | {"details": {}}}), Says(200, b"{}")])
def test_a_refund_of_what_cannot_be_read_was_certainly_not_sent(
    channel: PaddleChannel, script: Script, said: Says
) -> None:
    script.on("GET /v1/transactions/txn_1", said, said)
    with pytest.raises(Unavailable):
        channel.refund(REF, Money(Decimal("20.50"), "PEN"), "refund-1")
    assert not script.asked("POST /v1/adjustments")


def test_refunds_are_asked_about_in_one_list(channel: PaddleChannel, script: Script) -> None:
    data = [{"id": "adj_2", "status": "approved"}, {"id": "adj_1", "status": "rejected"}]
    script.on("GET /v1/adjustments?id=adj_1,adj_2,adj_3&per_page=50", Says(200, {"data": data}))
    found = channel.look_up_refunds(["adj_1", "adj_2", "adj_3"])
    assert {name: each.status for name, each in found.items()} == {"adj_2": "done", "adj_1": "failed"}


# Messages.


@pytest.mark.parametrize(
    ("header", "believed"),
    [
        (f"ts=1700000000;h1={VECTOR}", True),
        (f"h1={'0' * 64};ts=1700000000;h1={VECTOR.upper()}", True),
        (f"ts=1700000000; h1={VECTOR}", True),
        (f"ts=1700000001;h1={VECTOR}", False),
        (f"h1={VECTOR}", False),
        (f"ts=1700000000;ts=1700000000;h1={VECTOR}", False),
        (f"ts=1700000000;h1={VECTOR};h2={VECTOR}", False),
        (f"ts=1700000000;h1={VECTOR};", False),
        (f"ts=17e8;h1={VECTOR}", False),
        ("ts=1700000000", False),
        ("ts=1700000000;h1=", False),
        ("ts=1700000000;h1=é", False),
        ("", False),
    ],
)
def test_the_signature_is_that_of_the_protocol(header: str, believed: bool) -> None:
    channel = PaddleChannel("default", GOOD | {"WEBHOOK_SECRETS": ["made-up-old-secret", "test-secret"]})
    incoming = Incoming(BODY, {"paddle-signature": header, "X-More": "1"}, "a=1")
    if not believed:
        with pytest.raises(InvalidSignature):
            channel.verify(incoming)
        return
    proof = channel.verify(incoming)
    assert (proof.trust, proof.key_id) == (Trust.SIGNED_BODY, channel.fingerprints()[1])
    assert (proof.kept.body, proof.kept.query) == (BODY, "")
    assert proof.kept.headers == {"Paddle-Signature": f"ts=1700000000;h1={VECTOR}"}
    assert channel.verify(proof.kept) == proof


def test_a_message_sent_again_has_another_moment_and_one_identity(channel: PaddleChannel) -> None:
    headers = [
        f"ts={moment};h1={hmac.new(SECRET.encode(), moment.encode() + b':' + BODY, hashlib.sha256).hexdigest()}"
        for moment in ("1700000000", "1800000000")
    ]
    proofs = [channel.verify(Incoming(BODY, {"Paddle-Signature": each})) for each in headers]
    assert proofs[0].identity == proofs[1].identity


@pytest.mark.parametrize("secrets", [[], [""], None, "", [None]])
def test_without_a_secret_nothing_is_believed(secrets: Any) -> None:
    channel = PaddleChannel("default", GOOD | {"WEBHOOK_SECRETS": secrets})
    signed = hmac.new(b"", b"1700000000:{}", hashlib.sha256).hexdigest()
    with pytest.raises(InvalidSignature):
        channel.verify(Incoming(b"{}", {"Paddle-Signature": f"ts=1700000000;h1={signed}"}))
    assert channel.signed(b"{}") == {}


def test_the_doctor_can_sign(channel: PaddleChannel) -> None:
    assert channel.verify(Incoming(BODY, channel.signed(BODY)))


@pytest.mark.parametrize("word", ["paid", "completed"])
def test_a_paid_transaction_pays(channel: PaddleChannel, word: str) -> None:
    item = read(channel, TRANSACTION | {"status": word})
    assert isinstance(item, Report)
    assert (item.fact, item.amount, item.currency) == (Fact.PAYMENT, Decimal("120.50"), "PEN")
    assert (item.provider_id, item.transaction_code, item.returned) == ("txn_1", "ORDER-1", None)
    assert item.operation_number == "txn_1", "told once more, it is the same payment"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ready"},
        {"status": "canceled"},
        {"status": "moon"},
        {"custom_data": None},
        {"currency_code": None},
        {"details": None},
        {"payments": None, "updated_at": None},
        {"id": "adj_1", "transaction_id": "txn_1"},
    ],
)
def test_every_other_message_is_a_hint(channel: PaddleChannel, changes: Any) -> None:
    assert read(channel, deepcopy(TRANSACTION) | changes) == Hint(channel.account, provider_id="txn_1")


def test_a_message_about_no_transaction_is_malformed(channel: PaddleChannel) -> None:
    with pytest.raises(Malformed):
        read(channel, {"id": "ctm_1"})


# Options.


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"ENVIRONMENT": "production", "ACCOUNT": "second"}, []),
        ({"API_KEY": ""}, ["E001"]),
        ({"WEBHOOK_SECRETS": None}, ["E001"]),
        ({"WEBHOOK_SECRETS": []}, ["E003"]),
        ({"WEBHOOK_SECRETS": "made-up"}, ["E003"]),
        ({"ENVIRONMENT": "moon"}, ["E007"]),
        ({"BASE_URL": "paddle"}, ["E007"]),
    ],
)
def test_check(changes: Any, found: list[str]) -> None:
    messages = PaddleChannel.check("default", GOOD | changes)
    assert [str(each.id).removeprefix("pagoefectivo.") for each in messages] == found
    assert not any(SECRET in str(each) or "made-up-key" in str(each) for each in messages)


def test_an_account_has_a_name_of_the_shops() -> None:
    assert PaddleChannel("default", GOOD).account == "paddle:sandbox:main"
    assert PaddleChannel("default", GOOD | {"ACCOUNT": "second"}).account == "paddle:sandbox:second"
    assert PaddleChannel("default", GOOD).base_url == "https://sandbox-api.paddle.com/"


def test_a_look_at_the_account(channel: PaddleChannel, script: Script) -> None:
    script.on("GET /v1/transactions?per_page=1", Says(200, {"data": []}), Says(401), Says(502), Says(502))
    assert channel.examine()
    with pytest.raises(Misconfigured):
        channel.examine()
    with pytest.raises(Unavailable):
        channel.examine()
