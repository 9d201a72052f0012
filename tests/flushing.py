"""What Django does around a test that commits, in a third of the time: half of all tests here commit.

Django empties every table, makes content types, permissions and sites anew, and closes the connection, so that the next
test pays for a new session of the database with nothing in its caches. Here the tables that hold rows are emptied, what
``migrate`` makes stays, and a connection is closed only if the test left the connection in a transaction or broken.

Such a test begins as if a worker had just done the rare work of a round, which takes forty statements. With the fixture
``first_round`` that work is due.

A plugin of pytest, also for the shops that are projects of their own.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction
from django.test import TransactionTestCase
from django.utils import timezone

#: Made by ``migrate``, the same for every test.
_KEPT = {"django_migrations", "django_content_type", "django_site", "auth_permission"}

#: The paces of a round's rare work, by their names in ``Heartbeat``, and the pause after which each is due again.
RARE = {
    "dates of the future": timedelta(minutes=10),
    "feed search": timedelta(hours=1),
    "forget": timedelta(hours=1),
    "overdue settlements": timedelta(hours=1),
}

_set_up = TransactionTestCase._fixture_setup  # type: ignore[attr-defined]  # private
_flush_whole = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # private


def pytest_configure() -> None:
    """Have each test that commits begin and end as this module says, ``TestCase`` aside."""
    TransactionTestCase._fixture_setup = classmethod(_begin)  # type: ignore[attr-defined]
    TransactionTestCase._fixture_teardown = _flush  # type: ignore[attr-defined]
    TransactionTestCase._should_reload_connections = _is_any_broken  # type: ignore[attr-defined]


def _begin(test: type[TransactionTestCase]) -> None:
    _set_up.__func__(test)
    if DEFAULT_DB_ALIAS not in test.databases:
        return
    connection, now = connections[DEFAULT_DB_ALIAS], timezone.now()
    beats = {name: now + pace for name, pace in RARE.items()} | {"feed": now}  # the row that is locked for numbers
    rows = [(name, connection.ops.adapt_datetimefield_value(moment)) for name, moment in beats.items()]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO pagoefectivo_heartbeat (name, beaten_at) VALUES (%s, %s)", rows)


def _flush(test: TransactionTestCase) -> None:
    try:
        for alias in test.databases:
            _empty(alias)
    except Error:  # a test of migrations may have left other tables
        _flush_whole(test)


def _empty(alias: str) -> None:
    connection = connections[alias]
    name = connection.ops.quote_name
    looks = [
        f"SELECT '{table}' FROM (SELECT 1) AS one WHERE EXISTS (SELECT 1 FROM {name(table)})"
        for table in _tables(alias)
    ]
    with connection.constraint_checks_disabled(), transaction.atomic(alias), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        tables = [table for (table,) in cursor.fetchall()]
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")  # without the triggers of foreign keys
        for table in tables:
            cursor.execute(f"DELETE FROM {name(table)}")


@cache
def _tables(alias: str) -> list[str]:
    names = connections[alias].introspection.django_table_names(only_existing=True, include_views=False)
    return sorted({*names} - _KEPT)


def _is_any_broken(test: TransactionTestCase) -> bool:
    return any(
        connection.connection is not None
        and (connection.in_atomic_block or connection.errors_occurred or not connection.get_autocommit())
        for connection in connections.all(initialized_only=True)
    )
