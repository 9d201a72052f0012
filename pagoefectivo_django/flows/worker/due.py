"""Which kinds of work are due, read in one statement: in most rounds none is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connections, models

from ...models import Cip, Delivery, FeedEntry, Notification, Order, Refund, UnknownCode
from ...models.database import database
from ..provider.accounts import accounts

logger = logging.getLogger("pagoefectivo.worker")

#: By kind of work, the table of its rows and the date from which a row is due. Each date has an index.
_DATES: dict[str, tuple[type[models.Model], str]] = {
    "notifications": (Notification, "retry_at"),
    "deliveries": (Delivery, "retry_at"),
    "reminders": (Order, "remind_at"),
    "pending_actions": (Order, "retry_at"),
    "deletions": (Cip, "retry_at"),
    "refunds": (Refund, "retry_at"),
    "expiries": (Order, "lapses_at"),
    "polls": (Cip, "poll_at"),
}
#: The same for dates whose index begins with the account.
_DATES_BY_ACCOUNT: dict[str, tuple[type[models.Model], str]] = {
    "hints": (Cip, "look_at"),
    "unknown_codes": (UnknownCode, "look_at"),
}


class DueWork:
    """The kinds of work that are due in a round, read when first needed, and again after ``forget``.

    A kind counts as due if the date of a row has come, also where the work has further conditions and finds nothing. If
    the kinds can't be read though the database is there, all count as due in this round: a table that an update has
    changed, or a shop's own channel that can't be built, holds back its own work only.
    """

    def __init__(self) -> None:
        self._kinds: set[str] | None = None
        self._accounts: list[str] | None = None
        self._unreadable = False

    def includes(self, kinds: tuple[str, ...], now: datetime) -> bool:
        """Return whether work of one of the kinds is due."""
        if self._kinds is None and not self._unreadable:
            try:
                if self._accounts is None:  # once for a round, since each channel that can't be used is logged
                    self._accounts = list(accounts())
                self._kinds = _read(self._accounts, now)
            except Exception as error:
                if isinstance(error, OperationalError | InterfaceError) and not connections[database()].is_usable():
                    raise
                logger.exception("What is due can't be read; this round looks for every kind of work.")
                self._unreadable = True
        return self._kinds is None or not self._kinds.isdisjoint(kinds)

    def forget(self) -> None:
        """Have the kinds read again, since work is done that may make other work due."""
        self._kinds = None


def _read(configured: Sequence[str], now: datetime) -> set[str]:
    """Return the kinds of work with a date that has come, a deferred action, or an event without a number.

    A date is read as the least of its index, for which no database reads more than a row, whatever its statistics say.
    As SQL, since Django would compile a dozen subqueries in each round, which takes longer than the rest of the round.
    """
    connection = connections[database()]
    name, moment = connection.ops.quote_name, connection.ops.adapt_datetimefield_value(now)
    looks, values = list[str](), list[Any]()

    def look(kind: str, condition: str, *of: Any) -> None:
        looks.append(f"SELECT '{kind}' FROM (SELECT 1) AS one WHERE {condition}")  # nosec B608 # names of our own
        values.extend(of)

    def least(model: type[models.Model], column: str, of: str = "MIN") -> str:
        return f"SELECT {of}({name(column)}) FROM {name(model._meta.db_table)}"  # nosec B608

    for kind, (model, date) in _DATES.items():
        look(kind, f"({least(model, date)}) <= %s", moment)
    look("deferred_actions", f"({least(Order, 'deferred_action', 'MAX')}) > ''")
    feed = f"SELECT 1 FROM {name(FeedEntry._meta.db_table)} WHERE {name('number')} IS NULL"  # nosec B608
    look("feed", f"EXISTS ({feed})")
    for account in configured:
        for kind, (model, date) in _DATES_BY_ACCOUNT.items():
            look(kind, f"({least(model, date)} WHERE {name('account')} = %s) <= %s", account, moment)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks), values)
        return {kind for (kind,) in cursor.fetchall()}
