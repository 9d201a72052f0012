"""Culqi: each error and word, the password of the events, the list of orders, and the options."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Trust
from pagoefectivo_django.channels.culqi import CulqiChannel
from pagoefectivo_django.channels.culqi.rows import ERRORS, FACTS
from pagoefectivo_django.errors import (
    InvalidSignature,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    Refused,
    Unavailable,
    Unsigned,
)
from pagoefectivo_django.money import Money
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact
from tests.channels.examples import charge
from tests.channels.scripted import Says, Script, playing

GOOD = {
    "SECRET_KEY": "sk_test_made_up",
    "WEBHOOK_USER": "culqi",
    "WEBHOOK_PASSWORD": "made-up-password",
}
ORDER = {
    "object": "order",
    "id": "ord_test_1",
    "order_number": "SHOP-1001",
    "state": "pending",
    "amount": 12050,
    "currency_code": "PEN",
    "payment_code": "0210000001",
    "expiration_date": 1_795_536_000,
    "paid_at": None,
    "url_pe": "https://pages.example/1.html",
}
CREATE, LIST, ONE = "POST /v2/orders", "GET /v2/orders?limit=100", "GET /v2/orders/ord_test_1"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    monkeypatch.setenv("NO_PROXY", "*")
    with playing() as script:
        yield script


@pytest.fixture
def make(script: Script) -> Callable[..., CulqiChannel]:
    def make(**options: Any) -> CulqiChannel:
        return CulqiChannel("default", GOOD | {"BASE_URL": script.base.replace("/v1/", "/v2/")} | options)

    return make


@pytest.fixture
def culqi(make: Callable[..., CulqiChannel]) -> CulqiChannel:
    return make()


def error(kind: str, param: str = "") -> dict[str, str]:
    words = {"merchant_message": "Ana's phone is wrong.", "user_message": "Ana"}
    return {"object": "error", "type": kind, "code": "x", "param": param, **words}


def event(order: Any = ORDER, **headers: str) -> Incoming:
    basic = base64.b64encode(b"culqi:made-up-password").decode()
    body = {"object": "event", "id": "evt_1", "type": "order.status.changed", "data": json.dumps(order)}
    return Incoming(json.dumps(body).encode(), headers or {"authorization": f"Basic {basic}"})


def test_asks_for_a_code(script: Script, culqi: CulqiChannel) -> None:
    script.on(CREATE, Says(201, ORDER))
    report = culqi.issue(charge(concept="T"))
    (asked,) = script.asked(CREATE)
    assert asked.headers["Authorization"] == "Bearer sk_test_made_up"
    sent = asked.json
    assert (sent["amount"], sent["currency_code"], sent["order_number"], sent["confirm"]) == (
        *(12050, "PEN", "SHOP-1001", True),
    )
    assert 5 <= len(sent["description"]) <= 80
    assert sent["client_details"]["email"] == "ana@example.com"
    assert (report.code, report.provider_id, report.url) == ("210000001", "ord_test_1", ORDER["url_pe"])
    assert (report.amount, report.currency) == (Decimal("120.50"), "PEN")
    assert report.expires_at == datetime.fromtimestamp(1_795_536_000, UTC)


@pytest.mark.parametrize(
    "changed",
    [
        *({"amount": 12051}, {"amount": "120.50"}, {"currency_code": "USD"}, {"order_number": "SHOP-1"}),
        *({"payment_code": None}, {"state": "paid"}, {"state": "moon"}, {"id": ""}),
    ],
    ids=str,
)
def test_another_order_than_asked_for_is_no_yes(script: Script, culqi: CulqiChannel, changed: dict[str, Any]) -> None:
    script.on(CREATE, Says(201, ORDER | changed))
    with pytest.raises(OutcomeUnknown):
        culqi.issue(charge())


@pytest.mark.parametrize("kind", ERRORS)
def test_each_error(script: Script, culqi: CulqiChannel, kind: str) -> None:
    script.on(CREATE, Says(400, error(kind)))
    with pytest.raises(ERRORS[kind].error) as raised:
        culqi.issue(charge())
    assert type(raised.value) is ERRORS[kind].error
    assert "Ana" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Says(400, error("parameter_error", "order_number")), OutcomeUnknown),
        (Says(400, error("parameter_error", "amount")), Refused),
        (Says(409, error("a_type_that_nobody_knows")), Refused),
        (Says(402, error("a_type_that_nobody_knows")), Refused),
        (Says(408, error("a_type_that_nobody_knows")), OutcomeUnknown),
        (Says(400, {"object": "error", "code": "x"}), Refused),
        (Says(400, {"object": "error", "merchant_message": "made up"}), Refused),
        (Says(401, error("a_type_that_nobody_knows")), Misconfigured),
        (Says(429, error("a_type_that_nobody_knows")), Unavailable),
        (Says(500, error("a_type_that_nobody_knows")), OutcomeUnknown),
        (Says(401, b""), Misconfigured),
        (Says(403, b"<html>"), Misconfigured),
        (Says(429, b""), Unavailable),
        (Says(400, b"<html>"), OutcomeUnknown),
        (Says(404, {}), OutcomeUnknown),
        (Says(302, b"", headers={"Location": "/"}), OutcomeUnknown),
    ],
    ids=lambda value: getattr(value, "__name__", str(getattr(value, "status", value))),
)
def test_each_answer_that_is_no_order(
    script: Script, culqi: CulqiChannel, answer: Says, expected: type[Exception]
) -> None:
    script.on(CREATE, answer)
    with pytest.raises(expected) as raised:
        culqi.issue(charge())
    assert type(raised.value) is expected


@pytest.mark.parametrize("word", [*FACTS, "Paid", ""])
def test_each_word(script: Script, culqi: CulqiChannel, word: str) -> None:
    script.always[ONE] = Says(200, ORDER | {"state": word, "paid_at": 1_795_500_000})
    ref = CodeRef("210000001", "SHOP-1001", "ord_test_1")
    report = culqi.look_up([ref])[ref]
    assert report.fact == FACTS.get(word, Fact.UNKNOWN)
    assert bool(report.paid_at) == (word == "paid"), "a date of payment belongs to a payment"
    assert report.detail == ("" if word in FACTS else word)


def test_an_answer_about_another_order_is_none(script: Script, culqi: CulqiChannel) -> None:
    script.always[ONE] = Says(200, ORDER | {"id": "ord_test_2"})
    with pytest.raises(OutcomeUnknown):
        culqi.look_up([CodeRef(provider_id="ord_test_1")])


def test_a_lost_answer_is_found_on_a_later_page(script: Script, culqi: CulqiChannel) -> None:
    first = {"data": [ORDER | {"order_number": "OTHER"}], "paging": {"cursors": {"after": "c1"}, "remaining_items": 1}}
    script.always[LIST] = Says(200, first)
    script.on(f"{LIST}&after=c1", Says(200, {"data": [ORDER], "paging": {"remaining_items": 0}}))
    found = culqi.find("SHOP-1001")
    assert found
    assert (found.provider_id, found.fact) == ("ord_test_1", Fact.ISSUED)
    script.on(f"{LIST}&after=c1", Says(200, {"data": [], "paging": {"remaining_items": 0}}))
    assert culqi.find("SHOP-1002") is None


@pytest.mark.parametrize("left", [0, "0"])
def test_the_number_of_further_orders_may_stand_beside_the_list(
    script: Script, culqi: CulqiChannel, left: object
) -> None:
    script.always[LIST] = Says(200, {"data": [], "remaining_items": left})
    assert culqi.find("SHOP-1001") is None


@pytest.mark.parametrize("until", [1_795_536_000, "1795536000", 1_795_536_000_000, "1795536000999"], ids=str)
def test_times_are_seconds_or_milliseconds_by_magnitude(script: Script, culqi: CulqiChannel, until: object) -> None:
    script.always[ONE] = Says(200, ORDER | {"expiration_date": until})
    (report,) = culqi.look_up([CodeRef(provider_id="ord_test_1")]).values()
    assert report.expires_at == datetime.fromtimestamp(1_795_536_000, UTC)


@pytest.mark.parametrize(
    "said",
    [
        {"data": [], "paging": {"remaining_items": 7}},
        {"data": [], "paging": {"remaining_items": 7}, "remaining_items": 0},
        {"data": [], "paging": {}},
        {"data": []},
        {"data": [], "paging": {"remaining_items": False}},
        {"data": [], "paging": {"cursors": {"after": "c1"}, "remaining_items": 7}},
        {"data": {}, "paging": {"remaining_items": 0}},
    ],
    ids=str,
)
def test_a_list_without_an_end_is_no_no(script: Script, culqi: CulqiChannel, said: dict[str, Any]) -> None:
    script.always[LIST] = script.always[f"{LIST}&after=c1"] = Says(200, said)
    with pytest.raises(OutcomeUnknown):
        culqi.find("SHOP-1001")


@pytest.mark.parametrize(("seconds", "pages"), [(8, 10), (18, 5), (60, 1)])
def test_a_list_is_read_no_longer_than_a_claim_lasts(
    script: Script, make: Callable[..., CulqiChannel], seconds: int, pages: int
) -> None:
    for page in range(12):
        paging = {"cursors": {"after": f"c{page + 1}"}, "remaining_items": 100}
        script.always[LIST + (f"&after=c{page}" if page else "")] = Says(200, {"data": [], "paging": paging})
    with pytest.raises(OutcomeUnknown):
        make(TIMEOUT=seconds).find("SHOP-1001")
    asked = [len(script.asked(LIST + (f"&after=c{page}" if page else ""))) for page in range(12)]
    assert asked == [1] * pages + [0] * (12 - pages)


def test_an_event_is_a_hint_and_its_password_is_kept_nowhere(culqi: CulqiChannel) -> None:
    proof = culqi.verify(event())
    assert proof.trust == Trust.SHARED_SECRET
    assert "Basic" not in repr((proof.kept.body, dict(proof.kept.headers)))
    paid = Hint(culqi.account, transaction_code="SHOP-1001", provider_id="ord_test_1")
    assert culqi.read(proof.kept) == [paid]
    assert proof.identity == culqi.verify(event(ORDER | {"state": "paid"})).identity, "each is asked about"
    assert proof.identity != culqi.verify(event(ORDER | {"id": "ord_test_2"})).identity


@pytest.mark.parametrize("scheme", ["basic", "BASIC", " Basic "])
def test_the_name_of_the_scheme_is_written_in_any_case(culqi: CulqiChannel, scheme: str) -> None:
    basic = base64.b64encode(b"culqi:made-up-password").decode()
    assert culqi.verify(event(Authorization=f"{scheme} {basic}"))


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (ORDER, {"provider_id": "ord_test_1", "transaction_code": "SHOP-1001"}),
        (json.dumps({"order_number": "SHOP-1001"}), {"transaction_code": "SHOP-1001"}),
    ],
    ids=["an object", "our number alone"],
)
def test_an_order_may_stand_in_an_event_as_it_is_or_by_our_number_alone(
    culqi: CulqiChannel, data: Any, hint: dict[str, str]
) -> None:
    body = json.dumps({"object": "event", "data": data}).encode()
    assert culqi.read(culqi.verify(Incoming(body, event().headers)).kept) == [Hint(culqi.account, **hint)]


@pytest.mark.parametrize("given", ["", "Basic ", "Basic é", "Basic Y3VscWk6eA==", "Bearer made-up-password"])
def test_another_password_is_refused(culqi: CulqiChannel, given: str) -> None:
    with pytest.raises(InvalidSignature) as refusal:
        culqi.verify(event(Authorization=given))
    assert isinstance(refusal.value, Unsigned) == (not given)


@pytest.mark.parametrize("name", ["WEBHOOK_USER", "WEBHOOK_PASSWORD"])
def test_without_a_password_nothing_is_believed(make: Callable[..., CulqiChannel], name: str) -> None:
    channel = make(**{name: ""})
    basic = base64.b64encode(f"{channel.options['WEBHOOK_USER']}:".encode()).decode()
    for header in (f"Basic {basic}", "Basic Og==", "Basic "):
        with pytest.raises(InvalidSignature):
            channel.verify(event(Authorization=header))
    assert channel.fingerprints() == []


@pytest.mark.parametrize("data", ["", "x", "[]", "{}", '{"id": 7.5}', '{"id": "' + "9" * 65 + '"}'])
def test_an_event_without_an_order_is_malformed(culqi: CulqiChannel, data: str) -> None:
    body = json.dumps({"object": "event", "data": data}).encode()
    kept = culqi.verify(Incoming(body, event().headers)).kept
    with pytest.raises(Malformed):
        culqi.read(kept)


@pytest.mark.parametrize(
    ("changed", "ids"),
    [
        ({}, ""),
        ({"ENVIRONMENT": "sandbox"}, ""),
        ({"ENVIRONMENT": "production"}, "E007"),
        ({"SECRET_KEY": "sk_live_made_up"}, ""),
        ({"SECRET_KEY": "pk_test_made_up"}, "E007"),
        ({"SECRET_KEY": ""}, "E001 E007"),
        ({"WEBHOOK_PASSWORD": ""}, "W012"),
        ({"WEBHOOK_USER": "a:b"}, "E003"),
        ({"BASE_URL": "culqi"}, "E007"),
    ],
    ids=str,
)
def test_options(changed: dict[str, Any], ids: str) -> None:
    options = GOOD | changed
    found = CulqiChannel.check("default", options)
    assert {str(one.id).removeprefix("pagoefectivo.") for one in found} == {*ids.split()}
    assert not any(value and value in str(one) for one in found for value in (GOOD["SECRET_KEY"],))


def test_the_key_decides_the_environment() -> None:
    assert CulqiChannel("default", GOOD).account == "culqi:sandbox:main"
    live = CulqiChannel("default", GOOD | {"SECRET_KEY": "sk_live_made_up", "ACCOUNT": "store"})
    assert live.account == "culqi:production:store"
    assert live.base_url == "https://api.culqi.com/v2/"


def test_limits() -> None:
    channel, payer = CulqiChannel("default", GOOD), Payer(email="ana@example.com")
    assert channel.why_not(Money(Decimal(6), "PEN"), payer) == ""
    assert channel.why_not(Money(Decimal("5.99"), "PEN"), payer) == "amount"
    assert channel.why_not(Money(Decimal(6), "USD"), payer) == "currency"


def test_the_doctor_asks_for_the_list(script: Script, culqi: CulqiChannel) -> None:
    script.on("GET /v2/orders?limit=1", Says(200, {"data": [], "paging": {}}), Says(401, error("authentication_error")))
    assert culqi.examine().host in script.base
    with pytest.raises(Misconfigured):
        culqi.examine()


@pytest.mark.parametrize("state", ["pending", "created", "paid", "expired", "moon", None])
def test_only_an_order_that_is_shown_as_deleted_is_deleted(
    culqi: CulqiChannel, script: Script, state: str | None
) -> None:
    script.on(
        "DELETE /v2/orders/ord_test_1", Says(200, ORDER | {"state": "deleted"}), Says(200, ORDER | {"state": state})
    )
    culqi.delete(CodeRef(provider_id="ord_test_1"))
    with pytest.raises(OutcomeUnknown):
        culqi.delete(CodeRef(provider_id="ord_test_1"))
