"""The direct channel against the sandbox, which was written from the protocol alone: a code's whole life."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import CodeRef, Incoming, Report
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.errors import InvalidSignature, Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client, Shop, listening, running, wait_for

from .examples import charge, look_up, read

Make = Callable[..., PagoEfectivoChannel]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Client]:
    with running("--maximum-amount", "5000", "--repeat-delay", "0.05") as client:
        yield client


@pytest.fixture
def make(sandbox: Client) -> Make:
    options = {
        "ENVIRONMENT": "sandbox",
        "BASE_URL": sandbox.base,
        "SERVICE_ID": sandbox.keys["SERVICE_ID"],
        "ACCESS_KEY": sandbox.keys["ACCESS_KEY"],
        "SECRET_KEY": sandbox.keys["SECRET_KEY"],
    }
    return lambda **changes: PagoEfectivoChannel("default", options | changes)


@pytest.fixture
def channel(make: Make) -> PagoEfectivoChannel:
    return make()


def issue(channel: PagoEfectivoChannel, **changes: Any) -> Report:
    ahead = timezone.now().replace(microsecond=0) + timedelta(hours=48)
    return channel.issue(charge(**{"expires_at": ahead} | changes))


def look(channel: PagoEfectivoChannel, report: Report) -> Report:
    return look_up(channel, [report.code])[report.code]


def calls(sandbox: Client, path: str) -> int:
    heard = sandbox.session.get(sandbox.site + "/sandbox/requests").json()
    return json.dumps(heard).count(f'"{path}"')


def test_a_code_is_issued_found_and_paid(channel: PagoEfectivoChannel, sandbox: Client) -> None:
    report = issue(channel, amount=Decimal("120.50"))
    assert report.fact == Fact.ISSUED
    assert report.url.startswith(sandbox.site)
    found = look(channel, report)
    assert (found.fact, found.amount, found.currency) == (Fact.ISSUED, Decimal("120.50"), "PEN")
    assert (found.transaction_code, found.expires_at) == ("SHOP-1001", report.expires_at)
    sandbox.tell("pay", cip=report.code)
    paid = look(channel, report)
    assert paid.fact == Fact.PAYMENT
    assert paid.paid_at is not None
    assert timezone.now() - paid.paid_at < timedelta(minutes=1)


def test_the_notification_of_a_payment(channel: PagoEfectivoChannel, sandbox: Client) -> None:
    with listening() as shop:
        sandbox.tell("webhook", url=shop.url)
        report = issue(channel, transaction_code="SHOP 1002")
        sandbox.tell("pay", cip=report.code)
        heard = _heard(channel, shop, report)
        sandbox.tell("webhook", url="")
    assert heard.fact == Fact.PAYMENT
    assert (heard.amount, heard.currency) == (Decimal("120.50"), "PEN")
    assert heard.transaction_code == "SHOP 1002"
    assert heard.operation_number
    assert heard.paid_at is not None


def _heard(channel: PagoEfectivoChannel, shop: Shop, report: Report) -> Report:
    wait_for(lambda: shop.about(int(report.code)))
    body, signature = next(each for each in shop.received if report.code.encode() in each[0])
    assert channel.verify(Incoming(body, {"PE-Signature": signature or ""})).kept.headers == {"PE-Signature": signature}
    with pytest.raises(InvalidSignature):
        channel.verify(Incoming(body + b"1", {"PE-Signature": signature or ""}))
    return read(channel, body)


def test_expired_extended_deleted(channel: PagoEfectivoChannel, sandbox: Client) -> None:
    report = issue(channel)
    sandbox.tell("expire", cip=report.code)
    assert look(channel, report).fact == Fact.CODE_EXPIRED
    ahead = timezone.now().replace(microsecond=0) + timedelta(days=3)
    channel.extend(CodeRef(report.code), ahead)
    assert (look(channel, report).fact, look(channel, report).expires_at) == (Fact.ISSUED, ahead)
    channel.delete(CodeRef(report.code))
    assert look(channel, report).fact == Fact.CODE_DELETED
    with pytest.raises(Refused):
        channel.delete(CodeRef(report.code))
    with pytest.raises(Refused):
        channel.extend(CodeRef(report.code), ahead)


def test_unknown_codes_are_left_out(channel: PagoEfectivoChannel) -> None:
    report = issue(channel)
    assert set(look_up(channel, ["1", report.code, "99999999999999"])) == {report.code}


def test_refusals(channel: PagoEfectivoChannel) -> None:
    with pytest.raises(Refused) as caught:
        issue(channel, amount=Decimal("5000.01"))
    assert caught.value.codes == ("511",)
    with pytest.raises(Refused, match="dateExpiry 113") as caught:
        issue(channel, expires_at=timezone.now())
    assert caught.value.codes == ("111", "113")
    with pytest.raises(Refused, match="userPhone 112"):
        issue(channel, payer={"phone": ""})


def test_wrong_keys(make: Make) -> None:
    with pytest.raises(Misconfigured):
        issue(make(SECRET_KEY="ExampleSecretKey00000000000000000000/+99", ACCESS_KEY="ANOTHERACCESSKEY0002"))


def test_wrong_clock(make: Make) -> None:
    channel = make(ENVIRONMENT="late")
    channel.clock = lambda: timezone.now() - timedelta(hours=1)
    with pytest.raises(Misconfigured, match="clock"):
        issue(channel)


@pytest.mark.parametrize(
    ("fault", "call", "error"),
    [
        ("drop", "create", OutcomeUnknown),
        ("500", "create", OutcomeUnknown),
        ("503", "create", OutcomeUnknown),
        ("500", "authorizations", Unavailable),
        ("503", "authorizations", Unavailable),
        ("drop", "authorizations", Unavailable),
        ("401", "authorizations", Misconfigured),
    ],
)
def test_faults(make: Make, sandbox: Client, fault: str, call: str, error: type[Exception]) -> None:
    times = 2 if call == "authorizations" and fault != "401" else 1  # as often as it is tried
    sandbox.tell("faults", fault=fault, call=call, times=times)
    with pytest.raises(error):
        issue(make())
    assert issue(make()).fact == Fact.ISSUED


def test_a_token_that_is_refused_once(channel: PagoEfectivoChannel, sandbox: Client) -> None:
    issue(channel)
    sandbox.tell("faults", fault="401", call="create", times=1)
    assert issue(channel).fact == Fact.ISSUED


def test_slow(make: Make, sandbox: Client) -> None:
    issue(make())
    sandbox.tell("faults", fault="slow", call="create", times=1)
    begin = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        issue(make(TIMEOUT=0.5))
    assert time.monotonic() - begin < 2
    assert issue(make()).fact == Fact.ISSUED


@pytest.mark.parametrize("fault", ["drop", "500", "503", "401"])
def test_search_and_extend_survive_one_fault(channel: PagoEfectivoChannel, sandbox: Client, fault: str) -> None:
    report = issue(channel)
    for call in ("search", "update"):
        sandbox.tell("faults", fault=fault, call=call, times=1)
    channel.extend(CodeRef(report.code), timezone.now() + timedelta(days=3))
    assert look(channel, report).fact == Fact.ISSUED


def test_one_authorization_for_all(make: Make, sandbox: Client) -> None:
    issue(make())
    before = calls(sandbox, "/v1/authorizations")
    for _ in range(3):
        issue(make())
    assert calls(sandbox, "/v1/authorizations") == before
