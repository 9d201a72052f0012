"""Counts and durations of our work, passed to observers; without an observer nothing is measured."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

logger = logging.getLogger("pagoefectivo.worker")


class Measure(StrEnum):
    """The measures, each with its labels in order; ``CALL`` and ``ROUND`` are in seconds, the rest are counts of 1."""

    CALL = "call"  # account, method, outcome (2xx … 5xx, or error)
    MESSAGE = "message"  # channel, status
    EVENT = "event"  # kind
    DELIVERY = "delivery"  # receiver, outcome (ok, failed)
    ROUND = "round"
    FOREIGN = "foreign"  # account


Observer = Callable[[Measure, float, tuple[str, ...]], None]

_observers: list[Observer] = []


def observe_by(observer: Observer) -> None:
    """Register an observer of every measure, once; meant for an app's ``ready()``."""
    if observer not in _observers:
        _observers.append(observer)


def tell(measure: Measure, value: float, *labels: str) -> None:
    """Pass a measure to every observer; labels take few values, and name no order, no code and no person."""
    for observer in _observers:
        try:
            observer(measure, value, labels)
        except Exception:  # an observer's mistake must not stop work on payments
            logger.exception("A measure of %s could not be told.", measure)
