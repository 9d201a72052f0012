"""What time it is: the database's, which all processes on all machines share."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from .database import database

#: By vendor, what tells the moment and not the transaction's begin. SQLite runs in this process: its time is ours.
QUERIES = {"postgresql": "SELECT clock_timestamp()", "mysql": "SELECT UTC_TIMESTAMP(6)"}


def current_time() -> datetime:
    """Return what time it is for everybody: leases, paces and dates are written and compared by it."""
    connection = connections[database()]
    query = QUERIES.get(connection.vendor)
    if query is None:
        return timezone.now()
    try:
        moment = _ask(connection, query)
    except (InterfaceError, OperationalError):
        if connection.in_atomic_block:
            raise
        connection.close()  # it died while nobody looked, and this is the first statement that finds out
        moment = _ask(connection, query)
    return moment.astimezone(UTC) if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)


def _ask(connection: BaseDatabaseWrapper, query: str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(query)
        moment: datetime = cursor.fetchone()[0]
    return moment


def skew() -> timedelta:
    """Return how far this machine's clock is ahead of the database's; zero where that is the machine's."""
    if connections[database()].vendor not in QUERIES:
        return timedelta(0)
    before = timezone.now()
    moment = current_time()
    return before + (timezone.now() - before) / 2 - moment


def machine() -> str:
    """Return this machine's name, as its clock is called by."""
    return socket.gethostname()[:100]
