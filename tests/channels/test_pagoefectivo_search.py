"""The direct channel's other calls: search, extend, delete; and the dates that are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import CodeRef, Report
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.channels.reading import read_moment
from pagoefectivo_django.errors import InvalidRequest, Misconfigured, OutcomeUnknown, Refused
from pagoefectivo_django.states import Fact

from .examples import NOW, look_up, payload
from .scripted import Says, Script

SEARCH = "POST /v1/cips/search"
UPDATE = "PATCH /v1/cips/20304050"
DELETE = "DELETE /v1/cips/20304050"
ACCOUNT = "pagoefectivo:sandbox:1234"


class TestSearch:
    def test_by_code_never_by_position(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(SEARCH, Says(200, payload("search_200")))
        codes = ["20304050", "020304051", "20304052", "20304053", "20304054", "20304099"]
        found = look_up(channel, codes)
        assert script.asked(SEARCH)[0].json == {
            "data": [{"cip": int(code)} for code in codes],
        }
        assert {code: report.fact for code, report in found.items()} == {
            "20304050": Fact.ISSUED,
            "20304051": Fact.PAYMENT,
            "20304052": Fact.CODE_EXPIRED,
            "20304053": Fact.CODE_DELETED,
            "20304054": Fact.UNKNOWN,
        }
        assert found["20304050"].expires_at == datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
        assert found["20304050"].paid_at is None
        assert found["20304051"] == Report(
            account=ACCOUNT,
            fact=Fact.PAYMENT,
            code="20304051",
            transaction_code="1002",
            amount=Decimal("35.00"),
            currency="PEN",
            paid_at=datetime(2026, 11, 21, 13, 15, 30, tzinfo=UTC),
            expires_at=datetime(2026, 11, 24, 15, 0, tzinfo=UTC),
        )
        assert found["20304054"].detail == "24"
        assert found["20304054"].amount is None
        assert "token" not in found["20304053"].raw

    @pytest.mark.parametrize(
        ("element", "fact"),
        [
            ({"status": 22, "datePayment": "2026-11-21T08:15:30-05:00"}, Fact.PAYMENT),
            ({"status": 25, "datePayment": "2026-11-21T08:15:30-05:00"}, Fact.PAYMENT),
            ({"status": 23, "dateRemoval": "2026-11-21T08:15:30-05:00"}, Fact.PAYMENT),
            ({"status": 22, "dateRemoval": "2026-11-21T08:15:30-05:00"}, Fact.CODE_DELETED),
            ({"status": "22"}, Fact.ISSUED),
            ({"status": 22, "datePayment": None, "dateRemoval": ""}, Fact.ISSUED),
            ({}, Fact.UNKNOWN),
            ({"status": None}, Fact.UNKNOWN),
            ({"status": "ana@example.com"}, Fact.UNKNOWN),
        ],
    )
    def test_dates_before_status(
        self, script: Script, channel: PagoEfectivoChannel, element: dict[str, Any], fact: Fact
    ) -> None:
        script.on(SEARCH, Says(200, {"code": 100, "data": [{"cip": 20304050, **element}]}))
        report = look_up(channel, ["20304050"])["20304050"]
        assert report.fact == fact
        assert "@" not in report.detail

    def test_batches(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.always[SEARCH] = Says(200, {"code": 100, "data": [{}, {"cip": 250, "status": 22}, 7, None]})
        found = look_up(channel, map(str, range(1, 251)))
        assert [len(heard.json["data"]) for heard in script.asked(SEARCH)] == [100, 100, 50]
        assert set(found) == {"250"}
        assert script.tokens == 1

    def test_nothing_to_ask(self, script: Script, channel: PagoEfectivoChannel) -> None:
        assert look_up(channel, ["", "no code", "0"]) == {}
        assert script.heard == []

    @pytest.mark.parametrize("data", [None, {}, "no list", 7])
    def test_no_list(self, script: Script, channel: PagoEfectivoChannel, data: Any) -> None:
        script.on(SEARCH, Says(200, {"code": 100, "data": data}))
        with pytest.raises(OutcomeUnknown):
            look_up(channel, ["20304050"])

    def test_once_more_after_a_fault(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(SEARCH, Says(drop=True), Says(200, payload("search_200")))
        assert len(look_up(channel, ["20304050"])) == 1


class TestChange:
    def test_extend(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(UPDATE, Says(503), Says(200, payload("done_200")))
        channel.extend(CodeRef("0020304050"), NOW + timedelta(days=3))
        assert script.asked(UPDATE)[0].body == b'{"dateExpiry":"2026-11-25T10:00:00-05:00"}'
        assert script.asked(UPDATE)[0].headers["Origin"] == "web"

    def test_delete(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(DELETE, Says(200, payload("done_200")))
        channel.delete(CodeRef("20304050"))
        assert script.asked(DELETE)[0].body == b""

    def test_a_delete_that_may_have_worked_is_not_repeated(self, script: Script, channel: PagoEfectivoChannel) -> None:
        script.on(DELETE, Says(drop=True), Says(400, payload("error_400")))
        with pytest.raises(OutcomeUnknown):
            channel.delete(CodeRef("20304050"))

    @pytest.mark.parametrize(
        ("says", "error"),
        [
            (Says(400, payload("error_400")), Refused),
            (Says(404, b"<Error><Code>NoSuchKey</Code></Error>"), Refused),
            (Says(405), Misconfigured),
            (Says(500, {"code": 166}), OutcomeUnknown),
            (Says(200, b""), OutcomeUnknown),
            (Says(200, {"code": 111}), OutcomeUnknown),
        ],
    )
    def test_endings(self, script: Script, channel: PagoEfectivoChannel, says: Says, error: type[Exception]) -> None:
        script.always[UPDATE] = script.always[DELETE] = says
        with pytest.raises(error):
            channel.extend(CodeRef("20304050"), NOW)
        with pytest.raises(error):
            channel.delete(CodeRef("20304050"))

    @pytest.mark.parametrize("code", ["", "../authorizations", "1" * 15, "١٢٣"])
    def test_only_digits_get_into_a_path(self, script: Script, channel: PagoEfectivoChannel, code: str) -> None:
        with pytest.raises(InvalidRequest):
            channel.delete(CodeRef(code))
        assert script.heard == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T10:05:00-05:00", (15, 5, 0, 0)),
        ("2026-11-22 10:05:00-05:00", (15, 5, 0, 0)),
        ("2026-11-22T10:05:00-0500", (15, 5, 0, 0)),
        ("2026-11-22T10:05:00-5:00", (15, 5, 0, 0)),
        ("2026-11-22T10:05:00", (15, 5, 0, 0)),
        ("2026-11-22T10:05:00Z", (10, 5, 0, 0)),
        ("2026-11-22T10:05Z", (10, 5, 0, 0)),
        ("2026-11-22T10:05:00.1234567-05:00", (15, 5, 0, 123456)),
        ("2026-11-22T10:05:00.5", (15, 5, 0, 500000)),
        (" 2026-11-22T10:05:00+00:30 ", (9, 35, 0, 0)),
    ],
)
def test_dates_read(text: str, moment: tuple[int, int, int, int]) -> None:
    hour, minute, second, microsecond = moment
    assert read_moment(text) == datetime(2026, 11, 22, hour, minute, second, microsecond, UTC)


@pytest.mark.parametrize(
    "value",
    [
        *("1900-01-01T00:00:00-05:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59-05:00", "2026-02-30T10:00:00"),
        *(
            "",
            "2026-11-22",
            "2026-11-22T10",
            "22/11/2026 10:05:00",
            "2026-11-22T10:05:00-99:00",
            "٢٠٢٦-11-22T10:05:00",
            None,
            7,
        ),
    ],
)
def test_dates_not_read(value: Any) -> None:
    assert read_moment(value) is None
