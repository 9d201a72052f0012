"""What a provider says of a code: reports for the ledger, and signed messages for the webhook."""

import json
from typing import Any

from django.test import Client
from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.models import Cip, Notification, Order
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify
from tests.factories.orders import lost

SECRET = "made-up-webhook-secret"
URL = "/pay/webhooks/default/"


def report(cip: Cip, fact: Fact = Fact.PAYMENT, **changes: Any) -> Report:
    """Return what the provider would say of a code."""
    named: dict[str, Any] = {"account": cip.account, "fact": fact, "code": cip.code or ""}
    if fact == Fact.PAYMENT:
        named |= {"amount": cip.order.amount, "currency": cip.order.currency, "paid_at": timezone.now()}
    return Report(**named | changes)


def paid(order: Order, **changes: Any) -> bytes:
    """Return the bytes of a message that an order's code was paid; None leaves a field out."""
    message = {
        "fact": "payment",
        "code": order.code,
        "amount": str(order.amount),
        "currency": order.currency,
        "operation_number": "7",
        "paid_at": timezone.now().isoformat(),
    } | changes
    return json.dumps({name: value for name, value in message.items() if value is not None}).encode()


def post(body: bytes, *, client: Client | None = None, url: str = URL, secret: str = SECRET) -> Any:
    """Send a message, signed, to the webhook, and return the answer."""
    headers = {"PE-Signature": MemoryChannel.sign(body, secret)}
    return (client or Client()).post(url, body, content_type="application/json", headers=headers)


def unmatched() -> Notification:
    """A payment of a code that nobody here knows, since the answer that named it got lost."""
    order = lost()
    (code,) = MemoryChannel("default", {}).book
    slip = MemoryChannel("default", {}).book.pop(code)
    notify(order, code=code, operation_number="9")
    MemoryChannel("default", {}).book[code] = slip
    return Notification.objects.get()
