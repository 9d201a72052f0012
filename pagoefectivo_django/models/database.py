"""What all our tables share: one database, exact text, claims with back-off."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

#: How long whoever took a row may work on it before somebody else may. Longer than one provider call.
LEASE = timedelta(minutes=2)
FIRST_PAUSE = timedelta(seconds=20)
LONGEST_PAUSE = timedelta(hours=1)

#: The one order of locks: a transaction that locks or changes rows of several of these tables begins with the first of
#: them that it needs. A delivery (its receiver runs in its transaction), the paper that came from outside, the orders,
#: by key and all at once, then a line, and last a question. ``tests/crash`` watches every flow.
LOCK_ORDER = ("delivery", "notification", "settlement", "order", "settlementline", "discrepancy")
#: What belongs to one order: changed together with anything else only while the order is locked, so in any order.
UNDER_ORDER = ("cip", "payment", "refund", "match")

Row = TypeVar("Row", bound=models.Model)
View = TypeVar("View", bound=Callable[..., Any])


def database() -> str:
    """Return the alias that our tables are written to; reads that decide something go there too."""
    return router.db_for_write(apps.get_model("pagoefectivo", "Order"))


@contextmanager
def one_transaction() -> Iterator[str]:
    """Open the transaction that one change happens in, and yield its alias."""
    alias = database()
    with transaction.atomic(using=alias):
        yield alias


def claim_batch(
    rows: QuerySet[Row], field: str, now: datetime, size: int, *, since: datetime | None = None
) -> list[Row]:
    """Take the rows that have been due longest, by a field that says when, for the time of a lease; and commit.

    ``since``: only those that were due then, so that who comes again and again has an end.
    Rows that somebody else holds at this moment are left to them, and the next ones are taken, however many are held: a
    claim never waits while it holds others.
    """
    due = rows.filter(**{f"{field}__lte": since or now})
    # Told apart from every other lease, for databases without row locks.
    lease = now + LEASE + timedelta(microseconds=random.randrange(10**6))  # nosec B311 # a pause, no secret
    claimed, left = list[Row](), due.order_by(field, "pk")
    while not claimed and (first := list(left.values_list(field, "pk")[:size])):
        moment, last = first[-1]
        left = left.filter(Q(**{f"{field}__gt": moment}) | Q(**{field: moment, "pk__gt": last}))
        claimed = _claim(rows, due, [pk for _, pk in first], field, lease)
    return claimed


def _claim(rows: QuerySet[Row], due: QuerySet[Row], pks: list[Any], field: str, lease: datetime) -> list[Row]:
    """Take the rows of these keys that are due and that nobody holds, and commit."""
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
    """Say when claimed rows are due again, by key; not where somebody changed that meanwhile."""
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
    """Let rows be due now, batch after batch in key order, and return how many there are; ``also``: other fields.

    Whoever holds some of them may want others: like a claim it never waits while it holds one. ``wait`` False: rows
    that somebody else holds are left as they are.
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
    """Lock rows in key order until the transaction ends, and return their keys; the first of its statements.

    ``wait`` False: not those that somebody else holds, where the database can tell.
    """
    write_first(rows)
    rows = rows.order_by("pk")
    return list((rows.select_for_update() if wait else unless_locked(rows)).values_list("pk", flat=True))


def write_first(rows: QuerySet[Any]) -> None:
    """Begin a transaction on SQLite with a write: it locks the file, and after a read that could fail."""
    connection = connections[rows.db]
    if (
        not connection.features.has_select_for_update
        and connection.settings_dict["OPTIONS"].get("transaction_mode") != "IMMEDIATE"
    ):
        rows.order_by().update(attempts=F("attempts"))


def unless_locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Lock rows but those that somebody else holds, where the database can tell (SQLite and old MariaDB can't)."""
    features = connections[database()].features
    return rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def insert_many(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of plain values, the named fields in their order; for so many that a model instance each is too slow.

    What the fields' validators and ``save`` would do is the caller's.
    """
    connection = connections[database()]
    fields: list[models.Field[Any, Any]] = [model._meta.get_field(name) for name in names]  # type: ignore[misc]
    quote = connection.ops.quote_name
    table, columns = quote(model._meta.db_table), ", ".join(quote(str(field.column)) for field in fields)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and hasattr(cursor, "copy"):  # psycopg 3; ten times as fast
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(fields))
        prepared = [
            [field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)]
            for row in rows
        ]
        cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", prepared)  # nosec B608 # names of our own fields


def after_commit(function: Callable[..., Any], *arguments: Any) -> None:
    """Run a function once the present transaction is committed; what it raises is logged and never the shop's."""

    @sensitive_variables()  # it runs below whoever commits, which is no flow of ours
    def run() -> None:  # not a partial: Django logs a failure by the function's name, and would fail at that
        function(*arguments)

    transaction.on_commit(run, using=database(), robust=True)


def outside_atomic_requests(view: View) -> View:
    """Run a view without ATOMIC_REQUESTS on any alias: what it keeps must be committed before it answers."""
    for alias in settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def in_shop_transaction() -> bool:
    """Return whether the caller is inside a transaction of its own, so that provider calls wait for its commit.

    The transaction that Django's ``TestCase`` rolls back is no such one: what waits for its commit would never be done.
    """
    blocks = connections[database()].atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


class ExactCharField(models.CharField):  # type: ignore[type-arg]
    """Text that is compared letter by letter on every database; MariaDB folds case and accents by default."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters


class Attempted(models.Model):
    """A row with work to do: whoever claims it works on it, and nobody else until the lease is over."""

    #: NULL when there is nothing to do.
    retry_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0, editable=False)
    last_error = models.TextField(_("last error"), blank=True, default="", editable=False)

    class Meta:
        abstract = True

    def claim(self, now: datetime, *, wait: bool = False) -> bool:
        """Take this row for one attempt and commit; False if somebody else has it.

        ``wait``: until whoever has locked it is done, as a person does; a worker goes on with what is free. Counted
        before the work begins, so that work which kills its process is counted too.
        """
        with one_transaction() as alias:
            row = type(self)._base_manager.using(alias).filter(pk=self.pk)
            # By its key: InnoDB might come by the index of due rows, and deadlock with who holds it and is done.
            locked = row.select_for_update() if wait else unless_locked(row)
            if connections[alias].features.has_select_for_update and not list(locked.values_list("pk")):
                return False
            due = row.filter(attempts=self.attempts, retry_at=self.retry_at)
            # Longer each time: work that kills its process never comes back to put itself off.
            until = now + max(LEASE, self.pause())
            if not due.update(attempts=F("attempts") + 1, retry_at=until):
                return False
        self.attempts, self.retry_at = self.attempts + 1, until
        return True

    def put_off(self, now: datetime, error: str) -> None:
        """Give the row back after a failure, due again after a pause; unless somebody ended its work meanwhile."""
        rows = type(self)._base_manager.using(database()).filter(pk=self.pk, attempts=self.attempts)
        rows.filter(retry_at__isnull=False).update(
            retry_at=now + self.pause() * random.uniform(0.8, 1.2),  # nosec B311 # a pause, no secret
            last_error=error.replace("\0", "")[:2000],
        )

    def pause(self) -> timedelta:
        """Return how long a failure waits: twice as long each time, up to an hour."""
        return min(FIRST_PAUSE * int(2 ** min(self.attempts, 12)), LONGEST_PAUSE)


class Hinted(models.Model):
    """A code about which something was told that proves nothing: its provider is asked, and that answer counts."""

    #: When the last hint came; NULL once an answer that was asked for later has been applied.
    hinted_at = models.DateTimeField(_("hinted"), null=True, blank=True, editable=False)
    #: When the provider is asked because of it; NULL when there is nothing to ask.
    look_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: When the provider was last asked because of a hint.
    looked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True
