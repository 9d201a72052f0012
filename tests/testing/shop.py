"""Receivers as shops write them, good and bad, for the conformance test."""

from __future__ import annotations

from typing import Any

from django.core.mail import send_mail
from django.db import transaction

from pagoefectivo_django.models import Order, OrderEvent
from tests.shop.models import Heard

#: Parcels that left a made-up warehouse.
parcels: list[str] = []


def _row(order: Order, event: OrderEvent, state: str = "shipped") -> dict[str, Any]:
    return {"reference": order.reference, "signal": "good", "defaults": {"event": event.pk, "state": state}}


def _mail(order: Order) -> None:
    send_mail(f"Thank you, {order.reference}", "It is on its way.", "shop@example.com", ["ana@example.com"])


def looks_before(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    Heard.objects.get_or_create(**_row(order, event))


def counts_each_call(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    Heard.objects.create(signal="bad", reference=order.reference, event=event.pk, state="shipped")


def adds_up(sender: Any, order: Order, **kwargs: Any) -> None:
    for counter in Heard.objects.filter(reference=order.reference, signal="counter"):
        Heard.objects.filter(pk=counter.pk).update(state=str(int(counter.state) + 1))


def believes_the_event(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Write what the event says: the same twice, and wrong once a newer event was heard."""
    Heard.objects.update_or_create(**_row(order, event, event.kind))


def mails_at_once(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Mail inside of the transaction, with a look at what was done."""
    if Heard.objects.get_or_create(**_row(order, event))[1]:
        _mail(order)


def mails_on_commit(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    if Heard.objects.get_or_create(**_row(order, event))[1]:
        transaction.on_commit(lambda: _mail(order))


def remembers_first(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Connected with ``atomic=False``: a death between the memory and the mail costs the mail."""
    if Heard.objects.get_or_create(**_row(order, event))[1]:
        _mail(order)


def remembers_last(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Connected with ``atomic=False``: as good as mail can be."""
    if not Heard.objects.filter(event=event.pk, signal="good").exists():
        _mail(order)
        Heard.objects.create(signal="good", reference=order.reference, event=event.pk, state="")


def remembers_finally(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Connected with ``atomic=False``: a process that is killed runs no ``finally``."""
    if not Heard.objects.filter(event=event.pk, signal="good").exists():
        try:
            _mail(order)
        finally:
            Heard.objects.create(signal="good", reference=order.reference, event=event.pk, state="")


def sends_parcels(sender: Any, order: Order, **kwargs: Any) -> None:
    parcels.append(order.reference)


def gives_up(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    """Raise at a repetition, so that the event is repeated for ever."""
    if Heard.objects.filter(event=event.pk, signal="bad").exists():
        raise LookupError("heard before")
    counts_each_call(sender, order, event)


async def asks_slowly(sender: Any, order: Order, event: OrderEvent, **kwargs: Any) -> None:
    await Heard.objects.acreate(signal="async", reference=order.reference, event=event.pk, state="")
