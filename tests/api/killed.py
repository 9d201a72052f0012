"""What ``tests.api.killing`` does with its requests; imported once Django is set up."""

from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import connections
from django.urls import reverse
from rest_framework.test import APIClient

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows.keys.claim import LEASE
from pagoefectivo_django.models import IdempotencyKey, Order, Refund
from pagoefectivo_django.models.clock import current_time
from tests.factories.orders import bought


class Given(NamedTuple):
    """A caller with a key of its own, and a paid order to refund."""

    client: APIClient
    key: str
    order: Order | None


def prepare(key: str) -> Given:
    """Return a caller, and leave no connection to a process that is forked now."""
    user, _new = User.objects.get_or_create(username="shop", is_superuser=True)
    client = APIClient(headers={"Idempotency-Key": key})
    client.force_authenticate(user)
    order = bought() if key.startswith(refund.__name__) else None
    connections.close_all()
    return Given(client, key, order)


def create(given: Given) -> Any:
    """Create an order."""
    payer = {"email": "ana@example.com"}
    body = {"reference": given.key, "amount": "35.50", "currency": "PEN", "payer": payer}
    return given.client.post(reverse("pagoefectivo-api:orders"), body, format="json")


def refund(given: Given) -> Any:
    """Request a refund in part."""
    assert given.order
    address = reverse("pagoefectivo-api:order-refunds", args=[given.order.public_id])
    return given.client.post(address, {"amount": "1.00", "reason": "torn"}, format="json")


REQUESTS = {"create": create, "refund": refund}


def repeat(send: Any, given: Given) -> None:
    """Send a request again and again after its process is gone: it is done once, and the answer stays the same."""
    next(MemoryChannel._codes)  # the code that the process got, if it came so far
    IdempotencyKey.objects.exclude(leased_until=None).update(leased_until=current_time() - LEASE)
    first, again = send(given), send(given)
    assert (first.status_code, again.status_code) == (201, 201), (given.key, first.content, again.content)
    assert first.json()["id"] == again.json()["id"]
    if send is refund:
        assert [first.json()["id"]] == list(Refund.objects.filter(order=given.order).values_list("pk", flat=True))
    else:
        made = Order.objects.get(reference=given.key)
        assert first.json()["id"] == str(made.public_id)
        assert made.events.filter(kind="order_created").count() == 1
