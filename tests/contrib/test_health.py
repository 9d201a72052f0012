"""The checks for django-health-check fail where the first page would, and are well where all is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning
from health_check.views import HealthCheckView

from pagoefectivo_django.contrib.health.checks import Clock, Inbox, Outbox, Provider, Worker
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import ApiCall, Delivery, Heartbeat, Notification
from pagoefectivo_django.models.heartbeat import CLOCK
from pagoefectivo_django.testing import at, make_order, pay
from tests.clock import later

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
CHECKS = [Worker, Outbox, Inbox, Clock, Provider]


class Payments(HealthCheckView):  # type: ignore[misc]  # without types
    checks = [f"{check.__module__}.{check.__qualname__}" for check in CHECKS]


urlpatterns = [path("health/", login_not_required(Payments.as_view())), path("", include("tests.urls"))]


def wrong(check: HealthCheck) -> str:
    with pytest.raises((ServiceUnavailable, ServiceWarning)) as error:
        check.run()
    assert "SHOP-PLANTED" not in str(error.value)
    return str(error.value)


@pytest.mark.every_database
@pytest.mark.parametrize("check", CHECKS)
def test_a_shop_that_works_is_well(check: Callable[[], Any]) -> None:
    pay(make_order())
    tick()
    check().run()


def test_no_worker() -> None:
    assert "No worker has made a round" in wrong(Worker())
    tick()
    with at(timedelta(minutes=6)):
        assert "No worker has made a round" in wrong(Worker())


@pytest.mark.every_database
def test_an_event_that_nobody_hears() -> None:
    pay(make_order("SHOP-PLANTED"))
    Delivery.objects.update(delivered_at=None, retry_at=timezone.now())
    Outbox().run()
    with at(timedelta(minutes=16)):
        assert "The oldest event waits for 16 minutes." in wrong(Outbox())
        Outbox(max_age=timedelta(hours=1)).run()
    Delivery.objects.update(attempts=9)
    assert "1 receivers fail again and again." in wrong(Outbox())


@pytest.mark.every_database
def test_a_message_that_is_not_applied() -> None:
    pay(make_order("SHOP-PLANTED"))
    Notification.objects.update(status="waiting", retry_at=timezone.now())
    Inbox().run()
    with at(timedelta(minutes=16)):
        assert "The oldest message waits for 16 minutes." in wrong(Inbox())
    Notification.objects.update(status="dead", retry_at=None)
    assert "1 messages were given up" in wrong(Inbox())


def test_a_machine_with_a_wrong_clock() -> None:
    Heartbeat.objects.create(name=f"{CLOCK}web-2", beaten_at=timezone.now(), ahead=timedelta(seconds=-90))
    assert wrong(Clock()) == "Warning: The clock of web-2 differs by 90 s."


def test_a_provider_that_fails() -> None:
    made = {"account": "memory:default", "method": "POST", "path": "/", "began_at": later(minutes=-1)}
    for status in (200, 500, None):
        ApiCall.objects.create(status=status, milliseconds=5, **made)
    assert wrong(Provider()) == "Warning: The provider fails (default)."


def test_a_check_in_a_thread_of_its_own_leaves_no_connection_behind() -> None:
    def left() -> object:
        Outbox().run()
        return connection.connection

    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(left).result() is None
    connection.ensure_connection()
    Outbox().run()
    assert connection.connection is not None, "a connection of the caller's is the caller's"


@pytest.mark.urls(__name__)
def test_the_page_of_django_health_check_shows_them(client: Client) -> None:
    """In threads of its own, with connections of their own."""
    pay(make_order())
    answer = client.get("/health/?format=json")
    assert answer.status_code == 500
    told = answer.json()
    assert "No worker has made a round" in told.pop("Worker()")
    assert told == {"Outbox()": "OK", "Inbox()": "OK", "Clock()": "OK", "Provider()": "OK"}
    tick()
    assert client.get("/health/?format=json").status_code == 200
