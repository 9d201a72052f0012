"""The channel to dLocal: what is sent and signed, what an answer and a message mean, and which options are refused."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Presents, RefundReport, Report, Trust
from pagoefectivo_django.channels.dlocal import DlocalChannel
from pagoefectivo_django.channels.dlocal.rows import ERRORS, FACTS, REFUNDS, REJECTIONS
from pagoefectivo_django.channels.dlocal.wire import sign, write_date
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
from pagoefectivo_django.facts import error_in
from pagoefectivo_django.money import Money
from pagoefectivo_django.statements import Line, open_statement
from pagoefectivo_django.states import Fact, RefundStatus, StatementKind

from .examples import charge
from .scripted import Says, Script

GOOD = {
    "ENVIRONMENT": "sandbox",
    "LOGIN": "test-login",
    "TRANS_KEY": "made-up-trans-key",
    "SECRET_KEY": "test-secret",
}
PAGE = {"FLOW": "REDIRECT", "CALLBACK_URL": "https://shop.example/thanks/"}
TICKET = {
    "type": "CUSTOM",
    "number": "00000070000001",
    "id": "EF-70000001",
    "expiration_date": "2126-11-28T04:59:00.000+0000",
    "image_url": "https://sandbox.dlocal.com/made-up/ticket",
}
MADE = {
    "id": "D-4-1",
    "amount": 120.5,
    "currency": "PEN",
    "status": "PENDING",
    "status_code": "100",
    "order_id": "SHOP-1001",
    "ticket": TICKET,
}
PAID = MADE | {"status": "PAID", "status_code": "200", "approved_date": "2026-11-23T15:04:05.000+0000"}
REFUND = {"id": "REF-1", "payment_id": "D-4-1", "amount": 20.5, "currency": "PEN", "status": "PENDING"}
CREATE, LOOK, ORDER = "POST /v1/payments", "GET /v1/payments/D-4-1", "GET /v1/orders/SHOP-1001"
BACK, BACK_LOOK = "POST /v1/refunds", "GET /v1/refunds/REF-1"
METHODS = "GET /v1/payments-methods?country=PE"
REF = CodeRef(provider_id="D-4-1")
#: Aggregators, section 9: made there, with the key ``test-secret``.
DATE, BODY = "2030-01-02T03:04:05.678Z", b'{"amount":100.00,"order_id":"T-1"}'
VECTORS = {
    BODY: "e900518e3e91cc92df682a88b23640657a12c556262a64edcfbe29ada5450e6e",
    b"": "5aed2ef7c9168a367a9ef8b6f9bc42984b4cdc117b69609ffa23357b0638c6a9",
}


def no(code: int, status: int = 400, param: str | None = "payer.document") -> Says:
    return Says(status, {"code": code, "message": "A made-up message about Ana", "param": param})


@pytest.fixture
def dlocal(script: Script) -> DlocalChannel:
    return DlocalChannel("default", GOOD | {"BASE_URL": script.base})


@pytest.fixture
def pages(script: Script) -> DlocalChannel:
    return DlocalChannel("default", GOOD | PAGE | {"BASE_URL": script.base})


def told(body: bytes, **headers: str) -> Incoming:
    return Incoming(body, {"X-Date": DATE, "Authorization": f"V2-HMAC-SHA256, Signature: {VECTORS[BODY]}"} | headers)


def read(channel: DlocalChannel, said: dict[str, Any]) -> Report | Hint:
    """What a channel reads in a message that was verified."""
    body = json.dumps(said).encode()
    (item,) = channel.read(channel.verify(Incoming(body, channel.signed(body))).kept)
    return item


# Signatures.


@pytest.mark.parametrize("body", VECTORS)
def test_signs_login_date_and_body(body: bytes) -> None:
    assert sign(b"test-secret", "test-login", DATE, body) == VECTORS[body]


def test_a_date_has_milliseconds_and_z() -> None:
    assert write_date(datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)) == DATE


def test_each_call_is_signed_over_the_bytes_that_are_sent(dlocal: DlocalChannel, script: Script) -> None:
    script.on(CREATE, Says(200, MADE))
    script.on(LOOK, Says(200, MADE))
    dlocal.issue(charge())
    dlocal.look_up([REF])
    for heard in script.heard:
        headers = heard.headers
        signature = sign(b"test-secret", "test-login", headers["X-Date"], heard.body)
        assert headers["Authorization"] == f"V2-HMAC-SHA256, Signature: {signature}"
        assert (headers["X-Login"], headers["X-Trans-Key"]) == ("test-login", "made-up-trans-key")
        assert headers["X-Version"] == "2.1"
        assert headers["User-Agent"]
        assert headers["Content-Type"] == "application/json"
    assert [len(heard.body) > 0 for heard in script.heard] == [True, False]


def test_believes_a_message_by_the_vector(dlocal: DlocalChannel) -> None:
    proof = dlocal.verify(told(BODY))
    assert (proof.trust, proof.kept.body) == (Trust.SIGNED_BODY, BODY)
    assert {*proof.kept.headers} == {"X-Date", "Authorization"}
    assert dlocal.verify(proof.kept) == proof, "what is kept can be verified once more"
    assert dlocal.verify(told(BODY, **{"X-Login": "test-login", "X-More": "1"})) == proof


@pytest.mark.parametrize("written", ["V2-HMAC-SHA256,Signature:{}", "v2-hmac-sha256,  signature: {}"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_signature_may_be_written_in_another_case(
    dlocal: DlocalChannel, written: str, case: Callable[[str], str]
) -> None:
    message = told(BODY, Authorization=written.format(case(VECTORS[BODY])))
    assert dlocal.verify(message) == dlocal.verify(told(BODY))


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": VECTORS[BODY]},
        {"Authorization": f"V2-HMAC-SHA256, Signature: {VECTORS[b'']}"},
        {"Authorization": f"V2-HMAC-SHA1, Signature: {VECTORS[BODY]}"},
        {"Authorization": "", "Signature": f"V2-HMAC-SHA256, Signature: {VECTORS[BODY]}"},
        {"X-Date": "2030-01-02T03:04:05.679Z"},
        {"X-Date": ""},
        {"X-Login": "another-login"},
    ],
    ids=str,
)
def test_believes_no_other_message(dlocal: DlocalChannel, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature, match="no valid signature"):
        dlocal.verify(told(BODY, **headers))


def test_no_part_of_a_body_can_be_told_as_its_date(dlocal: DlocalChannel) -> None:
    with pytest.raises(InvalidSignature):
        dlocal.verify(told(BODY[1:], **{"X-Date": f"{DATE}{{"}))


@pytest.mark.parametrize("changes", [{"SECRET_KEY": "another"}, {"SECRET_KEY": ""}, {"SECRET_KEY": 7}, {"LOGIN": ""}])
def test_a_wrong_key_believes_no_message(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignature):
        DlocalChannel("default", GOOD | changes).verify(told(BODY))


def test_a_message_without_a_signature_says_so(dlocal: DlocalChannel) -> None:
    with pytest.raises(Unsigned):
        dlocal.verify(Incoming(BODY))


# Messages.


def test_a_payment_counts(dlocal: DlocalChannel) -> None:
    item = read(dlocal, PAID)
    assert isinstance(item, Report)
    assert (item.fact, item.amount, item.currency) == (Fact.PAYMENT, Decimal("120.50"), "PEN")
    assert item.ref == CodeRef("70000001", "SHOP-1001", "D-4-1")
    assert item.paid_at == datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "paid_at"),
    [("2026-11-23T10:04:05", "2026-11-23T15:04:05+00:00"), ("2026-11-23T10:04:05-0300", "2026-11-23T13:04:05+00:00")],
)
def test_a_time_without_a_zone_is_of_lima(dlocal: DlocalChannel, told: str, paid_at: str) -> None:
    item = read(dlocal, PAID | {"approved_date": told})
    assert isinstance(item, Report)
    assert item.paid_at == datetime.fromisoformat(paid_at)


def test_no_payment_is_later_than_now(dlocal: DlocalChannel) -> None:
    item = read(dlocal, PAID | {"approved_date": "2126-11-23T10:04:05"})
    assert isinstance(item, Report)
    assert item.paid_at
    assert item.paid_at <= datetime.now(UTC)


@pytest.mark.parametrize("word", [word for word in [*FACTS, "VERIFIED"] if word != "PAID"])
def test_every_other_status_is_a_hint(dlocal: DlocalChannel, word: str) -> None:
    assert read(dlocal, MADE | {"status": word}) == Hint(dlocal.account, "70000001", "SHOP-1001", "D-4-1")


@pytest.mark.parametrize("missing", ["amount", "currency", "order_id"])
def test_a_payment_without_its_facts_is_a_hint(dlocal: DlocalChannel, missing: str) -> None:
    said = {name: value for name, value in PAID.items() if name != missing}
    assert isinstance(read(dlocal, said), Hint)


@pytest.mark.parametrize("word", [*REFUNDS, "PAID"])
def test_a_refund_is_a_hint_at_its_payment(dlocal: DlocalChannel, word: str) -> None:
    said = REFUND | {"status": word, "order_id": "SHOP-1001"}
    assert read(dlocal, said) == Hint(dlocal.account, provider_id="D-4-1")


@pytest.mark.parametrize("said", [{"id": ""}, {"id": "D" * 65}, {"id": [1]}, {"payment_id": {}}, {"id": True}], ids=str)
def test_a_message_without_an_id_is_malformed(dlocal: DlocalChannel, said: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        dlocal.read(Incoming(json.dumps(said).encode()))


# Codes.


def test_issue_sends_what_dlocal_needs(dlocal: DlocalChannel, script: Script) -> None:
    script.on(CREATE, Says(200, MADE))
    report = dlocal.issue(charge())
    (heard,) = script.asked(CREATE)
    assert heard.json == {
        "amount": 120.5,
        "currency": "PEN",
        "country": "PE",
        "payment_method_id": "EF",
        "payment_method_flow": "DIRECT",
        "payer": {"name": "Ana Quispe", "email": "ana@example.com", "document": "40302010"},
        "order_id": "SHOP-1001",
        "description": "Two T-shirts",
    }
    assert b'"amount":120.50,' in heard.body
    assert (report.fact, report.code, report.provider_id) == (Fact.ISSUED, "70000001", "D-4-1")
    assert (report.url, report.account) == (TICKET["image_url"], "dlocal:sandbox:main")
    assert report.expires_at == datetime(2126, 11, 28, 4, 59, tzinfo=UTC)


def test_a_page_is_a_link_without_digits(pages: DlocalChannel, script: Script) -> None:
    address = "https://sandbox.dlocal.com/made-up/page"
    script.on(CREATE, Says(200, {**MADE, "ticket": None, "redirect_url": address}))
    report = pages.issue(charge())
    (heard,) = script.asked(CREATE)
    assert heard.json["payment_method_flow"] == "REDIRECT"
    assert heard.json["callback_url"] == "https://shop.example/thanks/"
    assert (report.code, report.url, report.expires_at) == ("", address, None)
    assert (pages.presents, DlocalChannel.presents) == (Presents.LINK, Presents.CODE)


def test_a_page_that_made_a_ticket_leads_to_the_ticket(pages: DlocalChannel, script: Script) -> None:
    script.on(LOOK, Says(200, {**MADE, "redirect_url": "https://sandbox.dlocal.com/made-up/page"}))
    report = pages.look_up([REF])[REF]
    assert (report.code, report.url) == ("", TICKET["image_url"]), "the page opens once"


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 12.5},
        {"amount": None},
        {"currency": "USD"},
        {"order_id": "SHOP-1002"},
        {"status": "PAID"},
        {"status": "VERIFIED"},
        {"status": "REJECTED", "order_id": "SHOP-1002"},
        {"ticket": None},
        {"ticket": TICKET | {"number": "CIP"}},
        {"id": ""},
    ],
    ids=str,
)
def test_a_code_that_is_not_as_asked_for_is_not_known(
    dlocal: DlocalChannel, script: Script, changes: dict[str, Any]
) -> None:
    script.on(CREATE, Says(200, MADE | changes))
    with pytest.raises(OutcomeUnknown):
        dlocal.issue(charge())


@pytest.mark.parametrize("address", ["", None, "javascript:alert(1)"])
def test_a_page_without_an_address_is_not_known(pages: DlocalChannel, script: Script, address: str | None) -> None:
    script.on(CREATE, Says(200, {**MADE, "ticket": None, "redirect_url": address}))
    with pytest.raises(OutcomeUnknown):
        pages.issue(charge())


@pytest.mark.parametrize("flow", [{}, PAGE], ids=["code", "page"])
def test_a_payment_rejected_at_once_is_refused(script: Script, flow: dict[str, str]) -> None:
    script.on(CREATE, Says(200, MADE | {"status": "REJECTED", "status_code": "317", "ticket": None}))
    with pytest.raises(Refused, match=re.escape("317 (high risk)")):
        DlocalChannel("default", GOOD | flow | {"BASE_URL": script.base}).issue(charge())


@pytest.mark.parametrize(
    ("document", "sent"),
    [
        ({"document_type": "DNI", "document_number": "40302010"}, "40302010"),
        ({"document_type": "DNI", "document_number": "4030 2010-6"}, "403020106"),
        ({"document_type": "RUC", "document_number": "20100070970"}, "20100070970"),
        ({"document_type": "", "document_number": "20100070970"}, "20100070970"),
        ({"document_type": "", "document_number": "403020106"}, "403020106"),
        ({"document_type": "DNI", "document_number": ""}, None),
        ({"document_type": "", "document_number": ""}, None),
        ({"document_type": "DNI", "document_number": "20100070970"}, None),
        ({"document_type": "RUC", "document_number": "40302010"}, None),
        ({"document_type": "CE", "document_number": "001234567"}, None),
        ({"document_type": "", "document_number": "0012345678"}, None),
        ({"document_type": "DNI", "document_number": "4030201X"}, None),
    ],
    ids=str,
)
def test_a_payer_without_a_document_is_refused_unasked(
    dlocal: DlocalChannel, script: Script, document: dict[str, str], sent: str | None
) -> None:
    script.on(CREATE, Says(200, MADE))
    if sent:
        dlocal.issue(charge(payer=document))
        assert script.asked(CREATE)[0].json["payer"]["document"] == sent
        return
    with pytest.raises(Refused) as refusal:
        dlocal.issue(charge(payer=document))
    assert not script.heard
    assert not document["document_number"] or document["document_number"] not in str(refusal.value)


# Answers.


@pytest.mark.parametrize(("code", "row"), ERRORS.items())
def test_each_error(
    dlocal: DlocalChannel, script: Script, discreet: Callable[[BaseException], None], code: str, row: Any
) -> None:
    number, _, param = code.partition(":")
    script.on(CREATE, no(int(number), {"3": 403, "4": 404, "6": 429, "7": 500}.get(code[0], 400), param))
    with pytest.raises(PagoEfectivoError) as raised:
        dlocal.issue(charge())
    assert type(raised.value) is row.error
    assert f"{code} ({row.meaning})" in str(raised.value)
    discreet(raised.value)


def test_what_may_have_made_a_code_is_no_refusal() -> None:
    """A duplicate number, a time-out, a duplicate refund and a failure of dLocal's: a request may have worked."""
    assert {code for code, row in ERRORS.items() if row.error is OutcomeUnknown} == {"5009", "5010", "5011", "7000"}


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (no(5099), Refused),
        (no(5000), Refused),
        (no(5000, param=None), Misconfigured),
        (no(5000, param=""), Misconfigured),
        (no(9000, 500), OutcomeUnknown),
        (Says(404, b"Not Found"), OutcomeUnknown),
        (Says(400, {"message": "no code"}), OutcomeUnknown),
        (Says(200, {"code": 5001}), OutcomeUnknown),
        (Says(503, b"<html>"), OutcomeUnknown),
    ],
    ids=lambda value: str(getattr(value, "body", value)),
)
def test_other_answers(dlocal: DlocalChannel, script: Script, says: Says, error: type[PagoEfectivoError]) -> None:
    script.on(CREATE, says)
    with pytest.raises(PagoEfectivoError) as raised:
        dlocal.issue(charge())
    assert type(raised.value) is error


@pytest.mark.parametrize(("word", "fact"), FACTS.items())
def test_each_word_for_a_status(dlocal: DlocalChannel, script: Script, word: str, fact: Fact) -> None:
    script.on(LOOK, Says(200, PAID | {"status": word}))
    report = dlocal.look_up([REF])[REF]
    assert (report.fact, report.amount, report.currency) == (fact, Decimal("120.50"), "PEN")
    assert bool(report.paid_at) == (fact == Fact.PAYMENT)


@pytest.mark.parametrize(("word", "why"), [("REJECTED", "317 (high risk)"), ("CANCELLED", ""), ("EXPIRED", "")])
def test_a_page_on_which_a_try_failed_is_over_and_its_order_is_not(
    pages: DlocalChannel, script: Script, word: str, why: str
) -> None:
    script.on(LOOK, Says(200, {**MADE, "ticket": None, "status": word, "status_code": "317"}))
    report = pages.look_up([REF])[REF]
    assert (report.fact, why in str(error_in(report.told) or "")) == (Fact.CODE_EXPIRED, True)


@pytest.mark.parametrize("word", ["VERIFIED", "paid", "200", None, 7])
def test_a_word_that_nobody_knows_stays_unknown(dlocal: DlocalChannel, script: Script, word: Any) -> None:
    script.on(LOOK, Says(200, MADE | {"status": word, "status_code": "200"}))
    report = dlocal.look_up([REF])[REF]
    assert (report.fact, report.detail) == (Fact.UNKNOWN, str(word or ""))


@pytest.mark.parametrize(("number", "meaning"), [*REJECTIONS.items(), ("399", "rejected")])
def test_each_rejection(dlocal: DlocalChannel, script: Script, number: str, meaning: str) -> None:
    script.on(LOOK, Says(200, MADE | {"status": "REJECTED", "status_code": number}))
    error = error_in(dlocal.look_up([REF])[REF].told)
    assert str(error) == f"dLocal rejected the payment: {number} ({meaning})."


@pytest.mark.parametrize(
    ("ticket", "fact"),
    [
        (TICKET | {"expiration_date": "2020-02-24T04:59:00.000+0000"}, Fact.CODE_EXPIRED),
        (TICKET, Fact.CODE_DELETED),
        (TICKET | {"expiration_date": "soon"}, Fact.CODE_DELETED),
        (None, Fact.CODE_DELETED),
    ],
    ids=["past", "ahead", "unreadable", "none"],
)
def test_a_cancelled_ticket_expired_once_its_date_has_passed(
    dlocal: DlocalChannel, script: Script, ticket: dict[str, Any] | None, fact: Fact
) -> None:
    script.on(LOOK, Says(200, {**MADE, "status": "CANCELLED", "ticket": ticket}))
    assert dlocal.look_up([REF])[REF].fact == fact


def test_a_look_up_leaves_out_only_what_dlocal_has_not(dlocal: DlocalChannel, script: Script) -> None:
    script.always["GET /v1/payments/D-4-9"] = no(4000, 404)
    script.always[LOOK] = Says(200, MADE)
    gone = CodeRef(provider_id="D-4-9")
    assert {*dlocal.look_up([gone, REF, CodeRef("70000001", "SHOP-1001")])} == {REF}
    assert dlocal.batch_size == 1, "one call for each"


@pytest.mark.parametrize(
    "says",
    [no(4001, 404), no(5000), Says(404, b"Not Found"), Says(200, MADE | {"id": "D-4-2"})],
    ids=["no refund", "invalid", "page", "another"],
)
def test_a_look_up_fails_as_a_whole(dlocal: DlocalChannel, script: Script, says: Says) -> None:
    script.always[LOOK] = says
    with pytest.raises(PagoEfectivoError):
        dlocal.look_up([REF])


# Lost answers.


def test_find_reads_the_order_and_then_its_payment(dlocal: DlocalChannel, script: Script) -> None:
    script.on(ORDER, Says(200, {"order_id": "SHOP-1001", "payment_id": "D-4-1", "status": "PENDING"}))
    script.on(LOOK, Says(200, MADE))
    report = dlocal.find("SHOP-1001")
    assert report
    assert (report.fact, report.code) == (Fact.ISSUED, "70000001")


def test_find_is_certain_of_a_no_only_in_dlocals_form(dlocal: DlocalChannel, script: Script) -> None:
    script.on(ORDER, no(4000, 404), Says(404, b"Not Found"), Says(404, {"message": "no code"}))
    assert dlocal.find("SHOP-1001") is None
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            dlocal.find("SHOP-1001")


@pytest.mark.parametrize(
    ("order", "payment"),
    [
        ({"payment_id": None}, Says(200, MADE)),
        ({"order_id": "SHOP-1002"}, Says(200, MADE)),
        ({}, no(4000, 404)),
        ({}, Says(200, MADE | {"order_id": "SHOP-1002"})),
        ({}, Says(200, MADE | {"ticket": None})),
    ],
    ids=["no payment's id", "another order", "no payment", "another's payment", "no code"],
)
def test_an_order_without_its_payment_is_not_known(
    dlocal: DlocalChannel, script: Script, order: dict[str, Any], payment: Says
) -> None:
    script.always[ORDER] = Says(200, {"order_id": "SHOP-1001", "payment_id": "D-4-1"} | order)
    script.always[LOOK] = payment
    with pytest.raises(OutcomeUnknown):
        dlocal.find("SHOP-1001")


# Refunds.


def test_a_refund_names_our_key(dlocal: DlocalChannel, script: Script) -> None:
    script.on(BACK, Says(200, REFUND))
    assert dlocal.refund(REF, Money(Decimal("20.50"), "PEN"), "key-1") == RefundReport("REF-1", RefundStatus.SENT)
    (heard,) = script.asked(BACK)
    assert heard.json == {"payment_id": "D-4-1", "amount": 20.5, "currency": "PEN", "order_refund_id": "key-1"}


@pytest.mark.parametrize(("word", "status"), [*REFUNDS.items(), ("MOON", RefundStatus.SENT)])
def test_each_word_for_a_refund(dlocal: DlocalChannel, script: Script, word: str, status: RefundStatus) -> None:
    script.on(BACK_LOOK, Says(200, REFUND | {"status": word}))
    report = dlocal.look_up_refunds(["REF-1"])["REF-1"]
    shown = status == RefundStatus.FAILED or word == "MOON"
    assert (report.status, report.detail) == (status, word if shown else "")


def test_a_refund_without_some_fields_is_read(dlocal: DlocalChannel, script: Script) -> None:
    script.on(BACK, Says(200, {"id": "REF-1", "status": "SUCCESS"}))
    assert dlocal.refund(REF, Money(Decimal("20.50"), "PEN"), "key-1").status == RefundStatus.DONE


@pytest.mark.parametrize(
    "changes", [{"id": None}, {"payment_id": "D-4-2"}, {"amount": 120.5}, {"amount": "all"}, {"currency": "USD"}]
)
def test_a_refund_that_is_not_as_asked_for_is_not_known(
    dlocal: DlocalChannel, script: Script, changes: dict[str, Any]
) -> None:
    script.on(BACK, Says(200, REFUND | changes))
    with pytest.raises(OutcomeUnknown):
        dlocal.refund(REF, Money(Decimal("20.50"), "PEN"), "key-1")


def test_refunds_that_dlocal_has_not_are_left_out(dlocal: DlocalChannel, script: Script) -> None:
    script.on("GET /v1/refunds/REF-9", no(4001, 404))
    script.on(BACK_LOOK, Says(200, REFUND))
    assert {*dlocal.look_up_refunds(["REF-9", "REF-1"])} == {"REF-1"}


# The doctor.


@pytest.mark.parametrize(
    ("flow", "says", "error", "words"),
    [
        ({}, Says(200, [{"id": "BC"}, {"id": "EF", "allowed_flows": ["DIRECT"]}]), None, ""),
        ({}, Says(200, [{"id": "EF"}]), None, ""),
        (PAGE, Says(200, [{"id": "EF", "allowed_flows": ["DIRECT"]}]), Misconfigured, "flow REDIRECT"),
        ({}, Says(200, [{"id": "BC"}, 7]), Misconfigured, "lists no PagoEfectivo"),
        ({}, Says(200, []), Misconfigured, "lists no PagoEfectivo"),
        ({}, no(3001, 403), Misconfigured, "TRANS_KEY"),
        ({}, no(5000), Misconfigured, "SECRET_KEY"),
        ({}, no(5000, param=None), Misconfigured, "SECRET_KEY"),
        ({}, Says(200, b"<html>"), Unavailable, "[.]$"),
        ({}, Says(204, b""), Unavailable, "[.]$"),
        ({}, Says(502, b"<html>"), Unavailable, "[.]$"),
    ],
)
def test_the_doctor_asks_for_the_methods(
    script: Script, flow: dict[str, str], says: Says, error: type[PagoEfectivoError] | None, words: str
) -> None:
    script.always[METHODS] = says
    channel = DlocalChannel("default", GOOD | flow | {"BASE_URL": script.base})
    if error is None:
        assert channel.examine().host in script.base
        return
    with pytest.raises(error, match=words):
        channel.examine()


# Options.


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"ENVIRONMENT": "production"}, []),
        ({"FLOW": "DIRECT"}, []),
        (PAGE, []),
        ({"LOGIN": ""}, ["LOGIN E001"]),
        ({"TRANS_KEY": None}, ["TRANS_KEY E001"]),
        ({"SECRET_KEY": ""}, ["SECRET_KEY E001"]),
        ({"FLOW": "REDIRECT"}, ["CALLBACK_URL E001"]),
        (PAGE | {"CALLBACK_URL": "shop.example"}, ["CALLBACK_URL E007"]),
        ({"FLOW": "direct"}, ["FLOW E007"]),
        ({"FLOW": 7}, ["FLOW E007"]),
        ({"SECRET_KEY": 7}, ["SECRET_KEY E007"]),
        ({"SECRET_KEY": "made-up "}, ["SECRET_KEY E007"]),
        ({"LOGIN": "año"}, ["LOGIN E007"]),
        ({"TRANS_KEY": "made\nup"}, ["TRANS_KEY E007"]),
        ({"ENVIRONMENT": "live"}, ["ENVIRONMENT E007"]),
        ({"BASE_URL": "dlocal"}, ["BASE_URL E007"]),
        ({"TIMEOUT": 0}, ["TIMEOUT E007"]),
    ],
    ids=str,
)
def test_check(changes: dict[str, Any], found: list[str]) -> None:
    messages = DlocalChannel.check("default", GOOD | changes)
    assert [f"{one.msg.split()[0]} {str(one.id).removeprefix('pagoefectivo.')}" for one in messages] == found
    assert not any(GOOD[name] in str(one) for name in ("TRANS_KEY", "SECRET_KEY") for one in messages)


@pytest.mark.parametrize("changes", [{"FLOW": "direct"}, {"FLOW": "REDIRECT"}, {"LOGIN": ""}, {"BASE_URL": "dlocal"}])
def test_unusable_options_are_never_sent(script: Script, changes: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured):
        DlocalChannel("default", GOOD | {"BASE_URL": script.base} | changes).issue(charge())
    assert not script.heard


# Statements.

REPORT = (
    "ROW_TYPE,TRANSACTION_ID,DLOCAL_TRANSACTION_ID,CREATION_DATE,TRANSFER_DATE,LOCAL_AMOUNT,LOCAL_CURRENCY,FX_RATE,"
    "SETTLEMENT_CURRENCY,GROSS_AMOUNT,NET_AMOUNT,FEE_AMOUNT\n"
    "TRANSACTION,SHOP-1001,D-4-1,2026-11-23 10:00:00,2026-11-25,120.50,PEN,3.75,{currency},{gross},{net},{fee}\n"
)
IN_DOLLARS = REPORT.format(currency="USD", gross="32.13", net="30.85", fee="1.28").encode()
IN_SOLES = REPORT.format(currency="PEN", gross="120.50", net="116.28", fee="4.22").encode()


def test_a_cross_border_report_has_the_payers_money_and_the_payout() -> None:
    name = "made_up_cross_border_report_20261125_101010.csv"
    statement = open_statement(io.BytesIO(IN_DOLLARS), name, formats=DlocalChannel.statement_formats)
    (line,) = statement.lines()
    assert isinstance(line, Line)
    assert (statement.kind, statement.currency) == (StatementKind.SETTLEMENT, "USD")
    assert (line.code, line.transaction_code, line.payment_currency) == ("", "SHOP-1001", "PEN")
    assert (line.payment_amount, line.rate) == (Decimal("120.50"), Decimal("3.75"))
    assert (line.gross, line.commission, line.net) == (Decimal("32.13"), Decimal("1.28"), Decimal("30.85"))


def test_a_payout_in_soles_has_no_rate() -> None:
    report = IN_SOLES.replace(b"3.75", b"1")
    statement = open_statement(io.BytesIO(report), "report.csv", formats=DlocalChannel.statement_formats)
    (line,) = statement.lines()
    assert isinstance(line, Line)
    assert (statement.currency, line.gross, line.net) == ("PEN", Decimal("120.50"), Decimal("116.28"))
    assert (line.payment_amount, line.payment_currency, line.rate) == (None, "", None)
