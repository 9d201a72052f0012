"""A backup of the app's tables in this process, and its restoration: for tests on any database."""

from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models, transaction

from pagoefectivo_django.models import (
    ApiCall,
    ApiCallSubject,
    Cip,
    Delivery,
    Deposit,
    Discrepancy,
    FeedEntry,
    Heartbeat,
    IdempotencyKey,
    Match,
    Notification,
    Order,
    OrderEvent,
    Payment,
    Refund,
    Refusal,
    Settlement,
    SettlementLine,
)
from tests.shop.models import Heard

Backup = dict[type[models.Model], list[tuple[Any, ...]]]

#: In an order in which their rows can go.
TABLES = (
    *(FeedEntry, IdempotencyKey),
    *(Heard, Delivery, OrderEvent, Discrepancy, Match, Deposit, SettlementLine, Settlement, Refund),
    *(ApiCallSubject, ApiCall, Refusal, Notification, Payment, Order, Cip, Heartbeat),
)


def _models() -> list[type[models.Model]]:
    return list(apps.get_app_config("pagoefectivo").get_models())


def backup() -> Backup:
    """Return every row of every table."""
    found: Backup = {}
    with transaction.atomic(), connection.cursor() as cursor:
        for model in _models():
            columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in model._meta.concrete_fields)
            cursor.execute(f"SELECT {columns} FROM {connection.ops.quote_name(model._meta.db_table)}")
            found[model] = list(cursor.fetchall())
    return found


def restore(kept: Backup) -> None:
    """Have every table hold what it held then; keys are given anew from there, as after a real restoration."""
    with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
        for model in kept:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")
        for model, rows in kept.items():
            table = connection.ops.quote_name(model._meta.db_table)
            marks = ", ".join(["%s"] * len(model._meta.concrete_fields))
            fields = ", ".join(connection.ops.quote_name(str(field.column)) for field in model._meta.concrete_fields)
            cursor.executemany(f"INSERT INTO {table} ({fields}) VALUES ({marks})", rows)
        for statement in connection.ops.sequence_reset_sql(no_style(), _models()):
            cursor.execute(statement)
        if connection.vendor == "sqlite":
            for model in kept:
                table = model._meta.db_table
                last = f'(SELECT COALESCE(MAX(rowid), 0) FROM "{table}")'
                cursor.execute(f"UPDATE sqlite_sequence SET seq = {last} WHERE name = %s", [table])


def empty_tables() -> None:
    """Delete every row of an order or a settlement at once, whatever is append-only."""
    tables = [model._meta.db_table for model in TABLES]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables, allow_cascade=True))
