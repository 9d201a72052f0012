"""Lists and searches whose duration does not grow with the table: each is bounded and served by an index."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from ..flows.reports.accounts import known_accounts
from ..models import Cip, Order, Payment

#: The most rows that a list counts and shows, or a search looks up; a search or a filter finds the rest.
MOST_LISTED = 1_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """A paginator of the first ``MOST_LISTED`` rows, which never counts a whole table."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_LISTED].count()) if isinstance(rows, QuerySet) else len(rows)


class OrderedList(ChangeList):
    """A change list that keeps its own indexed order and ignores ``?o=`` in the address.

    Django obeys ``?o=`` for every column, even for a column without a sort link, and would sort the whole table each
    time.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        self.params.pop(ORDER_VAR, None)
        found: list[Any] = super().get_ordering(request, queryset)
        return found


def keys(rows: QuerySet[Any], name: str = "pk") -> list[Any]:
    """Return the keys, or another column, of at most ``MOST_LISTED`` rows in no order."""
    return list(rows.order_by().values_list(name, flat=True)[:MOST_LISTED])


def orders_found(term: str, *, by_payer: bool) -> set[int]:
    """Return the keys of orders that match a term.

    The term is the beginning of a reference or, with ``by_payer``, of an e-mail address; or a whole code, transaction
    code, provider's id or operation number.
    """
    found = {*keys(Order.objects.filter(reference__startswith=term)), *codes_found(term, "order")}
    found |= {*keys(Payment.objects.filter(operation_number=term), "cip__order")}
    if by_payer:
        found |= {*keys(Order.objects.filter(email__startswith=term))}
    return found


def codes_found(term: str, name: str = "pk") -> set[int]:
    """Return the keys, or another column, of codes with these digits, this number or this id at the provider.

    The look-up names every known account, because the index begins with the account.
    """
    accounts = list(known_accounts())
    mine = Cip.objects.filter(account__in=accounts)
    columns = ("code", "transaction_code", "provider_id", "other_code")
    return {key for column in columns for key in keys(mine.filter(**{column: term}), name)}
