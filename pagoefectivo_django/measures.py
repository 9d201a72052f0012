"""What is counted and timed, told to whoever measures; nobody does unless an app is installed for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

logger = logging.getLogger("pagoefectivo.worker")


class Measure(StrEnum):
    """What can be told, with the labels in their order; a value of 1 is a count, others are seconds."""

    CALL = "call"  # account, method, outcome (2xx … 5xx, or error)
    MESSAGE = "message"  # channel, status
    EVENT = "event"  # kind
    DELIVERY = "delivery"  # receiver, outcome (ok, failed)
    ROUND = "round"


Observer = Callable[[Measure, float, tuple[str, ...]], None]

_observers: list[Observer] = []


def observe_by(observer: Observer) -> None:
    """Have a function told of everything that is measured; for an app's ``ready()``."""
    if observer not in _observers:
        _observers.append(observer)


def tell(measure: Measure, value: float, *labels: str) -> None:
    """Tell whoever measures; labels have few values, and name no order, no code and nobody."""
    for observer in _observers:
        try:
            observer(measure, value, labels)
        except Exception:  # what is measured is money on its way
            logger.exception("A measure of %s could not be told.", measure)
