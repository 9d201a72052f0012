"""The record of an attempt to reach a provider, without secrets, and the listener of such records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Exchange:
    """An attempt to reach a provider; the bodies are redacted of secrets and personal data."""

    method: str
    path: str
    #: None without an answer; ``error`` is then the name of the exception.
    status: int | None
    error: str
    began_at: datetime
    milliseconds: int
    request: str
    answer: str


_listener: ContextVar[Callable[[Exchange], None] | None] = ContextVar("pagoefectivo_listener", default=None)


@contextmanager
def heard_by(listener: Callable[[Exchange], None]) -> Iterator[None]:
    """Pass every attempt made inside the ``with`` block to ``listener``, which must not raise."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def listener() -> Callable[[Exchange], None] | None:
    """Return the listener of attempts made now, or None."""
    return _listener.get()
