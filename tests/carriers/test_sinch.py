"""SMS by Sinch, over real HTTP, and what each of its answers means."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pagoefectivo_django.carriers.sinch import SinchCarrier
from pagoefectivo_django.errors import Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from tests.channels.scripted import Says, Script, playing
from tests.factories.carriers import BATCHES, KEYS, NUMBER, REFUSAL, TOKEN

TEXT = "Paga S/ 35.50 con el código 245919830"


@pytest.fixture
def sinch() -> Iterator[Script]:
    with playing() as script:
        yield script


def carrier(sinch: Script, **changes: Any) -> SinchCarrier:
    return SinchCarrier("sms", KEYS | {"BASE_URL": sinch.base.removesuffix("/v1/")} | changes)


def test_what_is_asked(sinch: Script) -> None:
    sinch.on(BATCHES, Says(201, {"id": "01FC66621XXXXX119Z8PMV1QPQ"}))
    carrier(sinch).send(NUMBER, TEXT)
    (heard,) = sinch.heard
    assert (heard.method, heard.path) == ("POST", "/xms/v1/made-up-plan/batches")
    assert heard.headers["Authorization"] == f"Bearer {TOKEN}"
    assert heard.headers["Content-Type"] == "application/json"
    assert heard.json == {"from": "Shop", "to": [NUMBER], "body": TEXT}


NUMBER_TYPE = {"code": "illegal_number_type", "text": NUMBER}


@pytest.mark.parametrize(
    ("says", "error", "told"),
    [
        (Says(400, REFUSAL), Refused, "400 syntax_invalid_parameter_format"),
        (Says(400, b"<html>"), Refused, "400"),
        (Says(400, {"code": NUMBER}), Refused, "400"),
        (Says(400, ["x"]), Refused, "400"),
        (Says(403, NUMBER_TYPE), Refused, "403 illegal_number_type"),
        (Says(403, {"code": "blocked_account"}), Misconfigured, "403 blocked_account"),
        (Says(401), Misconfigured, "401"),
        (Says(404), Misconfigured, "404"),
        (Says(429), Unavailable, "429"),
        (Says(500), OutcomeUnknown, "500"),
        (Says(503, REFUSAL), OutcomeUnknown, "503"),
        (Says(302, headers={"Location": "https://elsewhere.example/"}), OutcomeUnknown, "302"),
        (Says(drop=True), OutcomeUnknown, "no readable answer"),
    ],
)
def test_what_an_answer_means(
    sinch: Script, caplog: pytest.LogCaptureFixture, says: Says, error: type[PagoEfectivoError], told: str
) -> None:
    sinch.always[BATCHES] = says
    with caplog.at_level(logging.DEBUG), pytest.raises(PagoEfectivoError, match=told) as raised:
        carrier(sinch).send(NUMBER, TEXT)
    assert type(raised.value) is error
    assert raised.value.__context__ is None
    said = f"{raised.value} {getattr(raised.value, 'codes', '')} {caplog.text}"
    assert not [secret for secret in (NUMBER, "999888777", "245919830", TOKEN) if secret in said]
    assert len(sinch.heard) == 1  # a text is not sent twice by itself


def test_nobody_there() -> None:
    with playing() as script:
        gone = carrier(script)
    with pytest.raises(Unavailable):
        gone.send(NUMBER, TEXT)


@pytest.mark.parametrize("name", KEYS)
def test_without_a_key_nothing_is_asked(sinch: Script, name: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        carrier(sinch, **{name: ""}).send(NUMBER, TEXT)
    assert not sinch.heard
