"""Checkout.com's channel: each word and error, signatures, options, and agreement with the official library."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
import requests
from checkout_sdk.api_client import ApiClient
from checkout_sdk.checkout_configuration import CheckoutConfiguration
from checkout_sdk.default_keys_credentials import DefaultKeysSdkCredentials
from checkout_sdk.environment import Environment
from checkout_sdk.environment_subdomain import EnvironmentSubdomain
from checkout_sdk.exception import CheckoutArgumentException
from checkout_sdk.payments.hosted.hosted_payments_client import HostedPaymentsClient
from checkout_sdk.payments.payments_client import PaymentsClient

from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Report, Trust
from pagoefectivo_django.channels.checkout_com import CheckoutComChannel
from pagoefectivo_django.channels.checkout_com.rows import PAGES, PAYMENTS, RECEIVED, WEIGHTY
from pagoefectivo_django.errors import InvalidSignature, Malformed, Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.money import Money
from pagoefectivo_django.sandbox.dialects.checkout_com import CheckoutComDialect
from pagoefectivo_django.states import Fact, RefundStatus
from tests.sandbox.running import running

from .examples import charge
from .scripted import Says, Script

SECRET = "made-up-webhook-secret"
GOOD = {
    "ENVIRONMENT": "sandbox",
    "PREFIX": "madeup1",
    "SECRET_KEY": "made-up-key",
    "PROCESSING_CHANNEL_ID": "pc_madeup",
    "WEBHOOK_SECRETS": [SECRET],
}
REF = CodeRef(provider_id="hpp_1", transaction_code="ORDER-1")
PAGE = {
    "id": "hpp_1",
    "status": RECEIVED,
    "reference": "ORDER-1",
    "amount": 12050,
    "currency": "PEN",
    "payment_id": "pay_1",
    "_links": {"redirect": {"href": "https://pay.example/hpp_1"}},
}
PAYMENT = {
    "id": "pay_1",
    "status": "Captured",
    "reference": "ORDER-1",
    "amount": 12050,
    "currency": "PEN",
    "processed_on": "2026-11-22T15:05:00.4695512Z",
}
EVENT = {"id": "evt_1", "type": "payment_captured", "data": PAYMENT}


@pytest.fixture(autouse=True)
def _shop(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": "https://shop.example"}


@pytest.fixture
def channel(script: Script) -> CheckoutComChannel:
    return CheckoutComChannel("default", GOOD | {"BASE_URL": script.base})


def seen(channel: CheckoutComChannel, script: Script, page: Any = None, payment: Any = None) -> Report:
    script.on("GET /v1/hosted-payments/hpp_1", Says(200, PAGE | (page or {})))
    script.on("GET /v1/payments/pay_1", Says(200, PAYMENT | (payment or {})))
    return channel.look_up([REF])[REF]


def read(channel: CheckoutComChannel, event: Any) -> Report | Hint:
    (item,) = channel.read(Incoming(json.dumps(event).encode()))
    return item


# Words.


@pytest.mark.parametrize(("word", "fact"), [*PAYMENTS.items(), ("Card Verified", Fact.UNKNOWN), ("Moon", Fact.UNKNOWN)])
def test_a_page_that_received_a_payment_is_in_the_state_of_the_payment(
    channel: CheckoutComChannel, script: Script, word: str, fact: Fact
) -> None:
    report = seen(channel, script, payment={"status": word})
    assert report.fact == fact
    assert fact != Fact.UNKNOWN or word in report.detail
    assert (report.provider_id, report.transaction_code, report.url) == (
        "hpp_1",
        "ORDER-1",
        "https://pay.example/hpp_1",
    )
    assert (report.amount, report.currency, report.operation_number) == (Decimal("120.50"), "PEN", "pay_1")


@pytest.mark.parametrize(
    ("page", "fact"),
    [
        *((word, fact) for word, fact in PAGES.items() if fact not in WEIGHTY),
        ("Moon", Fact.UNKNOWN),
    ],
)
@pytest.mark.parametrize("word", PAYMENTS)
def test_on_another_page_only_money_outweighs_the_state_of_the_page(
    channel: CheckoutComChannel, script: Script, page: str, fact: Fact, word: str
) -> None:
    report = seen(channel, script, {"status": page}, {"status": word})
    assert report.fact == (PAYMENTS[word] if PAYMENTS[word] in WEIGHTY else fact)


@pytest.mark.parametrize(
    ("balances", "amount", "returned"),
    [
        ({}, "120.50", None),
        ({"total_captured": 12050, "total_refunded": 0}, "120.50", "0"),
        ({"total_captured": 5000, "total_refunded": 2050}, "50", "20.50"),
    ],
)
def test_the_balances_tell_what_was_taken_and_given_back(
    channel: CheckoutComChannel, script: Script, balances: Any, amount: str, returned: str | None
) -> None:
    report = seen(channel, script, payment={"balances": balances})
    assert (report.amount, report.returned) == (Decimal(amount), returned and Decimal(returned))


@pytest.mark.parametrize("word", [word for word, fact in PAGES.items() if fact in WEIGHTY])
def test_a_page_whose_own_word_tells_of_money_is_in_the_state_of_its_payment(
    channel: CheckoutComChannel, script: Script, word: str
) -> None:
    report = seen(channel, script, {"status": word}, {"status": "Authorized"})
    assert (report.fact, report.operation_number) == (Fact.IN_PROCESS, "pay_1")


SEARCH = "GET /v1/payments?limit=100&reference=ORDER-1"


@pytest.mark.parametrize(("word", "fact"), [("Captured", Fact.PAYMENT), (RECEIVED, Fact.UNKNOWN)])
def test_a_page_that_names_no_payment_is_looked_for_by_our_number(
    channel: CheckoutComChannel, script: Script, word: str, fact: Fact
) -> None:
    page = {"status": word, "payment_id": None}
    script.on(SEARCH, Says(200, {"data": [PAYMENT]}))
    assert seen(channel, script, page).operation_number == "pay_1"
    for nothing in (Says(200, {"data": []}), Says(404, {"error_type": "x"})):
        script.on(SEARCH, nothing)
        report = seen(channel, script, page)
        assert (report.fact, report.amount, report.operation_number) == (fact, Decimal("120.50"), "")


def test_a_payment_without_a_time_has_none(channel: CheckoutComChannel, script: Script) -> None:
    report = seen(channel, script, payment={"processed_on": None})
    assert (report.fact, report.paid_at) == (Fact.PAYMENT, None)


@pytest.mark.parametrize("name", ["id", "status", "amount", "currency"])
def test_a_payment_without_a_field_that_counts_is_no_answer(
    channel: CheckoutComChannel, script: Script, name: str
) -> None:
    with pytest.raises(OutcomeUnknown):
        seen(channel, script, payment={name: None})


def test_an_answer_about_another_page_is_none(channel: CheckoutComChannel, script: Script) -> None:
    with pytest.raises(OutcomeUnknown):
        seen(channel, script, {"id": "hpp_2"})


def test_of_several_payments_with_our_number_the_paid_one_counts(channel: CheckoutComChannel, script: Script) -> None:
    others = [PAYMENT | {"id": "pay_2", "status": "Declined"}, PAYMENT | {"id": "pay_3", "reference": "ORDER-12"}]
    elsewhere = PAYMENT | {"id": "pay_4", "processing_channel_id": "pc_other"}
    script.on("GET /v1/payments?limit=100&reference=ORDER-1", Says(200, {"data": [*others, elsewhere, PAYMENT]}))
    (report,) = channel.look_up([CodeRef(transaction_code="ORDER-1")]).values()
    assert (report.fact, report.operation_number) == (Fact.PAYMENT, "pay_1")


# Errors.


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (422, {"error_type": "request_invalid", "error_codes": ["amount_invalid"]}, Refused),
        (422, {"error_type": "request_invalid"}, Refused),
        (422, b"", OutcomeUnknown),
        (404, b"", OutcomeUnknown),
        (401, b"", Misconfigured),
        (403, {"error_type": "x"}, Misconfigured),
        (429, b"", Unavailable),
        (500, {"error_type": "processing_error"}, OutcomeUnknown),
        (201, {"id": "hpp_1", "reference": "ANOTHER", "_links": PAGE["_links"]}, OutcomeUnknown),
        (402, {"error_type": "x"}, Refused),
        (408, {"error_type": "x"}, OutcomeUnknown),
        (201, {"id": "hpp_1", "reference": "ORDER-1", "_links": {}}, OutcomeUnknown),
        (
            201,
            {"id": "hpp_1", "reference": "ORDER-1", "_links": {"redirect": {"href": "javascript:a"}}},
            OutcomeUnknown,
        ),
    ],
)
def test_issue_ends_as_the_answer_says(
    channel: CheckoutComChannel, script: Script, status: int, body: Any, error: type[Exception]
) -> None:
    script.on("POST /v1/hosted-payments", Says(status, body))
    with pytest.raises(error) as raised:
        channel.issue(charge(transaction_code="ORDER-1"))
    assert type(raised.value) is error
    assert len(script.asked("POST /v1/hosted-payments")) == 1


def test_the_request_for_a_page(channel: CheckoutComChannel, script: Script) -> None:
    script.on("POST /v1/hosted-payments", Says(201, PAGE))
    asked = charge(transaction_code="ORDER-1")
    assert channel.issue(asked).amount == asked.amount
    (heard,) = script.asked("POST /v1/hosted-payments")
    assert heard.headers["Authorization"] == "Bearer made-up-key"
    assert heard.headers["Cko-Idempotency-Key"] == heard.json["reference"] == "ORDER-1"
    assert heard.json["amount"] == int(asked.amount * 100)
    assert (heard.json["processing_channel_id"], heard.json["capture"]) == ("pc_madeup", True)
    assert heard.json["billing"] == {"address": {"country": "PE"}}
    assert {heard.json[f"{name}_url"] for name in ("success", "cancel", "failure")} == {"https://shop.example"}


def test_an_answer_that_repeats_no_number_is_about_the_request(channel: CheckoutComChannel, script: Script) -> None:
    script.on("POST /v1/hosted-payments", Says(201, {"id": "hpp_1", "_links": PAGE["_links"]}))
    assert channel.issue(charge(transaction_code="ORDER-1")).transaction_code == "ORDER-1"


def test_a_refund_of_a_page_that_names_no_payment_is_of_the_payment_with_our_number(
    channel: CheckoutComChannel, script: Script
) -> None:
    script.on("GET /v1/hosted-payments/hpp_1", Says(200, PAGE | {"payment_id": None}))
    script.on(SEARCH, Says(200, {"data": [PAYMENT]}))
    script.on("POST /v1/payments/pay_1/refunds", Says(202, {"action_id": "act_1"}))
    assert channel.refund(REF, Money(Decimal("20.50"), "PEN"), "refund-1").provider_id == "pay_1/act_1"


def test_a_page_is_unknown_only_in_the_providers_own_form(channel: CheckoutComChannel, script: Script) -> None:
    own = {"error_type": "resource_not_found", "error_codes": []}
    script.on("GET /v1/hosted-payments/hpp_1", Says(404, own), Says(404, b"<html>"), Says(422, own))
    assert channel.look_up([REF]) == {}
    for error in (OutcomeUnknown, Refused):
        with pytest.raises(error):
            channel.look_up([REF])


def test_without_an_address_of_the_shop_nothing_is_asked(
    channel: CheckoutComChannel, script: Script, settings: Any
) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": ""}
    with pytest.raises(Misconfigured):
        channel.issue(charge())
    assert not script.heard


# Refunds.


def test_a_refund_names_the_payment_of_the_page(channel: CheckoutComChannel, script: Script) -> None:
    script.on("GET /v1/hosted-payments/hpp_1", Says(200, PAGE))
    script.on("POST /v1/payments/pay_1/refunds", Says(202, {"action_id": "act_1"}))
    sent = channel.refund(REF, Money(Decimal("20.50"), "PEN"), "refund-1")
    assert (sent.provider_id, sent.status) == ("pay_1/act_1", RefundStatus.SENT)
    (heard,) = script.asked("POST /v1/payments/pay_1/refunds")
    assert (heard.json["amount"], heard.headers["Cko-Idempotency-Key"]) == (2050, "refund-1")


def test_a_refund_of_an_unknown_payment_was_certainly_not_sent(channel: CheckoutComChannel, script: Script) -> None:
    script.on("GET /v1/hosted-payments/hpp_1", Says(200, PAGE | {"payment_id": None}), Says(502), Says(502))
    script.on(SEARCH, Says(200, {"data": []}))
    with pytest.raises(Refused):
        channel.refund(REF, Money(Decimal("20.50"), "PEN"), "refund-1")
    with pytest.raises(Unavailable):
        channel.refund(REF, Money(Decimal("20.50"), "PEN"), "refund-1")


@pytest.mark.parametrize(
    ("approved", "status"),
    [(True, "done"), (False, "failed"), (None, "sent"), ("yes", "sent"), (0, "sent")],
)
def test_an_action_tells_what_became_of_a_refund(
    channel: CheckoutComChannel, script: Script, approved: object, status: str
) -> None:
    actions = [{"id": "act_1", "approved": approved}, {"id": "act_0", "approved": True}]
    script.on("GET /v1/payments/pay_1/actions", Says(200, actions))
    assert channel.look_up_refunds(["pay_1/act_1"])["pay_1/act_1"].status == status


@pytest.mark.parametrize("said", [b"[]", b"{}", b"[", b"[1e999]", b""])
def test_a_payment_without_actions_is_no_answer(channel: CheckoutComChannel, script: Script, said: bytes) -> None:
    script.on("GET /v1/payments/pay_1/actions", Says(200, said))
    with pytest.raises(OutcomeUnknown):
        channel.look_up_refunds(["pay_1/act_1"])


def test_a_refund_that_is_not_listed_is_under_way(channel: CheckoutComChannel, script: Script) -> None:
    script.on("GET /v1/payments/pay_1/actions", Says(200, [{"id": "act_0", "approved": True}]))
    assert channel.look_up_refunds(["pay_1/act_1"])["pay_1/act_1"].status == RefundStatus.SENT


# Messages.


def test_the_signature_is_that_of_the_protocol() -> None:
    channel = CheckoutComChannel("default", GOOD | {"WEBHOOK_SECRETS": ["made-up-old-secret", "test-secret"]})
    signature = "54270481555ae821652e34b57f5ebb55e526ac0b77481c5490e0f58b5d99945f"
    body = b'{"type":"payment_approved"}'
    proof = channel.verify(Incoming(body, {"cko-signature": signature.upper(), "X-More": "1"}, "a=1"))
    assert (proof.trust, proof.key_id) == (Trust.SIGNED_BODY, channel.fingerprints()[1])
    assert (proof.kept.body, dict(proof.kept.headers), proof.kept.query) == (body, {"Cko-Signature": signature}, "")
    alone = CheckoutComChannel("default", GOOD | {"WEBHOOK_SECRETS": ["test-secret"]})
    assert alone.signed(body) == {"Cko-Signature": signature}


@pytest.mark.parametrize("secrets", [[], [""], None, "", [None]])
def test_without_a_secret_nothing_is_believed(secrets: Any) -> None:
    channel = CheckoutComChannel("default", GOOD | {"WEBHOOK_SECRETS": secrets})
    signed = hmac.new(b"", b"{}", hashlib.sha256).hexdigest()
    with pytest.raises(InvalidSignature):
        channel.verify(Incoming(b"{}", {"Cko-Signature": signed}))
    assert channel.signed(b"{}") == {}


def test_a_message_of_another_processing_channel_is_refused() -> None:
    channel = CheckoutComChannel("default", GOOD)
    for name, ours in (("pc_madeup", True), ("pc_other", False)):
        body = json.dumps(EVENT | {"data": PAYMENT | {"processing_channel_id": name}}).encode()
        if ours:
            assert channel.verify(Incoming(body, channel.signed(body)))
        else:
            with pytest.raises(InvalidSignature):
                channel.verify(Incoming(body, channel.signed(body)))


def test_a_captured_payment_pays(channel: CheckoutComChannel) -> None:
    item = read(channel, EVENT)
    assert isinstance(item, Report)
    assert (item.fact, item.amount, item.currency) == (Fact.PAYMENT, Decimal("120.50"), "PEN")
    assert (item.transaction_code, item.operation_number, item.provider_id) == ("ORDER-1", "pay_1", "")


@pytest.mark.parametrize("name", ["id", "amount", "currency", "processed_on"])
def test_a_captured_payment_without_a_field_is_a_hint(channel: CheckoutComChannel, name: str) -> None:
    event = EVENT | {"data": {key: value for key, value in PAYMENT.items() if key != name}}
    assert read(channel, event) == Hint(channel.account, transaction_code="ORDER-1")


@pytest.mark.parametrize("kind", ["payment_approved", "payment_refunded", "payment_declined", "moon", None])
def test_every_other_event_is_a_hint(channel: CheckoutComChannel, kind: str | None) -> None:
    assert read(channel, EVENT | {"type": kind}) == Hint(channel.account, transaction_code="ORDER-1")


def test_the_metadata_name_the_order_where_the_reference_is_of_a_refund(channel: CheckoutComChannel) -> None:
    data = PAYMENT | {"reference": "REFUND-1", "metadata": {"transaction_code": "ORDER-1"}}
    assert read(channel, EVENT | {"data": data}).transaction_code == "ORDER-1"
    with pytest.raises(Malformed):
        read(channel, EVENT | {"data": PAYMENT | {"reference": None}})


# Options.


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"PREFIX": "pl-madeup1"}, []),
        ({"PREFIX": None, "BASE_URL": "http://127.0.0.1:8800/checkout_com/"}, []),
        ({"PREFIX": None}, ["E007"]),
        ({"PREFIX": "cli_madeup1"}, ["E007"]),
        ({"PREFIX": "evil.example/"}, ["E007"]),
        ({"SECRET_KEY": ""}, ["E001"]),
        ({"PROCESSING_CHANNEL_ID": None}, ["E001"]),
        ({"WEBHOOK_SECRETS": None}, ["E001"]),
        ({"WEBHOOK_SECRETS": []}, ["E003"]),
        ({"WEBHOOK_SECRETS": "made-up"}, ["E003"]),
        ({"ENVIRONMENT": "moon"}, ["E007"]),
        ({"BASE_URL": "checkout"}, ["E007"]),
    ],
)
def test_check(changes: Any, found: list[str]) -> None:
    messages = CheckoutComChannel.check("default", GOOD | changes)
    assert [str(each.id).removeprefix("pagoefectivo.") for each in messages] == found
    assert not any(SECRET in str(each) or "made-up-key" in str(each) for each in messages)


def test_check_asks_for_the_address_of_the_shop(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": ""}
    (message,) = CheckoutComChannel.check("default", GOOD)
    assert "PUBLIC_URL" in message.msg


@pytest.mark.parametrize("prefix", ["madeup1", "pl-madeup1", "", "cli_x", "a.b", "A", "a/", "pl-", "é", "a\n", None])
@pytest.mark.parametrize("environment", ["sandbox", "production"])
def test_the_host_is_that_of_the_official_library(prefix: str | None, environment: str) -> None:
    channel = CheckoutComChannel("default", GOOD | {"PREFIX": prefix, "ENVIRONMENT": environment})
    official = getattr(Environment, environment)()
    try:
        expected = EnvironmentSubdomain(official, prefix).base_uri
    except CheckoutArgumentException:
        with pytest.raises(Misconfigured):
            _ = channel.base_url
    else:
        assert channel.base_url == expected


def test_the_official_library_can_use_the_sandbox() -> None:
    keys = CheckoutComDialect.accounts["shop"]
    with running() as process, requests.Session() as session:
        session.trust_env = False
        site = f"{process.site}/checkout_com/"
        from_keys = DefaultKeysSdkCredentials(keys["SECRET_KEY"], "")
        configuration = CheckoutConfiguration(from_keys, Environment(*[site] * 7, is_sandbox=True), session)
        clients = [
            each(ApiClient(configuration, site), configuration) for each in (HostedPaymentsClient, PaymentsClient)
        ]
        pages, payments = clients
        channel = CheckoutComChannel("default", GOOD | keys | {"BASE_URL": site})
        ours = channel.issue(charge(transaction_code="ORDER-1"))
        assert pages.get_hosted_payments_page_details(ours.provider_id).status == "Payment Pending"
        session.post(f"{process.site}/sandbox/checkout_com/pay", json={"id": ours.provider_id}, timeout=9)
        payment = pages.get_hosted_payments_page_details(ours.provider_id).payment_id
        assert payments.get_payment_details(payment).status == "Captured"
        assert payments.get_payments_list({"reference": "ORDER-1", "limit": 5}).data[0].id == payment
        action = payments.refund_payment(payment, {"amount": 100}, "refund-1").action_id
        session.post(f"{process.site}/sandbox/checkout_com/finish", json={"id": action}, timeout=9)
        assert payments.get_payment_actions(payment).items[0].approved is True
        assert channel.look_up_refunds([f"{payment}/{action}"])[f"{payment}/{action}"].status == RefundStatus.DONE
        assert channel.examine()
