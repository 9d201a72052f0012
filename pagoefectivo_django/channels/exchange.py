"""One attempt to reach a provider as it may be kept, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Exchange:
    """One attempt as it may be kept: its bodies show nothing personal and no secret."""

    method: str
    path: str
    #: None when there was no answer; ``error`` then has the name of the exception.
    status: int | None
    error: str
    began_at: datetime
    milliseconds: int
    request: str
    answer: str


_listener: ContextVar[Callable[[Exchange], None] | None] = ContextVar("pagoefectivo_listener", default=None)


@contextmanager
def heard_by(listener: Callable[[Exchange], None]) -> Iterator[None]:
    """Have every attempt told to a function, for the time of a ``with``; it must not raise."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def listener() -> Callable[[Exchange], None] | None:
    """Return who is told of an attempt that is made now, or None."""
    return _listener.get()
