"""A backup of a whole PostgreSQL while others write to it, and its restoration: what ``pg_dump`` and ``psql`` do."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class Backup:
    """Each table as PostgreSQL copies it out, and how far each sequence of keys was."""

    tables: dict[str, bytes]
    sequences: dict[str, int]


def backup() -> Backup:
    """Return the database as it is at one moment."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        tables = {table: _copied(cursor, table) for table in connection.introspection.table_names(cursor)}
        cursor.execute("SELECT sequencename, COALESCE(last_value, 0) FROM pg_sequences")
        return Backup(tables, dict(cursor.fetchall()))


def restore(kept: Backup) -> None:
    """Have the database be as it was then; nobody else may be connected."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE " + ", ".join(f'"{table}"' for table in kept.tables))
        for table, rows in kept.tables.items():
            with cursor.copy(f'COPY "{table}" FROM STDIN') as copy:
                copy.write(rows)
        for sequence, last in kept.sequences.items():
            cursor.execute("SELECT setval(%s, %s, %s)", [f'"{sequence}"', max(last, 1), last > 0])


def _copied(cursor: CursorWrapper, table: str) -> bytes:
    with cursor.copy(f'COPY "{table}" TO STDOUT') as copy:
        return b"".join(map(bytes, copy))
