"""Notifications read: nothing guessed, nothing lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.errors import Malformed, Misconfigured
from pagoefectivo_django.states import Fact

from .examples import SECRET_KEY, payload, read

OLD, NEW = payload("notice_paid_old"), payload("notice_paid_new")


def body(event: Any = "cip.paid", number: Any = "7001", **data: Any) -> bytes:
    """A notification; ``...`` takes a value away."""
    values = {"cip": "20304050", "currency": "PEN", "amount": 35.5} | data
    message = {"eventType": event, "operationNumber": number, "data": _present(values)}
    return json.dumps(_present(message)).encode()


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not ...}


MALFORMED: list[bytes] = [
    *(b"", b"[]", b"null", b"{}", b"eventType=cip.paid", b"\xff", b'{"eventType":"cip.paid"}'),
    b'{"eventType":"cip.paid","data":[]}',
    b'{"eventType":"cip.paid","data":{"cip":"1","currency":"PEN","amount":1e999}}',
    b'{"eventType":"cip.paid","data":{"cip":"1","currency":"PEN","amount":NaN}}',
    b'{"eventType":"cip.paid","data":{"cip":"1","currency":"PEN","amount":1,"amount":2}}',
    b'{"eventType":"cip.paid","data":{"cip":"1","currency":"PEN","amount":1},"data":{"cip":"2"}}',
    b'{"eventType":"cip.paid","data":{"cip":' + b"9" * 5000 + b',"currency":"PEN","amount":1}}',
]
WRONG: dict[str, list[Any]] = {
    "event": [..., None, "", 7, ["cip.paid"]],
    "number": ["x" * 41, 10**41, True, 7.5, ["7001"], {}],
    "cip": [..., None, "", "abc", "0", 0, "1" * 15, 10**14, -1, 7.5, True, ["1"], "١"],
    "amount": [..., None, 0, -1, 35.555, 10**16, True, "", "x", "1e3", "-1", []],
    "currency": [..., None, "", "S/", "PENS", 604, ["PEN"]],
    "transactionCode": [True, 7.5, ["x"], {}],
}
MALFORMED += [body(**{name: value}) for name, values in WRONG.items() for value in values]


class TestRead:
    def test_the_older_payload(self, channel: PagoEfectivoChannel) -> None:
        report = read(channel, OLD)
        assert report.account == "pagoefectivo:sandbox:1234"
        assert (report.fact, report.code, report.operation_number) == (Fact.PAYMENT, "20304050", "7001")
        assert (report.amount, report.currency) == (Decimal("35.50"), "PEN")
        assert (report.paid_at, report.transaction_code, report.asked_at) == (None, "", None)
        assert report.raw["data"]["amount"] == "35.50"

    def test_the_newer_payload(self, channel: PagoEfectivoChannel) -> None:
        report = read(channel, NEW)
        assert report.paid_at == datetime(2026, 11, 22, 15, 5, tzinfo=UTC)
        assert report.transaction_code == "ORDER-1001"

    @pytest.mark.parametrize(
        ("event", "fact", "detail"),
        [
            ("cip.paid", Fact.PAYMENT, ""),
            ("cip.expired", Fact.CODE_EXPIRED, ""),
            ("cip.refunded", Fact.PAYMENT_REVERSED, ""),
            ("cip.reversed", Fact.PAYMENT_REVERSED, ""),
            ("cip.created", Fact.UNKNOWN, "cip.created"),
            ("CIP.PAID", Fact.UNKNOWN, "CIP.PAID"),
            ("x\n\u202e" + "y" * 50, Fact.UNKNOWN, "x" + "y" * 39),
        ],
    )
    def test_events(self, channel: PagoEfectivoChannel, event: str, fact: Fact, detail: str) -> None:
        report = read(channel, body(event))
        assert (report.fact, report.detail) == (fact, detail)

    @pytest.mark.parametrize("event", ["cip.expired", "cip.refunded", "cip.created"])
    def test_other_events_may_lack_the_money(self, channel: PagoEfectivoChannel, event: str) -> None:
        report = read(channel, body(event, ..., amount=..., currency=None))
        assert (report.amount, report.currency, report.operation_number) == (None, "", "")

    @pytest.mark.parametrize(
        ("cip", "code"), [("20304050", "20304050"), (20304050, "20304050"), ("00000020304050", "20304050")]
    )
    def test_codes(self, channel: PagoEfectivoChannel, cip: Any, code: str) -> None:
        assert read(channel, body(cip=cip)).code == code

    @pytest.mark.parametrize(
        ("number", "kept"), [("", ""), (..., ""), (None, ""), (7001, "7001"), ("x" * 40, "x" * 40), ("007", "007")]
    )
    def test_operation_numbers(self, channel: PagoEfectivoChannel, number: Any, kept: str) -> None:
        assert read(channel, body(number=number)).operation_number == kept

    @pytest.mark.parametrize(
        ("code", "kept"), [(..., ""), (None, ""), ("", ""), (1002, "1002"), ("x" * 36, "x" * 36), ("x" * 37, "")]
    )
    def test_transaction_codes(self, channel: PagoEfectivoChannel, code: Any, kept: str) -> None:
        assert read(channel, body(transactionCode=code)).transaction_code == kept

    @pytest.mark.parametrize(
        ("amount", "kept"), [(35, "35.00"), ("35.5", "35.50"), ("35.500", "35.50"), (0.01, "0.01")]
    )
    def test_amounts(self, channel: PagoEfectivoChannel, amount: Any, kept: str) -> None:
        assert str(read(channel, body(amount=amount)).amount) == kept

    @pytest.mark.parametrize("date", [..., None, "", "1900-01-01T00:00:00-05:00", "yesterday", 7, ["2026"]])
    def test_an_unreadable_date_loses_no_payment(self, channel: PagoEfectivoChannel, date: Any) -> None:
        report = read(channel, body(paymentDate=date))
        assert (report.fact, report.paid_at) == (Fact.PAYMENT, None)

    def test_capitalised_keys(self, channel: PagoEfectivoChannel) -> None:
        """The heading of the vendor's table has them so (protocol 6.3)."""
        message = (
            b'{"EventType":"cip.paid","OperationNumber":7001,"Data":{"Cip":20304050,"Currency":"PEN","Amount":35.50}}'
        )
        assert read(channel, message) == read(channel, OLD)

    def test_the_usual_spelling_wins(self, channel: PagoEfectivoChannel) -> None:
        assert read(channel, body(Cip="1", AMOUNT=7)).code == "20304050"

    @pytest.mark.parametrize("message", MALFORMED)
    def test_malformed(self, channel: PagoEfectivoChannel, message: bytes) -> None:
        with pytest.raises(Malformed) as caught:
            read(channel, message)
        assert "20304050" not in str(caught.value)

    def test_what_else_it_holds_is_not_kept(self, channel: PagoEfectivoChannel) -> None:
        report = read(channel, body(userEmail="ana@example.com", paymentDate={"a": "ana@example.com"}))
        assert "ana@" not in str(report.raw)

    def test_without_a_service_id_there_is_no_account(self) -> None:
        with pytest.raises(Misconfigured):
            read(PagoEfectivoChannel("default", {"SECRET_KEY": SECRET_KEY}), OLD)
