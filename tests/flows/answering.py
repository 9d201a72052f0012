"""What a provider answers about codes, and what a person is asked and answers then."""

from dataclasses import replace
from decimal import Decimal

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel, Slip
from pagoefectivo_django.flows import resolve_discrepancy
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import Cip, Discrepancy, Order
from pagoefectivo_django.states import Fact
from tests.flows.making import later

ACCOUNT = "memory:default"


def channel() -> MemoryChannel:
    return MemoryChannel("default", {})


def says(order: Order, fact: Fact | None, amount: str | None = "35.50") -> None:
    """Let the provider say this of an order's code when it is asked; None: that there is none."""
    if fact is None:
        channel().book.pop(order.code, None)
        return
    assert order.cip
    told = Report(ACCOUNT, fact, order.code, order.cip.transaction_code, Decimal(amount) if amount else None, "PEN")
    paid_at = order.paid_at if fact == Fact.PAYMENT else None
    channel().book[order.code] = Slip(replace(told, paid_at=paid_at, expires_at=order.cip.expires_at))


def look(day: float = 0) -> None:
    """Ask about every code on a later day."""
    now = later(days=day)
    Cip.objects.update(poll_at=now)
    reconcile(TimeBudget(now))


def answers(order: Order, day: float, fact: Fact | None, amount: str | None = "35.50") -> None:
    says(order, fact, amount)
    look(day)


def asked(status: str = "open") -> list[str]:
    return sorted(Discrepancy.objects.filter(status=status).values_list("kind", flat=True))


def resolve(answer: str = "ignore") -> None:
    for discrepancy in Discrepancy.objects.open():
        resolve_discrepancy(discrepancy, answer, actor="marta", reason="A glitch, says the portal.")


def all_gone() -> dict[str, Slip]:
    """Let the provider know nothing, and return what it knew."""
    before = dict(channel().book)
    channel().book.clear()
    return before
