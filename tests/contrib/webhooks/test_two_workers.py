"""Any number of workers send at once: each message once, whatever the database."""

import pytest

from pagoefectivo_django.contrib.webhooks.managing import change_endpoint, create_endpoint, rotate_secret
from pagoefectivo_django.contrib.webhooks.models import EndpointSecret, WebhookMessage
from pagoefectivo_django.contrib.webhooks.receivers import queue_messages
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import OrderEvent
from tests.concurrency import at_once
from tests.contrib.webhooks.listening import Listener
from tests.factories.orders import make

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("webhooks", "no_deadlock"),
]


def test_four_workers_send_each_message_once(listener: Listener) -> None:
    first, _ = create_endpoint(listener.url, ["cip_issued"], "paused")
    second, _ = create_endpoint(listener.url, ["cip_issued"], "paused")
    for _ in range(5):
        make()
    for endpoint in (first, second):
        change_endpoint(endpoint, status="active")
    assert not [error for error in at_once(*[tick] * 4) if isinstance(error, Exception)]
    while tick():
        pass
    assert WebhookMessage.objects.filter(delivered_at__isnull=False, attempts=1).count() == 10
    assert len(listener.heard) == 10


def test_an_event_is_queued_once_by_two_at_once(listener: Listener) -> None:
    create_endpoint(listener.url, ["cip_issued"])
    make()
    event = OrderEvent.objects.get(kind="cip_issued")
    WebhookMessage.objects.all().delete()
    results = at_once(*[lambda: queue_messages(event=event)] * 3)
    assert results == [None] * 3
    assert WebhookMessage.objects.count() == 1


def test_two_who_rotate_at_once_leave_secrets_that_sign(listener: Listener) -> None:
    endpoint, first = create_endpoint(listener.url)
    made = at_once(*[lambda: rotate_secret(endpoint)] * 2)
    assert not [error for error in made if isinstance(error, Exception)]
    assert {first, *made} == set(EndpointSecret.objects.values_list("value", flat=True))
