"""Tables of records: the columns that a page names, the rows of a queryset, and the cells of states and facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from ..money import display
from ..states import Fact, Mention, Remark

#: A column of a table: the name of a field, or a heading and a function that returns the cell of a row.
Column = str | tuple[Any, Callable[[Any], Any]]


@dataclass(frozen=True)
class Section:
    """A table below a record: a title, the headings of the columns, and the rows of cells."""

    title: Any
    columns: list[Any]
    #: Left out of ``repr``: a cell may name a payer, and an error report prints the values of variables.
    rows: list[list[Any]] = field(repr=False)


def table(title: Any, rows: QuerySet[Any] | list[Any], columns: Sequence[Column]) -> Section:
    """Return a section with a row for each record of a queryset or of a list, which is not empty."""
    fields = (rows.model if isinstance(rows, QuerySet) else type(rows[0]))._meta
    return Section(
        title,
        [fields.get_field(column).verbose_name if isinstance(column, str) else column[0] for column in columns],
        [[_cell(row, column) if isinstance(column, str) else column[1](row) for column in columns] for row in rows],
    )


def where_present(rows: QuerySet[Any], name: str) -> tuple[str, ...]:
    """Return the column of a field that most shops leave empty, if any of the rows has a value in the field."""
    return (name,) if any(getattr(row, name) for row in rows) else ()


def _cell(row: Any, name: str) -> Any:
    return badge_of(row, name) if row._meta.get_field(name).choices else getattr(row, name)


def badge(value: str, label: Any) -> SafeString | str:
    """Return a state's label in a coloured frame, or "" for an empty state."""
    return format_html('<span class="pagoefectivo-badge pagoefectivo-{}">{}</span>', value, label) if value else ""


def badge_of(row: Any, name: str) -> SafeString | str:
    """Return the value of a record's choice field as a badge."""
    return badge(getattr(row, name), getattr(row, f"get_{name}_display")())


def fact_label(fact: str) -> Any:
    """Return the label of a fact or remark in the reader's language, or an unknown fact as stored."""
    known = next((words for words in (Fact, Mention, Remark) if fact in words.values), None)
    return known(fact).label if known else fact


def short(text: str) -> str:
    """Return the first 80 characters of an error message."""
    return Truncator(text).chars(80)


#: Two columns of a payment: the amount sent back so far, and the amount of refunds that are not sent yet.
OF_REFUNDS: tuple[Column, ...] = (
    (_("refunded"), lambda payment: display(payment.sent_back, payment.currency)),
    (_("being refunded"), lambda payment: display(payment.refunded - payment.sent_back, payment.currency)),
)
