"""The only writer of states, held by what happens: every statement of the tests is looked at before it runs.

A write to ``COLUMNS`` is refused unless the ledger makes it. The writer of a statement is the innermost frame of the
package, models and migrations aside. A test writes what it likes: there the stack has no frame of the package.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

import pagoefectivo_django

#: The columns that ``flows/ledger`` alone writes, by table. Inserting or deleting a row writes all of them.
COLUMNS = {
    "order": {"state", "paid_at", "operation_number", "cip_id"},
    "cip": {"status", "live"},
    "payment": {"status"},
}
#: The statements that somebody else may run: an order and a code begin where their subjects are.
FIRST = {("flows/orders/create.py", "INSERT", "order"), ("flows/orders/issue.py", "INSERT", "cip")}

#: Every refusal since the test began, for the test's end: the package catches and logs many an error.
refused: list[str] = []

_PACKAGE = f"{Path(pagoefectivo_django.__file__).parent}/"
_PASSED_OVER = (f"{_PACKAGE}models/", f"{_PACKAGE}migrations/")
_FREE = "flows/ledger/"
_WRITE = re.compile(
    rf'\s*(INSERT|UPDATE|DELETE|REPLACE|COPY)\b[\w\s]*?["`]?pagoefectivo_({"|".join(COLUMNS)})\b', re.IGNORECASE
)
#: A column that is given a value. In a condition Django names the table too: ``"pagoefectivo_order"."state" = ``.
_ASSIGNED = re.compile(r'(?<![.\w"`])["`]?(\w+)["`]? = ')


def check(sql: str) -> None:
    """Raise ``AssertionError``, and remember it, if a statement writes to ``COLUMNS`` and its writer must not."""
    if not (found := _WRITE.match(sql)):
        return
    verb, table = found[1].upper(), found[2].lower()
    columns = COLUMNS[table]
    if verb == "UPDATE":
        columns = columns & {*_ASSIGNED.findall(sql, found.end())}
    if not columns:
        return
    file, number = _writer()
    if not file or file.startswith(_FREE) or (file, verb, table) in FIRST:
        return
    refused.append(f"{file}:{number} must not {verb} {', '.join(sorted(columns))} of {table}: the ledger does that.")
    raise AssertionError(refused[-1])


def _writer() -> tuple[str, int]:
    """Return the file in the package, and its line, that has a statement run; an empty name where a test does."""
    frame: FrameType | None = sys._getframe(1)
    while frame:
        name = frame.f_code.co_filename
        if name.startswith(_PACKAGE) and not name.startswith(_PASSED_OVER):
            return name.removeprefix(_PACKAGE), frame.f_lineno
        frame = frame.f_back
    return "", 0


def _execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    check(sql)
    return execute(sql, params, many, context)


def watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Look at every statement of a connection, whichever thread of the tests it is opened in."""
    if _execute not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _execute)  # outside of a test's own, which are removed from the end
    factory: Any = getattr(connection.connection, "cursor_factory", None)
    if hasattr(factory, "copy"):  # psycopg 3, whose ``copy`` Django passes on without its wrappers

        class Watched(factory):  # type: ignore[misc]
            def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
                check(statement)
                return super().copy(statement, *args, **kwargs)

        connection.connection.cursor_factory = Watched


connection_created.connect(watch)
