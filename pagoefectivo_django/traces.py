"""One id for one piece of work: a request, its calls to the provider, its events, their deliveries, its log lines."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: The loggers whose lines carry the id.
LOGGERS = (
    "pagoefectivo.webhook",
    "pagoefectivo.provider",
    "pagoefectivo.delivery",
    "pagoefectivo.worker",
    "pagoefectivo.orders",
)

_current: ContextVar[str] = ContextVar("pagoefectivo_trace", default="")
_message: ContextVar[str] = ContextVar("pagoefectivo_message", default="")


def current_trace() -> str:
    """Return the id of the work that is being done: 32 hex digits, or an empty text outside of any."""
    return _current.get()


@contextmanager
def traced(trace: str = "") -> Iterator[str]:
    """Work under one id: the one given, else the one that is there already, else a new one."""
    token = _current.set(trace or _current.get() or uuid.uuid4().hex)
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def current_message() -> str:
    """Return the beginning of the digest of the notification that is being applied, or an empty text."""
    return _message.get()


@contextmanager
def applying(digest: str) -> Iterator[None]:
    """Apply a notification: what changes by it is logged with its digest."""
    token = _message.set(digest[:8])
    try:
        yield
    finally:
        _message.reset(token)


def add_trace(record: logging.LogRecord) -> bool:
    """Give a log line its ``trace``, for formatters that print it; a filter that keeps every line."""
    record.trace = current_trace()
    return True


def trace_logs() -> None:
    """Have every line of our loggers carry the id."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(add_trace)
