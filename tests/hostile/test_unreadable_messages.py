"""Kind 12: what can't be read is told as that, and what is silent is not told as well."""

from __future__ import annotations

import gzip
import io
import json
from datetime import timedelta
from typing import Any

import environ
import pytest
from django.core.checks import run_checks
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.carriers.sinch import SinchCarrier
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.conf import SETTINGS, from_env
from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.flows.reports.health import waiting
from pagoefectivo_django.models import Cip, Delivery, Discrepancy, Heartbeat, Notification, Refusal
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.testing import pay
from tests.factories.messages import SECRET, paid, post
from tests.factories.orders import make
from tests.reading import first_page

pytestmark = [pytest.mark.usefixtures("pagoefectivo_memory"), pytest.mark.django_db(transaction=True)]

DIRECT = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
MEMORY = "pagoefectivo_django.channels.memory.MemoryChannel"
SINCH = "pagoefectivo_django.carriers.sinch.SinchCarrier"
CONSOLE = "pagoefectivo_django.carriers.console.ConsoleCarrier"
KEYS = {
    "SERVICE_ID": 1234,
    "ACCESS_KEY": "EXAMPLEACCESSKEY0001",
    "SECRET_KEY": "ExampleSecretKey00000000000000000000/+01",
}
LIVE = KEYS | {"ENVIRONMENT": "production"}


class Pieces(io.BytesIO):
    """What a server gives a body by that comes in pieces: less at once than is asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 7) if size and size > 0 else size)


def chunked(body: bytes, *, terminated: bool = True, **more: Any) -> int:
    """Send a body without its length, as gunicorn hands it to Django, and return the answer's status."""
    told: list[str] = []
    asked = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/pay/webhooks/default/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_PE_SIGNATURE": MemoryChannel.sign(body, SECRET),
        "CONTENT_TYPE": "application/json",
        "wsgi.input": Pieces(body),
        "wsgi.input_terminated": terminated,
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    } | more
    answer = WSGIHandler()(asked, lambda status, headers, error=None: told.append(status))  # type: ignore[arg-type]
    b"".join(answer)
    return int(told[0][:3])


def refused() -> dict[str, int]:
    return dict(Refusal.objects.values_list("reason", "count"))


def test_a_message_in_pieces_is_read() -> None:
    order = make()
    assert chunked(paid(order)) == 200
    order.refresh_from_db()
    assert order.state == "paid"
    assert chunked(b"[" + b" " * 64 * 1024 + b"]") == 413
    assert chunked(b"{}", HTTP_PE_SIGNATURE="0" * 64) == 403
    assert refused() == {"too_large": 1, "unproven": 1}


def test_where_the_server_does_not_say_its_end_the_sender_is_told() -> None:
    assert chunked(paid(make()), terminated=False) == 411
    assert refused() == {"no_length": 1}


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "gzip, identity"])
def test_a_packed_body_is_no_forgery(coding: str) -> None:
    body = paid(make())
    headers = {"PE-Signature": MemoryChannel.sign(body, SECRET), "Content-Encoding": coding}
    packed = gzip.compress(body)
    assert Client().post("/pay/webhooks/default/", packed, "application/json", headers=headers).status_code == 415
    assert refused() == {"encoding": 1}
    headers["Content-Encoding"] = "identity"
    assert Client().post("/pay/webhooks/default/", body, "application/json", headers=headers).status_code == 200


@pytest.mark.parametrize("coding", ["utf-8", "UTF-8", "gzip", "text/plain", "8bit"])
def test_a_proven_message_is_read_whatever_a_header_says_of_its_packing(coding: str) -> None:
    """What a client calls "utf-8", or a proxy unpacked on the way and forgot to say so."""
    order = make()
    body = paid(order)
    headers = {"PE-Signature": MemoryChannel.sign(body, SECRET), "Content-Encoding": coding}
    assert Client().post("/pay/webhooks/default/", body, "application/json", headers=headers).status_code == 200
    order.refresh_from_db()
    assert (order.state, refused()) == ("paid", {})


def test_a_length_that_is_no_number_is_not_too_large() -> None:
    assert chunked(b"{}", CONTENT_LENGTH="many") == 400
    assert refused() == {}


def test_a_channel_that_cannot_be_used_asks_for_the_message_again(settings: Any) -> None:
    settings.PAGOEFECTIVO = {"CHANNELS": {"default": {"BACKEND": "no.such.Backend"}}}
    assert Client().post("/pay/webhooks/default/", b"{}", "application/json").status_code == 503


def test_a_body_that_breaks_off_is_no_forgery() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the client is gone")

    more: dict[str, Any] = {"wsgi.input": Broken()}
    assert chunked(b"{}", terminated=True, **more) == 400
    assert refused() == {}


def test_the_address_works_without_its_last_slash() -> None:
    order = make()
    body = paid(order)
    headers = {"PE-Signature": MemoryChannel.sign(body, SECRET)}
    answer = Client().post("/pay/webhooks/default", body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    order.refresh_from_db()
    assert order.state == "paid"


@pytest.mark.parametrize(
    ("proxies", "address", "hops", "status"),
    [
        (["unix"], "", "198.51.100.7", 200),
        (["10.0.0.0/8"], "", "198.51.100.7, 10.0.0.3", 200),
        (["unix"], "", "198.51.100.7, 203.0.113.1", 403),
        (["unix"], "", "", 403),
        ([], "", "198.51.100.7", 503),
        (["unix"], "203.0.113.1", "198.51.100.7", 403),
        (["unix"], "198.51.100.7", "", 200),
    ],
)
def test_listed_sources_behind_a_unix_socket(
    settings: Any, proxies: list[str], address: str, hops: str, status: int
) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {
        "WEBHOOK_ALLOWED_NETWORKS": ["198.51.100.0/24"],
        "TRUSTED_PROXIES": proxies,
    }
    body = b'{"fact": "payment", "code": "1"}'
    headers = {"PE-Signature": MemoryChannel.sign(body, SECRET)} | ({"X-Forwarded-For": hops} if hops else {})
    client = Client(REMOTE_ADDR=address)
    answer = client.post("/pay/webhooks/default/", body, content_type="application/json", headers=headers)
    assert answer.status_code == status


# Settings.


def ids(setting: dict[str, Any], settings: Any, deploy: bool = False) -> list[str]:
    settings.PAGOEFECTIVO = setting
    found = run_checks(tags=["pagoefectivo"], include_deployment_checks=deploy)
    return [str(message.id).removeprefix("pagoefectivo.") for message in found]


def direct(**options: Any) -> dict[str, Any]:
    return {"CHANNELS": {"default": {"BACKEND": DIRECT, "OPTIONS": LIVE | options}}, "MESSAGES": ()}


FORMAT: dict[str, Any] = {"KIND": "sales", "COLUMNS": {"code": "CIP", "gross": "Monto"}}
#: Where a dictionary of settings stands, and the names that are read of it.
LEVELS: dict[str, tuple[Any, list[str]]] = {
    "PAGOEFECTIVO": (lambda key: {key: 1}, list(SETTINGS)),
    "a channel": (
        lambda key: {"CHANNELS": {"default": {"BACKEND": DIRECT, "OPTIONS": LIVE, key: 1}}},
        ["BACKEND", "OPTIONS"],
    ),
    "the direct channel's OPTIONS": (lambda key: direct(**{key: 1}), list(PagoEfectivoChannel.option_names)),
    "a MemoryChannel's OPTIONS": (
        lambda key: {"CHANNELS": {"default": {"BACKEND": MEMORY, "OPTIONS": {"WEBHOOK_SECRETS": ["x"], key: 1}}}},
        list(MemoryChannel.option_names),
    ),
    "a carrier": (lambda key: {"CARRIERS": {"sms": {"BACKEND": CONSOLE, key: 1}}}, ["BACKEND", "OPTIONS"]),
    "Sinch's OPTIONS": (
        lambda key: {"CARRIERS": {"sms": {"BACKEND": SINCH, "OPTIONS": {key: 1}}}},
        list(SinchCarrier.option_names),
    ),
    "the console's OPTIONS": (lambda key: {"CARRIERS": {"sms": {"BACKEND": CONSOLE, "OPTIONS": {key: 1}}}}, ["COLOUR"]),
    "a statement": (lambda key: {"STATEMENTS": {"bank": FORMAT | {key: 1}}}, list(FORMAT)),
    "a contract": (lambda key: {"FEES": {"PEN": [{key: 1}]}}, ["SINCE", "BANDS", "ROUNDING"]),
    "LIMITS": (lambda key: {"LIMITS": {key: 1}}, ["PEN"]),
    "WAYS": (lambda key: {"WAYS": {key: []}}, ["wallet"]),
    "ROUTES": (lambda key: {"ROUTES": {key: ["default"]}}, ["PEN"]),
}


@pytest.mark.parametrize(("make", "known"), LEVELS.values(), ids=LEVELS)
def test_every_key_misspelled_is_an_error(settings: Any, make: Any, known: list[str]) -> None:
    for name in known:
        for wrong in (name[:-1], name + "S", name[0] + name[2:], name + "_"):
            if wrong in known or not wrong:
                continue
            settings.PAGOEFECTIVO = direct() | make(wrong)
            found = [message for message in run_checks(tags=["pagoefectivo"]) if wrong in str(message.msg)]
            assert found, wrong
            assert all(message.is_serious() for message in found)


@pytest.mark.parametrize(
    ("wrong", "near"), [("WEBHOOK_SECRET", "WEBHOOK_SECRETS"), ("TIMEOUTS", "TIMEOUT"), ("service_id", "SERVICE_ID")]
)
def test_the_nearest_name_is_told(settings: Any, wrong: str, near: str) -> None:
    settings.PAGOEFECTIVO = direct(**{wrong: 1})
    (found,) = run_checks(tags=["pagoefectivo"])
    assert wrong in str(found.msg)
    assert near in str(found.hint)


def test_prod_is_not_production(settings: Any) -> None:
    assert ids(direct(ENVIRONMENT="prod"), settings) == ["E007"]
    assert ids(direct(ENVIRONMENT="prod", BASE_URL="https://services.pagoefectivo.pe/v1/"), settings) == ["E007"]


def test_blanks_around_secrets_are_none_of_them(settings: Any) -> None:
    env = environ.Env()
    env.ENVIRON = {
        "PAGOEFECTIVO_WEBHOOK_SECRETS": " new, old ,",
        "PAGOEFECTIVO_SERVICE_ID": " 1234\n",
        "PAGOEFECTIVO_SECRET_KEY": f"{KEYS['SECRET_KEY']}\n",
    }
    setting = from_env(env)
    options = setting["CHANNELS"]["default"]["OPTIONS"]
    assert options["WEBHOOK_SECRETS"] == ["new", "old"]
    assert options["SECRET_KEY"] == KEYS["SECRET_KEY"]
    assert ids(setting, settings) == ["E001"]  # the access key: told, and no traceback
    assert ids(direct(WEBHOOK_SECRETS=["new", " old"]), settings) == ["E003"]


@pytest.mark.parametrize("proxies", [["0.0.0.0/0"], ["::/0"], ["10.0.0.1", "0.0.0.0/1"], ["::/1", "8000::/1"]])
def test_proxies_that_hold_everybody(settings: Any, proxies: list[str]) -> None:
    assert "E009" in ids(
        direct() | {"WEBHOOK_ALLOWED_NETWORKS": ["198.51.100.0/24"], "TRUSTED_PROXIES": proxies}, settings
    )
    assert (
        ids(
            direct() | {"WEBHOOK_ALLOWED_NETWORKS": ["198.51.100.0/24"], "TRUSTED_PROXIES": ["10.0.0.0/8", "unix"]},
            settings,
        )
        == []
    )


@pytest.mark.parametrize(
    ("setting", "id"),
    [
        (direct(BASE_URL="http://services.pagoefectivo.pe/v1/"), "E012"),
        (direct(BASE_URL="http://proxy.example/v1/"), "E012"),
        (direct(BASE_URL="http://127.0.0.1:8800/v1/"), "W003"),
        (direct(BASE_URL="https://localhost/v1/"), "W003"),
        (direct(WEBHOOK_SECRETS=["x"]), "E013"),
        ({"CHANNELS": {"default": {"BACKEND": MEMORY, "OPTIONS": {"WEBHOOK_SECRETS": [SECRET]}}}}, "E011"),
        (direct() | {"CARRIERS": {"sms": {"BACKEND": CONSOLE}}}, "W008"),
        (
            {
                "CHANNELS": {
                    "soles": {"BACKEND": DIRECT, "OPTIONS": LIVE},
                    "dollars": {"BACKEND": DIRECT, "OPTIONS": LIVE | {"SERVICE_ID": 1235}},
                },
            },
            "E014",
        ),
    ],
)
def test_what_is_wrong_in_production(settings: Any, setting: dict[str, Any], id: str) -> None:
    settings.DEBUG = False
    assert id in ids(setting, settings, deploy=True)
    assert not {"E011", "E012", "E013", "E014", "W003", "W008"} & {*ids(direct(), settings, deploy=True)}


def test_two_aliases_of_one_account_may_share_its_secret(settings: Any) -> None:
    both = {"BACKEND": DIRECT, "OPTIONS": LIVE}
    assert "E014" not in ids({"CHANNELS": {"a": both, "b": both}}, settings, deploy=True)


def test_nobody_hears(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.shop"
    assert "W009" in ids(direct(), settings, deploy=True)


def test_nobody_listens(settings: Any) -> None:
    """Our own mail to the payer is no shop that ships."""
    assert "W010" not in ids(direct(), settings, deploy=True)
    before = dict(payment_confirmed.by_name)
    payment_confirmed.by_name.clear()
    payment_confirmed.connect(
        "pagoefectivo_django.flows.messages.inform.mail_payer", dispatch_uid="pagoefectivo.mail.paid"
    )
    try:
        assert "W010" in ids(direct(), settings, deploy=True)
        assert "W010" not in ids(direct(), settings)
    finally:
        payment_confirmed.disconnect(dispatch_uid="pagoefectivo.mail.paid")
        payment_confirmed.by_name.update(before)


# The first page.


def test_the_first_page_says_what_is_wrong(admin_client: Client, settings: Any) -> None:
    now = timezone.now()
    Heartbeat.objects.create(name="tick", beaten_at=now)
    order = pay(make())
    assert "nothing that we know of" in first_page(admin_client)
    delivery = Delivery.objects.filter(event__order=order).order_by("pk")[0]
    late = now + timedelta(hours=30)
    rows = Delivery.objects.filter(pk=delivery.pk)
    rows.update(delivered_at=None, attempts=35, retry_at=late, last_error="OSError: no", receiver="shop.ship")
    assert waiting().failing == ["shop.ship"]
    rows.update(delivered_at=now, retry_at=None)
    refund_order(order, None, actor="rosa", reason="too small")
    assert "1 refund is open" in first_page(admin_client)
    make("SHOP-2")
    account = Cip.objects.order_by("-pk")[0].account
    entry = {"BACKEND": MEMORY, "OPTIONS": {"WEBHOOK_SECRETS": [SECRET], "NAME": "another"}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": entry}}
    assert f"{account} is not set any more, and has open codes" in first_page(admin_client)


def test_nothing_of_a_refused_message_is_kept() -> None:
    chunked(json.dumps({"a": 1}).encode(), terminated=False)
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    "twice", ['"amount": "1.00"', '"code": "1"', '"fact": "payment_reversed"', '"currency": "USD"']
)
@pytest.mark.parametrize("first", [True, False])
def test_a_proven_message_that_says_two_things_is_a_person_s(twice: str, first: bool) -> None:
    """Which of both counts is each reader's own choice; the same thing said twice is one thing."""
    order = make()
    text = paid(order).decode()
    both = f"{{{twice}, {text[1:]}" if first else f"{text[:-1]}, {twice}}}"
    assert post(both.encode()).status_code == 200
    order.refresh_from_db()
    assert (order.state, Discrepancy.objects.get().kind) == ("pending", "unprocessed")
    same = text[:-1] + f', "code": "{order.code}"}}'
    assert post(same.encode()).status_code == 200
    order.refresh_from_db()
    assert order.state == "paid"
