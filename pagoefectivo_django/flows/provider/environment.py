"""Which accounts take real money: an order of a sandbox never stands in the way of one of production."""

from __future__ import annotations

from collections.abc import Iterable

from ...models import Cip

#: The environment in which real money is paid.
LIVE = "production"


def is_live(account: str) -> bool:
    """Return whether real money is paid to an account; its environment is the second part of its name."""
    return account.split(":")[1:2] == [LIVE]


def orders_of_tests(pks: Iterable[int], alias: str) -> set[int]:
    """Return those of the orders that had codes, and none that could be paid with real money."""
    live: dict[int, bool] = {}
    codes = Cip.objects.using(alias).filter(order__in=list(pks)).order_by()
    for pk, account in codes.values_list("order_id", "account").distinct():
        live[pk] = live.get(pk, False) or is_live(account)
    return {pk for pk, is_one in live.items() if not is_one}
