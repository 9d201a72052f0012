"""The trace: an id shared by a request and the provider calls, events, deliveries and log lines of the request."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: The loggers whose lines carry the trace.
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
    """Return the trace of the work in progress: 32 hex digits, or an empty text outside of any ``traced()``."""
    return _current.get()


@contextmanager
def traced(trace: str = "") -> Iterator[str]:
    """Run a block under a trace, and yield the trace: the given, else the current, else a new trace."""
    token = _current.set(trace or _current.get() or uuid.uuid4().hex)
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def current_message() -> str:
    """Return the digest's first 8 digits of the notification being applied; empty outside of ``applying()``."""
    return _message.get()


@contextmanager
def applying(digest: str) -> Iterator[None]:
    """Run a block for a notification: log lines about changes then carry the first 8 digits of the message's digest."""
    token = _message.set(digest[:8])
    try:
        yield
    finally:
        _message.reset(token)


def add_trace(record: logging.LogRecord) -> bool:
    """Set ``trace`` on a log record, for formatters; a logging filter that keeps all records."""
    record.trace = current_trace()
    return True


def trace_logs() -> None:
    """Add the trace to every line of our loggers."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(add_trace)
