"""The options of the direct channel: read, and judged before a payer does it."""

from __future__ import annotations

from typing import Any

import pytest

from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.errors import Misconfigured

from .examples import ACCESS_KEY, SECRET_KEY, charge

GOOD = {"ENVIRONMENT": "sandbox", "SERVICE_ID": 1234, "ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}


def ids(options: dict[str, Any]) -> list[str]:
    messages = PagoEfectivoChannel.check("default", options)
    for message in messages:
        assert message.hint
        assert "'default'" in message.msg
        for key in (ACCESS_KEY, SECRET_KEY):
            assert key not in str(message)
    return [str(message.id).removeprefix("pagoefectivo.") for message in messages]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"SERVICE_ID": "1234"}, []),
        ({"ENVIRONMENT": "production"}, []),
        ({"ENVIRONMENT": "at home", "BASE_URL": "http://127.0.0.1:8800/v1/"}, []),
        ({"WEBHOOK_SECRETS": ["one", "two"]}, []),
        ({"SERVICE_ID": ""}, ["E001"]),
        ({"ACCESS_KEY": None}, ["E001"]),
        ({"SECRET_KEY": ""}, ["E001"]),
        ({"SERVICE_ID": None, "ACCESS_KEY": "", "SECRET_KEY": ""}, ["E001", "E001", "E001"]),
        ({"WEBHOOK_SECRETS": []}, ["E003"]),
        ({"WEBHOOK_SECRETS": ["one", ""]}, ["E003"]),
        ({"WEBHOOK_SECRETS": [None]}, ["E003"]),
        ({"WEBHOOK_SECRETS": "one"}, ["E003"]),
        ({"ENVIRONMENT": None}, ["E007"]),
        ({"ENVIRONMENT": "Sandbox"}, ["E007"]),
        ({"BASE_URL": "pagoefectivo"}, ["E007"]),
        ({"BASE_URL": "https://proxy.example/?a=1"}, ["E007"]),
        ({"BASE_URL": 7}, ["E007"]),
        ({"SERVICE_ID": "twelve"}, ["E007"]),
        ({"SERVICE_ID": 12.5}, ["E007"]),
        ({"SERVICE_ID": True}, ["E007"]),
        ({"SERVICE_ID": 0}, ["E007"]),
        ({"SERVICE_ID": -1}, ["E007"]),
        ({"ACCESS_KEY": ACCESS_KEY + "x"}, ["W001"]),
        ({"ACCESS_KEY": ACCESS_KEY + "\n"}, ["W001"]),
        ({"SECRET_KEY": SECRET_KEY[:-1]}, ["W001"]),
        ({"SECRET_KEY": SECRET_KEY[:-1] + "-"}, ["W001"]),
        ({"ACCESS_KEY": SECRET_KEY, "SECRET_KEY": ACCESS_KEY}, ["W001", "W001"]),
    ],
)
def test_check(changes: dict[str, Any], found: list[str]) -> None:
    assert ids(GOOD | changes) == found


def test_check_of_nothing() -> None:
    assert ids({}) == ["E001", "E001", "E001", "E007"]


@pytest.mark.parametrize(
    ("changes", "debug", "found"),
    [
        ({}, False, ["pagoefectivo.W003"]),
        ({}, True, []),
        ({"ENVIRONMENT": "production"}, False, []),
        ({"ENVIRONMENT": "production"}, True, ["pagoefectivo.W004"]),
        (
            {"ENVIRONMENT": "production", "BASE_URL": "https://pre1a.services.pagoefectivo.pe/v1"},
            False,
            ["pagoefectivo.W003"],
        ),
        ({"BASE_URL": "https://services.pagoefectivo.pe/v1/"}, True, ["pagoefectivo.W004"]),
        ({"ENVIRONMENT": None, "BASE_URL": "http://pre.services.pagoefectivo.pe/"}, False, ["pagoefectivo.W003"]),
        ({"BASE_URL": "http://127.0.0.1:8800/v1/"}, False, ["pagoefectivo.W003"]),
        ({"ENVIRONMENT": None, "BASE_URL": "https://proxy.example/v1/"}, False, []),
        ({"ENVIRONMENT": None, "BASE_URL": "https://proxy.example/v1/"}, True, []),
    ],
)
def test_check_deploy(settings: Any, changes: dict[str, Any], debug: bool, found: list[str]) -> None:
    settings.DEBUG = debug
    messages = PagoEfectivoChannel.check_deploy("default", GOOD | changes)
    assert [message.id for message in messages] == found
    assert all(message.hint for message in messages)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "https://pre1a.services.pagoefectivo.pe/v1/"),
        ({"ENVIRONMENT": "production"}, "https://services.pagoefectivo.pe/v1/"),
        ({"BASE_URL": "http://127.0.0.1:8800/v1"}, "http://127.0.0.1:8800/v1/"),
    ],
)
def test_hosts(changes: dict[str, Any], url: str) -> None:
    assert PagoEfectivoChannel("default", GOOD | changes).base_url == url


@pytest.mark.parametrize(
    ("changes", "account"),
    [
        ({}, "pagoefectivo:sandbox:1234"),
        ({"SERVICE_ID": "01234", "ENVIRONMENT": "production"}, "pagoefectivo:production:1234"),
        ({"ENVIRONMENT": "", "BASE_URL": "http://127.0.0.1/"}, "pagoefectivo:custom:1234"),
    ],
)
def test_account(changes: dict[str, Any], account: str) -> None:
    assert PagoEfectivoChannel("default", GOOD | changes).account == account


@pytest.mark.parametrize("name", ["SERVICE_ID", "ACCESS_KEY", "SECRET_KEY", "ENVIRONMENT"])
def test_nothing_is_asked_without_an_option(name: str) -> None:
    channel = PagoEfectivoChannel("default", GOOD | {name: ""})
    with pytest.raises(Misconfigured, match=name) as caught:
        channel.issue(charge())
    assert SECRET_KEY not in str(caught.value)
