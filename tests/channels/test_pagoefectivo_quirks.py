"""One test a row: every code, status, state, event and quirk that the channel names, and what it does not name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import Incoming
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.channels.pagoefectivo.quirks import CODES, EVENTS, QUIRKS, STATES, STATUSES
from pagoefectivo_django.errors import InvalidSignature, Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.states import Fact

from .examples import NOW, SECRET_KEY, charge, look_up, payload, read
from .scripted import Says, Script

CREATE = "POST /v1/cips"
SEARCH = "POST /v1/cips/search"
Make = Callable[..., PagoEfectivoChannel]


def ending(script: Script, channel: PagoEfectivoChannel, says: Says) -> type[BaseException] | None:
    """Return the error that a create with this answer ends in."""
    script.always[CREATE] = says
    try:
        channel.issue(charge())
    except Exception as error:
        return type(error)
    return None


class TestCodes:
    """Protocol 3.4; as the outer code, as an inner one, as text and as a number."""

    ROWS = {
        "100": OutcomeUnknown,  # a success that says 400
        "111": Refused,
        "112": Refused,
        "113": Refused,
        "166": OutcomeUnknown,
        "508": Misconfigured,
        "511": Refused,
        "any other": Refused,
    }

    def test_each_row_is_here(self) -> None:
        assert set(CODES) == set(self.ROWS) - {"any other"}

    @pytest.mark.parametrize("code", [code for code in ROWS if code != "100"])
    def test_row(self, script: Script, channel: PagoEfectivoChannel, code: str) -> None:
        number = 599 if code == "any other" else int(code)
        for body in (
            {"code": number, "message": "x", "data": []},
            {"code": str(number)},
            {"code": 111, "data": [{"code": 113}, {"code": number, "field": "cip"}]},
            {"code": 111, "data": {"code": number}},
        ):
            assert ending(script, channel, Says(400, body)) is self.ROWS[code]

    def test_success(self, script: Script, channel: PagoEfectivoChannel) -> None:
        assert ending(script, channel, Says(201, payload("cips_201"))) is None
        for code in (111, 166, 508, 599, None, "", "ok", 100.0, True):
            says = Says(201, {"code": code, "data": {"cip": 20304050}})
            assert ending(script, channel, says) is OutcomeUnknown


class TestStatuses:
    """Protocol 1.3, for a create; with the body that belongs to it, and with none."""

    ROWS: dict[int, tuple[Any, type[BaseException] | None]] = {
        200: (payload("cips_201"), None),
        201: (payload("cips_201"), None),
        400: (payload("error_400"), Refused),
        401: (b"", Misconfigured),
        403: (b"<html>", Misconfigured),
        404: (b"<html>", Misconfigured),
        405: (b"", Misconfigured),
        500: ({"code": 166}, OutcomeUnknown),
        503: (b"<html>Service Unavailable</html>", OutcomeUnknown),
    }

    def test_each_row_is_here(self) -> None:
        assert set(STATUSES) == set(self.ROWS)

    @pytest.mark.parametrize("status", list(ROWS))
    def test_row(self, script: Script, channel: PagoEfectivoChannel, status: int) -> None:
        body, error = self.ROWS[status]
        assert ending(script, channel, Says(status, body)) is error

    @pytest.mark.parametrize("status", [202, 301, 302, 307, 402, 408, 409, 418, 422, 429, 501, 502, 504, 599])
    def test_any_other(self, script: Script, channel: PagoEfectivoChannel, status: int) -> None:
        assert ending(script, channel, Says(status, payload("error_400"))) is OutcomeUnknown


class TestStates:
    """Protocol 4.1, without any date."""

    @pytest.mark.parametrize("status", [*STATES, "24", "592", "0"])
    def test_row(self, script: Script, channel: PagoEfectivoChannel, status: str) -> None:
        facts = {
            "21": Fact.CODE_EXPIRED,
            "22": Fact.ISSUED,
            "23": Fact.PAYMENT,
            "25": Fact.CODE_DELETED,
        }
        element = {"cip": 20304050, "status": int(status), "datePayment": "1900-01-01T00:00:00-05:00"}
        script.on(SEARCH, Says(200, {"code": 100, "data": [element]}))
        assert look_up(channel, ["20304050"])["20304050"].fact == facts.get(status, Fact.UNKNOWN)


def test_events_are_closed() -> None:
    """Protocol 6.4; each is read in test_pagoefectivo_reading.py."""
    assert set(EVENTS) == {"cip.paid", "cip.expired", "cip.refunded", "cip.reversed"}


class TestQuirks:
    """Protocol 8."""

    def test_each_row_has_a_test(self) -> None:
        tests = {name.removeprefix("test_quirk_") for name in vars(TestQuirks) if name.startswith("test_quirk_")}
        assert tests == set(QUIRKS)

    def test_quirk_success_code_text_or_number(self, script: Script, channel: PagoEfectivoChannel) -> None:
        for code in (100, "100"):
            assert ending(script, channel, Says(201, {"code": code, "data": {"cip": 1}})) is None

    def test_quirk_service_id_number(self, script: Script, make: Make) -> None:
        ending(script, make(SERVICE_ID="01234"), Says(201, payload("cips_201")))
        sent = script.asked("POST /v1/authorizations")[0].json
        assert sent["idService"] == 1234
        assert sent["hashString"] == "d341b0570d2ca509f62d53b5a36d5b1bce50bac34580c9ffec052aa4281873bf"

    def test_quirk_cip_number_or_text(self, script: Script, channel: PagoEfectivoChannel) -> None:
        for cip in (20304050, "20304050", "00000020304050"):
            script.on(CREATE, Says(201, {"code": 100, "data": {"cip": cip}}))
            assert channel.issue(charge()).code == "20304050"

    def test_quirk_two_decimals_in_notice(self, channel: PagoEfectivoChannel) -> None:
        body = payload("notice_paid_old")
        channel.verify(
            Incoming(body, {"PE-Signature": "1ab45ab05d1ff80969f8379100c361b753a1d72467e4927d1d808d4ed212b3ce"})
        )
        assert str(read(channel, body).amount) == "35.50"

    def test_quirk_offset_lost_or_malformed(self, script: Script, channel: PagoEfectivoChannel) -> None:
        for date in ("2026-11-24T10:00:00-5:00", "2026-11-24T10:00:00-0500", "2026-11-24T10:00:00"):
            script.on(CREATE, Says(201, {"code": 100, "data": {"cip": 1, "dateExpiry": date}}))
            assert channel.issue(charge()).expires_at == datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
        assert all(len(heard.json["dateExpiry"]) == 25 for heard in script.asked(CREATE))

    def test_quirk_cancelado_is_paid(self, script: Script, channel: PagoEfectivoChannel) -> None:
        element = {"cip": 1, "status": 23, "statusName": "Cancelado."}
        script.on(SEARCH, Says(200, {"code": 100, "data": [element]}))
        assert look_up(channel, ["1"])["1"].fact == Fact.PAYMENT

    def test_quirk_date_of_1900(self, channel: PagoEfectivoChannel) -> None:
        body = payload("notice_paid_new").replace(b"2026-11-22T10:05:00", b"1900-01-01T00:00:00")
        assert read(channel, body).paid_at is None

    def test_quirk_trailing_dot_in_status_name(self, script: Script, channel: PagoEfectivoChannel) -> None:
        for name in ("Generado.", "Generado", "Pagado", None):
            element = {"cip": 1, "status": 22, "statusName": name}
            script.on(SEARCH, Says(200, {"code": 100, "data": [element]}))
            assert look_up(channel, ["1"])["1"].fact == Fact.ISSUED

    def test_quirk_transaction_code_not_unique(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(CREATE, Says(drop=True), Says(201, payload("cips_201")))
        with pytest.raises(OutcomeUnknown):
            channel.issue(charge())
        assert len(script.asked(CREATE)) == 1

    def test_quirk_empty_or_foreign_error_body(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(CREATE, Says(401), Says(503, b"<html>"))
        with pytest.raises(OutcomeUnknown):
            channel.issue(charge())

    def test_quirk_token_life(self, script: Script, make: Make) -> None:
        script.token_life = ("2026-11-22T10:00:00-05:00", "2026-11-22T10:05:00-05:00")
        ending(script, make(), Says(201, payload("cips_201")))
        later = make()
        later.clock = lambda: NOW + timedelta(minutes=5)
        ending(script, later, Says(201, payload("cips_201")))
        assert script.tokens == 2

    @pytest.mark.parametrize("known", ["RUC", "CE", "CDI", "PASSPORT", "", "?"])
    def test_quirk_no_document_type_for_foreigners(
        self, script: Script, channel: PagoEfectivoChannel, known: str
    ) -> None:
        script.on(CREATE, Says(201, payload("cips_201")))
        channel.issue(charge(payer={"document_type": known}))
        assert script.asked(CREATE)[0].json["userDocumentType"] == "NAN"

    def test_quirk_passport_is_pas(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(CREATE, Says(201, payload("cips_201")))
        channel.issue(charge(payer={"document_type": "PAS", "document_number": "XA 123-456"}))
        sent = script.asked(CREATE)[0].json
        assert (sent["userDocumentType"], sent["userDocumentNumber"]) == ("PAS", "XA123456")

    def test_quirk_document_number_spelt_out(self, script: Script, channel: PagoEfectivoChannel) -> None:
        ending(script, channel, Says(201, payload("cips_201")))
        assert "userDocumentNumber" in script.asked(CREATE)[0].json

    def test_quirk_secret_key_never_sent(self, script: Script, channel: PagoEfectivoChannel) -> None:
        ending(script, channel, Says(201, payload("cips_201")))
        sent = script.asked("POST /v1/authorizations")[0]
        assert set(sent.json) == {"accessKey", "idService", "dateRequest", "hashString"}
        for heard in script.heard:
            assert SECRET_KEY not in repr(heard)
            assert SECRET_KEY not in heard.body.decode()

    def test_quirk_short_time_out(self, script: Script, make: Make) -> None:
        assert make().timeout == 8
        script.on(CREATE, Says(201, payload("cips_201"), after=0.8))
        with pytest.raises(OutcomeUnknown):
            make(TIMEOUT=0.4).issue(charge())

    def test_quirk_any_top_level_domain(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(CREATE, Says(201, payload("cips_201")))
        channel.issue(charge(payer={"email": "ana@shop.photography"}))
        assert script.asked(CREATE)[0].json["userEmail"] == "ana@shop.photography"


def test_amount_echoes_lose_their_zeros(script: Script, channel: PagoEfectivoChannel) -> None:
    """Protocol 3.3: 1.00 comes back as 1."""
    answer = json.loads(payload("cips_201"))
    for amount in (1, 1.0, "1.00"):
        answer["data"]["amount"] = amount
        script.on(CREATE, Says(201, answer))
        assert channel.issue(charge(amount=Decimal("1.00"))).amount == Decimal("1.00")


def test_what_is_not_ours_to_say_stays_apart() -> None:
    """The five errors are told apart by class; a refusal is never an outcome that is not known."""
    kinds = (Refused, OutcomeUnknown, Unavailable, Misconfigured, InvalidSignature)
    for kind in kinds:
        assert [other for other in kinds if issubclass(kind, other)] == [kind]
