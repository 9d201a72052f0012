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
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

#: How long whoever took a row may work on it before somebody else may. Longer than one provider call.
LEASE = timedelta(minutes=2)
FIRST_PAUSE = timedelta(seconds=20)
LONGEST_PAUSE = timedelta(hours=1)

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


def claim_batch(rows: QuerySet[Row], field: str, now: datetime, size: int) -> list[Row]:
    """Take the rows that have been due longest, by a field that says when, for the time of a lease; and commit.

    Rows that somebody else holds at this moment are left to them: a claim never waits while it holds others.
    """
    due = rows.filter(**{f"{field}__lte": now})
    pks = list(due.order_by(field, "pk").values_list("pk", flat=True)[:size])
    if not pks:
        return []
    # Told apart from every other lease, for databases without row locks.
    lease = now + LEASE + timedelta(microseconds=random.randrange(10**6))  # nosec B311 # a pause, no secret
    mine = due.filter(pk__in=pks).order_by("pk")
    with one_transaction() as alias:
        if not connections[alias].features.has_select_for_update:
            mine.order_by().update(**{field: lease})
            return list(rows.filter(**{"pk__in": pks, field: lease}).order_by("pk"))
        claimed = list(_unless_locked(mine))
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
            pks = list(_unless_locked(table.filter(pk__in=pks).order_by("pk")).values_list("pk", flat=True))
        for pk in pks:
            groups.setdefault((claims[pk], moments[pk]), []).append(pk)
        for (claim, moment), mine in groups.items():
            table.filter(**{"pk__in": mine, field: claim}).update(**{field: moment})


def make_due(rows: QuerySet[Row], field: str, now: datetime) -> int:
    """Let rows be due now, batch after batch in key order, and return how many there are.

    Whoever holds some of them may want others: like a claim it never waits while it holds one.
    """
    count, last = 0, 0
    while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:1000]):
        last, free = pks[-1], pks
        with one_transaction() as alias:
            if connections[alias].features.has_select_for_update:
                free = list(_unless_locked(rows.filter(pk__in=pks).order_by("pk")).values_list("pk", flat=True))
            count += rows.filter(pk__in=free).update(**{field: now})
        for pk in set(pks) - set(free):
            count += rows.filter(pk=pk).update(**{field: now})
    return count


def _unless_locked(rows: QuerySet[Row]) -> QuerySet[Row]:
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

    def run() -> None:  # not a partial: Django logs a failure by the function's name, and would fail at that
        function(*arguments)

    transaction.on_commit(run, using=database(), robust=True)


def outside_atomic_requests(view: View) -> View:
    """Run a view without ATOMIC_REQUESTS on any alias: what it keeps must be committed before it answers."""
    for alias in settings.DATABASES:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def in_shop_transaction() -> bool:
    """Return whether the caller is inside a transaction of its own, so that provider calls wait for its commit."""
    return connections[database()].in_atomic_block


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
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0, editable=False)
    last_error = models.TextField(_("last error"), blank=True, default="", editable=False)

    class Meta:
        abstract = True

    def claim(self, now: datetime) -> bool:
        """Take this row for one attempt and commit; False if somebody else has it.

        Counted before the work begins, so that work which kills its process is counted too.
        """
        with one_transaction() as alias:
            row = type(self)._base_manager.using(alias).filter(pk=self.pk)
            if connections[alias].features.has_select_for_update:
                # By its key: InnoDB might come by the index of due rows, and deadlock with who holds it and is done.
                list(row.select_for_update().values_list("pk"))
            due = row.filter(attempts=self.attempts, next_attempt_at=self.next_attempt_at)
            # Longer each time: work that kills its process never comes back to put itself off.
            until = now + max(LEASE, self.pause())
            if not due.update(attempts=F("attempts") + 1, next_attempt_at=until):
                return False
        self.attempts, self.next_attempt_at = self.attempts + 1, until
        return True

    def put_off(self, now: datetime, error: str) -> None:
        """Give the row back after a failure, due again after a pause; unless somebody ended its work meanwhile."""
        rows = type(self)._base_manager.using(database()).filter(pk=self.pk, attempts=self.attempts)
        rows.filter(next_attempt_at__isnull=False).update(
            next_attempt_at=now + self.pause() * random.uniform(0.8, 1.2),  # nosec B311 # a pause, no secret
            last_error=error.replace("\0", "")[:2000],
        )

    def pause(self) -> timedelta:
        """Return how long a failure waits: twice as long each time, up to an hour."""
        return min(FIRST_PAUSE * int(2 ** min(self.attempts, 12)), LONGEST_PAUSE)
