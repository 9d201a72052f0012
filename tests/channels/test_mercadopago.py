"""Mercado Pago's words, signatures and refusals; the calls over real HTTP are in ``tests/providers``."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from mercadopago.webhook.validator import InvalidWebhookSignatureError, WebhookSignatureValidator

from pagoefectivo_django.channels.base import Charge, CodeRef, Hint, Incoming, Presents, Trust
from pagoefectivo_django.channels.mercadopago import MercadoPagoChannel
from pagoefectivo_django.channels.mercadopago.notices import manifest
from pagoefectivo_django.channels.mercadopago.rows import DETAILS, REFUNDS, STATUSES
from pagoefectivo_django.channels.rest import SPARE
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
from pagoefectivo_django.models.database import LEASE
from pagoefectivo_django.money import Money
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact, RefundStatus

from .scripted import Says, Script

SECRET = "made-up-webhook-secret"
REF = CodeRef(provider_id="1300000001", transaction_code="SHOP-1")
UNTIL = datetime(2030, 1, 4, 17, 30, 0, 123456, tzinfo=UTC)
CHARGE = Charge("SHOP-1", Decimal("120.50"), "PEN", UNTIL, Payer(email="ana@example.com", name="Ana"), "Two T-shirts")
#: The published answer (additions B.2), with our fields.
PAYMENT: dict[str, Any] = {
    "id": 1300000001,
    "status": "pending",
    "status_detail": "pending_waiting_payment",
    "external_reference": "SHOP-1",
    "currency_id": "PEN",
    "transaction_amount": 120.5,
    "transaction_amount_refunded": 0,
    "date_approved": None,
    "date_of_expiration": "2030-01-04T13:30:00.000-04:00",
    "transaction_details": {
        "payment_method_reference_id": "123457986",
        "verification_code": "24308767",
        "total_paid_amount": 121.3,
        "external_resource_url": "https://www.mercadopago.com/mpe/payments/atm/helper?payment_id=1",
        "financial_institution": "PagoEfectivo",
    },
}
NOT_FOUND = {"message": "Payment not found", "error": "not_found", "status": 404, "cause": [{"code": 2000}]}
CREATE, GET, SEARCH = (
    "POST /v1/payments",
    "GET /v1/payments/1300000001",
    "GET /v1/payments/search?external_reference=SHOP-1",
)
REFUND, METHODS = f"POST /v1/payments/{REF.provider_id}/refunds", "GET /v1/payment_methods"
GOOD: dict[str, Any] = {"ENVIRONMENT": "sandbox", "ACCESS_TOKEN": "made-up-access-token", "WEBHOOK_SECRETS": [SECRET]}


@pytest.fixture
def channel(script: Script) -> MercadoPagoChannel:
    return MercadoPagoChannel("default", GOOD | {"BASE_URL": script.base.removesuffix("v1/")})


# A code.


def test_asks_as_documented_and_presents_the_page_without_a_code(script: Script, channel: MercadoPagoChannel) -> None:
    script.on(CREATE, Says(201, PAYMENT))
    report = channel.issue(CHARGE)
    (heard,) = script.asked(CREATE)
    assert heard.json == {
        "transaction_amount": 120.5,
        "description": "Two T-shirts",
        "payment_method_id": "pagoefectivo_atm",
        "payer": {"email": "ana@example.com"},
        "external_reference": "SHOP-1",
        "date_of_expiration": "2030-01-04T12:30:00.123-05:00",
    }
    assert heard.headers["X-Idempotency-Key"] == "SHOP-1"
    assert heard.headers["Authorization"] == "Bearer made-up-access-token"
    assert (channel.presents, report.code, report.provider_id) == (Presents.LINK, "", "1300000001")
    assert report.url.startswith("https://www.mercadopago.com/mpe/")
    assert (report.other_code, report.payment_id) == ("24308767", report.provider_id)
    assert (report.amount, report.payer_total) == (Decimal("120.50"), Decimal("121.30"))
    assert report.raw == {"payment_method_reference_id": "123457986", "verification_code": "24308767"}
    assert report.expires_at == datetime(2030, 1, 4, 17, 30, tzinfo=UTC)
    assert report.amount == Decimal("120.50")


def test_an_order_without_a_concept_is_described_by_our_number(script: Script, channel: MercadoPagoChannel) -> None:
    script.on(CREATE, Says(201, PAYMENT))
    channel.issue(replace(CHARGE, concept=""))
    assert script.asked(CREATE)[0].json["description"] == "SHOP-1"


def test_two_equal_numbers_are_no_code_either(script: Script, channel: MercadoPagoChannel) -> None:
    details = PAYMENT["transaction_details"] | {"payment_method_reference_id": "24308767"}
    script.on(CREATE, Says(201, PAYMENT | {"transaction_details": details}))
    assert channel.issue(CHARGE).code == ""


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"transaction_amount": 120.49}, OutcomeUnknown),
        ({"currency_id": "USD"}, OutcomeUnknown),
        ({"currency_id": None}, OutcomeUnknown),
        ({"external_reference": "SHOP-2"}, OutcomeUnknown),
        ({"status": "approved"}, OutcomeUnknown),
        ({"status": "moon"}, OutcomeUnknown),
        ({"transaction_details": {"external_resource_url": "javascript:alert(1)"}}, OutcomeUnknown),
        ({"id": None}, OutcomeUnknown),
        ({"id": "../1"}, OutcomeUnknown),
        ({"status": "rejected", "status_detail": "rejected_by_biller"}, Refused),
    ],
)
def test_a_payment_that_is_not_as_requested_is_no_success(
    script: Script, channel: MercadoPagoChannel, changes: dict[str, Any], error: type[PagoEfectivoError]
) -> None:
    script.on(CREATE, Says(201, PAYMENT | changes))
    with pytest.raises(error):
        channel.issue(CHARGE)


# Words.


@pytest.mark.parametrize(("status", "fact"), STATUSES.items())
def test_each_status(script: Script, channel: MercadoPagoChannel, status: str, fact: Fact) -> None:
    approved = {"status": status, "date_approved": "2030-01-02T10:00:00.000-04:00"}
    script.on(GET, Says(200, PAYMENT | approved))
    report = channel.look_up([REF])[REF]
    assert (report.fact, report.detail) == (fact, "")
    assert (report.amount, report.paid_at) == (Decimal("120.50"), datetime(2030, 1, 2, 14, tzinfo=UTC))


@pytest.mark.parametrize(("words", "fact"), DETAILS.items())
def test_each_status_with_a_detail_of_its_own(
    script: Script, channel: MercadoPagoChannel, words: tuple[str, str], fact: Fact
) -> None:
    script.on(GET, Says(200, PAYMENT | dict(zip(("status", "status_detail"), words, strict=True))))
    assert channel.look_up([REF])[REF].fact == fact
    assert fact != STATUSES[words[0]]


def test_a_part_that_went_back_is_beside_the_payment(script: Script, channel: MercadoPagoChannel) -> None:
    part = {"status": "approved", "status_detail": "partially_refunded", "transaction_amount_refunded": 20.5}
    script.on(GET, Says(200, PAYMENT | part), Says(200, PAYMENT | {"status": "approved"}))
    report = channel.look_up([REF])[REF]
    assert (report.fact, report.returned) == (Fact.PAYMENT, Decimal("20.50"))
    assert channel.look_up([REF])[REF].returned is None


# Yes, no and not known.


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (400, {"error": "bad_request", "cause": [{"code": 4037}]}, Refused, "400: bad_request:4037."),
        (400, {"error": "bad_request", "cause": []}, Refused, "400: bad_request."),
        (400, {"error": "bad_request", "cause": {"code": 1}}, Refused, "400: bad_request."),
        (400, {"message": "no error named"}, OutcomeUnknown, "no answer that can be read"),
        (401, {"error": "unauthorized"}, Misconfigured, "the keys are refused"),
        (403, b"<html>", Misconfigured, "forbidden"),
        (404, {"error": "not_found"}, Refused, "404: not_found."),
        (429, b"", Unavailable, "too many calls"),
        (500, {"error": "internal_error"}, OutcomeUnknown, "500: internal_error."),
        (302, b"", OutcomeUnknown, "302"),
        (201, {"error": "bad_request"}, OutcomeUnknown, "bad_request"),
    ],
)
def test_each_answer_that_is_no_yes(
    script: Script, channel: MercadoPagoChannel, status: int, body: Any, error: type[PagoEfectivoError], said: str
) -> None:
    script.on(CREATE, Says(status, body))
    with pytest.raises(error) as raised:
        channel.issue(CHARGE)
    assert type(raised.value) is error
    assert said in str(raised.value)
    assert len(script.asked(CREATE)) == 1, "never sent twice"


def test_only_mercado_pagos_own_not_found_leaves_a_payment_out(script: Script, channel: MercadoPagoChannel) -> None:
    others = ({"error": "resource not found"}, b"<html>")
    script.on(GET, Says(404, NOT_FOUND), *(Says(404, body) for body in others), Says(400, {"error": "not_found"}))
    assert channel.look_up([REF]) == {}
    for error in (Refused, OutcomeUnknown, Refused):
        with pytest.raises(error):
            channel.look_up([REF])


def test_an_answer_about_another_payment_is_none(script: Script, channel: MercadoPagoChannel) -> None:
    script.on(GET, Says(200, PAYMENT | {"id": 1300000002}))
    with pytest.raises(OutcomeUnknown):
        channel.look_up([REF])


@pytest.mark.parametrize("name", ["", "nobody-1", "../users/me", "1/refunds", "1" * 21])
def test_what_is_no_payments_number_is_not_asked_about(script: Script, channel: MercadoPagoChannel, name: str) -> None:
    ref = CodeRef(provider_id=name)
    assert channel.look_up([ref]) == {}
    for ask in (lambda: channel.delete(ref), lambda: channel.refund(ref, Money(Decimal(1), "PEN"), "key-1")):
        with pytest.raises(Refused):
            ask()
    assert script.heard == []


def test_a_search_says_no_only_with_a_whole_list(script: Script, channel: MercadoPagoChannel) -> None:
    other = PAYMENT | {"external_reference": "SHOP-12"}
    script.on(
        SEARCH,
        Says(200, {"paging": {"total": 2}, "results": [other, PAYMENT]}),
        Says(200, {"paging": {"total": 1}, "results": [other]}),
        Says(200, {"paging": {"total": 31}, "results": [other]}),
        Says(200, {"results": []}),
        Says(200, {"results": None}),
    )
    found = channel.find("SHOP-1")
    assert found
    assert (found.fact, found.provider_id) == (Fact.ISSUED, "1300000001")
    assert channel.find("SHOP-1") is None
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            channel.find("SHOP-1")


def test_a_payment_is_cancelled_when_the_answer_says_so(script: Script, channel: MercadoPagoChannel) -> None:
    call = f"PUT /v1/payments/{REF.provider_id}"
    script.on(call, Says(200, PAYMENT | {"status": "cancelled"}), Says(200, PAYMENT))
    channel.delete(REF)
    assert script.asked(call)[0].json == {"status": "cancelled"}
    with pytest.raises(OutcomeUnknown):
        channel.delete(REF)


# Refunds.


@pytest.mark.parametrize(
    ("word", "status"), [*REFUNDS.items(), ("in_process", RefundStatus.SENT), (None, RefundStatus.SENT)]
)
def test_each_word_for_a_refund(
    script: Script, channel: MercadoPagoChannel, word: str | None, status: RefundStatus
) -> None:
    said = {"id": 2600000001, "payment_id": 1300000001, "amount": 20.5, "status": word}
    script.on(REFUND, Says(201, said))
    report = channel.refund(REF, Money(Decimal("20.50"), "PEN"), "key-1")
    assert (report.status, report.provider_id) == (status, "1300000001-2600000001")
    assert report.detail == (word if status == RefundStatus.FAILED else "")
    (heard,) = script.asked(REFUND)
    assert (heard.json, heard.headers["X-Idempotency-Key"]) == ({"amount": 20.5}, "key-1")
    assert heard.headers["X-Render-In-Process-Refunds"] == "true"
    look = "GET /v1/payments/1300000001/refunds/2600000001"
    script.on(look, Says(200, said), Says(404, NOT_FOUND), Says(200, said | {"id": 7}))
    assert channel.look_up_refunds([report.provider_id]) == {report.provider_id: report}
    assert channel.look_up_refunds([report.provider_id]) == {}
    with pytest.raises(OutcomeUnknown):
        channel.look_up_refunds([report.provider_id])


@pytest.mark.parametrize(
    "said",
    [
        {"id": 1, "amount": 20, "status": "approved"},
        {"amount": 20.5, "status": "approved"},
        {"id": "1" * 70, "amount": 20.5, "status": "approved"},
    ],
)
def test_a_refund_of_another_amount_or_without_an_id_is_not_known(
    script: Script, channel: MercadoPagoChannel, said: dict[str, Any]
) -> None:
    script.on(REFUND, Says(201, said))
    with pytest.raises(OutcomeUnknown):
        channel.refund(REF, Money(Decimal("20.50"), "PEN"), "key-1")


# Notifications.


def sign(text: str, secret: str = "test-secret") -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


VECTORS = {
    ("123456", "req-1"): "e9a39bbdd481339f443a07c1c3d7f4fd07f3bb23ec03ae625222043493c25d3f",
    ("123456", ""): "27b230229e464f2ae25dde122237abf312ea5963a73c8985831b39730f186cc7",
}


@pytest.mark.parametrize(("names", "signature"), VECTORS.items())
def test_the_vectors_of_the_protocol(names: tuple[str, str], signature: str) -> None:
    payment, request = names
    assert sign(manifest(payment, request, "1700000000").decode()) == signature
    channel = MercadoPagoChannel("default", GOOD | {"WEBHOOK_SECRETS": ["made-up-older-secret", "test-secret"]})
    headers = {"X-Signature": f"ts=1700000000,v1={signature}"} | ({"X-Request-Id": request} if request else {})
    message = Incoming(b'{"data": {"id": "7"}}', headers, f"type=payment&data.id={payment}")
    proof = channel.verify(message)
    assert (proof.trust, proof.key_id) == (Trust.SIGNED_SENDER, channel.fingerprints()[1])
    assert (proof.kept.body, proof.kept.query) == (b"", f"data.id={payment}")
    assert channel.verify(proof.kept) == proof, "what is kept can be verified again"
    assert channel.read(proof.kept) == [Hint(channel.account, provider_id=payment)]


#: Query, request id and header of messages; ``TRUE`` stands for the signature that belongs to query and request id.
MESSAGES: dict[str, tuple[str, str, str]] = {
    "true": ("data.id=123456&type=payment", "req-1", "ts=1700000000,v1=TRUE"),
    "milliseconds": ("data.id=123456", "req-1", "ts=1700000000000,v1=TRUE"),
    "blanks": ("data.id=%20123456%20", " req-1 ", " ts = 1700000000 , v1 = TRUE "),
    "capitals in the header's names": ("data.id=123456", "req-1", "TS=1700000000,V1=TRUE"),
    "capitals in the id": ("data.id=ABC-1", "req-1", "ts=1700000000,v1=TRUE"),
    "no id": ("type=payment", "req-1", "ts=1700000000,v1=TRUE"),
    "no request": ("data.id=123456", "", "ts=1700000000,v1=TRUE"),
    "a further version": ("data.id=123456", "req-1", "ts=1700000000,v2=made-up,v1=TRUE"),
    "another version": ("data.id=123456", "req-1", "ts=1700000000,v2=TRUE"),
    "no time": ("data.id=123456", "req-1", "v1=TRUE"),
    "a time that is none": ("data.id=123456", "req-1", "ts=now,v1=TRUE"),
    "no signature": ("data.id=123456", "req-1", "ts=1700000000"),
    "an empty signature": ("data.id=123456", "req-1", "ts=1700000000,v1="),
    "another signature": ("data.id=123456", "req-1", "ts=1700000000,v1=" + "0" * 64),
    "capitals in the signature": ("data.id=123456", "req-1", "ts=1700000000,v1=" + "A" * 64),
    "no header": ("data.id=123456", "req-1", ""),
    "nonsense": ("data.id=123456", "req-1", "nonsense"),
}


#: The messages above that both take.
TAKEN = {
    *("true", "milliseconds", "blanks", "capitals in the header's names", "capitals in the id", "no id", "no request"),
    "a further version",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_agrees_with_the_official_library_on_the_same_bytes(name: str) -> None:
    query, request, header = MESSAGES[name]
    payment = query.partition("data.id=")[2].partition("&")[0].replace("%20", " ")
    moment = "1700000000000" if "1700000000000" in header else "1700000000" if "1700000000" in header else "now"
    pairs = (("id", payment.strip()), ("request-id", request.strip()), ("ts", moment))
    header = header.replace("TRUE", sign("".join(f"{each}:{value};" for each, value in pairs if value), SECRET))
    try:
        WebhookSignatureValidator.validate(header, request or None, payment or None, SECRET)
        theirs = True
    except InvalidWebhookSignatureError:
        theirs = False
    headers = {"x-signature": header} | ({"x-request-id": request} if request else {})
    try:
        MercadoPagoChannel("default", GOOD).verify(Incoming(b"", headers, query))
        ours = True
    except InvalidSignature:
        ours = False
    assert ours == theirs == (name in TAKEN)


def test_an_unsigned_notification_is_refused() -> None:
    with pytest.raises(Unsigned):
        MercadoPagoChannel("default", GOOD).verify(Incoming(b'{"type": "payment"}', {}, "data.id=123456"))


def test_one_signature_is_of_one_notification() -> None:
    """A manifest that is read in two ways proves neither."""
    signature = sign("id:123456;request-id:req-1;ts:1700000000;", SECRET)
    moved = Incoming(b"", {"x-signature": f"ts=1700000000,v1={signature}"}, "data.id=123456;request-id:req-1")
    with pytest.raises(InvalidSignature):
        MercadoPagoChannel("default", GOOD).verify(moved)


@pytest.mark.parametrize("query", ["", "data.id=", "data.id=ORD-1", "data.id=1/refunds", "id=123456&topic=payment"])
def test_a_notification_that_names_no_payment_is_malformed(query: str) -> None:
    with pytest.raises(Malformed):
        MercadoPagoChannel("default", GOOD).read(Incoming(b"", {}, query))


# Options, checks and the doctor.


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"ACCESS_TOKEN": ""}, ["E001"]),
        ({"WEBHOOK_SECRETS": None}, ["E001"]),
        ({"WEBHOOK_SECRETS": []}, ["E003"]),
        ({"WEBHOOK_SECRETS": [SECRET, ""]}, ["E003"]),
        ({"ENVIRONMENT": "Production"}, ["E007"]),
        ({"BASE_URL": "mercadopago"}, ["E007"]),
        ({"TIMEOUT": 0}, ["E007"]),
    ],
)
def test_check(changes: dict[str, Any], found: list[str], settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"GRACE": timedelta(days=2)}
    messages = MercadoPagoChannel.check("default", GOOD | changes)
    assert [str(each.id).removeprefix("pagoefectivo.") for each in messages] == found
    assert not any(secret in str(each) for each in messages for secret in (SECRET, "made-up-access-token"))


@pytest.mark.parametrize(("hours", "ids"), [(47, ["pagoefectivo.W014"]), (48, [])])
def test_check_asks_for_the_time_that_mercado_pago_takes(settings: Any, hours: int, ids: list[str]) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"GRACE": timedelta(hours=hours)}
    assert [each.id for each in MercadoPagoChannel.check("default", GOOD)] == ids


@pytest.mark.parametrize("secrets", [None, [], [""], ""])
def test_without_a_secret_no_message_is_believed(secrets: Any) -> None:
    message = Incoming(b"", {"x-signature": f"ts=1,v1={sign('id:1;ts:1;', '')}"}, "data.id=1")
    with pytest.raises(InvalidSignature):
        MercadoPagoChannel("default", GOOD | {"WEBHOOK_SECRETS": secrets}).verify(message)


def test_the_account_has_no_public_name_but_the_shops() -> None:
    assert MercadoPagoChannel("default", GOOD).account == "mercadopago:sandbox:main"
    assert MercadoPagoChannel("default", GOOD | {"ACCOUNT": "lima"}).account == "mercadopago:sandbox:lima"


@pytest.mark.parametrize(
    ("says", "error", "said"),
    [
        (Says(200, [{"id": "visa", "status": "active"}]), Misconfigured, "pagoefectivo_atm is not active"),
        (Says(200, [{"id": "pagoefectivo_atm", "status": "deactive"}]), Misconfigured, "status: deactive"),
        (Says(200, [{"id": "pagoefectivo_atm"}]), Misconfigured, "status: -"),
        (Says(200, []), Misconfigured, "pagoefectivo_atm is not active"),
        (Says(401, {"error": "unauthorized"}), Misconfigured, "the keys are refused"),
        (Says(401, b"<html>"), Misconfigured, "the keys are refused"),
        (Says(200, {"id": "pagoefectivo_atm"}), Unavailable, "can't be read"),
        (Says(500, b"[]"), Unavailable, "500"),
        (Says(200, b"<html>"), Unavailable, "can't be read"),
        (Says(429, {"error": "too_many_requests"}), Unavailable, "too many calls"),
    ],
)
def test_the_doctor_learns_whether_the_account_has_pagoefectivo(
    script: Script, channel: MercadoPagoChannel, says: Says, error: type[PagoEfectivoError], said: str
) -> None:
    script.always[METHODS] = says
    with pytest.raises(error, match=said):
        channel.examine()


def test_the_doctor_learns_that_all_is_well(script: Script, channel: MercadoPagoChannel) -> None:
    script.on(METHODS, Says(200, [{"id": "visa"}, 7, {"id": "pagoefectivo_atm", "status": "active"}]))
    found = channel.examine()
    assert found.host in script.base
    assert found.ahead is not None


def test_a_look_up_ends_before_its_claim() -> None:
    longest = MercadoPagoChannel("default", GOOD | {"BATCH_SIZE": 100})
    assert longest.batch_size * (longest.timeout + SPARE) < LEASE.total_seconds()
    assert MercadoPagoChannel("default", GOOD | {"BATCH_SIZE": 3}).batch_size == 3


@pytest.mark.parametrize(
    ("amount", "takes"), [("4.99", False), ("5.00", True), ("10000.00", True), ("10000.01", False)]
)
def test_the_limits_are_mercado_pagos(amount: str, takes: bool) -> None:
    channel = MercadoPagoChannel("default", GOOD)
    assert (channel.why_not(Money(Decimal(amount), "PEN"), Payer(email="ana@example.com")) == "") is takes
    assert channel.why_not(Money(Decimal("50.00"), "USD"), Payer(email="ana@example.com")) != ""
