"""Shared parts of the models: the database's alias, transactions, claims with back-off, exact text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..facts import of_error
from ..texts import kept_text

#: How long a process that claimed a row may work before another process may claim the row; longer than a provider call.
LEASE = timedelta(minutes=2)
FIRST_PAUSE = timedelta(seconds=20)
LONGEST_PAUSE = timedelta(hours=1)

#: The order of locks: a transaction that locks or changes rows of several of these tables begins with the table that
#: comes first here, to avoid deadlocks. First a delivery (its receiver runs in its transaction), then the message or
#: statement from outside, then the orders, by key and all at once, then a line, then a discrepancy. Numbers of the feed
#: are given under a heartbeat of their own. ``tests/crash`` checks every flow.
LOCK_ORDER = (
    "delivery",
    "notification",
    "settlement",
    "order",
    "settlementline",
    "discrepancy",
    "heartbeat",
    "feedentry",
)
#: Tables that belong to one order: their rows change only while the order is locked, so in any order.
UNDER_ORDER = ("cip", "payment", "refund", "match")

Row = TypeVar("Row", bound=models.Model)
View = TypeVar("View", bound=Callable[..., Any])


def database() -> str:
    """Return the alias of our tables' database, for writes and for reads before a decision."""
    return router.db_for_write(apps.get_model("pagoefectivo", "Order"))


@contextmanager
def one_transaction() -> Iterator[str]:
    """Open a transaction on our database, and yield the alias."""
    alias = database()
    with transaction.atomic(using=alias):
        yield alias


def claim_batch(
    rows: QuerySet[Row], field: str, now: datetime, size: int, *, since: datetime | None = None
) -> list[Row]:
    """Claim up to ``size`` due rows, longest due first, by moving their date ``field`` ahead by a lease, and commit.

    ``since``: claim only rows due at that moment, so that rows which become due again and again come to an end. Rows
    that another transaction holds are skipped and further rows are claimed, however many are held: a claim never waits
    while it holds rows.
    """
    due = rows.filter(**{f"{field}__lte": since or now})
    # Random microseconds tell this lease from every other, on databases without row locks.
    lease = now + LEASE + timedelta(microseconds=random.randrange(10**6))  # nosec B311 # a pause, no secret
    claimed, left = list[Row](), due.order_by(field, "pk")
    while not claimed and (first := list(left.values_list(field, "pk")[:size])):
        moment, last = first[-1]
        left = left.filter(Q(**{f"{field}__gt": moment}) | Q(**{field: moment, "pk__gt": last}))
        claimed = _claim(rows, due, [pk for _, pk in first], field, lease)
    return claimed


def _claim(rows: QuerySet[Row], due: QuerySet[Row], pks: list[Any], field: str, lease: datetime) -> list[Row]:
    """Claim the rows due and not held among the given keys, and commit."""
    mine = due.filter(pk__in=pks)
    with one_transaction() as alias:
        if not connections[alias].features.has_select_for_update:
            mine.update(**{field: lease})
            return list(rows.filter(**{"pk__in": pks, field: lease}).order_by("pk"))
        claimed = list(unless_locked(mine.order_by("pk")))
        rows.filter(pk__in=[row.pk for row in claimed]).update(**{field: lease})
    for row in claimed:
        setattr(row, field, lease)
    return claimed


def put_back(rows: Sequence[Row], field: str, moments: Mapping[Any, datetime | None]) -> None:
    """Give claimed rows back, due again at the moment given by key (None: never); rows changed meanwhile stay."""
    claims = {row.pk: getattr(row, field) for row in rows if row.pk in moments}
    if not claims:
        return
    table = type(rows[0])._base_manager.using(database())
    groups: dict[tuple[datetime, datetime | None], list[Any]] = {}
    with one_transaction() as alias:
        pks = list(claims)
        if connections[alias].features.has_select_for_update:
            pks = list(unless_locked(table.filter(pk__in=pks).order_by("pk")).values_list("pk", flat=True))
        for pk in pks:
            groups.setdefault((claims[pk], moments[pk]), []).append(pk)
        for (claim, moment), mine in groups.items():
            table.filter(**{"pk__in": mine, field: claim}).update(**{field: moment})


def make_due(rows: QuerySet[Row], field: str, now: datetime, *, wait: bool = True, **also: Any) -> int:
    """Make rows due now, in batches in key order, and return their count; ``also``: further fields to set.

    A transaction that holds some of the rows may want more of them, so this function, like a claim, never waits while
    it holds a row. ``wait`` False: rows that another transaction holds stay as they are.
    """
    count, last = 0, 0
    while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:1000]):
        last, free = pks[-1], pks
        with one_transaction() as alias:
            if connections[alias].features.has_select_for_update:
                free = list(unless_locked(rows.filter(pk__in=pks).order_by("pk")).values_list("pk", flat=True))
            count += rows.filter(pk__in=free).update(**{field: now}, **also)
        for pk in set(pks) - set(free) if wait else ():
            count += rows.filter(pk=pk).update(**{field: now}, **also)
    return count


def lock_rows(rows: QuerySet[Row], *, wait: bool = True) -> list[Any]:
    """Lock rows in key order until the transaction ends, and return their keys; call it first in a transaction.

    ``wait`` False: rows that another transaction holds are skipped, where the database can tell.
    """
    write_first(rows)
    rows = rows.order_by("pk")
    return list((rows.select_for_update() if wait else unless_locked(rows)).values_list("pk", flat=True))


def write_first(rows: QuerySet[Any]) -> None:
    """Begin a transaction on SQLite with a write, which locks the file; a write after a read could fail."""
    connection = connections[rows.db]
    if (
        not connection.features.has_select_for_update
        and connection.settings_dict["OPTIONS"].get("transaction_mode") != "IMMEDIATE"
    ):
        rows.order_by().update(attempts=F("attempts"))


def unless_locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return rows with locks, except rows held by another transaction; SQLite and old MariaDB can't skip such rows."""
    features = connections[database()].features
    return rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def insert_many(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of plain values, in the order of the named fields; faster than model instances for thousands of rows.

    The caller does the work of the fields' validators and of ``save``.
    """
    connection = connections[database()]
    fields: list[models.Field[Any, Any]] = [model._meta.get_field(name) for name in names]  # type: ignore[misc]
    quote = connection.ops.quote_name
    table, columns = quote(model._meta.db_table), ", ".join(quote(str(field.column)) for field in fields)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and hasattr(cursor, "copy"):  # psycopg 3; COPY is ten times as fast
            as_json = [place for place, field in enumerate(fields) if isinstance(field, models.JSONField)]
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    values = list(row)
                    for place in as_json:
                        values[place] = json.dumps(values[place])
                    copy.write_row(values)
            return
        marks = ", ".join(["%s"] * len(fields))
        prepared = [
            [field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)]
            for row in rows
        ]
        cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", prepared)  # nosec B608 # names of our own fields


def after_commit(function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function after the present transaction commits; an error is logged and never reaches the shop's code."""

    @sensitive_variables()  # runs at the shop's commit, outside of the flows that hide variables from error reports
    def run() -> None:  # not a partial: Django logs a failure by the function's name, which a partial lacks
        function(*arguments)

    transaction.on_commit(run, using=database(), robust=True)


def outside_atomic_requests(view: View) -> View:
    """Exempt a view from ATOMIC_REQUESTS on every alias: rows have to be committed before the view answers."""
    for alias in settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def in_shop_transaction() -> bool:
    """Return whether the caller has opened a transaction, for whose commit provider calls have to wait.

    The transaction that Django's ``TestCase`` rolls back does not count: work that waits for its commit would never be
    done.
    """
    blocks = connections[database()].atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


class ExactCharField(models.CharField):  # type: ignore[type-arg]
    """Text compared letter by letter on every database; MariaDB ignores case and accents by default."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


#: Why an attempt failed: an exception, or the code of a sentence in ``wording``.
Problem: TypeAlias = "Exception | str"


def failure(problem: Problem) -> dict[str, Any]:
    """Return the columns of a failed attempt by name: the text for developers, and the data for everybody else."""
    if isinstance(problem, Exception):
        text, data = f"{type(problem).__name__}: {problem}", of_error(problem)
    else:
        text, data = problem, {"about": problem}
    return {"last_error": kept_text(text, 2000), "error_data": data}


class Attempted(models.Model):
    """A row with work to do: until the lease is over, only the process with the claim works on the row."""

    #: When the work is tried next; NULL without work.
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0, editable=False)
    #: Why the last attempt failed, for developers: an English text or a code; empty while no attempt has failed.
    last_error = models.TextField(_("last error"), blank=True, default="", editable=False)
    #: The same as data, from which ``wording`` makes the sentence that staff reads; NULL where only the text is known.
    error_data = models.JSONField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def claim(self, now: datetime, *, wait: bool = False) -> bool:
        """Claim this row for one attempt, and commit; False if another process has the row.

        ``wait``: wait for a transaction that has locked the row, for a person's request; a worker goes on with free
        rows. The attempt is counted before the work begins, so that work which kills its process is counted too.
        """
        with one_transaction() as alias:
            row = type(self)._base_manager.using(alias).filter(pk=self.pk)
            # Locked by key first: the update alone might reach the row by the index of due rows on InnoDB, and deadlock
            # with a transaction that holds the row and finishes it.
            locked = row.select_for_update() if wait else unless_locked(row)
            if connections[alias].features.has_select_for_update and not list(locked.values_list("pk")):
                return False
            due = row.filter(attempts=self.attempts, retry_at=self.retry_at)
            # The lease grows with each attempt, since work that kills its process never reaches ``put_off``.
            until = now + max(LEASE, self.pause())
            if not due.update(attempts=F("attempts") + 1, retry_at=until):
                return False
        self.attempts, self.retry_at = self.attempts + 1, until
        return True

    def put_off(self, now: datetime, problem: Problem) -> None:
        """Give the row back after a failure, due again after a pause; unchanged if the work was ended meanwhile."""
        rows = type(self)._base_manager.using(database()).filter(pk=self.pk, attempts=self.attempts)
        rows.filter(retry_at__isnull=False).update(
            retry_at=now + self.pause() * random.uniform(0.8, 1.2),  # nosec B311 # a pause, no secret
            **failure(problem),
        )
        self.failed(problem)

    def failed(self, problem: Problem) -> None:
        """Set the last error on this instance, unsaved."""
        for name, value in failure(problem).items():
            setattr(self, name, value)

    def pause(self) -> timedelta:
        """Return the pause after a failure: 40 seconds at the first, doubled by each further attempt, up to an hour."""
        return min(FIRST_PAUSE * int(2 ** min(self.attempts, 12)), LONGEST_PAUSE)


class Hinted(models.Model):
    """A code named by a hint, a message without proof: the provider is asked, and only the answer counts."""

    #: When the last hint came; NULL once an answer has been applied that was asked for later.
    hinted_at = models.DateTimeField(_("hinted"), null=True, blank=True, editable=False)
    #: When the provider is asked because of the hint; NULL without a reason to ask.
    look_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: When the provider was last asked because of a hint.
    looked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
