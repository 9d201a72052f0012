"""Lists and searches that take as long among a million rows as among a thousand: bounded, and by an index each."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from ..flows.reports.accounts import known_accounts
from ..models import Cip, Order, Payment

#: Rows that a list counts and shows; who looks for others searches or filters.
MOST_LISTED = 1_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the first rows; it never counts a whole table."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_LISTED].count()) if isinstance(rows, QuerySet) else len(rows)


class OrderedList(ChangeList):
    """A list in its own order, which has an index, whatever the address asks for.

    Django obeys ``?o=`` for every column, also where it offers no such link: each time it would sort the whole table.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        self.params.pop(ORDER_VAR, None)
        found: list[Any] = super().get_ordering(request, queryset)
        return found


def keys(rows: QuerySet[Any], name: str = "pk") -> list[Any]:
    """Return the keys of the first rows, without their order."""
    return list(rows.order_by().values_list(name, flat=True)[:MOST_LISTED])


def orders_found(term: str, *, by_payer: bool) -> set[int]:
    """Return the keys of orders: by the beginning of a reference or e-mail, or by a whole code or number."""
    found = {*keys(Order.objects.filter(reference__startswith=term)), *codes_found(term, "order")}
    found |= {*keys(Payment.objects.filter(operation_number=term), "cip__order")}
    if by_payer:
        found |= {*keys(Order.objects.filter(email__startswith=term))}
    return found


def codes_found(term: str, name: str = "pk") -> set[int]:
    """Return keys of codes by their digits or transaction code; an index has them by account."""
    accounts = list(known_accounts())
    mine = Cip.objects.filter(account__in=accounts)
    return {*keys(mine.filter(code=term), name), *keys(mine.filter(transaction_code=term), name)}
