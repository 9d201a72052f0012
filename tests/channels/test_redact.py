"""What is kept of a body names neither a person nor a secret, whatever the body is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.channels.redact import LONGEST, redact

HARMLESS = PagoEfectivoChannel.log_fields

SENT = {
    "amount": 35.5, "currency": "PEN", "transactionCode": "SHOP-1001", "dateExpiry": "2026-11-23T10:00:00-05:00",
    "paymentConcept": "Dos polos de Ana", "additionalData": "Ana", "adminEmail": "shop@example.com",
    "userEmail": "ana@example.com", "userName": "Ana", "userLastName": "Quispe", "userDocumentNumber": "12345678",
    "userPhone": "999888777", "accessKey": "MADEUPACCESSKEY00001", "hashString": "0" * 64, "token": "made.up.token",
    "serviceId": 1234,
}  # fmt: skip


def test_what_support_asks_for_stays_and_nothing_else() -> None:
    shown = json.loads(redact(json.dumps(SENT).encode(), HARMLESS))
    assert {name for name, value in shown.items() if value != "…"} == {
        "amount",
        "currency",
        "transactionCode",
        "dateExpiry",
        "serviceId",
    }
    assert shown["amount"] == "35.5"


def test_it_looks_into_lists_and_objects() -> None:
    body = {"code": 111, "message": "12345678 is wrong", "data": [{"code": 112, "field": "userPhone", "message": "x"}]}
    assert json.loads(redact(json.dumps(body).encode(), HARMLESS)) == {
        "code": 111,
        "message": "…",
        "data": [{"code": 112, "field": "userPhone", "message": "…"}],
    }


@pytest.mark.parametrize(("number", "kept"), [("1.00", '"1.00"'), ("0.0", '"0.0"'), ("1", "1"), ("true", "true")])
def test_a_number_that_equals_a_truth_value_is_a_number(number: str, kept: str) -> None:
    """A Decimal of 1 equals True, and JSON knows no Decimal: what raises here loses the provider's answer."""
    shown = redact(f'{{"amount": {number}, "unknown": {number}}}'.encode(), HARMLESS)
    assert f'"amount": {kept}' in shown
    assert '"unknown": "…"' in shown or number == "true"


@pytest.mark.parametrize("value", ["ana@example.com", "Ana Quispe; Lima", "x" * 65, "<b>"])
def test_a_harmless_field_shows_no_words(value: str) -> None:
    assert json.loads(redact(json.dumps({"field": value}).encode(), HARMLESS)) == {"field": "…"}


@pytest.mark.parametrize("body", [b"", b"<html>ana@example.com</html>", b"[1", b"\xff", b'"ana@example.com"'])
def test_what_is_no_object_tells_its_size_only(body: bytes) -> None:
    assert redact(body, HARMLESS) == (f"({len(body)} bytes that are not JSON)" if body else "")


def test_it_is_cut() -> None:
    body = json.dumps({"data": [{"code": number} for number in range(5000)]}).encode()
    assert len(redact(body, HARMLESS)) == LONGEST


@given(st.dictionaries(st.text().filter(lambda name: name.lower() not in HARMLESS), st.text(min_size=4)))
def test_no_value_of_an_unknown_field_is_kept(found: dict[str, str]) -> None:
    shown = redact(json.dumps(found).encode())
    values = json.loads(shown).values() if shown.startswith("{") else []
    assert set(values) <= {"…"}
