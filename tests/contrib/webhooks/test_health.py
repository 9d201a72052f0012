"""The check for django-health-check fails where messages wait or an endpoint was given up, and is well else."""

from datetime import timedelta

import pytest
from health_check.exceptions import ServiceUnavailable

from pagoefectivo_django.contrib.webhooks.health import Webhooks
from pagoefectivo_django.contrib.webhooks.managing import change_endpoint, create_endpoint
from pagoefectivo_django.contrib.webhooks.models import Endpoint, WebhookMessage
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models.clock import current_time
from tests.contrib.webhooks.listening import Listener
from tests.factories.orders import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("webhooks")]


def wrong() -> str:
    with pytest.raises(ServiceUnavailable) as error:
        Webhooks().run()
    return str(error.value)


def test_messages_that_arrive_are_well_and_those_that_wait_are_not(listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"])
    make()
    tick()
    Webhooks().run()
    waiting = WebhookMessage.objects.all()
    waiting.update(delivered_at=None, retry_at=current_time() - timedelta(minutes=14))
    Webhooks().run()
    waiting.update(retry_at=current_time() - timedelta(minutes=16))
    assert "Webhook messages wait for too long" in wrong()
    Webhooks(max_age=timedelta(hours=1)).run()
    change_endpoint(endpoint, status="paused")
    Webhooks().run()


def test_an_endpoint_that_was_given_up(listener: Listener) -> None:
    create_endpoint(listener.url)
    Endpoint.objects.update(status="disabled", given_up_at=current_time())
    told = wrong()
    assert "1 webhook endpoints were disabled" in told
    assert "made-up-token" not in told
