"""Kind 12: a setting of a wrong type, at whatever level, is an error of a check: no traceback, and never silence."""

# ruff: noqa: E501

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import environ
import pytest
from django.core.checks import run_checks
from django.test import Client

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.base import Incoming
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.checks import _heard
from pagoefectivo_django.conf import SETTINGS, from_env
from pagoefectivo_django.errors import InvalidSignature
from pagoefectivo_django.models import Notification, Refusal
from pagoefectivo_django.signals import payment_confirmed
from tests.factories.messages import SECRET, paid
from tests.factories.orders import make

from .test_unreadable_messages import CONSOLE, DIRECT, LIVE, MEMORY, SINCH, direct

#: Values of every type that somebody may write by mistake.
VALUES: dict[str, Any] = {
    "None": None,
    "True": True,
    "a text": "x",
    "an empty text": "",
    "a number": 7,
    "a negative number": -7,
    "a float": 1.5,
    "NaN": Decimal("NaN"),
    "a list": ["x"],
    "a list of None": [None],
    "a list of numbers": [1],
    "a tuple of pairs": (("a", 1),),
    "a set": {"x"},
    "a dictionary": {"x": 1},
    "a dictionary of None": {"PEN": None},
    "a dictionary of lists": {"PEN": [None]},
    "a dictionary of dictionaries": {"PEN": {"x": {}}},
    "numbers as keys": {1: 1},
    "bytes": b"x",
    "a duration": timedelta(days=-1),
    "a class": object,
    "an object": object(),
    "a function": len,
}
#: Where a value can stand.
PLACES: dict[str, Any] = {
    **{name: (lambda value, name=name: direct() | {name: value}) for name in SETTINGS if name != "CHANNELS"},
    "PAGOEFECTIVO": lambda value: value,
    "CHANNELS": lambda value: {"CHANNELS": value},
    "a channel": lambda value: {"CHANNELS": {"default": value}},
    "BACKEND": lambda value: {"CHANNELS": {"default": {"BACKEND": value}}},
    "OPTIONS": lambda value: {"CHANNELS": {"default": {"BACKEND": DIRECT, "OPTIONS": value}}},
    "OPTIONS of memory": lambda value: {"CHANNELS": {"default": {"BACKEND": MEMORY, "OPTIONS": value}}},
    "secrets of memory": lambda value: {
        "CHANNELS": {"default": {"BACKEND": MEMORY, "OPTIONS": {"WEBHOOK_SECRETS": value}}}
    },
    **{
        f"OPTIONS[{name!r}]": (lambda value, name=name: direct(**{name: value}))
        for name in (*LIVE, "BASE_URL", "WEBHOOK_SECRETS", "TIMEOUT", "REQUEST_ID_HEADER", "ADMIN_EMAIL")
    },
    "a carrier": lambda value: direct() | {"CARRIERS": {"sms": value}},
    "BACKEND of a carrier": lambda value: direct() | {"CARRIERS": {"sms": {"BACKEND": value}}},
    "OPTIONS of a carrier": lambda value: direct() | {"CARRIERS": {"sms": {"BACKEND": SINCH, "OPTIONS": value}}},
    "OPTIONS of the console": lambda value: direct() | {"CARRIERS": {"sms": {"BACKEND": CONSOLE, "OPTIONS": value}}},
    "a route": lambda value: direct() | {"ROUTES": {"PEN": value}},
    "a limit": lambda value: direct() | {"LIMITS": {"PEN": value}},
    "a way": lambda value: direct() | {"WAYS": {"cash": value}},
    "a contract": lambda value: direct() | {"FEES": {"PEN": [value]}},
    "bands": lambda value: direct() | {"FEES": {"PEN": [{"SINCE": None, "BANDS": value}]}},
    "a statement": lambda value: direct() | {"STATEMENTS": {"bank": value}},
    "columns": lambda value: direct() | {"STATEMENTS": {"bank": {"KIND": "sales", "COLUMNS": value}}},
    "a column": lambda value: (
        direct() | {"STATEMENTS": {"bank": {"KIND": "sales", "COLUMNS": {"code": value, "gross": "Monto"}}}}
    ),
    "the kind of a statement": lambda value: (
        direct() | {"STATEMENTS": {"bank": {"KIND": value, "COLUMNS": {"code": "CIP", "gross": "Monto"}}}}
    ),
    "a source": lambda value: direct() | {"WEBHOOK_ALLOWED_NETWORKS": [value], "TRUSTED_PROXIES": []},
    "a proxy": lambda value: direct() | {"WEBHOOK_ALLOWED_NETWORKS": ["10.0.0.1"], "TRUSTED_PROXIES": [value]},
}
#: What may be written, and does what it says.
RIGHT = {
    ("ORDER_LINK", "None"),
    ("ROUTES", "None"), ("WAYS", "None"), ("STAFF_ALERTS", "None"), ("CONTENT_SECURITY_POLICY", "None"), ("TRUSTED_PROXIES", "None"),
    ("CONTENT_SECURITY_POLICY", "a text"), ("CONTENT_SECURITY_POLICY", "an empty text"), ("PUBLIC_URL", "an empty text"),
    ("PAYER_MAY_RENEW", "True"), ("REFUND_FOUR_EYES", "True"), ("BATCH_SIZE", "a number"), ("SEARCHES_PER_MINUTE", "a number"),
    ("SETTLED_WITHIN", "a number"), ("a column", "a text"), ("a column", "a list"), ("a way", "a list"),
    ("secrets of memory", "a list"), ("OPTIONS['SERVICE_ID']", "a number"), ("OPTIONS['TIMEOUT']", "a number"),
    ("OPTIONS['TIMEOUT']", "a float"),
}  # fmt: skip
#: What is sent or shown as it is, or stands for nothing.
ANYTHING = (
    "OPTIONS['ADMIN_EMAIL']",
    "OPTIONS['BASE_URL']",
    "OPTIONS['REQUEST_ID_HEADER']",
    "OPTIONS['WEBHOOK_SECRETS']",
    "OSCAR_STATUSES",  # judged where contrib.oscar is installed
)


@pytest.mark.parametrize("place", PLACES)
def test_a_value_of_any_type_is_judged_without_a_traceback(settings: Any, place: str) -> None:
    silent = []
    for kind, value in VALUES.items():
        settings.PAGOEFECTIVO = PLACES[place](value)
        found = run_checks(tags=["pagoefectivo"])
        run_checks(tags=["pagoefectivo"], include_deployment_checks=True)
        if not found and (place, kind) not in RIGHT:
            silent.append(kind)
    assert place in ANYTHING or silent == [], place


@pytest.mark.parametrize(
    "wrong",
    [{"WEBHOOK_ALLOWED_NETWORKS": "203.0.113.0/24", "TRUSTED_PROXIES": []}, {"WEBHOOK_ALLOWED_NETWORKS": ["203.0.113.0/24"], "TRUSTED_PROXIES": "10.0.0.0/8"},
     {"WEBHOOK_ALLOWED_NETWORKS": ["203.0.113.0/24"], "TRUSTED_PROXIES": "unix"}, {"PAYER_MAY_RENEW": "False"}, {"FEE_TOLERANCE": Decimal("NaN")},
     {"CONTENT_SECURITY_POLICY": "default-src 'self';\n img-src *"}, {"CARRIERS": {"sms": {"BACKEND": SINCH, "OPTIONS": None}}},
     {"PUBLIC_URL": "shop.example"}, {"PUBLIC_URL": "https://shop.example/pay"}, {"STAFF_ALERTS": "rosa@shop.example"},
     {"TEXT_COUNTRIES": "PE"}, {"TEXT_COUNTRIES": ["Peru"]}, {"MESSAGES": "paid"}, {"ROUTES": {"PEN": "default"}},
     {"CHANNELS": {"a/b": {"BACKEND": DIRECT, "OPTIONS": LIVE}}}, {"CHANNELS": {7: {"BACKEND": DIRECT, "OPTIONS": LIVE}}},
     {"CHANNELS": {"x" * 61: {"BACKEND": DIRECT, "OPTIONS": LIVE}}}, {"CHANNELS": {"": {"BACKEND": DIRECT, "OPTIONS": LIVE}}}],
    ids=str,
)  # fmt: skip
def test_what_looks_right_and_means_another(settings: Any, wrong: dict[str, Any]) -> None:
    settings.PAGOEFECTIVO = direct() | wrong
    assert [message for message in run_checks(tags=["pagoefectivo"]) if message.is_serious()]


def contract(**columns: Any) -> dict[str, Any]:
    width = {"WIDTH": columns.pop("WIDTH")} if "WIDTH" in columns else {}
    return {"STATEMENTS": {"bank": {"KIND": "sales", "COLUMNS": columns} | width}}


@pytest.mark.parametrize(
    "wrong",
    [*({"PUBLIC_URL": url} for url in (
        "https://shop.example:99999", "https://shop.example:abc", "https://user:password@shop.example", "https://.", "https://[::1",
        "https://-", "https://@", "https://shop.example\\x", 'https://"><script>', "https://*.shop.example", "https://a..b")),
     *({"STAFF_ALERTS": [one]} for one in ("@", "a@b.pe\nBcc: x@y.pe", "a@b.pe, c@d.pe", "a@b@c.pe", "Rosa", "<a@b.pe> Rosa")),
     {"TEXT_COUNTRIES": ["UK"]}, {"TEXT_COUNTRIES": ["PE", "ZZ"]}, {"ROUTES": {}},
     {"WEBHOOK_ALLOWED_NETWORKS": ["203.0.113.5"], "TRUSTED_PROXIES": ["::ffff:0:0/96"]}, {"IGV": [(date(2011, 3, 1), Decimal("0.18"))]},
     {"CONTENT_SECURITY_POLICY": "default-src 'self' https://tienda-\u0144.pe"},
     contract(code="CIP", gross="cip "), contract(code="---", gross="Monto"), contract(code=1, gross=1),
     contract(code=1, gross=9, WIDTH=5), contract(code=1, gross=2, WIDTH=-5)],
    ids=str,
)  # fmt: skip
def test_what_looks_right_and_can_not_work(settings: Any, wrong: dict[str, Any]) -> None:
    settings.PAGOEFECTIVO = direct() | wrong
    assert [message for message in run_checks(tags=["pagoefectivo"]) if message.is_serious()]


@pytest.mark.parametrize(
    "right",
    [*({"PUBLIC_URL": url} for url in (
        "https://shop.example", "https://shop.example/", "http://127.0.0.1:8000", "http://[::1]:8000", "https://\u00f1and\u00fa.pe",
        "http://localhost:8000", "https://xn--and-6ma2c.pe", "http://shop_web:8000")),
     *({"STAFF_ALERTS": [one]} for one in ("a@b.pe", "Rosa <a@b.pe>", '"Quispe, Rosa" <a@b.pe>', "root@localhost", "a+x@mail-1")),
     {"TEXT_COUNTRIES": ["GB", "VE", "PE"]}, {"TEXT_COUNTRIES": []}, {"ROUTES": {"USD": ["default"]}},
     {"WEBHOOK_ALLOWED_NETWORKS": ["::ffff:203.0.113.5"], "TRUSTED_PROXIES": ["::ffff:10.0.0.0/104"]},
     {"IGV": [(date(2011, 3, 1), Decimal(18)), (date(2027, 1, 1), Decimal(0))]}, contract(code=1, gross=9, WIDTH=9)],
    ids=str,
)  # fmt: skip
def test_what_is_right_is_not_complained_of(settings: Any, right: dict[str, Any]) -> None:
    settings.PAGOEFECTIVO = direct() | right
    assert run_checks(tags=["pagoefectivo"]) == []


@pytest.mark.parametrize(
    "wrong",
    [*({"ADMIN_EMAIL": one} for one in (7, "ventas", "ventas@shop", "a@b.pe, c@d.pe", "Rosa <a@b.pe>", "a@b.pe\n", "x" * 200 + "@b.pe")),
     *({"REQUEST_ID_HEADER": one} for one in ("Authorization", "Content-Length", "HOST", "content-type", "Origin")),
     *({"BASE_URL": one} for one in ("https://user:password@a.pe/v1/", "https://a.pe:99999/v1/", "https://a b.pe/v1/", "https://a.pe/?x")),
     *({"TRANSACTION_CODE_PREFIX": one} for one in (None, True, b"Q", ["Q"])),
     *({"BATCH_SIZE": one} for one in (0, 1001, True, "100", None)), {"SEARCHES_PER_MINUTE": 0.5},
     *({"WEBHOOK_SECRETS": [one]} for one in (
        "\ud800" * 20, "\udcff" + "x" * 20, "x" * 20 + "\u200b", "\ufeff" + "x" * 20))],
    ids=repr,
)  # fmt: skip
def test_an_option_that_can_not_work(settings: Any, wrong: dict[str, Any]) -> None:
    settings.PAGOEFECTIVO = direct(**wrong)
    assert [message.id for message in run_checks(tags=["pagoefectivo"])] in (
        ["pagoefectivo.E007"],
        ["pagoefectivo.E003"],
    )
    run_checks(tags=["pagoefectivo"], include_deployment_checks=True)


@pytest.mark.parametrize(
    "wrong",
    [{"API_TOKEN": b"token"}, {"API_TOKEN": " token"}, {"API_TOKEN": "token\n"}, {"API_TOKEN": ["token"]}, {"FROM": "Tienda\u200b"},
     {"SERVICE_PLAN_ID": True}, {"BASE_URL": "sms.example"}, {"BASE_URL": "https://user:password@sms.example"}, {"BASE_URL": 7}],
    ids=ascii,
)  # fmt: skip
def test_an_option_of_a_carrier_that_can_not_work(settings: Any, wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"SERVICE_PLAN_ID": "plan", "API_TOKEN": "token", "FROM": 51999888777}
    for options, found in ((good, []), (good | wrong, ["pagoefectivo.E007"])):
        settings.PAGOEFECTIVO = direct() | {"CARRIERS": {"sms": {"BACKEND": SINCH, "OPTIONS": options}}}
        assert [message.id for message in run_checks(tags=["pagoefectivo"])] == found


@pytest.mark.parametrize("name", ["SECRET_KEY", "ACCESS_KEY"])
def test_a_key_that_is_no_text_is_told_and_refuses_messages(settings: Any, name: str) -> None:
    """As Python reads an environment variable that is no UTF-8."""
    settings.PAGOEFECTIVO = direct(**{name: "caf\udce9" * 5})
    assert "pagoefectivo.W001" in [
        str(one.id) for one in run_checks(tags=["pagoefectivo"], include_deployment_checks=True)
    ]
    with pytest.raises(InvalidSignature):
        get_channel("default").verify(Incoming(b"{}", {"PE-Signature": "0" * 64}))


# The webhook: other ways to send the same.


def sent(body: bytes, *, path: str = "/pay/webhooks/default/", **more: Any) -> int:
    headers = {"PE-Signature": MemoryChannel.sign(body, SECRET)}
    return int(Client().generic("POST", path, body, headers=headers | more.pop("headers", {}), **more).status_code)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    "kind", ["", "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded",
             "multipart/form-data; boundary=x", "APPLICATION/JSON", "nonsense", "application/json; charset=utf-16"],
)  # fmt: skip
def test_a_message_of_any_content_type_is_read(kind: str) -> None:
    order = make()
    assert sent(paid(order), content_type=kind) == 200
    order.refresh_from_db()
    assert order.state == "paid"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_a_message_with_a_mark_of_byte_order_is_read() -> None:
    order = make()
    assert sent(b"\xef\xbb\xbf" + paid(order), content_type="application/json") == 200
    order.refresh_from_db()
    assert order.state == "paid"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_another_method_changes_nothing(method: str, slash: str) -> None:
    order = make()
    assert Client().generic(method, f"/pay/webhooks/default{slash}", paid(order)).status_code == 405
    assert not Notification.objects.exists()
    assert not Refusal.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_an_address_with_a_query_or_a_name_that_nobody_has() -> None:
    order = make()
    assert sent(paid(order), path="/pay/webhooks/default?x=1", content_type="application/json") == 200
    for name in ("Default", "default%20", "défault", "x" * 300, "..", "%00"):
        assert sent(paid(order), path=f"/pay/webhooks/{name}/", content_type="application/json") == 404
    assert Refusal.objects.get().reason == "address"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"[]", b"null", b"1", b'"x"', b"{", b"{}", b'{"fact": 1}', b"\xff\xfe{\x00}\x00", b"\x00", b"{}{}"],
)
def test_a_proven_message_that_says_nothing_is_kept_for_a_person(body: bytes) -> None:
    assert sent(body, content_type="application/json") == 200
    assert Notification.objects.get().status in ("dead", "waiting")
    assert not Refusal.objects.exists()


@pytest.mark.parametrize("others", [[], ["pagoefectivo.mail.paid"], ["pagoefectivo.sms.paid", "pagoefectivo.x"]])
def test_a_shop_that_hears_of_no_payment_is_told(monkeypatch: pytest.MonkeyPatch, others: list[str]) -> None:
    monkeypatch.setattr(payment_confirmed, "by_name", dict.fromkeys(others))
    assert "pagoefectivo.W010" in _heard_ids()
    monkeypatch.setattr(payment_confirmed, "by_name", dict.fromkeys([*others, "shop.receivers.ship"]))
    assert "pagoefectivo.W010" not in _heard_ids()


def _heard_ids() -> set[str]:
    return {str(message.id) for message in _heard()}


@pytest.mark.parametrize("module", ["tests.shop", "tests.shop.models", "no.such.urls"])
def test_a_shop_whose_addresses_lead_nowhere_is_told(settings: Any, module: str) -> None:
    settings.ROOT_URLCONF = module
    assert "pagoefectivo.W009" in _heard_ids()


@pytest.mark.parametrize(
    "environment", ["PRODUCTION", "Production", " production", "prod", "PROD", "SandBox", "sand-box", "live"]
)
@pytest.mark.parametrize("base_url", ["", "https://services.pagoefectivo.pe/v1/"])
def test_production_has_one_spelling(settings: Any, environment: str, base_url: str) -> None:
    settings.PAGOEFECTIVO = direct(ENVIRONMENT=environment, **{"BASE_URL": base_url} if base_url else {})
    found = [message.id for message in run_checks(tags=["pagoefectivo"])]
    assert found == ["pagoefectivo.E007"] or (environment == "live" and base_url)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("new,old", ["new", "old"]), (" new , old ", ["new", "old"]), ("new,", ["new"]), ('"new","old"', ["new", "old"]),
        ("'new, old'", ["new", "old"]), ('["new", "old"]', ["new", "old"]), ("new\r\n", ["new"]), ("new\told", ["new\told"]),
    ],
)  # fmt: skip
def test_secrets_of_the_environment_are_what_was_meant(written: str, meant: list[str]) -> None:
    env = environ.Env()
    env.ENVIRON = {"PAGOEFECTIVO_WEBHOOK_SECRETS": written, "PAGOEFECTIVO_SECRET_KEY": '"abc"'}
    options = from_env(env)["CHANNELS"]["default"]["OPTIONS"]
    assert (options["WEBHOOK_SECRETS"], options["SECRET_KEY"]) == (meant, "abc")


@pytest.mark.parametrize("written", ["", " ", ",", " , ,", '""', "[]"])
def test_no_secret_is_none(written: str) -> None:
    env = environ.Env()
    env.ENVIRON = {"PAGOEFECTIVO_WEBHOOK_SECRETS": written}
    assert "WEBHOOK_SECRETS" not in from_env(env)["CHANNELS"]["default"]["OPTIONS"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    ("address", "status"), [("203.0.113.5", 200), ("::ffff:203.0.113.5", 200), ("203.0.114.5", 403)]
)
def test_a_source_of_ipv4_in_ipv6_s_clothes_is_that_source(settings: Any, address: str, status: int) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {
        "WEBHOOK_ALLOWED_NETWORKS": ["::ffff:203.0.113.0/120"],
        "TRUSTED_PROXIES": [],
    }
    assert sent(paid(make()), content_type="application/json", REMOTE_ADDR=address) == status
