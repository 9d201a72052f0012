"""The shop's receivers: each writes a row, and its beginning and end are moments to die at."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pagoefectivo_django.models import Order, OrderEvent
from pagoefectivo_django.signals import SIGNALS
from tests.shop.models import Heard

from .points import points

#: Its row stands exactly once; the other's at least once, as that of a mail.
ATOMIC, OUTSIDE = "crash-atomic", "crash-outside"
#: What is heard outside of the transaction, too.
BY_MAIL = ("payment_confirmed", "payment_expired", "discrepancy_opened")

_deaf = _hanging = False


def connect() -> None:
    for name, each in SIGNALS.items():
        each.connect(atomic, dispatch_uid=ATOMIC)
        if name in BY_MAIL:
            each.connect(outside, dispatch_uid=OUTSIDE, atomic=False)


def atomic(sender: Any, order: Order | None, event: OrderEvent, **kwargs: Any) -> None:
    _hear(ATOMIC, order, event)


def outside(sender: Any, order: Order | None, event: OrderEvent, **kwargs: Any) -> None:
    _hear(OUTSIDE, order, event)


def _hear(name: str, order: Order | None, event: OrderEvent) -> None:
    if _hanging and name == OUTSIDE:
        os.kill(os.getpid(), signal.SIGKILL)  # as a supervisor does with a process that says nothing any more
    if _deaf:
        raise RuntimeError("The shop hears nothing now.")
    points.reach(f"{name} begins")
    state, reference = (order.state, order.reference) if order else ("", "")
    Heard.objects.create(signal=name, reference=reference, event=event.pk, state=state)
    points.reach(f"{name} ends")


@contextmanager
def deaf() -> Iterator[None]:
    """Let every receiver of the crash shop fail."""
    global _deaf
    _deaf = True
    try:
        yield
    finally:
        _deaf = False


@contextmanager
def hanging() -> Iterator[None]:
    """Let the receiver outside of the transaction hang for ever: nobody but SIGKILL ends its process."""
    global _hanging
    _hanging = True
    try:
        yield
    finally:
        _hanging = False
