"""``flush`` as the tests need it: the rows that a test has written, and nothing else.

Django calls ``flush`` after each test that really commits. Django's own command empties every table (PostgreSQL and
MariaDB make a new file for each) and writes all content types and permissions again, which takes ten times as long.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import flush
from django.db import connections

#: What ``migrate`` has written; no test changes these rows.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}


class Command(flush.Command):
    """Delete the rows of all tables that have any, except the rows of ``migrate``."""

    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        tables = sorted(
            set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
        )
        quote = connection.ops.quote_name
        counts = ", ".join(f"EXISTS(SELECT 1 FROM {quote(table)})" for table in tables)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {counts}")
            filled = [table for table, has_rows in zip(tables, cursor.fetchone(), strict=True) if has_rows]
        if filled:
            sql = [f"DELETE FROM {quote(table)}" for table in filled]
            with connection.constraint_checks_disabled():
                connection.ops.execute_sql_flush(sql)
