"""The current time by the database's clock, which all processes on all machines share."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from .database import database

#: By vendor, the query for the present moment; ``now()`` would give the transaction's begin. SQLite runs in this
#: process, so the process's clock is the database's.
QUERIES = {"postgresql": "SELECT clock_timestamp()", "mysql": "SELECT UTC_TIMESTAMP(6)"}


#: How far ``testing.at`` has moved the clock; zero outside of tests.
_moved = timedelta(0)


def current_time() -> datetime:
    """Return the time by the database's clock; leases, paces and dates are written and compared by this time."""
    return _database_time() + _moved


def move_clock(to: datetime | timedelta) -> timedelta:
    """Move the clock of this process to a moment, or to a distance from the database's; return the distance before.

    For ``testing.at`` alone.
    """
    global _moved
    before, _moved = _moved, to if isinstance(to, timedelta) else to - _database_time()
    return before


def _database_time() -> datetime:
    connection = connections[database()]
    query = QUERIES.get(connection.vendor)
    if query is None:
        return timezone.now()
    try:
        moment = _ask(connection, query)
    except (InterfaceError, OperationalError):
        if connection.in_atomic_block:
            raise
        connection.close()  # the connection died while idle, and this is the first statement to notice
        moment = _ask(connection, query)
    return moment.astimezone(UTC) if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)


def _ask(connection: BaseDatabaseWrapper, query: str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(query)
        moment: datetime = cursor.fetchone()[0]
    return moment


def skew() -> timedelta | None:
    """Return how far this machine's clock is ahead of the database's; None on SQLite, which has no clock of its own."""
    if connections[database()].vendor not in QUERIES:
        return None
    before = timezone.now()
    moment = _database_time()
    return before + (timezone.now() - before) / 2 - moment


def machine() -> str:
    """Return this machine's host name, as used in the names of clock rows in ``Heartbeat``."""
    return socket.gethostname()[:100]
