"""Every check says what is wrong, and is silent where nothing is."""

from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.conf import settings as project
from django.core.checks import run_checks

from pagoefectivo_django.channels.base import Channel
from pagoefectivo_django.channels.built_in import built_in
from pagoefectivo_django.channels.declarations import contradictions
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.channels.options import Configured
from pagoefectivo_django.conf import MESSAGES, SHORT_MESSAGES
from pagoefectivo_django.receivers import connect_messages
from pagoefectivo_django.signals import SIGNALS, ByPath, payment_confirmed

BACKEND = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
CONSOLE = "pagoefectivo_django.carriers.console.ConsoleCarrier"
DAY = date(2026, 1, 1)
ACCESS_KEY, SECRET_KEY = "EXAMPLEACCESSKEY0001", "ExampleSecretKey00000000000000000000/+01"
KEYS = {"ENVIRONMENT": "sandbox", "SERVICE_ID": 1234, "ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}


def direct(**changes: Any) -> dict[str, Any]:
    """A good setting, with options changed; None takes one away."""
    options = {name: value for name, value in (KEYS | changes).items() if value is not None}
    return {"CHANNELS": {"default": {"BACKEND": BACKEND, "OPTIONS": options}}}


def found(deploy: bool = False) -> dict[str, str]:
    messages = run_checks(tags=["pagoefectivo"], include_deployment_checks=deploy)
    assert all(message.hint for message in messages)
    for message in messages:
        assert ACCESS_KEY not in str(message)
        assert SECRET_KEY not in str(message)
    return {str(message.id).removeprefix("pagoefectivo."): str(message.msg) for message in messages}


def test_a_good_setting_is_silent(settings: Any) -> None:
    settings.PAGOEFECTIVO = direct()
    assert found() == {}


@pytest.mark.parametrize(
    ("id", "setting"),
    [
        ("E001", {}),
        ("E001", direct(SECRET_KEY=None)),
        ("E001", direct(ACCESS_KEY="")),
        ("E001", direct(SERVICE_ID=None)),
        ("E002", {"CHANNELS": {"default": {"BACKEND": "no.such.Backend"}}}),
        ("E002", {"CHANNELS": {"default": {"BACKEND": "datetime.datetime"}}}),
        ("E002", {"CHANNELS": {"default": {}}}),
        ("E003", direct(WEBHOOK_SECRETS=[])),
        ("E003", direct(WEBHOOK_SECRETS=[""])),
        (
            "E003",
            {"CHANNELS": {"default": {"BACKEND": "pagoefectivo_django.channels.memory.MemoryChannel", "OPTIONS": {}}}},
        ),
        ("E004", direct() | {"ROUTES": {"PEN": ["nowhere"]}}),
        ("E004", direct() | {"ROUTES": {"PEN": []}}),
        ("E005", direct() | {"ROUTES": {"EUR": ["default"]}}),
        ("E007", direct(ENVIRONMENT="moon")),
        ("E007", direct(SERVICE_ID="12a4")),
        ("E007", direct(TRANSACTION_CODE_PREFIX="TIENDA-QUIPU-DE-LIMA-")),
        ("E007", direct(TRANSACTION_CODE_PREFIX="x" * 36)),
        ("E007", direct(TRANSACTION_CODE_PREFIX="tienda ñ")),
        ("E007", direct(SHARED_ACCOUNT="False")),
        ("E007", direct(MIN_AMOUNT="2.00")),
        ("E007", direct(MAX_AMOUNT=Decimal("NaN"))),
        ("E007", direct(MIN_AMOUNT=Decimal(3), MAX_AMOUNT=Decimal(2))),
        (
            "E005",
            {
                "CHANNELS": {"default": {"BACKEND": "tests.providers.linking.LinkingChannel"}},
                "ROUTES": {"USD": ["default"]},
            },
        ),
        ("E008", direct() | {"EXPIRES_AFTR": 1}),
        ("E008", direct() | {"EXPIRES_AFTER": timedelta(minutes=9)}),
        ("E008", direct() | {"GRACE": 30}),
        ("E008", direct() | {"GRACE": timedelta(days=-1)}),
        ("E008", direct() | {"GRACE": timedelta(days=8), "POLL_AFTER_EXPIRY": timedelta(days=7)}),
        ("E008", direct() | {"REMIND_BEFORE": "6h"}),
        ("E008", direct() | {"POLL_AFTER_EXPIRY": timedelta(seconds=-1)}),
        ("E008", direct() | {"POLL_AFTER_PAYMENT": 30}),
        ("E008", direct() | {"BATCH_SIZE": -5}),
        ("E008", direct() | {"SETTLED_WITHIN": -1}),
        ("E008", direct() | {"FEE_TOLERANCE": 0.01}),
        ("E008", direct() | {"FEES": {"EUR": []}}),
        ("E008", direct() | {"FEES": {"PEN": [{"SINCE": "2026", "BANDS": []}]}}),
        ("E008", direct() | {"FEES": {"PEN": [{"SINCE": DAY, "BANDS": [(None, Decimal("NaN"), Decimal(1))]}]}}),
        ("E008", direct() | {"FEES": {"PEN": [{"SINCE": DAY, "BANDS": [(Decimal(20), Decimal(1), Decimal(1))]}]}}),
        ("E008", direct() | {"IGV": [(DAY, Decimal("NaN"))]}),
        ("E008", direct() | {"IGV": 18}),
        ("E008", direct() | {"STATEMENTS": {"bank": {"KIND": "settlement", "COLUMNS": {"code": "CIP"}}}}),
        ("E008", direct() | {"BATCH_SIZE": True}),
        ("E008", direct() | {"SEARCHES_PER_MINUTE": 0}),
        ("E008", direct() | {"LATE_PAYMENTS": "perhaps"}),
        ("E008", direct() | {"ORDER_LINK": "shop.nowhere"}),
        ("E008", direct() | {"WEBHOOK_LIMIT": 0}),
        ("E008", direct() | {"WEBHOOKS": ["10.0.0.0/8"]}),
        ("E008", direct() | {"WEBHOOKS": {"ALLOWED": []}}),
        ("E008", direct() | {"WEBHOOKS": {"ALLOW": "10.0.0.0/8"}}),
        ("E008", direct() | {"WEBHOOKS": {"ALLOW": ["10.0.0.0/99"]}}),
        ("E008", direct() | {"WEBHOOKS": {"HTTP": "no"}}),
        ("W001", direct(ACCESS_KEY="short")),
        ("W001", direct(SECRET_KEY="short")),
    ],
)
def test_a_bad_setting_is_told(settings: Any, id: str, setting: dict[str, Any]) -> None:
    settings.PAGOEFECTIVO = setting
    assert id in found()


def test_two_aliases_of_one_account_have_one_key(settings: Any) -> None:
    """A code of the one would be looked up with the other's key, and be unknown there."""
    one, other = direct(), direct(ACCESS_KEY="EXAMPLEACCESSKEY0002")
    both = {"default": one["CHANNELS"]["default"], "other": other["CHANNELS"]["default"]}
    settings.PAGOEFECTIVO = {"CHANNELS": both}
    assert "'default' and 'other' are one account, pagoefectivo:sandbox:1234," in found()["E015"]
    settings.PAGOEFECTIVO = {"CHANNELS": both | {"other": both["default"]}}
    assert found() == {}


@pytest.mark.parametrize("prefix", ["", "Q-", "TIENDA-QUIPU-DE-LIMA"])
def test_a_prefix_of_transaction_codes_that_leaves_room(settings: Any, prefix: str) -> None:
    settings.PAGOEFECTIVO = direct(TRANSACTION_CODE_PREFIX=prefix)
    assert found() == {}


def test_naive_times(settings: Any) -> None:
    settings.PAGOEFECTIVO = direct()
    settings.USE_TZ = False
    assert "E006" in found()


@pytest.mark.parametrize("path", ["no.such.receiver", "tests.test_checks.no_such", "tests.test_checks.BACKEND"])
@pytest.mark.parametrize("bound", [False, True])
def test_a_receiver_whose_path_leads_nowhere(settings: Any, path: str, bound: bool) -> None:
    settings.PAGOEFECTIVO = direct()
    receiver = partial(ByPath(path), "bound") if bound else path
    payment_confirmed.connect(receiver, dispatch_uid="tests.path")
    try:
        assert list(found()) == ["E010"]
        assert "tests.path" in found()["E010"]
        assert path in found()["E010"]
    finally:
        payment_confirmed.disconnect(dispatch_uid="tests.path")


def test_our_own_receivers_are_there(settings: Any) -> None:
    settings.PAGOEFECTIVO = direct() | {"CARRIERS": {"sms": {"BACKEND": CONSOLE}}}
    before = {name: set(each.by_name) for name, each in SIGNALS.items()}
    connect_messages()
    ours = {name for each in SIGNALS.values() for name in each.by_name if name.startswith("pagoefectivo.")}
    try:
        assert len(ours) == len(MESSAGES) + len(SHORT_MESSAGES)
        assert found() == {}
    finally:
        for name, each in SIGNALS.items():
            for uid in set(each.by_name) - before[name]:
                each.disconnect(dispatch_uid=uid)


@pytest.mark.sqlite
def test_sqlite_that_does_not_begin_with_its_lock(settings: Any) -> None:
    settings.PAGOEFECTIVO = direct()
    options = project.DATABASES["default"]["OPTIONS"]
    mode = options.pop("transaction_mode")
    try:
        assert set(found()) == {"W002"}
    finally:
        options["transaction_mode"] = mode


@pytest.mark.parametrize(("debug", "environment", "id"), [(False, "sandbox", "W003"), (True, "production", "W004")])
def test_the_wrong_host(settings: Any, debug: bool, environment: str, id: str) -> None:
    settings.DEBUG = debug
    settings.PAGOEFECTIVO = direct(ENVIRONMENT=environment)
    assert id in found(deploy=True)
    assert id not in found()
    settings.DEBUG = not debug
    assert id not in found(deploy=True)


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_a_cache_of_one_process(settings: Any, backend: str) -> None:
    settings.PAGOEFECTIVO = direct()
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    assert "W005" in found(deploy=True)
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "x"}}
    assert "W005" not in found(deploy=True)


class Whole(MemoryChannel):
    """A class that declares nothing beyond what it can."""


class NoFind(Configured):
    can_find = True


class NoLook(MemoryChannel):
    can_look_up = False
    tells_reversals = True


class TwoDates(MemoryChannel):
    life = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        (Whole, []),
        (NoFind, ["declares can_find and has no method find"]),
        (NoLook, ["declares can_extend without can_look_up", "declares tells_reversals without can_look_up"]),
        (TwoDates, ["declares life"]),
    ],
)
def test_declarations_that_contradict_each_other(settings: Any, channel: type[Channel], said: list[str]) -> None:
    told = contradictions(channel)
    assert len(told) == len(said)
    assert all(sentence.startswith(begin) for sentence, begin in zip(told, said, strict=True))
    entry = {"BACKEND": f"{__name__}.{channel.__name__}", "OPTIONS": {"WEBHOOK_SECRETS": ["made-up"]}}
    settings.PAGOEFECTIVO = {"CHANNELS": {"default": entry}}
    if channel is not NoFind:  # without a provider nothing else of it can be checked
        assert ("E016" in found()) == bool(said)


@pytest.mark.parametrize("channel", built_in(), ids=lambda channel: channel.__name__)
def test_no_channel_of_ours_contradicts_itself(channel: type[Channel]) -> None:
    assert contradictions(channel) == []
