"""The channel to EBANX: what is sent and signed, what answers and messages mean, and which options are refused."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.core.checks import run_checks

from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Trust
from pagoefectivo_django.channels.ebanx import EbanxChannel
from pagoefectivo_django.channels.ebanx.rows import ERRORS, REFUND_STATES, STATES
from pagoefectivo_django.errors import (
    InvalidRequest,
    InvalidSignature,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    PagoEfectivoError,
    Refused,
    Unavailable,
    Unsigned,
)  # fmt: skip
from pagoefectivo_django.money import Money
from pagoefectivo_django.sandbox.dialects.ebanx import EBANX, MERCHANT, Ebanx
from pagoefectivo_django.states import Fact, RefundStatus

from .examples import NOW, charge
from .scripted import Says, Script

KEYS = Ebanx.accounts["shop"]
GOOD: dict[str, Any] = {"ENVIRONMENT": "sandbox", **KEYS}
OLD: dict[str, Any] = {"ENVIRONMENT": "sandbox", "INTEGRATION_KEY": "made-up-integration-key"}
CREATE, QUERY, CANCEL, REFUND = (f"POST /ws/{each}" for each in ("direct", "query", "cancel", "refund"))
HASH = "made0up0" * 6
REF = CodeRef("3000001", "SHOP-1001", HASH)
PAYMENT: dict[str, Any] = {
    "hash": HASH,
    "pin": "0001",
    "merchant_payment_code": "SHOP-1001",
    "order_number": None,
    "status": "PE",
    "status_date": None,
    "open_date": "2026-11-22 10:00:00",
    "confirm_date": None,
    "amount_br": "120.50",
    "amount_ext": "120.50",
    "currency_ext": "PEN",
    "due_date": "2026-11-24",
    "payment_type_code": "pagoefectivo",
    "cip_url": "https://sandbox.ebanxpay.com/cip/?hash=made-up",
    "cip_code": "3000001",
    "customer": {"document": "40302010", "email": "ana@example.com", "name": "Ana"},
}
PAID = {"status": "CO", "confirm_date": "2026-11-22 09:30:00", "refunds": []}
END = datetime(2026, 11, 25, 4, 59, 59, tzinfo=UTC)


@pytest.fixture
def make(script: Script) -> Callable[..., EbanxChannel]:
    def make(options: dict[str, Any] = GOOD, **changes: Any) -> EbanxChannel:
        channel = EbanxChannel("default", options | {"BASE_URL": script.base.removesuffix("v1/")} | changes)
        channel.clock = lambda: NOW
        return channel

    return make


@pytest.fixture
def ebanx(make: Callable[..., EbanxChannel]) -> EbanxChannel:
    return make()


def yes(**changes: Any) -> Says:
    return Says(200, {"payment": PAYMENT | changes, "status": "SUCCESS"})


def no(code: str) -> Says:
    return Says(200, {"status": "ERROR", "status_code": code, "status_message": "for Ana, ana@example.com"})


# Calls.


def test_issue_sends_what_ebanx_needs(ebanx: EbanxChannel, script: Script) -> None:
    script.on(CREATE, yes())
    report = ebanx.issue(charge())
    (heard,) = script.asked(CREATE)
    assert heard.json == {
        "operation": "request",
        "mode": "full",
        "payment": {
            "name": "Ana Quispe",
            "email": "ana@example.com",
            "phone_number": "999888777",
            "document": "40302010",
            "country": "pe",
            "currency_code": "PEN",
            "amount_total": 120.5,
            "merchant_payment_code": "SHOP-1001",
            "payment_type_code": "pagoefectivo",
            "due_date": "24/11/2026",
        },
    }
    assert (report.fact, report.code, report.provider_id) == (Fact.ISSUED, "3000001", HASH)
    assert (report.account, report.url, report.expires_at) == ("ebanx:sandbox:shop", PAYMENT["cip_url"], END)
    assert "Ana" not in repr(report.raw), "what is stored names nobody"


def test_a_date_is_the_day_in_lima_and_what_nobody_said_is_left_out(ebanx: EbanxChannel, script: Script) -> None:
    script.on(CREATE, yes())
    payer = {"name": "", "last_name": "", "phone": "", "document_number": "1234567890"}
    ebanx.issue(charge(expires_at=datetime(2026, 11, 25, 4, 30, tzinfo=UTC), payer=payer))
    sent = script.heard[-1].json["payment"]
    assert sent["due_date"] == "24/11/2026"
    assert not {"name", "phone_number", "document"} & {*sent}


def test_a_signed_call_carries_a_detached_jws_over_its_very_bytes(ebanx: EbanxChannel, script: Script) -> None:
    script.on(QUERY, yes())
    ebanx.look_up([REF])
    (heard,) = script.heard
    protected, signed = heard.headers["X-JWS-Signature"].split("..")
    assert not {"=", "+", "/"} & {*protected, *signed}
    told = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
    assert told == {"alg": "RS256", "kid": "made-up-key-id-shop", "b64": False, "crit": ["b64"]}
    key = serialization.load_pem_private_key(KEYS["PRIVATE_KEY"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    content = protected.encode() + b"." + heard.body
    signature = base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4))
    key.public_key().verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
    assert MERCHANT.verifies(signature, content, "sha256"), "the sandbox agrees"
    assert "integration_key" not in heard.json


def test_an_integration_key_goes_in_the_body(make: Callable[..., EbanxChannel], script: Script) -> None:
    script.on(QUERY, yes())
    channel = make(OLD)
    channel.look_up([REF])
    (heard,) = script.heard
    assert heard.json == {"integration_key": "made-up-integration-key", "hash": HASH}
    assert "X-JWS-Signature" not in heard.headers
    assert channel.account == "ebanx:sandbox:main"


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_ext": "12.05"},
        {"amount_ext": None},
        {"currency_ext": "USD"},
        {"merchant_payment_code": "SHOP-1002"},
        {"status": "CA"},
        {"status": "CO"},
        {"status": "MOON"},
        {"cip_code": ""},
        {"hash": None},
        {"hash": "a" * 65},
    ],
    ids=str,
)
def test_a_payment_that_is_not_as_asked_for_is_not_known(
    ebanx: EbanxChannel, script: Script, changes: dict[str, Any]
) -> None:
    script.on(CREATE, yes(**changes))
    with pytest.raises(OutcomeUnknown):
        ebanx.issue(charge())


@pytest.mark.parametrize(
    ("says", "error"),
    [
        *[(no(code), row.error) for code, row in ERRORS.items()],
        (no("BP-DR-999"), Refused),
        (Says(400, {"status": "ERROR", "status_code": "BP-DR-7"}), Refused),
        (Says(200, {"status": "ERROR"}), OutcomeUnknown),
        (Says(200, {"status": "PENDING", "payment": PAYMENT}), OutcomeUnknown),
        (Says(200, {"payment": PAYMENT}), OutcomeUnknown),
        (Says(400, {"status": "SUCCESS", "payment": PAYMENT}), OutcomeUnknown),
        (Says(400, b"<h1>Bad request</h1>"), OutcomeUnknown),
        (Says(401, {}), Misconfigured),
        (Says(403, b""), Misconfigured),
        (Says(429, b""), Unavailable),
        (Says(500, b""), OutcomeUnknown),
    ],
    ids=lambda value: str(getattr(value, "body", ""))[:60],
)
def test_each_failure(ebanx: EbanxChannel, script: Script, says: Says, error: type[PagoEfectivoError]) -> None:
    script.on(CREATE, says)
    with pytest.raises(error) as raised:
        ebanx.issue(charge())
    assert type(raised.value) is error
    assert len(script.asked(CREATE)) == 1
    assert not any(word in str(raised.value) for word in ("Ana", "example.com", "PRIVATE", "made-up"))


def test_a_payment_is_cancelled_by_its_hash(ebanx: EbanxChannel, script: Script) -> None:
    script.on(CANCEL, yes(status="CA"), yes(status="PE"), yes(status="CA", hash="other"))
    ebanx.delete(REF)
    assert script.heard[-1].json == {"hash": HASH}
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            ebanx.delete(REF)
    with pytest.raises(InvalidRequest):
        ebanx.delete(CodeRef("3000001", "SHOP-1001"))
    assert len(script.heard) == 3


# Answers.


@pytest.mark.parametrize(("word", "fact"), STATES.items())
def test_each_word_for_a_state(ebanx: EbanxChannel, script: Script, word: str, fact: Fact) -> None:
    script.on(QUERY, yes(status=word))
    report = ebanx.look_up([REF])[REF]
    assert (report.fact, report.detail, report.amount) == (fact, "", Decimal("120.50"))


@pytest.mark.parametrize(
    ("status_date", "now", "fact"),
    [
        ("2026-11-24 23:59:59", NOW, Fact.CODE_DELETED),
        ("2026-11-25 00:00:00", NOW, Fact.CODE_EXPIRED),
        ("2026-11-24 12:00:00", END + timedelta(days=9), Fact.CODE_DELETED),
        (None, END, Fact.CODE_DELETED),
        (None, END + timedelta(seconds=1), Fact.CODE_EXPIRED),
    ],
)
def test_a_cancelled_payment_expired_if_its_day_was_over(
    ebanx: EbanxChannel, script: Script, status_date: str | None, now: datetime, fact: Fact
) -> None:
    ebanx.clock = lambda: now
    script.on(QUERY, yes(status="CA", status_date=status_date))
    assert ebanx.look_up([REF])[REF].fact == fact


@pytest.mark.parametrize(
    ("due_date", "expires_at"),
    [
        ("2026-11-24", END),
        ("2026-12-2", datetime(2026, 12, 3, 4, 59, 59, tzinfo=UTC)),
        ("24/11/2026", None),
        ("2026-13-01", None),
    ],
)
def test_a_code_lasts_until_the_end_of_its_day_in_lima(
    ebanx: EbanxChannel, script: Script, due_date: str, expires_at: datetime | None
) -> None:
    script.on(QUERY, yes(due_date=due_date))
    assert ebanx.look_up([REF])[REF].expires_at == expires_at


@pytest.mark.parametrize(
    ("confirm_date", "paid_at"),
    [
        ("2026-11-22 09:30:00", NOW - timedelta(minutes=30)),
        # Of another zone, or of a wrong clock: not after the answer.
        ("2026-11-22 14:30:00", NOW),
        (None, None),
        ("yesterday", None),
    ],
)
def test_a_payment_is_of_the_latest_moment_that_may_be_meant(
    ebanx: EbanxChannel, script: Script, confirm_date: str | None, paid_at: datetime | None
) -> None:
    script.on(QUERY, yes(**PAID | {"confirm_date": confirm_date}))
    assert ebanx.look_up([REF])[REF].paid_at == paid_at


@pytest.mark.parametrize(
    ("refunds", "fact", "returned"),
    [
        ([], Fact.PAYMENT, Decimal(0)),
        (None, Fact.PAYMENT, None),
        ([("RE", "120.50"), ("PE", "1.00"), ("CA", "1.00")], Fact.PAYMENT, Decimal(0)),
        ([("CO", "20.50"), ("CO", "0.10"), ("RE", "99.90")], Fact.PAYMENT, Decimal("20.60")),
        ([("CO", "20.50"), ("CO", "100.00")], Fact.PAYMENT_REVERSED, Decimal("120.50")),
        ([("CO", "20.50"), ("CO", None)], Fact.PAYMENT, None),
    ],
)
def test_what_went_back_is_the_sum_of_the_confirmed_refunds(
    ebanx: EbanxChannel, script: Script, refunds: list[tuple[str, Any]] | None, fact: Fact, returned: Decimal | None
) -> None:
    listed = [{"id": "1", "status": word, "amount_ext": amount} for word, amount in refunds or ()]
    script.on(QUERY, yes(**PAID | {"refunds": None if refunds is None else listed}))
    report = ebanx.look_up([REF])[REF]
    assert (report.fact, report.returned) == (fact, returned)


def test_a_code_is_asked_about_by_its_hash_or_by_our_number(ebanx: EbanxChannel, script: Script) -> None:
    script.always[QUERY] = yes()
    refs = [REF, CodeRef("", "SHOP-1001"), CodeRef("3000001")]
    assert [*ebanx.look_up(refs)] == refs[:2], "nobody can ask by the digits"
    assert [heard.json for heard in script.heard] == [{"hash": HASH}, {"merchant_payment_code": "SHOP-1001"}]
    found = ebanx.find("SHOP-1001")
    assert found
    assert found.provider_id == HASH


def test_only_the_named_code_says_that_a_payment_is_not_there(
    make: Callable[..., EbanxChannel], script: Script
) -> None:
    channel = make(NOT_FOUND_CODES=["BP-MADE-UP-9"])
    script.always[QUERY] = no("BP-MADE-UP-9")
    assert channel.find("SHOP-1001") is None
    assert channel.look_up([REF]) == {}
    assert channel.examine().host
    for said in (
        no("BP-CAN-1"),
        no("BP-DR-0"),
        Says(404, b""),
        yes(hash="other", merchant_payment_code="other"),
        yes(hash=None),
    ):
        script.always[QUERY] = said
        with pytest.raises(OutcomeUnknown):
            channel.look_up([REF])
    for keys in (no("BP-SA-2"), Says(401, b"")):
        script.always[QUERY] = keys
        for ask in (channel.examine, lambda: channel.find("SHOP-1001")):
            with pytest.raises(Misconfigured):
                ask()
    script.always[QUERY] = Says(500, b"")
    with pytest.raises(Unavailable):
        channel.examine()


# Refunds.


@pytest.mark.parametrize("word", [*REFUND_STATES, "MOON"])
def test_each_word_for_a_refund(ebanx: EbanxChannel, script: Script, word: str) -> None:
    refund = {"id": "20739", "status": word, "amount_ext": "20.50"}
    script.on(REFUND, Says(200, {"payment": PAYMENT, "refund": refund, "operation": "refund", "status": "SUCCESS"}))
    script.on(QUERY, yes(refunds=[{"id": "1", "status": "CO"}, refund]))
    report = ebanx.refund(REF, Money(Decimal("20.50"), "PEN"), "refund-1")
    assert (report.provider_id, report.status) == (f"{HASH}:20739", REFUND_STATES.get(word, RefundStatus.SENT))
    assert ebanx.look_up_refunds([report.provider_id]) == {report.provider_id: report}
    sent, asked = (heard.json for heard in script.heard)
    number = hashlib.sha256(b"refund-1").hexdigest()[:20]
    assert sent == {
        "hash": HASH,
        "operation": "request",
        "amount": 20.5,
        "description": "Refund",
        "merchant_refund_code": number,
    }
    assert asked == {"hash": HASH}


@pytest.mark.parametrize(
    "changes",
    [
        {"refund": {}},
        {"refund": {"id": "20739", "status": "RE", "amount_ext": "2.05"}},
        {"refund": {"id": "2" * 16, "status": "RE"}},
        {"payment": PAYMENT | {"hash": "other"}},
        {"payment": None},
    ],
    ids=str,
)
def test_a_refund_that_is_not_as_asked_for_is_not_known(
    ebanx: EbanxChannel, script: Script, changes: dict[str, Any]
) -> None:
    said = {"payment": PAYMENT, "refund": {"id": "20739", "status": "RE"}, "status": "SUCCESS"}
    script.on(REFUND, Says(200, said | changes))
    with pytest.raises(OutcomeUnknown):
        ebanx.refund(REF, Money(Decimal("20.50"), "PEN"), "refund-1")


# Messages.


def signed(body: bytes, key: Any = EBANX, **more: str) -> Incoming:
    return Incoming(body, {"X-SignatureContent": base64.b64encode(key.sign(body, "sha1")).decode()} | more)


def test_a_message_proves_its_sender_and_hints_at_each_payment(ebanx: EbanxChannel) -> None:
    body = b"operation=payment_status_change&notification_type=update&hash_codes=aa1%2Cbb2,+aa1&hash_codes=cc3"
    proof = ebanx.verify(signed(body))
    assert (proof.trust, proof.kept.body) == (Trust.SIGNED_SENDER, body)
    assert proof.key_id in ebanx.fingerprints()
    assert ebanx.read(proof.kept) == [Hint("ebanx:sandbox:shop", provider_id=each) for each in ("aa1", "bb2", "cc3")]


def test_any_certificate_of_the_list_counts(make: Callable[..., EbanxChannel]) -> None:
    listed = ["no certificate", MERCHANT.certificate(), EBANX.certificate()]
    assert make(WEBHOOK_CERTIFICATES=listed).verify(signed(b"hash_codes=aa1"))


@pytest.mark.parametrize(
    ("changes", "message", "error"),
    [
        ({}, signed(b"hash_codes=aa1", MERCHANT), InvalidSignature),
        ({}, Incoming(b"hash_codes=aa2", signed(b"hash_codes=aa1").headers), InvalidSignature),
        ({}, Incoming(b"hash_codes=aa1", {"X-SignatureContent": "no base64"}), InvalidSignature),
        ({}, Incoming(b"hash_codes=aa1", {"X-SignatureContent": "é" * 64}), InvalidSignature),
        ({}, Incoming(b"hash_codes=aa1", {"X-SignatureType": "rsa,sha1"}), Unsigned),
        ({"WEBHOOK_CERTIFICATES": []}, signed(b"hash_codes=aa1"), InvalidSignature),
        ({"WEBHOOK_CERTIFICATES": None}, signed(b"hash_codes=aa1"), InvalidSignature),
        ({"WEBHOOK_CERTIFICATES": EBANX.certificate()}, signed(b"hash_codes=aa1"), InvalidSignature),
    ],
)
def test_no_other_message_is_believed(
    make: Callable[..., EbanxChannel], changes: dict[str, Any], message: Incoming, error: type[PagoEfectivoError]
) -> None:
    with pytest.raises(error) as raised:
        make(**changes).verify(message)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "body",
    [b"hash_codes=", b"hash_codes=a,,b", b"hash_codes=a%2Fb", b"hash=aa1", b"a" * 70, b"hash_codes=" + b"a" * 65],
)
def test_a_message_without_hashes_is_malformed(ebanx: EbanxChannel, body: bytes) -> None:
    with pytest.raises(Malformed):
        ebanx.read(Incoming(body))


# Options.


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (GOOD, []),
        (OLD | {"WEBHOOK_CERTIFICATES": KEYS["WEBHOOK_CERTIFICATES"]}, []),
        (OLD, ["W012"]),
        (GOOD | {"PRIVATE_KEY": None, "KEY_ID": ""}, ["E001"]),
        (GOOD | {"PRIVATE_KEY": None}, ["E001"]),
        (GOOD | {"KEY_ID": None}, ["E001"]),
        (GOOD | {"INTEGRATION_KEY": "made-up"}, ["E007"]),
        (GOOD | {"INTEGRATION_KEY": "made-up", "PRIVATE_KEY": None}, ["E007"]),
        (GOOD | {"PRIVATE_KEY": "made-up"}, ["E007"]),
        (GOOD | {"PRIVATE_KEY": KEYS["WEBHOOK_CERTIFICATES"][0]}, ["E007"]),
        (GOOD | {"PRIVATE_KEY": b"made-up"}, ["E007"]),
        (GOOD | {"WEBHOOK_CERTIFICATES": EBANX.certificate()}, ["E003"]),
        (GOOD | {"WEBHOOK_CERTIFICATES": [EBANX.certificate(), "made-up"]}, ["E003"]),
        (GOOD | {"WEBHOOK_CERTIFICATES": []}, ["W012"]),
        (GOOD | {"NOT_FOUND_CODES": None}, []),
        (GOOD | {"NOT_FOUND_CODES": "BP-MADE-UP-1"}, ["E008"]),
        (GOOD | {"NOT_FOUND_CODES": [1]}, ["E008"]),
        (GOOD | {"ENVIRONMENT": "prod"}, ["E007"]),
    ],
)
def test_check(options: dict[str, Any], found: list[str]) -> None:
    messages = EbanxChannel.check("default", options)
    assert [str(message.id).removeprefix("pagoefectivo.") for message in messages] == found
    assert not any(word in str(messages) for word in ("made-up", "BEGIN"))


@pytest.mark.parametrize(
    "changes",
    [
        {"KEY_ID": None},
        {"KEY_ID": None, "PRIVATE_KEY": None},
        {"INTEGRATION_KEY": "made-up"},
        {"PRIVATE_KEY": "made-up"},
    ],
)
def test_without_usable_keys_nothing_is_sent(
    make: Callable[..., EbanxChannel], script: Script, changes: dict[str, Any]
) -> None:
    with pytest.raises(Misconfigured) as raised:
        make(**changes).issue(charge())
    assert script.heard == []
    assert "made-up" not in str(raised.value)


def test_without_the_package_the_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    hints = [message.hint or "" for message in EbanxChannel.check("default", GOOD)]
    assert len(hints) == 2
    assert all("pip install 'pagoefectivo-django[rsa]'" in hint for hint in hints)


def test_two_accounts_may_have_the_certificate_with_which_ebanx_signs_for_all(settings: Any) -> None:
    backend = "pagoefectivo_django.channels.ebanx.EbanxChannel"

    def found(second: dict[str, Any]) -> set[str | None]:
        options = {"shop": GOOD, "second": GOOD | second}
        channels = {name: {"BACKEND": backend, "OPTIONS": each} for name, each in options.items()}
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": channels}
        told = run_checks(tags=["pagoefectivo"], include_deployment_checks=True)
        return {message.id for message in told} & {"pagoefectivo.E014", "pagoefectivo.E015"}

    assert found({"ACCOUNT": "second"}) == set()
    assert found({"KEY_ID": "made-up-2"}) == {"pagoefectivo.E015"}


def test_each_query_counts_in_the_account_s_pace(make: Callable[..., EbanxChannel]) -> None:
    assert make(BATCH_SIZE=50).batch_size == 1


def test_the_sandbox_s_certificate_and_keys_are_true_ones() -> None:
    certificate = x509.load_pem_x509_certificate(EBANX.certificate().encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.rfc4514_string() == "CN=made-up EBANX"
    key = serialization.load_pem_private_key(MERCHANT.private_pem().encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
