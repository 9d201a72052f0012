"""Receivers of every temper; each writes what it heard."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pagoefectivo_django.signals import (
    SIGNALS,
    OutboxSignal,
    cip_issued,
    discrepancy_opened,
    payment_cancelled,
    payment_confirmed,
    payment_expired,
)

#: How often the moody ones fail, and seconds that the slow one takes.
FAILING, SLOW = 0.2, 0.03
#: How often the hanging one hangs, for so many seconds; half of the times in vain.
HANGING, LONG = 0.15, 3.0


class Moody(Exception):
    """What a moody receiver raises."""


def ledger(event: Any, **kwargs: Any) -> None:
    _write("ledger", event)


def moody(event: Any, **kwargs: Any) -> None:
    _write("moody", event)
    if random.random() < FAILING:
        raise Moody("not today")


def slow(event: Any, **kwargs: Any) -> None:
    _write("slow", event)
    time.sleep(SLOW)


def hanging(event: Any, **kwargs: Any) -> None:
    _write("hanging", event)
    if random.random() < HANGING:
        time.sleep(LONG)
        if random.random() < 0.5:
            raise Moody("no answer")


def mail(event: Any, **kwargs: Any) -> None:
    _write("mail", event)
    if random.random() < FAILING:
        raise Moody("sent, and then the line dropped")


def _write(ear: str, event: Any) -> None:
    from tests.shop.models import Heard

    reference = event.order.reference if event.order else ""
    Heard.objects.create(signal=ear, reference=reference, event=event.pk, state=event.state_after)


@dataclass(frozen=True)
class Ear:
    """A receiver, what it listens to, and whether what it writes stands exactly once."""

    function: Callable[..., None]
    signals: tuple[OutboxSignal, ...]
    atomic: bool = True


#: By name, as ``Heard.signal`` says it.
EARS = {
    "ledger": Ear(ledger, tuple(SIGNALS.values())),
    "moody": Ear(moody, (payment_confirmed, payment_cancelled, discrepancy_opened)),
    "slow": Ear(slow, (cip_issued, payment_confirmed)),
    "hanging": Ear(hanging, (payment_expired, payment_cancelled)),
    "mail": Ear(mail, (payment_confirmed,), atomic=False),
}
