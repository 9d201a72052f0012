"""The channel to Pagadito: what is sent, what an answer means, and which messages and certificates are believed."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from django.test import Client

from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Trust
from pagoefectivo_django.channels.pagadito import PagaditoChannel, certificates, notices
from pagoefectivo_django.channels.pagadito.certificates import MOST_KEPT, is_pagaditos
from pagoefectivo_django.channels.pagadito.rows import DIGESTS, ERRORS, FACTS
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
from pagoefectivo_django.models import Notification
from pagoefectivo_django.money import Money
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.sandbox.dialects.pagadito import Pagadito
from pagoefectivo_django.sandbox.wire import Request
from pagoefectivo_django.states import Fact

from .examples import charge
from .scripted import Says, Script

GOOD = {"ENVIRONMENT": "sandbox", "UID": "made-up-uid-0001", "WSK": "made-up-wsk-00000001"}
REGISTERED = {
    "code": "PG1002",
    "message": "Success",
    "data": {"url": "https://sandbox.pagadito.com/made-up", "token": "a1b2c3"},
}
CREATE, LOOK, CERTIFICATE = "POST /v1/exec-trans", "POST /v1/get-status", "GET /cert.pem"
BODY = json.dumps({"id": "evt-1", "event_type": "TRANSACTION.STATUS.CHANGE", "resource": {"ern": "SHOP-1001"}}).encode()
REF = CodeRef(transaction_code="SHOP-1001", provider_id="a1b2c3")
DOLLARS = {"currency": "USD"}


def forget() -> None:
    """Be another process, which has fetched nothing."""
    certificates._kept.clear()
    certificates._failed.clear()


@pytest.fixture(autouse=True)
def _no_certificates() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def pagadito(script: Script, key: rsa.RSAPrivateKey) -> PagaditoChannel:
    """A channel whose host has the certificate of the key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made-up")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    made = built.not_valid_after(datetime(2040, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
    script.always[CERTIFICATE] = Says(200, made.public_bytes(serialization.Encoding.PEM))
    return PagaditoChannel("default", GOOD | {"BASE_URL": script.base})


@pytest.fixture
def message(script: Script, key: rsa.RSAPrivateKey) -> Callable[..., Incoming]:
    """A message as Pagadito signs it; ``changes``: headers in place of the true ones, after the signature."""

    def make(body: bytes = BODY, algorithm: str = "sha256WithRSAEncryption", **changes: str) -> Incoming:
        headers = {
            "PAGADITO-NOTIFICATION-ID": "ntf-1",
            "PAGADITO-NOTIFICATION-TIMESTAMP": "2030-01-02T03:04:05Z",
            "PAGADITO-AUTH-ALGO": algorithm,
            "PAGADITO-CERT-URL": script.base.replace("/v1/", "/cert.pem"),
        }
        digest = getattr(hashes, DIGESTS.get(algorithm.lower(), "SHA256"))()
        text = notices.signed_text(headers, body) + GOOD["WSK"].encode()
        signature = base64.b64encode(key.sign(text, padding.PKCS1v15(), digest)).decode()
        given = {f"PAGADITO-{name.replace('_', '-')}": value for name, value in changes.items()}
        return Incoming(body, headers | {"PAGADITO-SIGNATURE": signature} | given)

    return make


# Calls.


def test_issue_sends_one_detail_over_the_whole_amount(pagadito: PagaditoChannel, script: Script) -> None:
    script.on(CREATE, Says(200, REGISTERED))
    report = pagadito.issue(charge(**DOLLARS))
    (heard,) = script.asked(CREATE)
    pair = base64.b64encode(f"{GOOD['UID']}:{GOOD['WSK']}".encode()).decode()
    assert heard.headers["Authorization"] == f"Basic {pair}"
    assert heard.json == {
        "ern": "SHOP-1001",
        "amount": 120.5,
        "currency": "USD",
        "details": [{"quantity": 1, "description": "Two T-shirts", "price": 120.5}],
    }
    assert (report.fact, report.provider_id, report.url) == (Fact.ISSUED, "a1b2c3", REGISTERED["data"]["url"])  # type: ignore[index]
    assert (report.transaction_code, report.amount, report.currency) == ("SHOP-1001", Decimal("120.50"), "USD")
    assert report.account == "pagadito:sandbox:main"


def test_a_detail_has_words(pagadito: PagaditoChannel, script: Script) -> None:
    script.on(CREATE, Says(200, REGISTERED))
    pagadito.issue(charge(**DOLLARS, concept=""))
    assert script.heard[-1].json["details"][0]["description"] == "SHOP-1001"


@pytest.mark.parametrize(
    "said",
    [
        REGISTERED | {"code": "PG1003"},
        REGISTERED | {"code": "00"},
        REGISTERED | {"code": None},
        REGISTERED | {"data": {}},
        REGISTERED | {"data": {"url": "https://sandbox.pagadito.com/", "token": ""}},
        REGISTERED | {"data": {"url": "https://sandbox.pagadito.com/", "token": "a" * 65}},
        REGISTERED | {"data": {"url": "javascript:alert(1)", "token": "a1b2c3"}},
    ],
    ids=str,
)
def test_no_other_answer_is_a_yes(pagadito: PagaditoChannel, script: Script, said: dict[str, Any]) -> None:
    script.on(CREATE, Says(200, said))
    with pytest.raises(OutcomeUnknown):
        pagadito.issue(charge(**DOLLARS))


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", [*ERRORS, "PG3999"])
def test_each_error_code(pagadito: PagaditoChannel, script: Script, code: str, status: int) -> None:
    script.on(CREATE, Says(status, {"code": code, "message": "made-up Ana"}))
    error = ERRORS[code].error if code in ERRORS else Refused
    with pytest.raises(error, match=code) as raised:
        pagadito.issue(charge(**DOLLARS))
    assert type(raised.value) is error
    assert len(script.asked(CREATE)) == 1
    assert not any(word in str(raised.value) for word in ("Ana", GOOD["UID"], GOOD["WSK"]))


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Misconfigured), (403, Misconfigured), (429, Unavailable), (302, OutcomeUnknown), (404, OutcomeUnknown)],
)
def test_each_status_without_a_code(
    pagadito: PagaditoChannel, script: Script, status: int, error: type[PagoEfectivoError]
) -> None:
    script.on(CREATE, Says(status, b"<h1>No</h1>"))
    with pytest.raises(error):
        pagadito.issue(charge(**DOLLARS))


@pytest.mark.parametrize(("word", "fact"), FACTS.items())
def test_each_word_for_a_status(pagadito: PagaditoChannel, script: Script, word: str, fact: Fact) -> None:
    script.on(LOOK, Says(200, {"code": "PG1003", "data": {"status": word, "reference": "NAP7", "date_trans": "x"}}))
    report = pagadito.look_up([REF])[REF]
    assert script.heard[-1].json == {"token": "a1b2c3"}
    assert (report.fact, report.as_issued, report.amount) == (fact, fact == Fact.PAYMENT, None)
    assert (report.provider_id, report.operation_number, report.paid_at) == ("a1b2c3", "NAP7", None)
    assert report.detail == ("" if fact in (Fact.ISSUED, Fact.PAYMENT) else word)


def test_a_look_up_leaves_out_what_pagadito_does_not_know(pagadito: PagaditoChannel, script: Script) -> None:
    script.on(LOOK, Says(200, {"code": "PG3003", "message": "Unregistered transaction."}))
    assert pagadito.look_up([REF, CodeRef("123", "SHOP-1002")]) == {}
    script.on(LOOK, Says(200, {"code": "PG2001"}), Says(200, {"code": "PG1003", "data": {"status": None}}))
    script.on(LOOK, Says(200, {"code": "PG1002", "data": {"status": "COMPLETED"}}))
    for error in (Refused, OutcomeUnknown, OutcomeUnknown):
        with pytest.raises(error):
            pagadito.look_up([REF])


def test_the_doctor_asks_about_a_token_of_nobody(pagadito: PagaditoChannel, script: Script) -> None:
    script.on(LOOK, Says(200, {"code": "PG3003"}), Says(200, {"code": "PG3001"}), Says(502, b""), Says(502, b""))
    assert f"http://{pagadito.examine().host}/v1/" == script.base
    with pytest.raises(Misconfigured):
        pagadito.examine()
    with pytest.raises(Unavailable):
        pagadito.examine()


# Messages.


def test_the_vector_of_the_protocol() -> None:
    headers = {"PAGADITO-NOTIFICATION-ID": "ntf-1", "PAGADITO-NOTIFICATION-TIMESTAMP": "2030-01-02T03:04:05Z"}
    text = notices.signed_text(headers, b'{"id":"evt-1"}') + b"test-wsk"
    assert text == b"ntf-1|2030-01-02T03:04:05Z|evt-1|1334589452|test-wsk"


@pytest.mark.parametrize("algorithm", [*DIGESTS, "sha256WithRSAEncryption"])
def test_each_algorithm(pagadito: PagaditoChannel, message: Callable[..., Incoming], algorithm: str) -> None:
    proof = pagadito.verify(message(algorithm=algorithm))
    assert (proof.trust, proof.key_id) == (Trust.SIGNED_SENDER, pagadito.fingerprints()[0])
    assert pagadito.read(proof.kept) == [Hint("pagadito:sandbox:main", transaction_code="SHOP-1001")]
    assert GOOD["WSK"] not in repr((dict(proof.kept.headers), proof.kept.body))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"AUTH_ALGO": "md5"}, InvalidSignature),
        ({"AUTH_ALGO": "sha512WithRSAEncryption"}, InvalidSignature),
        ({"AUTH_ALGO": ""}, InvalidSignature),
        ({"AUTH_ALGO": "sha1WithRSAEncryption"}, InvalidSignature),
        ({"NOTIFICATION_ID": "ntf-2"}, InvalidSignature),
        ({"NOTIFICATION_ID": ""}, InvalidSignature),
        ({"NOTIFICATION_TIMESTAMP": "2030-01-02T03:04:06Z"}, InvalidSignature),
        ({"SIGNATURE": "é"}, InvalidSignature),
        ({"SIGNATURE": "bWFkZS11cA=="}, InvalidSignature),
        ({"SIGNATURE": ""}, Unsigned),
        ({"CERT_URL": "https://pagadito.evil/cert.pem"}, InvalidSignature),
    ],
    ids=str,
)
def test_no_other_message_is_believed(
    pagadito: PagaditoChannel,
    message: Callable[..., Incoming],
    changes: dict[str, str],
    error: type[PagoEfectivoError],
) -> None:
    with pytest.raises(error) as raised:
        pagadito.verify(message(**changes))
    assert type(raised.value) is error
    assert str(raised.value) == "The notification has no valid signature."


def test_neither_another_body_nor_another_secret_is_believed(
    pagadito: PagaditoChannel, message: Callable[..., Incoming]
) -> None:
    true = message()
    for body in (BODY + b" ", BODY.replace(b"SHOP-1001", b"SHOP-1002"), BODY.replace(b"evt-1", b"evt-2"), b"[]", b""):
        with pytest.raises(InvalidSignature):
            pagadito.verify(Incoming(body, true.headers))
    with pytest.raises(InvalidSignature):
        pagadito.verify(Incoming(BODY, {**true.headers, notices.SIGNATURE: f"!{true.header(notices.SIGNATURE)}"}))
    pagadito.options = {**pagadito.options, "WSK": "made-up-wsk-00000002"}
    with pytest.raises(InvalidSignature):
        pagadito.verify(true)
    pagadito.options = {**pagadito.options, "WSK": ""}
    with pytest.raises(Misconfigured):
        pagadito.verify(true)


@pytest.mark.parametrize("body", [b'{"id": "evt-1"}', b'{"resource": {"ern": {}}}', b'{"resource": "SHOP-1001"}'])
def test_a_message_without_our_number_is_malformed(pagadito: PagaditoChannel, body: bytes) -> None:
    with pytest.raises(Malformed):
        pagadito.read(Incoming(body))


# Certificates.


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("https://pagadito.com/cert.pem", True),
        ("https://www.pagadito.com/a/b.pem?v=1", True),
        ("https://SANDBOX.Pagadito.com:443/cert.pem", True),
        ("https://simulator.example/cert.pem", True),
        ("https://Simulator.example:443/cert.pem", True),
        ("https://simulator.example:8443/cert.pem", False),
        ("https://simulator.example:99999/cert.pem", False),
        ("http://simulator.example/cert.pem", False),
        ("http://www.pagadito.com/cert.pem", False),
        ("https://pagadito.evil/cert.pem", False),
        ("https://evilpagadito.com/cert.pem", False),
        ("https://pagadito.com.evil.example/cert.pem", False),
        ("https://evil.example/pagadito.com/cert.pem", False),
        ("https://evil.example#.pagadito.com/cert.pem", False),
        ("https://evil.example?.pagadito.com/cert.pem", False),
        ("https://evil.example\\.pagadito.com/cert.pem", False),
        ("https://evil.example\\@pagadito.com/cert.pem", False),
        ("https://evil.example@pagadito.com/cert.pem", False),
        ("https://pagadito.com@evil.example/cert.pem", False),
        ("https://pagadito.com:8443/cert.pem", False),
        ("https://pagadito.com./cert.pem", False),
        ("https://pagadito.com\n/cert.pem", False),
        ("https://.pagadito.com/cert.pem", False),
        ("https://pagaditо.com/cert.pem", False),
        ("https:pagadito.com/cert.pem", False),
        ("//pagadito.com/cert.pem", False),
        ("ftp://pagadito.com/cert.pem", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_pagadito_s_own_hosts_have_certificates(address: str, is_one: bool) -> None:
    assert is_pagaditos(address, "https://simulator.example/api/v2/") == is_one


@pytest.mark.parametrize(("port", "is_one"), [(":8800", True), ("", False), (":8801", False), (":80", False)])
def test_only_the_very_origin_of_base_url_counts(port: str, is_one: bool) -> None:
    assert is_pagaditos(f"http://127.0.0.1{port}/cert.pem", "http://127.0.0.1:8800/pagadito/api/v2/") == is_one


def test_without_base_url_no_further_host_counts(
    script: Script, pagadito: PagaditoChannel, message: Callable[..., Incoming]
) -> None:
    """``hosts`` in place of BASE_URL names the host, and a certificate from there is not believed."""

    class Elsewhere(PagaditoChannel):
        hosts: ClassVar = {"sandbox": script.base}

    with pytest.raises(InvalidSignature):
        Elsewhere("default", GOOD).verify(message())
    assert pagadito.verify(message())


def test_no_stranger_s_address_is_fetched(
    script: Script, pagadito: PagaditoChannel, message: Callable[..., Incoming]
) -> None:
    true = message()
    elsewhere = PagaditoChannel("default", GOOD)
    for channel, incoming in (
        (elsewhere, true),
        (pagadito, message(AUTH_ALGO="md5")),
        (pagadito, message(SIGNATURE="é")),
    ):
        with pytest.raises(InvalidSignature):
            channel.verify(incoming)
    assert script.asked(CERTIFICATE) == []


def test_a_certificate_is_fetched_once_and_again_when_old(
    script: Script, pagadito: PagaditoChannel, message: Callable[..., Incoming]
) -> None:
    assert pagadito.verify(message()) == pagadito.verify(message())
    assert len(script.asked(CERTIFICATE)) == 1
    ((address, (until, content)),) = certificates._kept.items()
    assert 0 <= certificates.LIFE - (until - time.monotonic()) < 60
    certificates._kept[address] = (time.monotonic(), content)
    pagadito.verify(message())
    assert len(script.asked(CERTIFICATE)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Says(404, b"no"),
        Says(404, b"the certificate"),
        Says(200, b"<h1>Pagadito</h1>"),
        Says(200, b"\xff" * 2_000_000),
        Says(302, b"", {"Location": "/v1/elsewhere"}),
        Says(drop=True),
    ],
    ids=lambda answer: f"{answer.status} {len(answer.body)}",
)
def test_a_certificate_that_can_not_be_fetched_makes_nobody_a_forger(
    script: Script, pagadito: PagaditoChannel, message: Callable[..., Incoming], answer: Says
) -> None:
    true = script.always[CERTIFICATE]
    script.always[CERTIFICATE] = Says(404, true.body) if answer.body == b"the certificate" else answer
    for _ in range(2):
        with pytest.raises(Unavailable):
            pagadito.verify(message())
    assert len(script.asked(CERTIFICATE)) == 1, "the host is left alone for a minute"
    ((until, _),) = certificates._failed.values()
    assert until - time.monotonic() <= certificates.PAUSE
    script.always[CERTIFICATE] = true
    forget()
    assert pagadito.verify(message())


def test_addresses_of_strangers_shut_nobody_out(
    script: Script, pagadito: PagaditoChannel, message: Callable[..., Incoming]
) -> None:
    def strangers(count: int) -> None:
        for number in range(count):
            with pytest.raises(Unavailable):
                pagadito.verify(message(CERT_URL=script.base + f"{number}.pem"))

    strangers(MOST_KEPT + 5)
    assert pagadito.verify(message()), "a certificate never seen before"
    strangers(MOST_KEPT + 5)
    assert pagadito.verify(message())
    assert len(script.asked(CERTIFICATE)) == 1, "failures put no certificate out"
    assert len(certificates._failed) == MOST_KEPT


def test_the_oldest_certificate_makes_room(
    script: Script, pagadito: PagaditoChannel, message: Callable[..., Incoming]
) -> None:
    addresses = [script.base.replace("/v1/", f"/cert.pem?{number}") for number in range(MOST_KEPT + 1)]
    for number, address in enumerate(addresses):
        script.always[f"{CERTIFICATE}?{number}"] = script.always[CERTIFICATE]
        assert certificates.fetch(address)
    assert [*certificates._kept] == addresses[1:]


@pytest.mark.django_db
def test_the_webhook_lets_the_sender_repeat(
    script: Script, pagadito: PagaditoChannel, message: Callable[..., Incoming], settings: Any, client: Client
) -> None:
    backend = "pagoefectivo_django.channels.pagadito.PagaditoChannel"
    channel = {"BACKEND": backend, "OPTIONS": dict(pagadito.options)}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": channel}}

    def post(incoming: Incoming) -> int:
        url, headers = "/pay/webhooks/default/", dict(incoming.headers)
        return client.post(url, incoming.body, content_type="application/json", headers=headers).status_code

    script.on(CERTIFICATE, Says(404, b"no"))
    assert post(message()) == 503
    forget()
    assert (post(message()), Notification.objects.count()) == (200, 1)
    assert post(message(CERT_URL="https://pagadito.evil/cert.pem")) == 403
    assert Notification.objects.count() == 1


# Options.


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"ACCOUNT": "second"}, []),
        ({"UID": ""}, ["E001"]),
        ({"WSK": None}, ["E001"]),
        ({"ENVIRONMENT": "sand box"}, ["E007"]),
        ({"BASE_URL": "pagadito"}, ["E007"]),
    ],
)
def test_check(changes: dict[str, Any], found: list[str]) -> None:
    messages = PagaditoChannel.check("default", GOOD | changes)
    assert [str(message.id).removeprefix("pagoefectivo.") for message in messages] == found
    assert "made-up" not in str(messages)


def test_the_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    (message,) = PagaditoChannel.check("default", GOOD)
    assert (message.id, "cryptography" in message.msg) == ("pagoefectivo.E007", True)


def test_the_sandbox_without_the_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    answer = Pagadito("http://127.0.0.1:1").answer(Request("GET", "/cert.pem"))
    assert answer
    assert answer.status == 501


def test_an_order_in_soles_can_not_be_sold() -> None:
    channel = PagaditoChannel("default", GOOD)
    payer = Payer(email="ana@example.com")
    assert channel.why_not(Money(Decimal(20), "USD"), payer) == ""
    assert channel.why_not(Money(Decimal(20), "PEN"), payer) == "currency"


def test_a_batch_ends_before_the_claim_on_its_rows() -> None:
    assert PagaditoChannel("default", GOOD).batch_size * 10 < 120
    assert PagaditoChannel("default", GOOD | {"BATCH_SIZE": 3}).batch_size == 3
