"""The channel to dLocal Go: what is sent, what an answer and a message mean, and which options are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, RefundReport, Trust
from pagoefectivo_django.channels.dlocal_go import DlocalGoChannel
from pagoefectivo_django.channels.dlocal_go.channel import FACTS, REFUNDS
from pagoefectivo_django.errors import (
    InvalidSignature,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    PagoEfectivoError,
    Refused,
    Unavailable,
    Unsigned,
)
from pagoefectivo_django.money import Money
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact, RefundStatus

from .examples import charge
from .scripted import Says, Script

GOOD = {"ENVIRONMENT": "sandbox", "API_KEY": "made-up-api-key-0001", "SECRET_KEY": "made-up-secret-key-0001"}
MADE = {
    "id": "DP-1",
    "status": "PENDING",
    "order_id": "SHOP-1001",
    "amount": 120.5,
    "currency": "PEN",
    "redirect_url": "https://checkout-sbx.dlocalgo.com/made-up",
}
CREATE, LOOK = "POST /v1/payments", "GET /v1/payments/DP-1"
#: Aggregators, section 9: made here, with the key ``test-secret``.
VECTOR = "2e7506e8199592ba2bd093655511cd355cbb64e615f35c42fdde4789f5d67f61"
VECTOR_KEYS = {"API_KEY": "test-login", "SECRET_KEY": "test-secret"}
VECTOR_BODY = b'{"payment_id":"DP-1"}'


@pytest.fixture
def go(script: Script) -> DlocalGoChannel:
    return DlocalGoChannel("default", GOOD | {"BASE_URL": script.base.removesuffix("v1/")})


def signed(body: bytes, digest: str) -> Incoming:
    return Incoming(body, {"Authorization": f"V2-HMAC-SHA256, Signature: {digest}"})


def test_issue_sends_what_the_page_needs(go: DlocalGoChannel, script: Script) -> None:
    script.on(CREATE, Says(200, MADE))
    go.options = {**go.options, "NOTIFICATION_URL": "https://shop.example/pay/webhooks/default/"}
    report = go.issue(charge())
    (heard,) = script.asked(CREATE)
    assert heard.headers["Authorization"] == "Bearer made-up-api-key-0001:made-up-secret-key-0001"
    assert heard.json == {
        "amount": 120.5,
        "currency": "PEN",
        "country": "PE",
        "order_id": "SHOP-1001",
        "description": "Two T-shirts",
        "payer": {"name": "Ana Quispe", "email": "ana@example.com"},
        "notification_url": "https://shop.example/pay/webhooks/default/",
    }
    assert (report.fact, report.code, report.provider_id) == (Fact.ISSUED, "", "DP-1")
    assert report.url == "https://checkout-sbx.dlocalgo.com/made-up"
    assert report.account == "dlocal_go:sandbox:main"


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 12.5},
        {"amount": None},
        {"currency": "USD"},
        {"order_id": "SHOP-1002"},
        {"status": "PAID"},
        {"status": "COMPLETED"},
        {"redirect_url": "javascript:alert(1)"},
        {"redirect_url": ""},
        {"id": ""},
        {"id": "D" * 65},
    ],
    ids=str,
)
def test_a_payment_that_is_not_as_asked_for_is_not_known(
    go: DlocalGoChannel, script: Script, changes: dict[str, Any]
) -> None:
    script.on(CREATE, Says(200, MADE | changes))
    with pytest.raises(OutcomeUnknown):
        go.issue(charge())


@pytest.mark.parametrize(("word", "fact"), FACTS.items())
def test_each_word_for_a_status(go: DlocalGoChannel, script: Script, word: str, fact: Fact) -> None:
    script.on(LOOK, Says(200, MADE | {"status": word}))
    ref = CodeRef(provider_id="DP-1")
    report = go.look_up([ref])[ref]
    assert (report.fact, report.detail, report.amount) == (fact, "", Decimal("120.50"))
    assert report.paid_at is None, "dLocal Go tells no time"


@pytest.mark.parametrize("word", ["COMPLETED", "paid", None, 7])
def test_a_word_that_nobody_knows_stays_unknown(go: DlocalGoChannel, script: Script, word: Any) -> None:
    script.on(LOOK, Says(200, MADE | {"status": word}))
    ref = CodeRef(provider_id="DP-1")
    report = go.look_up([ref])[ref]
    assert (report.fact, report.detail) == (Fact.UNKNOWN, str(word or ""))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"code": 5001, "message": "Invalid parameter"}, Refused),
        (400, {"message": "Invalid parameter"}, Refused),
        (404, {"code": 4000, "message": "Not found"}, Refused),
        (200, {"code": 5001, "message": "Invalid parameter"}, OutcomeUnknown),
        (202, {"message": "Accepted"}, OutcomeUnknown),
        (400, {"id": "DP-1", "message": "Duplicate"}, OutcomeUnknown),
        (400, {"error": "Bad request"}, OutcomeUnknown),
        (400, b"<h1>Bad request</h1>", OutcomeUnknown),
        (401, {"code": 3001, "message": "Invalid credentials"}, Misconfigured),
        (403, b"", Misconfigured),
        (429, {"code": 6000}, Unavailable),
        (302, b"", OutcomeUnknown),
        (500, {"code": 7000, "message": "Failed"}, OutcomeUnknown),
    ],
)
def test_each_failure(
    go: DlocalGoChannel, script: Script, status: int, body: Any, error: type[PagoEfectivoError]
) -> None:
    script.on(CREATE, Says(status, body))
    with pytest.raises(error) as raised:
        go.issue(charge())
    assert type(raised.value) is error
    assert len(script.asked(CREATE)) == 1
    assert not any(word in str(raised.value) for word in ("Ana", "example.com", "made-up"))


def test_what_was_made_is_made_whatever_its_message_says(go: DlocalGoChannel, script: Script) -> None:
    script.on(CREATE, Says(200, MADE | {"message": "Payment created"}))
    assert go.issue(charge()).provider_id == "DP-1"
    script.on("POST /v1/refunds", Says(200, {"id": "REF-1", "message": "Refund created"}))
    assert go.refund(CodeRef(provider_id="DP-1"), Money(Decimal("20.50"), "PEN"), "refund-1").provider_id == "REF-1"


def test_only_a_no_in_json_says_that_a_payment_is_not_there(go: DlocalGoChannel, script: Script) -> None:
    ref = CodeRef(provider_id="DP-1")
    script.on(LOOK, Says(404, {"code": 4000, "message": "Not found"}), Says(404, b"<h1>Not found</h1>"))
    script.on(LOOK, Says(400, {"code": 5000, "message": "Invalid request"}))
    script.on(LOOK, Says(200, MADE | {"id": "DP-2"}))
    assert go.look_up([ref, CodeRef("123", "SHOP-1001")]) == {}
    for error in (OutcomeUnknown, Refused, OutcomeUnknown):
        with pytest.raises(error):
            go.look_up([ref])


@pytest.mark.parametrize("word", [*REFUNDS, "PENDING", "MOON"])
def test_each_word_for_a_refund(go: DlocalGoChannel, script: Script, word: str) -> None:
    script.on("POST /v1/refunds", Says(200, {"id": "REF-1", "payment_id": "DP-1", "amount": 20.5, "status": word}))
    report = go.refund(CodeRef(provider_id="DP-1"), Money(Decimal("20.50"), "PEN"), "refund-1")
    assert (report.provider_id, report.status) == ("REF-1", REFUNDS.get(word, RefundStatus.SENT))
    assert (script.heard[-1].json, len(script.heard)) == ({"payment_id": "DP-1", "amount": 20.5}, 1)


@pytest.mark.parametrize(
    "said",
    [
        {"status": "PENDING"},
        {"id": "REF-1", "amount": 2.05},
        {"id": "REF-1", "amount": 0},
        {"id": "REF-1", "payment_id": "DP-2"},
    ],
    ids=str,
)
def test_a_refund_that_is_not_as_asked_for_is_not_known(
    go: DlocalGoChannel, script: Script, said: dict[str, Any]
) -> None:
    script.on("POST /v1/refunds", Says(200, said))
    with pytest.raises(OutcomeUnknown):
        go.refund(CodeRef(provider_id="DP-1"), Money(Decimal("20.50"), "PEN"), "refund-1")


def test_refunds_are_looked_for_page_by_page(go: DlocalGoChannel, script: Script) -> None:
    rows = [[{"id": f"REF-{page}-{row}", "status": "SUCCESS"} for row in range(2)] for page in range(go.most_calls + 1)]
    for page, row in enumerate(rows):
        script.always[f"GET /v1/refunds?page={page}"] = Says(200, {"data": row, "totalPages": go.most_calls + 1})
    assert go.look_up_refunds(["REF-2-1"]) == {"REF-2-1": RefundReport("REF-2-1")}
    assert len(script.heard) == 3, "no page after the one with the refund"
    assert go.look_up_refunds([f"REF-{go.most_calls}-0"]) == {}
    assert len(script.heard) == 3 + go.most_calls
    script.always["GET /v1/refunds?page=0"] = Says(200, {"data": [None, 7, {}], "totalPages": 1})
    assert go.look_up_refunds(["REF-2-1"]) == {}
    script.always["GET /v1/refunds?page=0"] = Says(200, {"data": {}})
    with pytest.raises(OutcomeUnknown):
        go.look_up_refunds(["REF-2-1"])


def test_the_vector_of_the_protocol() -> None:
    channel = DlocalGoChannel("default", GOOD | VECTOR_KEYS)
    proof = channel.verify(signed(VECTOR_BODY, VECTOR))
    assert (proof.trust, proof.key_id) == (Trust.SIGNED_SENDER, channel.fingerprints()[0])
    assert channel.read(proof.kept) == [Hint("dlocal_go:sandbox:main", provider_id="DP-1")]
    assert channel.signed(VECTOR_BODY) == {"Authorization": f"V2-HMAC-SHA256, Signature: {VECTOR}"}
    assert channel.verify(signed(VECTOR_BODY, VECTOR.upper())) == proof


@pytest.mark.parametrize(
    ("options", "message", "error"),
    [
        ({"SECRET_KEY": "test-secret-2"}, signed(VECTOR_BODY, VECTOR), InvalidSignature),
        ({"API_KEY": "test-login-2"}, signed(VECTOR_BODY, VECTOR), InvalidSignature),
        ({}, signed(VECTOR_BODY + b" ", VECTOR), InvalidSignature),
        ({}, signed(VECTOR_BODY, VECTOR[:-1]), InvalidSignature),
        ({}, Incoming(VECTOR_BODY, {"Authorization": VECTOR}), InvalidSignature),
        ({}, Incoming(VECTOR_BODY, {"Authorization": "Bearer test-login:test-secret"}), InvalidSignature),
        ({}, Incoming(VECTOR_BODY, {"X-Signature": VECTOR}), Unsigned),
        ({"SECRET_KEY": ""}, signed(VECTOR_BODY, VECTOR), Misconfigured),
        ({"API_KEY": None}, signed(VECTOR_BODY, VECTOR), Misconfigured),
    ],
)
def test_no_other_message_is_believed(
    options: dict[str, Any], message: Incoming, error: type[PagoEfectivoError]
) -> None:
    with pytest.raises(error) as raised:
        DlocalGoChannel("default", GOOD | VECTOR_KEYS | options).verify(message)
    assert type(raised.value) is error


@pytest.mark.parametrize("body", [b'{"payment_id": ""}', b'{"payment_id": {}}', b'{"id": "DP-1"}', b"DP-1"])
def test_a_message_without_an_id_is_malformed(go: DlocalGoChannel, body: bytes) -> None:
    with pytest.raises(Malformed):
        go.read(Incoming(body))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"ACCOUNT": "second", "NOTIFICATION_URL": "https://shop.example/pay/webhooks/default/"}, []),
        ({"API_KEY": ""}, ["E001"]),
        ({"SECRET_KEY": None}, ["E001"]),
        ({"ENVIRONMENT": "prod"}, ["E007"]),
        ({"BASE_URL": "dlocalgo"}, ["E007"]),
        ({"NOTIFICATION_URL": "shop.example"}, ["E007"]),
    ],
)
def test_check(changes: dict[str, Any], found: list[str]) -> None:
    messages = DlocalGoChannel.check("default", GOOD | changes)
    assert [str(message.id).removeprefix("pagoefectivo.") for message in messages] == found
    assert "made-up" not in str(messages)


def test_a_key_that_can_be_guessed_is_told(settings: Any) -> None:
    settings.DEBUG = False
    options = GOOD | {"ENVIRONMENT": "production", "SECRET_KEY": "short"}
    assert [message.id for message in DlocalGoChannel.check_deploy("default", options)] == ["pagoefectivo.E013"]


def test_the_doctor_asks_for_the_refunds(go: DlocalGoChannel, script: Script) -> None:
    refunds = "GET /v1/refunds?page=0"
    script.on(refunds, Says(200, {"data": [], "totalPages": 0}), Says(401, {"code": 3001}))
    assert f"http://{go.examine().host}/v1/" == script.base
    with pytest.raises(Misconfigured):
        go.examine()
    script.always[refunds] = Says(502, b"")
    with pytest.raises(Unavailable):
        go.examine()


def test_the_log_shows_no_field_of_the_payer() -> None:
    assert "id" not in DlocalGoChannel.log_fields, "payer.id is a field of dLocal Go's too"


def test_a_batch_ends_before_the_claim_on_its_rows() -> None:
    assert DlocalGoChannel("default", GOOD).batch_size * 10 < 120
    assert DlocalGoChannel("default", GOOD | {"BATCH_SIZE": 3}).batch_size == 3


def test_only_orders_in_soles_are_taken(go: DlocalGoChannel) -> None:
    payer = Payer(email="ana@example.com")
    assert go.why_not(Money(Decimal("0.10"), "PEN"), payer) == ""
    assert go.why_not(Money(Decimal(20), "USD"), payer) == "currency"
