"""In which order the transactions of a process lock or change rows, and whether that is the one order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from pagoefectivo_django.models.database import LOCK_ORDER, UNDER_ORDER

#: A statement that locks existing rows, or waits for another transaction's new ones, and its table.
LOCKS = re.compile(
    r'SELECT .*? FROM "pagoefectivo_(?P<locked>\w+)".* FOR (NO KEY )?UPDATE'
    r'|(UPDATE|DELETE FROM|INSERT INTO) "pagoefectivo_(?P<changed>\w+)"',
    re.DOTALL,
)
#: Rows that nobody else can know yet, and logs: what inserts them waits for nobody. A hint makes its code due without
#: the order's lock: whoever has locked a code wants no message any more.
_NEW = re.compile(
    r'INSERT INTO "pagoefectivo_(delivery|feedentry|orderevent|deposit|apicall\w*)"'
    r'|UPDATE "pagoefectivo_cip" SET "hinted_at"'
)


class Path:
    """One transaction: its tables in the order in which it came to them."""

    def __init__(self) -> None:
        self.tables: list[str] = []
        self.orders: set[Any] | None = set()
        self.problems: set[str] = set()

    def add(self, table: str, sql: str, params: Any) -> None:
        if table == "order" and "FOR UPDATE" in sql:
            self._orders(sql, params)
        if table in self.tables:
            return
        self.tables.append(table)
        known = [each for each in self.tables if each in LOCK_ORDER]
        if known != sorted(known, key=LOCK_ORDER.index):
            self.problems.add(f"against the order of locks: {' > '.join(known)}")
        mine = [each for each in self.tables if each in UNDER_ORDER]
        if mine and len(self.tables) > 1 and self.tables.index(mine[0]) < self._order_at():
            self.problems.add(f"without the order's lock: {' > '.join(self.tables)}")
        if table not in (*LOCK_ORDER, *UNDER_ORDER, "orderevent") and len(self.tables) > 1:
            self.problems.add(f"not in the order of locks: {' > '.join(self.tables)}")

    def _order_at(self) -> int:
        return self.tables.index("order") if "order" in self.tables else len(self.tables)

    def _orders(self, sql: str, params: Any) -> None:
        """Orders are locked all at once; again only those that are held already."""
        keys = {*params} if re.search(r'"id" (IN \([%s, ]+\)|= %s)', sql) else None
        if self.orders:
            if keys is None or not keys <= self.orders:
                self.problems.add("locks further orders later")
        else:
            self.orders = keys


class Locks:
    """What was seen of a process's transactions."""

    def __init__(self) -> None:
        self.problems: set[str] = set()
        self._block: Any = None
        self._path = Path()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = LOCKS.match(sql)
        if found and not _NEW.match(sql):
            blocks = context["connection"].atomic_blocks
            block = blocks[0] if blocks else None
            if block is None or block is not self._block:
                self._block, self._path = block, Path()
            self._path.add(found["locked"] or found["changed"], sql, params)
            self.problems |= self._path.problems
        return execute(sql, params, many, context)


@contextmanager
def watched() -> Iterator[Locks]:
    """Watch every transaction of this thread's connection."""
    locks = Locks()
    with connection.execute_wrapper(locks):
        yield locks
