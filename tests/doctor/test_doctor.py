"""The doctor against a real server and a real sandbox: well when all is, and each illness by its name."""

import http.server
import json
import re
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as project
from django.core.management import call_command
from django.test import Client as Browser
from django.utils import timezone

from pagoefectivo_django.channels.pagoefectivo.channel import PagoEfectivoChannel
from pagoefectivo_django.doctor import STEPS, Finding, Verdict, examine
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Heartbeat, Notification, Refusal
from tests.sandbox.running import Client
from tests.serving import in_a_thread

pytestmark = pytest.mark.django_db(transaction=True)


def found(step: str) -> list[Finding]:
    return [finding for finding in examine() if finding.step.split()[0] == step]


def failed(step: str) -> str:
    """Return what a step says that failed; the others were looked at all the same."""
    findings = list(examine())
    assert {finding.step.split()[0] for finding in findings} >= {name for name, _ in STEPS} - {"carriers"}
    wrong = [one for one in findings if one.step.split()[0] == step and one.verdict == Verdict.FAILURE]
    assert wrong, findings
    assert all(one.hint for one in findings if one.verdict != Verdict.OK)
    return " ".join(f"{one.seen} {one.hint}" for one in wrong)


def rows() -> dict[str, int]:
    return {model.__name__: model._base_manager.count() for model in apps.get_app_config("pagoefectivo").get_models()}


def answering(status: int, body: bytes = b"", **headers: str) -> AbstractContextManager[str]:
    """Serve the same answer to everybody, and yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return in_a_thread(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))


def test_all_is_well(shop: Callable[..., None]) -> None:
    before = rows()
    findings = list(examine())
    assert [one for one in findings if one.verdict == Verdict.FAILURE] == []
    seen = " ".join(one.seen for one in findings)
    assert "takes the keys" in seen
    assert "a signed test message left and returned; no money moved" in seen
    assert re.search(r"clock is \d s", seen)
    # Its own: without a signature, in pieces (which this server can't read), too large.
    assert rows() == before | {"Refusal": 3}


def test_the_message_of_a_doctor_moves_nothing_and_is_not_applied_later(shop: Callable[..., None]) -> None:
    body = b'{"eventType":"pagoefectivo_django.doctor","data":{"cip":"1","amount":"1","currency":"PEN"}}'
    channel = PagoEfectivoChannel("default", _options())
    assert post(body, channel.signed(body)) == 200
    row = Notification.objects.get()
    assert (row.fact, row.status, row.retry_at) == ("test", "applied", None)
    tick()
    assert {name for name, count in rows().items() if count} == {"Notification", "Heartbeat"}


def test_a_message_of_a_doctor_that_is_not_signed_is_refused(shop: Callable[..., None]) -> None:
    assert post(b'{"eventType":"pagoefectivo_django.doctor"}', {}) == 403
    assert not Notification.objects.exists()
    assert Refusal.objects.get().reason == "unsigned"


def _options() -> dict[str, Any]:
    options: dict[str, Any] = project.PAGOEFECTIVO["CHANNELS"]["default"]["OPTIONS"]
    return options


def post(body: bytes, headers: dict[str, str]) -> int:
    answer = Browser().post("/pay/webhooks/default/", body, content_type="application/json", headers=headers)
    return int(answer.status_code)


def test_wrong_keys(shop: Callable[..., None]) -> None:
    shop(SECRET_KEY="MadeUpButWrong000000000000000000000/+012", WEBHOOK_SECRETS=["another"])
    assert "refuses to authorize" in failed("provider")


@pytest.mark.parametrize(
    "wrong",
    [{"WEBHOOK_SECRETS": []}, {"SECRET_KEY": "caf\udce9"}, {"TIMEOUT": "many"}],
    ids=ascii,
)
def test_a_channel_that_cannot_be_looked_at_keeps_no_other_from_it(
    shop: Callable[..., None], wrong: dict[str, Any]
) -> None:
    good = project.PAGOEFECTIVO["CHANNELS"]["default"]
    broken = good | {"OPTIONS": good["OPTIONS"] | {"SERVICE_ID": 4321} | wrong}
    project.PAGOEFECTIVO["CHANNELS"] = {"broken": broken, "default": good}
    steps = {(one.step, one.verdict.value) for one in examine() if one.step.startswith(("provider", "webhook"))}
    assert {("provider default", "ok"), ("webhook default", "ok")} <= steps
    assert {("provider broken", "failure"), ("webhook broken", "failure")} & steps
    assert not {("provider", "failure"), ("webhook", "failure")} & steps


def test_a_provider_that_is_not_there(shop: Callable[..., None]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        shop(BASE_URL=f"http://127.0.0.1:{taken.getsockname()[1]}/v1/")
        assert "way out of this network" in failed("provider")


def test_no_network_at_all(shop: Callable[..., None]) -> None:
    shop(public_url="https://nowhere.invalid", BASE_URL="https://nowhere.invalid/v1/")
    assert "could not be reached" in failed("provider")
    assert "nowhere.invalid is not found" in failed("webhook")


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(-400, "failure"), (-100, "warning"), (5, "ok"), (100, "warning"), (400, "failure")]
)
def test_a_clock_that_is_wrong(
    shop: Callable[..., None], seconds: int, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = timedelta(seconds=seconds)
    monkeypatch.setattr(PagoEfectivoChannel, "clock", staticmethod(lambda: timezone.now() + moment))
    told = [one for one in found("provider") if "clock is" in one.seen]
    assert [one.verdict.value for one in told] == [verdict]
    assert ("ahead" in told[0].seen) is (seconds > 0)


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (302, b"", {"Location": "/login/"}, "a redirect"),
        (403, b"<h1>Forbidden</h1> CSRF verification failed.", {}, "CSRF token"),
        (401, b"", {"WWW-Authenticate": "Basic"}, "a login"),
        (404, b"", {}, "urls.py"),
        (500, b"", {}, "that server's log"),
        (200, b"{}", {}, "not in this database"),
        (200, b"{}", {}, "to a message without signature"),
        (403, b'{"code": 403, "message": "invalid signature"}', {}, "other webhook secrets"),
    ],
)
def test_who_else_may_answer(
    shop: Callable[..., None], status: int, body: bytes, headers: dict[str, str], words: str
) -> None:
    with answering(status, body, **headers) as address:
        shop(public_url=address)
        assert words in failed("webhook")


def test_without_an_address(shop: Callable[..., None]) -> None:
    shop(public_url="")
    assert "PUBLIC_URL" in failed("webhook")


def test_an_address_that_is_not_encrypted(shop: Callable[..., None]) -> None:
    assert [one.verdict.value for one in found("webhook") if "not HTTPS" in one.seen] == ["warning"]


@pytest.mark.parametrize("beaten", [None, timedelta(minutes=9)])
def test_no_worker(shop: Callable[..., None], beaten: timedelta | None) -> None:
    Heartbeat.objects.all().delete()
    if beaten:
        Heartbeat.objects.create(name="tick", beaten_at=timezone.now() - beaten)
    assert "pagoefectivo_worker" in failed("worker")


def test_a_cache_of_one_process(shop: Callable[..., None], settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert [one.verdict.value for one in found("cache")] == ["warning"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert "does not keep" in failed("cache")


def test_a_mail_server_that_is_not_there(shop: Callable[..., None], settings: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        mailer = {"host": "127.0.0.1", "port": taken.getsockname()[1], "password": "made-up-password", "username": "x"}
        smtp = "django.core.mail.backends.smtp.EmailBackend"
        if hasattr(settings, "MAILERS"):
            settings.MAILERS = {"default": {"BACKEND": smtp, "OPTIONS": mailer}}
        else:
            settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = smtp, mailer["host"], mailer["port"]
        told = failed("mail")
    assert "ConnectionRefusedError" in told
    assert "made-up-password" not in told


def test_the_older_mail_settings_are_no_illness(shop: Callable[..., None], settings: Any) -> None:
    if hasattr(settings, "MAILERS"):
        del settings.MAILERS
    assert [one.verdict.value for one in found("mail")] == ["warning"]  # pytest's mails reach nobody


def test_a_carrier_without_its_keys(shop: Callable[..., None], settings: Any) -> None:
    sinch = {"BACKEND": "pagoefectivo_django.carriers.sinch.SinchCarrier", "OPTIONS": {}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CARRIERS": {"sms": sinch}}
    assert "API_TOKEN" in failed("carrier")


def test_the_command(shop: Callable[..., None]) -> None:
    out = StringIO()
    call_command("pagoefectivo_doctor", stdout=out, no_color=True)
    assert re.search(r"^ok +webhook default: .*no money moved", out.getvalue(), re.MULTILINE)
    assert re.search(r"^0 failure\(s\) among \d+ findings\.", out.getvalue(), re.MULTILINE)
    shop(public_url="")
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("pagoefectivo_doctor", json=True, stdout=out)
    assert ended.value.code == 1
    told = json.loads(out.getvalue())
    assert {"step", "verdict", "seen", "hint"} == set(told[0])
    assert "failure" in {one["verdict"] for one in told}


def test_no_key_is_printed(shop: Callable[..., None], sandbox: Client) -> None:
    for options in ({}, {"SECRET_KEY": "MadeUpButWrong000000000000000000000/+012"}, {"BASE_URL": "https://x.invalid/"}):
        shop(**options)
        text = str(list(examine()))
        for secret in (sandbox.keys["ACCESS_KEY"], sandbox.keys["SECRET_KEY"], *options.values()):
            assert secret not in text or secret.startswith("https")
