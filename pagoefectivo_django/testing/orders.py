"""What payers, providers and clocks do to orders, through the real webhook and the real flows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse

from ..actors import CLOCK, IMPORT, POLL
from ..channels import get_channel
from ..channels.base import Channel, CodeRef
from ..channels.memory import MemoryChannel
from ..conf import conf
from ..flows import import_settlement
from ..flows.ledger.advance import advance
from ..flows.ledger.decisions import Lapse
from ..flows.outbox.publish import deliver as deliver_one
from ..flows.provider.accounts import channel_of
from ..models import Delivery, Order, Settlement
from ..models.clock import current_time
from ..models.database import database, in_shop_transaction
from ..signals import SIGNALS
from ..states import Fact
from .statements import line, text


def notify(order: Order, fact: str = Fact.PAYMENT, *, channel: str = "", **changes: Any) -> int:
    """Send a signed notification about an order's code to the real webhook, and return the answer's HTTP status.

    ``channel``: the alias whose address gets the message; by default the alias that serves the order's code now.
    ``changes`` are fields of the message: ``code``, ``transaction_code``, ``amount``, ``currency``, ``paid_at``,
    ``operation_number``, ``payment_id``; None leaves a field out. Raises ``AssertionError`` without a code.
    """
    run_commit_callbacks()
    if order.pk:
        order.reload()
    if not order.code and "code" not in changes and "transaction_code" not in changes:
        raise AssertionError(f"Order {order} has no code: {order.last_error or 'nobody issued one'}")
    message: dict[str, Any] = {"fact": str(fact), "code": order.code}
    if fact == Fact.PAYMENT:
        message |= {"amount": order.amount, "currency": order.currency, "paid_at": current_time()}
    message |= changes
    body = json.dumps({name: value for name, value in message.items() if value is not None}, default=_text).encode()
    alias = channel or (channel_of(order.cip).alias if order.cip else next(iter(conf.channels), "default"))
    memory = _memory(get_channel(alias))
    url = reverse("pagoefectivo:webhook", args=[alias])
    answer = _client().post(
        url, body, "application/json", secure=settings.SECURE_SSL_REDIRECT, headers=memory.signed(body)
    )
    run_commit_callbacks()
    return answer.status_code


def run_commit_callbacks() -> None:
    """Run the callbacks waiting for a commit that Django's ``TestCase`` never makes: issue codes, call receivers."""
    connection = connections[database()]
    while connection.run_on_commit and not in_shop_transaction():
        waiting, connection.run_on_commit = connection.run_on_commit, []
        for entry in waiting:
            entry[1]()
    if in_shop_transaction():
        raise AssertionError("The test is inside an atomic block of its own: leave it first, so that it commits.")


def _client() -> Client:
    """Return a client whose requests are for a host that the project serves: outside of tests that is no testserver."""
    named = [host for host in settings.ALLOWED_HOSTS if host.strip(".*") == host]
    return Client(SERVER_NAME="testserver" if "testserver" in named else (named or ["localhost"])[0])


def _memory(channel: Channel) -> MemoryChannel:
    if not isinstance(channel, MemoryChannel):
        raise AssertionError(
            f"Channel {channel.alias!r} is a {type(channel).__name__}: use MemoryChannel as its BACKEND in this test, "
            "or have the sandbox pay, sandbox.pay(order)."
        )
    return channel


def _text(value: datetime | Decimal) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def pay(order: Order, **changes: Any) -> Order:
    """Pay an order's code and return the order: the provider has the money, and the real webhook is told."""
    run_commit_callbacks()
    order.reload()
    if order.cip and order.code in (memory := _memory(channel_of(order.cip))).book:
        memory.set(order.code, Fact.PAYMENT, paid_at=current_time())
    status = notify(order, **changes)
    assert status == 200, f"the webhook answered {status}"  # nosec B101 # a test's
    order.reload()
    return order


def expire(order: Order) -> Order:
    """End an order by date, and return the order: the date is moved to the past, and the provider reports expiry."""
    run_commit_callbacks()
    order.reload()
    passed, now = move_date(order), current_time()
    if order.cip and order.code in (memory := _memory(channel_of(order.cip))).book:
        memory.set(order.code, Fact.CODE_EXPIRED, expires_at=passed)
        status = notify(order, Fact.CODE_EXPIRED)
        assert status == 200, f"the webhook answered {status}"  # nosec B101 # a test's
        advance(*memory.look_up([CodeRef(order.code)]).values(), actor=POLL, now=now)
    advance(Lapse(order), actor=CLOCK, now=now)
    run_commit_callbacks()
    order.reload()
    return order


def move_date(order: Order) -> datetime:
    """Move the date of an order to the past, so that the worker takes the last look now; return the date."""
    now = current_time()
    passed = now - conf.grace - timedelta(seconds=1)
    Order.objects.using(database()).filter(pk=order.pk).update(expires_at=passed, lapses_at=now)
    return passed


def settle(orders: Order | Iterable[Order], *, commission: Decimal | None = None) -> Settlement:
    """Import a statement of PagoEfectivo's with a line for each paid order, and return the settlement.

    ``commission``: what the provider kept of each payment, IGV included; by default what the contract in ``FEES`` says,
    else nothing. Raises ``AssertionError`` for an order that is not paid, for orders of two currencies, and for a
    channel whose provider has no such statement.
    """
    run_commit_callbacks()
    paid = [orders] if isinstance(orders, Order) else list(orders)
    for order in paid:
        order.reload()
        if order.paid_at is None or order.cip is None:
            raise AssertionError(f"Order {order} is {order.state}: pay it first.")
    channels = {channel_of(order.cip).alias for order in paid if order.cip}
    currencies = {order.currency for order in paid}
    if len(channels) != 1 or len(currencies) != 1:
        raise AssertionError(f"One statement is of one channel and one currency, not of {*channels, *currencies}.")
    (alias,), (currency,) = channels, currencies
    if "settlement_text" not in get_channel(alias).statement_formats:
        raise AssertionError(
            f"Channel {alias!r} has no settlement text: import a file of your own (import_settlement)."
        )
    data = text(line(order, **{} if commission is None else {"commission": commission}) for order in paid)
    name = f"made-up-{paid[0].reference}.txt"
    settlement = import_settlement(io.BytesIO(data), name, actor=IMPORT, channel=alias, currency=currency)
    run_commit_callbacks()
    for order in paid:
        order.reload()
    return settlement


def deliver(now: datetime | None = None) -> int:
    """Make every open delivery of an event, and return the count; raises the first receiver's error."""
    delivered = 0
    waiting = Delivery.objects.using(database()).filter(delivered_at__isnull=True).select_related("event")
    for delivery in waiting.order_by("event__order", "event__number", "pk"):
        if delivery.receiver in SIGNALS[delivery.event.kind].by_name and delivery.claim(now or current_time()):
            delivered += deliver_one(delivery, now or current_time(), reraise=True)
    return delivered
