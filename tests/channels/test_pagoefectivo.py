"""The direct channel asks for a code: what is sent, what is understood, and the three endings."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.states import Fact

from .examples import charge, payload
from .scripted import Heard, Says, Script

CREATE = "POST /v1/cips"
DELETE = "DELETE /v1/cips/20304050"
ACCOUNT = "pagoefectivo:sandbox:1234"

Make = Callable[..., PagoEfectivoChannel]
Look = Callable[[BaseException], None]


def made(**data: Any) -> Says:
    """A new code's answer with other values; None takes one away."""
    answer = json.loads(payload("cips_201"))
    answer["data"] = {name: value for name, value in (answer["data"] | data).items() if value is not None}
    return Says(201, answer)


def asked(script: Script, channel: PagoEfectivoChannel, **changes: Any) -> Heard:
    """Issue a code and return the request for it."""
    code = changes.get("transaction_code", "SHOP-1001")
    script.on(CREATE, made(transactionCode=code, currency=None, amount=None))
    channel.issue(charge(**changes))
    return script.asked(CREATE)[-1]


class TestIssue:
    def test_a_code(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(CREATE, Says(201, payload("cips_201")))
        report = channel.issue(charge())
        assert report == Report(
            account=ACCOUNT,
            fact=Fact.ISSUED,
            code="20304050",
            transaction_code="SHOP-1001",
            amount=Decimal("120.50"),
            currency="PEN",
            expires_at=datetime(2026, 11, 24, 15, 0, tzinfo=UTC),
            url="https://pre1a.payment.pagoefectivo.pe/0C1D2E3F-0000-4000-8000-AABBCCDDEEFF.html",
        )
        assert report.asked_at is None
        assert set(report.raw) == {"cip", "currency", "amount", "transactionCode", "dateExpiry", "cipUrl"}
        assert report.raw["amount"] == "120.5"

    def test_every_field(self, script: Script, make: Make) -> None:
        heard = asked(script, make(ADMIN_EMAIL="shop@example.com"))
        assert heard.body.startswith(b'{"amount":120.50,"currency":"PEN",')
        assert heard.json == {
            "amount": 120.5,
            "currency": "PEN",
            "transactionCode": "SHOP-1001",
            "dateExpiry": "2026-11-24T10:00:00-05:00",
            "paymentConcept": "Two T-shirts",
            "adminEmail": "shop@example.com",
            "userEmail": "ana@example.com",
            "userId": "C-77",
            "userName": "Ana",
            "userLastName": "Quispe",
            "userUbigeo": "150115",
            "userCountry": "PERU",
            "userDocumentType": "DNI",
            "userDocumentNumber": "40302010",
            "userPhone": "999888777",
            "userCodeCountry": "+51",
            "serviceId": 1234,
        }

    def test_empty_optionals_are_left_out(self, script: Script, channel: PagoEfectivoChannel) -> None:
        nothing = dict.fromkeys(
            ("name", "last_name", "phone", "document_type", "document_number", "ubigeo", "user_id", "country"), ""
        )
        heard = asked(script, channel, payer=nothing, concept="")
        assert set(heard.json) == {
            *("amount", "currency", "transactionCode", "dateExpiry", "userEmail", "serviceId"),
        }

    @pytest.mark.parametrize(
        ("amount", "written"),
        [
            ("0.01", b"0.01"),
            ("35.5", b"35.50"),
            ("1E+2", b"100.00"),
            ("9999999999999999.99", b"9999999999999999.99"),
        ],
    )
    def test_amounts_are_exact(self, script: Script, channel: PagoEfectivoChannel, amount: str, written: bytes) -> None:
        heard = asked(script, channel, amount=Decimal(amount))
        assert heard.body.startswith(b'{"amount":%s,' % written)

    def test_headers(self, script: Script, channel: PagoEfectivoChannel) -> None:
        heard = asked(script, channel)
        assert heard.headers["Content-Type"] == "application/json"
        assert heard.headers["Origin"] == "web"
        assert heard.headers["Accept-Language"] == "es-PE"
        assert heard.headers["Authorization"] == "Bearer made-up-token-1"
        for language, header in (("en", "en-US"), ("en-gb", "en-US"), ("qu", "es-PE"), ("", "es-PE")):
            assert asked(script, channel, language=language).headers["Accept-Language"] == header

    def test_texts_are_cleaned_and_cut(self, script: Script, channel: PagoEfectivoChannel) -> None:
        heard = asked(
            script,
            channel,
            concept="Polo\n\tazul \N{T-SHIRT}\ud800 " + "ñ" * 60,
            payer={"name": "María José " * 5, "country": "P" * 21, "ubigeo": "1501"},
        )
        assert heard.json["paymentConcept"] == "Polo azul " + "ñ" * 40
        assert heard.json["userName"] == "María José María José María Jo"
        assert heard.json["userCountry"] == "P" * 20
        assert "userUbigeo" not in heard.json

    @pytest.mark.parametrize(
        ("phone", "prefix", "sent"),
        [
            ("999 888-777", "+51", ("999888777", "+51")),
            ("+51 999888777", "+51", ("999888777", "+51")),
            ("0991234567", "+593", ("991234567", "+593")),  # without the 0 that is dialled inside of the country
            ("", "+51", (None, None)),
            ("1" * 16, "+51", (None, None)),
            ("999888777", "", ("999888777", None)),
        ],
    )
    def test_phones(
        self, script: Script, channel: PagoEfectivoChannel, phone: str, prefix: str, sent: tuple[str | None, ...]
    ) -> None:
        fields = asked(script, channel, payer={"phone": phone, "phone_prefix": prefix}).json
        assert (fields.get("userPhone"), fields.get("userCodeCountry")) == sent

    @pytest.mark.parametrize(
        ("known", "number", "sent"),
        [
            ("dni", "40.302.010", ("DNI", "40302010")),
            ("LMI", "123456", ("LMI", "123456")),
            ("PAR", "123456", ("PAR", "123456")),
            ("", "123456", ("NAN", "123456")),
            ("DNI", "", (None, None)),
            ("PAS", "A" * 15, (None, None)),
        ],
    )
    def test_documents(
        self, script: Script, channel: PagoEfectivoChannel, known: str, number: str, sent: tuple[str | None, ...]
    ) -> None:
        fields = asked(script, channel, payer={"document_type": known, "document_number": number}).json
        assert (fields.get("userDocumentType"), fields.get("userDocumentNumber")) == sent

    def test_dates_are_lima_time_in_25_characters(self, script: Script, channel: PagoEfectivoChannel) -> None:
        moment = datetime(2026, 11, 24, 3, 4, 5, 999999, tzinfo=UTC)
        assert asked(script, channel, expires_at=moment).json["dateExpiry"] == "2026-11-23T22:04:05-05:00"

    @pytest.mark.parametrize(
        "changes",
        [
            {"transaction_code": ""},
            {"transaction_code": "x" * 37},
            {"amount": 35.5},
            {"amount": Decimal("1.001")},
            {"expires_at": datetime(2026, 11, 24)},  # noqa: DTZ001
        ],
    )
    def test_what_cannot_be_asked(self, script: Script, channel: PagoEfectivoChannel, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest):
            channel.issue(charge(**changes))
        assert script.heard == []

    @pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", 7, None, "https://" + "x" * 500])
    def test_a_page_that_nobody_is_sent_to(self, script: Script, channel: PagoEfectivoChannel, url: Any) -> None:
        script.on(CREATE, made(cipUrl=url))
        assert channel.issue(charge()).url == ""

    def test_only_the_code_is_needed(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(CREATE, Says(201, {"code": 100, "data": {"cip": "00020304050"}}))
        report = channel.issue(charge())
        assert (report.code, report.amount, report.expires_at) == ("20304050", Decimal("120.50"), None)


class TestIssueNotKnown:
    """A second POST could make a second payable code, so every one of these ends after a single one."""

    @pytest.mark.parametrize(
        "says",
        [
            pytest.param(Says(201, b"<html>made</html>"), id="unreadable"),
            pytest.param(Says(201, b""), id="empty"),
            pytest.param(Says(201, b"[]"), id="no object"),
            pytest.param(Says(201, {"code": 100, "data": {}}), id="no code"),
            pytest.param(made(cip=0), id="code 0"),
            pytest.param(made(cip=10**14), id="15 digits"),
            pytest.param(made(cip=True), id="code true"),
            pytest.param(made(amount="99.00"), id="another amount"),
            pytest.param(made(currency="USD"), id="another currency"),
            pytest.param(made(transactionCode="SHOP-1002"), id="another order"),
            pytest.param(Says(302, b"", {"Location": "https://elsewhere.example/"}), id="redirect"),
            pytest.param(Says(400, b"<html>no</html>"), id="a no of somebody else"),
            pytest.param(Says(429, b""), id="unknown status"),
            pytest.param(Says(502, payload("error_400")), id="unknown 5xx"),
            pytest.param(Says(drop=True), id="dropped line"),
        ],
    )
    def test_not_known(self, script: Script, channel: PagoEfectivoChannel, says: Says, discreet: Look) -> None:
        script.on(CREATE, says, Says(201, payload("cips_201")))
        with pytest.raises(OutcomeUnknown) as caught:
            channel.issue(charge())
        assert len(script.asked(CREATE)) == 1
        discreet(caught.value)

    def test_a_success_that_contradicts_itself_names_its_code(
        self, script: Script, channel: PagoEfectivoChannel
    ) -> None:
        script.on(CREATE, Says(201, {"code": "111", "data": {"cip": 20304050}}))
        with pytest.raises(OutcomeUnknown, match="20304050"):
            channel.issue(charge())

    def test_time_out(self, script: Script, make: Make) -> None:
        script.on(CREATE, Says(201, payload("cips_201"), after=1.0))
        with pytest.raises(OutcomeUnknown):
            make(TIMEOUT=0.3).issue(charge())


class TestRefused:
    def test_codes_and_fields(self, script: Script, channel: PagoEfectivoChannel, discreet: Look) -> None:
        """The provider's own text repeats what the payer typed, so ours stands in its place."""
        script.on(CREATE, Says(400, payload("error_400")))
        with pytest.raises(Refused) as caught:
            channel.issue(charge())
        assert caught.value.codes == ("111", "113", "112")
        assert str(caught.value) == (
            "PagoEfectivo answered 400: 111 (the request contains invalid data); "
            "userEmail 113 (a value is not valid); userPhone 112 (a required item is missing)."
        )
        discreet(caught.value)

    @pytest.mark.parametrize(
        ("message", "kept"),
        [
            ("Servicio en mantenimiento", True),
            ("Hola Ána", False),
            ("ANA no existe", False),
            ("el señor Quíspes", False),
            ("documento 99999999", False),
            ("otro@example.com", False),
            ("x" * 101, False),
            ("dos\nlineas", False),
            (["Servicio en mantenimiento"], False),
        ],
    )
    def test_words_of_an_unknown_code(
        self, script: Script, channel: PagoEfectivoChannel, message: Any, kept: bool, discreet: Look
    ) -> None:
        script.on(CREATE, Says(400, {"code": 777, "message": message, "data": None}))
        with pytest.raises(Refused) as caught:
            channel.issue(charge())
        assert caught.value.codes == ("777",)
        assert (str(message) in str(caught.value)) is kept
        discreet(caught.value)

    @pytest.mark.parametrize(
        "entry",
        [
            {"code": "40302010", "field": "userEmail"},
            {"code": "113", "field": "ana@example.com"},
            {"code": "113", "field": ["userEmail"]},
            {"code": None},
            "ana@example.com",
            None,
        ],
    )
    def test_entries_that_are_none(
        self, script: Script, channel: PagoEfectivoChannel, entry: Any, discreet: Look
    ) -> None:
        script.on(CREATE, Says(400, {"code": "111", "data": [entry]}))
        with pytest.raises(Refused) as caught:
            channel.issue(charge())
        discreet(caught.value)


def test_unreachable(make: Make, discreet: Look) -> None:
    with pytest.raises(Unavailable) as caught:
        make(BASE_URL="http://provider.invalid/v1/").issue(charge())
    discreet(caught.value)
