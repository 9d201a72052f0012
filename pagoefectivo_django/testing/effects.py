"""What a receiver changed: rows of the database, mails and effects outside; and the points where a process may die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.apps import apps
from django.core import mail
from django.db import connections, models, router

from ..models import Order, OrderEvent, Refund
from ..models.database import database

#: Of our own tables, those that a receiver may change by calling flows.
OURS = (Order, OrderEvent, Refund)
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE")

Message = TypeVar("Message")
#: By model and key, the columns of a row.
Rows = Mapping[tuple[type[models.Model], Any], Mapping[str, Any]]


class Killed(BaseException):
    """The process was killed; no ``except Exception`` of a receiver catches this."""


class Points:
    """The points of a call at which the process may be killed: before and after each write and each mail."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._last: int | None = None

    def begin(self, *, last: int | None = None) -> None:
        """Forget the points of the call before; kill the next call at the point number ``last``, if one is given."""
        self.seen, self._last = [], last

    def passed(self, where: str) -> None:
        """Pass a point; raises ``Killed`` at the last point and whenever a call goes on after it, as in ``finally``."""
        self.seen.append(where)
        if self._last is not None and len(self.seen) > self._last:
            raise Killed(where)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Pass points at each write and each mail of a block."""

        def execute(run: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
            verb = next(iter(str(sql).split(None, 1)), "").upper()
            if verb not in WRITES:
                return run(sql, params, many, context)
            write = f"its {verb} number {self._number(verb)}"
            self.passed(f"before {write}")
            done = run(sql, params, many, context)
            self.passed(f"after {write}")
            return done

        sent = outbox()
        if sent_here := hasattr(mail, "outbox"):
            mail.outbox = _Outbox(sent, self)
        try:
            with connections[database()].execute_wrapper(execute):
                yield
        finally:
            if sent_here:
                sent[:] = mail.outbox
                mail.outbox = sent

    def _number(self, verb: str) -> int:
        return 1 + sum(where.startswith(f"before its {verb} ") for where in self.seen)


class _Outbox(list[Any]):
    """Django's outbox of a test, with a point before and after each mail."""

    def __init__(self, sent: list[Any], points: Points) -> None:
        super().__init__(sent)
        self._points = points

    def append(self, message: Any) -> None:
        self._points.passed("before its mail")
        super().append(message)
        self._points.passed("after its mail")


def outbox() -> list[Any]:
    """Return Django's list of the mails of a test; empty where nothing keeps mails."""
    found: list[Any] = getattr(mail, "outbox", [])
    return found


@dataclass(frozen=True)
class Effects:
    """The rows of a shop's tables, and how many mails and effects outside there were."""

    rows: Rows
    sent: int

    def since(self, before: Effects) -> Change:
        """Return what changed since an earlier moment, without keys and times, which differ from run to run."""
        changed = Counter[str]()
        for key, row in self.rows.items():
            old = before.rows.get(key)
            if old is None:
                changed[f"a row of {key[0]._meta.label}: {_plain(key[0], row)}"] += 1
            elif old != row:
                fields = {name: value for name, value in row.items() if value != old[name]}
                changed[f"{key[0]._meta.label} {key[1]}: {_plain(key[0], fields)}"] += 1
        for model, pk in before.rows.keys() - self.rows.keys():
            changed[f"{model._meta.label} {pk} deleted"] += 1
        return Change(changed, self.sent - before.sent)


@dataclass(frozen=True)
class Change:
    """What one call changed, or several calls together."""

    rows: Counter[str]
    sent: int

    def told(self, got: Change) -> str:
        """Return how another change differs from this wanted change, in words."""
        parts = [f"{count} × {what} too much" for what, count in (got.rows - self.rows).items()]
        parts += [f"{count} × {what} missing" for what, count in (self.rows - got.rows).items()]
        if got.sent != self.sent:
            parts.append(f"{got.sent} mails or effects outside instead of {self.sent}")
        return ", ".join(parts)


def effects(outside: Callable[[], int]) -> Effects:
    """Read the present effects."""
    alias = database()
    tables = set(connections[alias].introspection.table_names())
    found: dict[tuple[type[models.Model], Any], dict[str, Any]] = {}
    for model in apps.get_models(include_auto_created=True):
        ours = model._meta.app_label.startswith("pagoefectivo") and model not in OURS
        if ours or model._meta.db_table not in tables or router.db_for_write(model) != alias:
            continue
        if not _has_rows(model, alias):  # most tables of a test; thirty times as fast as the query below
            continue
        changing = {field.attname for field in model._meta.concrete_fields if getattr(field, "auto_now", False)}
        for row in model._base_manager.using(alias).values():
            pk = row[model._meta.pk.attname]
            found[model, pk] = {name: value for name, value in row.items() if name not in changing}
    return Effects(found, len(outbox()) + outside())


def _has_rows(model: type[models.Model], alias: str) -> bool:
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(model._meta.db_table)} LIMIT 1")  # nosec B608 # a model's table
        return cursor.fetchone() is not None


def differences(before: Effects, after: Effects) -> Iterator[str]:
    """Yield in words what is different after a call that was to change nothing."""
    for key, row in after.rows.items():
        label, old = key[0]._meta.label, before.rows.get(key)
        if old is None:
            yield f"a row more of {label}"
        else:
            for name in (name for name in row if row[name] != old[name]):
                yield f"{label} {key[1]}: {name} {old[name]!r} → {row[name]!r}"
    for model, pk in before.rows.keys() - after.rows.keys():
        yield f"{model._meta.label} {pk} deleted"
    if after.sent != before.sent:
        yield f"{after.sent - before.sent} mails or effects outside more"


def _plain(model: type[models.Model], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns without keys, times and made-up values, of which only remains whether there is any."""
    found = {}
    for field in model._meta.concrete_fields:
        if field.attname not in row or field.primary_key:
            continue
        value = row[field.attname]
        made_up = callable(field.default) or isinstance(field, models.DateField | models.TimeField)
        found[field.name] = value is not None if made_up or field.is_relation else value
    return found
