"""What is refused is counted and never kept; whose address is not listed is refused, whatever it says of itself."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pagoefectivo_django.conf import SETTINGS
from pagoefectivo_django.flows.inbox.refuse import refuse
from pagoefectivo_django.models import Notification, Refusal
from pagoefectivo_django.models.clock import QUERIES
from pagoefectivo_django.views.sources import source_of
from tests.factories.messages import URL, paid, post
from tests.factories.orders import make

pytestmark = [pytest.mark.every_database, pytest.mark.usefixtures("pagoefectivo_memory"), pytest.mark.django_db]

PROVIDER, PROXY, STRANGER = "203.0.113.7", "10.0.0.1", "198.51.100.9"


def rows() -> int:
    return sum(model._base_manager.count() for model in apps.get_app_config("pagoefectivo").get_models())


def test_each_reason_has_one_row_however_many_come(client: Client) -> None:
    for number in range(5):
        client.post(URL, f"{number}", content_type="application/json")
        client.post(URL, f"{number}", content_type="application/json", headers={"PE-Signature": "0" * 64})
        client.post(URL, b" " * 70_000, content_type="application/json")
    assert list(Refusal.objects.order_by("reason").values_list("channel", "reason", "count")) == [
        ("default", "too_large", 5),
        ("default", "unproven", 5),
        ("default", "unsigned", 5),
    ]
    assert rows() == 3


def test_messages_to_addresses_of_no_channel_are_counted_together(client: Client) -> None:
    """By one row: whoever invents addresses makes no more."""
    for name in ("nowhere", "neither"):
        client.post(f"/pay/webhooks/{name}/", "1", content_type="application/json")
    assert list(Refusal.objects.values_list("channel", "reason", "count")) == [("", "address", 2)]


def test_it_is_known_since_when_and_until_when() -> None:
    first = timezone.now()
    refuse("default", Refusal.Reason.UNPROVEN, now=first)
    refuse("default", Refusal.Reason.UNPROVEN, now=first + timedelta(hours=1))
    row = Refusal.objects.get()
    assert (row.count, row.first_at, row.last_at) == (2, first, first + timedelta(hours=1))


def test_a_refusal_is_one_statement(client: Client) -> None:
    client.post(URL, "1", content_type="application/json")
    with CaptureQueriesContext(connection) as queries:
        client.post(URL, "1", content_type="application/json")
    # Besides it a database server is asked what time it is.
    assert len([each for each in queries if each["sql"] not in QUERIES.values()]) == 1


def test_a_refusal_that_cannot_be_counted_is_a_refusal(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with connection.execute_wrapper(_away):
        assert client.post(URL, "1", content_type="application/json").status_code == 403
    assert "could not be counted" in caplog.text


def _away(*arguments: Any) -> Any:
    raise OperationalError("away")


@pytest.mark.parametrize(
    ("sender", "forwarded", "status"),
    [
        (PROVIDER, None, 200),
        (STRANGER, None, 403),
        # A stranger may write whatever it likes; no named proxy has said it.
        (STRANGER, PROVIDER, 403),
        (PROXY, PROVIDER, 200),
        (PROXY, f"{PROVIDER}, {STRANGER}", 403),
        (PROXY, f"{STRANGER}, {PROVIDER}", 200),
        (PROXY, f"{PROVIDER}, 10.9.9.9", 200),
        (PROXY, f"{PROVIDER}:4711", 200),
        (PROXY, None, 403),
        (PROXY, "", 403),
        (PROXY, "unknown", 403),
        (PROXY, f"{PROVIDER}, unknown", 403),
        (f"::ffff:{PROVIDER}", None, 200),
        ("2001:db8::7", None, 200),
        (PROXY, "[2001:db8::7]:443", 200),
        ("2001:db9::7", None, 403),
        ("", None, 403),
    ],
)
def test_who_sends_is_read_from_the_right(settings: Any, sender: str, forwarded: str | None, status: int) -> None:
    networks = {"WEBHOOK_ALLOWED_NETWORKS": ["203.0.113.0/24", "2001:db8::/32"], "TRUSTED_PROXIES": ["10.0.0.0/8"]}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | networks
    body = paid(make())
    extra = {"REMOTE_ADDR": sender} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    assert post(body, client=Client(**extra)).status_code == status  # type: ignore[arg-type]
    assert Notification.objects.exists() is (status == 200)
    assert Refusal.objects.filter(reason="source").exists() is (status == 403)


def test_without_named_proxies_nothing_forwarded_is_believed(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"TRUSTED_PROXIES": []}
    request = RequestFactory().post(URL, REMOTE_ADDR=STRANGER, HTTP_X_FORWARDED_FOR=PROVIDER)
    assert str(source_of(request)) == STRANGER


@pytest.mark.parametrize(
    "wrong", [{"WEBHOOK_ALLOWED_NETWORKS": [PROVIDER]}, {"WEBHOOK_ALLOWED_NETWORKS": ["moon"], "TRUSTED_PROXIES": []}]
)
def test_settings_that_cannot_tell_refuse_to_start_and_lose_nothing(
    settings: Any, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | wrong
    assert "pagoefectivo.E009" in {message.id for message in run_checks(tags=["pagoefectivo"])}
    # A server that doesn't run the checks asks the provider to send again.
    assert post(paid(make())).status_code == 503
    assert any(record.levelno == logging.ERROR for record in caplog.records)


ODD: list[Any] = [None, 0, -1, 3.5, float("nan"), True, "", "x", b"x", [], ["x"], [None], {}, {"x": 1}, {1: {}}, (1, 2)]
#: The bare object gets a name of ours: its ``repr`` has an address, other in each process, and pytest-xdist starts only
#: where all its workers find the same tests.
odd = pytest.mark.parametrize("value", [*ODD, object()], ids=[*map(repr, ODD), "object()"])


@pytest.mark.sqlite
@pytest.mark.parametrize("name", SETTINGS)
@odd
def test_no_odd_value_of_a_setting_breaks_the_checks(settings: Any, name: str, value: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {name: value}
    for message in run_checks(tags=["pagoefectivo"], include_deployment_checks=True):
        assert str(message.id).startswith("pagoefectivo.")
        assert message.hint


DIRECT = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
KEYS = {"ENVIRONMENT": "sandbox", "SERVICE_ID": 1234, "ACCESS_KEY": "made-up", "SECRET_KEY": "made-up"}


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "name", [*KEYS, "BASE_URL", "WEBHOOK_SECRETS", "ADMIN_EMAIL", "TIMEOUT", "REQUEST_ID_HEADER", "OPTIONS"]
)
@odd
def test_no_odd_option_breaks_the_checks(settings: Any, name: str, value: Any) -> None:
    options = value if name == "OPTIONS" else KEYS | {name: value}
    settings.PAGOEFECTIVO = {"CHANNELS": {"default": {"BACKEND": DIRECT, "OPTIONS": options}}}
    run_checks(tags=["pagoefectivo"], include_deployment_checks=True)


@pytest.mark.parametrize("options", [[], "x", 7, None])
def test_options_that_are_no_mapping_are_told(settings: Any, options: Any) -> None:
    settings.PAGOEFECTIVO = {"CHANNELS": {"default": {"BACKEND": DIRECT, "OPTIONS": options}}}
    assert "pagoefectivo.E002" in {message.id for message in run_checks(tags=["pagoefectivo"])}


@pytest.mark.parametrize("timeout", [0, -1, 61, "8", True, float("nan")])
def test_a_timeout_that_would_outlive_a_lease_is_told(settings: Any, timeout: Any) -> None:
    settings.PAGOEFECTIVO = {"CHANNELS": {"default": {"BACKEND": DIRECT, "OPTIONS": KEYS | {"TIMEOUT": timeout}}}}
    assert "pagoefectivo.E007" in {message.id for message in run_checks(tags=["pagoefectivo"])}


@pytest.mark.parametrize("routes", [{"PEN": "default"}, ["default"], {"PEN": [1]}, 7])
def test_routes_that_are_no_lists_are_told(settings: Any, routes: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"ROUTES": routes}
    assert "pagoefectivo.E004" in {message.id for message in run_checks(tags=["pagoefectivo"])}
