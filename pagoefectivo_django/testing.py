"""Helpers and a fixture for tests of shops: ``pytest_plugins = ["pagoefectivo_django.testing"]``.

They need ``MemoryChannel`` as the BACKEND of a channel; everything goes through the real webhook and the real flows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from .actors import CLOCK, POLL
from .channels import get_channel
from .channels.base import CodeRef
from .channels.memory import MemoryChannel
from .conf import conf
from .flows.ledger.advance import advance
from .flows.ledger.decisions import Lapse
from .flows.outbox.publish import deliver as deliver_one
from .flows.provider.accounts import channel_of
from .models import Delivery, Order
from .models.clock import current_time
from .models.database import database, in_shop_transaction
from .signals import SIGNALS
from .states import Fact


def notify(order: Order, fact: str = Fact.PAYMENT, *, channel: str = "", **changes: Any) -> int:
    """Send a signed notification about an order's code to the real webhook, and return the answer's HTTP status.

    ``channel``: the alias whose address gets the message; by default the alias that serves the order's code now.
    ``changes`` are fields of the message: ``code``, ``transaction_code``, ``amount``, ``currency``, ``paid_at``,
    ``operation_number``, ``payment_id``; None leaves a field out. Raises ``AssertionError`` without a code.
    """
    _commit()
    if order.pk:
        order.reload()
    if not order.code and "code" not in changes and "transaction_code" not in changes:
        raise AssertionError(f"Order {order} has no code: {order.last_error or 'nobody issued one'}")
    message: dict[str, Any] = {"fact": str(fact), "code": order.code}
    if fact == Fact.PAYMENT:
        message |= {"amount": order.amount, "currency": order.currency, "paid_at": current_time()}
    message |= changes
    body = json.dumps({name: value for name, value in message.items() if value is not None}, default=_text).encode()
    channel = channel or (channel_of(order.cip).alias if order.cip else next(iter(conf.channels), "default"))
    url = reverse("pagoefectivo:webhook", args=[channel])
    answer = Client().post(url, body, content_type="application/json", headers=get_channel(channel).signed(body))
    _commit()
    return answer.status_code


def _commit() -> None:
    """Run the callbacks waiting for a commit that Django's ``TestCase`` never makes: issue codes, call receivers."""
    connection = connections[database()]
    while connection.run_on_commit and not in_shop_transaction():
        waiting, connection.run_on_commit = connection.run_on_commit, []
        for entry in waiting:
            entry[1]()
    if in_shop_transaction():
        raise AssertionError("The test is inside an atomic block of its own: leave it first, so that it commits.")


def _text(value: datetime | Decimal) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def pay(order: Order, **changes: Any) -> Order:
    """Pay an order's code and return the order: the provider has the money, and the real webhook is told."""
    _commit()
    order.reload()
    channel = channel_of(order.cip) if order.cip else None
    if isinstance(channel, MemoryChannel) and order.code in channel.book:
        channel.set(order.code, Fact.PAYMENT, paid_at=current_time())
    status = notify(order, **changes)
    assert status == 200, f"the webhook answered {status}"  # nosec B101 # a test's
    order.reload()
    return order


def expire(order: Order) -> Order:
    """End an order by date, and return the order: the date is moved to the past, and the provider reports expiry."""
    _commit()
    order.reload()
    now = current_time()
    passed = now - conf.grace - timedelta(seconds=1)
    Order.objects.using(database()).filter(pk=order.pk).update(expires_at=passed, lapses_at=now)
    channel = channel_of(order.cip) if order.cip else None
    if isinstance(channel, MemoryChannel) and order.code in channel.book:
        channel.set(order.code, Fact.CODE_EXPIRED, expires_at=passed)
        status = notify(order, Fact.CODE_EXPIRED)
        assert status == 200, f"the webhook answered {status}"  # nosec B101 # a test's
        advance(*channel.look_up([CodeRef(order.code)]).values(), actor=POLL, now=now)
    advance(Lapse(order), actor=CLOCK, now=now)
    _commit()
    order.reload()
    return order


def deliver(now: datetime | None = None) -> int:
    """Make every open delivery of an event, and return the count; raises the first receiver's error."""
    delivered = 0
    waiting = Delivery.objects.using(database()).filter(delivered_at__isnull=True).select_related("event")
    for delivery in waiting.order_by("event__order", "event__number", "pk"):
        if delivery.receiver in SIGNALS[delivery.event.kind].by_name and delivery.claim(now or current_time()):
            delivered += deliver_one(delivery, now or current_time(), reraise=True)
    return delivered


@pytest.fixture
def pagoefectivo_memory() -> Iterator[type[MemoryChannel]]:
    """The class ``MemoryChannel``, without codes before and after the test."""
    MemoryChannel.clear()
    yield MemoryChannel
    MemoryChannel.clear()
