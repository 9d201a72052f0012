"""Checks of what payers are written and shown."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks

from tests.test_checks import direct

CONSOLE = {"BACKEND": "pagoefectivo_django.carriers.console.ConsoleCarrier"}
TOKEN = "made-up-sinch-token"
KEYS = {"SERVICE_PLAN_ID": "made-up", "API_TOKEN": TOKEN, "FROM": "Shop"}


def sinch(**changes: Any) -> dict[str, Any]:
    """A good setting, with options changed; None takes one away."""
    options = {name: value for name, value in (KEYS | changes).items() if value is not None}
    return {"CARRIERS": {"sms": {"BACKEND": "pagoefectivo_django.carriers.sinch.SinchCarrier", "OPTIONS": options}}}


def found(*, deploy: bool = False) -> dict[str, str]:
    messages = run_checks(tags=["pagoefectivo"], include_deployment_checks=deploy)
    assert all(message.hint for message in messages)
    assert not [message for message in messages if TOKEN in str(message)]
    return {str(message.id).removeprefix("pagoefectivo."): str(message.msg) for message in messages}


@pytest.mark.parametrize(
    "setting",
    [
        {"MESSAGES": []},
        {"MESSAGES": {"paid"}},
        {"MESSAGES": ("created", "reminder", "paid", "expired", "in_review", "refund_account", "refunded")},
        {"CARRIERS": {"screen": CONSOLE}},
        {"PUBLIC_URL": "https://shop.example/"},
        {"PUBLIC_URL": "http://127.0.0.1:8000"},
        sinch(),
        sinch(REGION="eu"),
        sinch(REGION="mars", BASE_URL="http://127.0.0.1:1"),
        {"LIMITS": {"PEN": (Decimal("1"), Decimal("2000")), "USD": [Decimal("1"), Decimal("1")]}},
        {"WAYS": {}},
        {"WAYS": {"wallet": [], "cash": ["Tambo", ("BCP", "02186"), ["Kasnet", ""]], "online": ("BCP",)}},
    ],
)
def test_what_works_is_silent(settings: Any, setting: dict[str, Any]) -> None:
    settings.PAGOEFECTIVO = direct() | setting
    assert found() == {}


@pytest.mark.parametrize(
    ("id", "setting", "said"),
    [
        ("E008", {"MESSAGES": ("payed",)}, "MESSAGES"),
        ("E008", {"MESSAGES": "paid"}, "MESSAGES"),
        ("E008", {"MESSAGES": None}, "MESSAGES"),
        ("E008", {"MESSAGES": 7}, "MESSAGES"),
        ("E008", {"MESSAGES": [["paid"]]}, "MESSAGES"),
        ("E002", {"CARRIERS": {"sms": {"BACKEND": "no.such.Backend"}}}, "sms"),
        ("E002", {"CARRIERS": {"sms": {"BACKEND": "datetime.datetime"}}}, "sms"),
        ("E002", {"CARRIERS": {"sms": {}}}, "sms"),
        ("E002", {"CARRIERS": {"sms": "sinch"}}, "sms"),
        ("E008", {"CARRIERS": ["sms"]}, "CARRIERS"),
        ("E001", sinch(SERVICE_PLAN_ID=None), "SERVICE_PLAN_ID"),
        ("E001", sinch(API_TOKEN=""), "API_TOKEN"),
        ("E001", sinch(FROM=None), "FROM"),
        ("E007", sinch(REGION="mars"), "REGION"),
        ("E008", {"LIMITS": {"EUR": (Decimal(1), Decimal(2))}}, "LIMITS"),
        ("E008", {"LIMITS": {"PEN": (1.5, 2.5)}}, "LIMITS"),
        ("E008", {"LIMITS": {"PEN": (Decimal("1.005"), Decimal(9))}}, "LIMITS"),
        ("E008", {"LIMITS": {"PEN": (Decimal(1), Decimal("1e30"))}}, "LIMITS"),
        ("E008", {"PUBLIC_URL": None}, "PUBLIC_URL"),
        ("E008", {"PUBLIC_URL": "shop.example"}, "PUBLIC_URL"),
        ("E008", {"PUBLIC_URL": "https://shop.example/shop"}, "PUBLIC_URL"),
        ("E008", {"LIMITS": {"PEN": (Decimal(2), Decimal(1))}}, "LIMITS"),
        ("E008", {"LIMITS": {"PEN": (Decimal(-1), Decimal(1))}}, "LIMITS"),
        ("E008", {"LIMITS": {"PEN": (Decimal(1), Decimal("Infinity"))}}, "LIMITS"),
        ("E008", {"LIMITS": {"PEN": (Decimal(1),)}}, "LIMITS"),
        ("E008", {"LIMITS": {"PEN": Decimal(1)}}, "LIMITS"),
        ("E008", {"LIMITS": [Decimal(1)]}, "LIMITS"),
        ("E008", {"WAYS": {"barter": ["Tambo"]}}, "WAYS"),
        ("E008", {"WAYS": ["Tambo"]}, "WAYS"),
        ("E008", {"WAYS": {"cash": "Tambo"}}, "WAYS"),
        ("E008", {"WAYS": {"cash": [("BCP", "02186", "x")]}}, "WAYS"),
        ("E008", {"WAYS": {"cash": [("BCP", 2186)]}}, "WAYS"),
        ("E008", {"WAYS": {"cash": [""]}}, "WAYS"),
        ("E008", {"WAYS": {"cash": [()]}}, "WAYS"),
        ("E008", {"WAYS": {"cash": [7]}}, "WAYS"),
    ],
)
def test_what_cannot_work_is_told(settings: Any, id: str, setting: dict[str, Any], said: str) -> None:
    settings.PAGOEFECTIVO = direct() | setting
    assert list(found()) == [id]
    assert said in found()[id]


def test_mails_without_a_link(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "pay@shop.example"
    settings.PAGOEFECTIVO = direct()
    assert "W006" in found(deploy=True)
    assert "W006" not in found()
    settings.PAGOEFECTIVO = direct() | {"PUBLIC_URL": "https://shop.example"}
    assert "W006" not in found(deploy=True)
    settings.PAGOEFECTIVO = direct() | {"MESSAGES": ()}
    assert "W006" not in found(deploy=True)


def test_mails_from_nobody(settings: Any) -> None:
    settings.PAGOEFECTIVO = direct() | {"PUBLIC_URL": "https://shop.example"}
    settings.DEFAULT_FROM_EMAIL = "webmaster@localhost"
    assert "W007" in found(deploy=True)
    assert "W007" not in found()
    settings.PAGOEFECTIVO = direct() | {"MESSAGES": ()}
    assert "W007" not in found(deploy=True)
    settings.PAGOEFECTIVO = direct()
    settings.DEFAULT_FROM_EMAIL = "The Shop <pay@shop.example>"
    assert "W007" not in found(deploy=True)
