"""Tables of records: from the columns that a page names, and the cells of amounts, states and facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from ..actors import Actor
from ..documents.tables import Amount, Badge, Cell, Table, Text

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

#: A column of a table: the name of a field, or a heading and a function that returns the cell of a row.
Column = str | tuple[Text, Callable[[Any], Cell]]
Value = TypeVar("Value")
#: A method of an admin that returns what a record shows.
Method = Callable[[Any, Any], Value]


def table(title: Text, rows: QuerySet[Any] | list[Any], columns: Sequence[Column]) -> Table:
    """Return a table with a row for each record of a queryset or of a list, which is not empty."""
    fields = (rows.model if isinstance(rows, QuerySet) else type(rows[0]))._meta
    return Table(
        title,
        [fields.get_field(column).verbose_name if isinstance(column, str) else column[0] for column in columns],
        [[_cell(row, column) if isinstance(column, str) else column[1](row) for column in columns] for row in rows],
    )


def column(
    description: str | _StrPromise, *, ordering: str | None = None
) -> Callable[[Method[Value]], Method[Value | str]]:
    """Declare a method of an admin as a column of its list, and as a field of its records' pages.

    Django's ``admin.display`` shows None in lists as a dash, but on a record's page as the word "None"; here both have
    the dash. ``description`` is the heading, ``ordering`` the field by which the list is sorted.
    """

    def declare(method: Method[Value]) -> Method[Value | str]:
        @wraps(method)
        def shown(self: Any, row: Any) -> Value | str:
            value = method(self, row)
            return str(self.get_empty_value_display()) if value is None else value

        return admin.display(description=description, ordering=ordering)(shown)

    return declare


def where_present(rows: QuerySet[Any], name: str) -> tuple[str, ...]:
    """Return the column of a field that most shops leave empty, if any of the rows has a value in the field."""
    return (name,) if any(getattr(row, name) for row in rows) else ()


def _cell(row: Any, name: str) -> Cell:
    if row._meta.get_field(name).choices:
        return badge_of(row, name)
    value: Cell = getattr(row, name)
    return str(value) if isinstance(value, Model) else value


def badge_of(row: Any, name: str) -> Badge | None:
    """Return the value of a record's choice field as a badge, or None for an empty value."""
    value = getattr(row, name)
    return Badge(value, getattr(row, f"get_{name}_display")()) if value else None


def amount_of(row: Any) -> Amount | None:
    """Return the amount of a record in the record's currency, or None for a record without an amount."""
    return None if row.amount is None else Amount(row.amount, row.currency)


def who(name: str) -> Callable[[Any], str]:
    """Return a function from a record to the actor stored in a field, in the reader's language."""
    return lambda row: Actor.parse(getattr(row, name)).label


def short(text: str) -> str:
    """Return the first 80 characters of an error message."""
    return Truncator(text).chars(80)


#: Two columns of a payment: the amount sent back so far, and the amount of refunds that are not sent yet.
OF_REFUNDS: tuple[Column, ...] = (
    (_("refunded"), lambda payment: Amount(payment.sent_back, payment.currency)),
    (_("being refunded"), lambda payment: Amount(payment.refunded - payment.sent_back, payment.currency)),
)
