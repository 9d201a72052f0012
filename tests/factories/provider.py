"""The provider in memory: which class serves the account, and what that provider knows when it is asked."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from pagoefectivo_django.channels.base import Charge, CodeRef, Report
from pagoefectivo_django.channels.memory import MemoryChannel, Slip
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import Cip, Order
from pagoefectivo_django.states import Fact
from tests.clock import later

ACCOUNT = "memory:default"


def channel() -> MemoryChannel:
    """Return the provider's account, whichever class serves it in the settings."""
    return MemoryChannel("default", {})


def serve_by(settings: Any, backend: type[MemoryChannel] = MemoryChannel, **options: Any) -> None:
    """Let a class serve the account, with these OPTIONS beside those that the account has."""
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    path = f"{backend.__module__}.{backend.__qualname__}"
    changed = {"BACKEND": path, "OPTIONS": entry["OPTIONS"] | options}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": entry | changed}}


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
    """Let the provider say this of an order's code, and ask about every code on a later day."""
    says(order, fact, amount)
    look(day)


def all_gone() -> dict[str, Slip]:
    """Let the provider know nothing, and return what it knew."""
    before = dict(channel().book)
    channel().book.clear()
    return before


class Busy(MemoryChannel):
    """A channel during whose calls something else happens, once: ``during`` has the call's name."""

    during: ClassVar[dict[str, Callable[[], object]]] = {}

    def happens(self, call: str) -> None:
        if happening := self.during.pop(call, None):
            happening()

    def issue(self, charge: Charge) -> Report:
        answer = super().issue(charge)
        self.happens("issue")
        return answer

    def delete(self, ref: CodeRef) -> None:
        self.happens("delete")
        super().delete(ref)

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        answer = super().look_up(refs)
        self.happens("look_up")
        return answer


class Undeletable(MemoryChannel):
    """A channel that can't delete codes, and can be asked about them."""

    can_delete = False
