"""What is measured, by whom it is told, and that no label names anybody."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY, generate_latest

from pagoefectivo_django import measures
from pagoefectivo_django.channels.base import CodeRef
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.contrib.prometheus.metrics import begin
from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.provider.record import recorded
from pagoefectivo_django.models import Discrepancy
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.sandbox.running import running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


@pytest.fixture(autouse=True)
def measuring() -> Iterator[None]:
    begin()
    yield
    measures._observers.clear()


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_sale_is_counted() -> None:
    names = {
        "kept": ("pagoefectivo_notifications_total", {"channel": "default", "status": "200"}),
        "refused": ("pagoefectivo_notifications_total", {"channel": "default", "status": "403"}),
        "paid": ("pagoefectivo_events_total", {"kind": "payment_confirmed"}),
        "heard": ("pagoefectivo_deliveries_total", {"receiver": "tests.shop.receivers.ship", "outcome": "ok"}),
        "rounds": ("pagoefectivo_round_seconds_count", {}),
    }
    before = {key: value(name, **labels) for key, (name, labels) in names.items()}
    order = make()
    post(paid(order))
    Client().post("/pay/webhooks/default/", "1", content_type="application/json")
    tick()
    after = {key: value(name, **labels) for key, (name, labels) in names.items()}
    assert {key: after[key] - before[key] for key in names} == dict.fromkeys(names, 1)


def test_calls_are_timed() -> None:
    with running() as client:
        keys = {name: client.keys[name] for name in ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")}
        channel = PagoEfectivoChannel("default", keys | {"BASE_URL": client.base})
        labels = {"account": channel.account, "method": "POST", "outcome": "2xx"}
        before = value("pagoefectivo_provider_call_seconds_count", **labels)
        with recorded(channel):
            channel.look_up([CodeRef("1")])
        assert value("pagoefectivo_provider_call_seconds_count", **labels) == before + 2  # its token, and the search


def test_the_database_is_asked_at_each_scrape() -> None:
    assert value("pagoefectivo_open_discrepancies", kind="late_payment") == 0
    Discrepancy.objects.create(kind="late_payment", subject="1", created_at=timezone.now(), evidence=[])
    assert value("pagoefectivo_open_discrepancies", kind="late_payment") == 1
    Client().post("/pay/webhooks/default/", "1", content_type="application/json")
    assert value("pagoefectivo_refused_notifications", channel="default", reason="unsigned") == 1
    assert value("pagoefectivo_worker_silence_seconds") == 0
    tick()
    assert 0 < value("pagoefectivo_worker_silence_seconds") < 60


def test_no_label_names_anybody() -> None:
    order = make("SHOP-PLANTED")
    post(paid(order))
    text = generate_latest(REGISTRY).decode()
    assert "pagoefectivo_events_total" in text
    for word in (order.reference, order.code, "ana@example.com"):
        assert word not in text


def test_who_measures_wrongly_costs_no_sale(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*told: object) -> None:
        raise RuntimeError("no room on the disk")

    measures.observe_by(broken)
    order = make()
    assert post(paid(order)).status_code == 200
    order.refresh_from_db()
    assert order.state == "paid"
    assert "could not be told" in caplog.text


def test_it_may_begin_twice() -> None:
    begin()
    begin()
    assert len(measures._observers) == 1
