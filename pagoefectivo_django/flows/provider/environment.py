"""Tell accounts that take real money from sandboxes: a sandbox order never stands in a production order's way."""

from __future__ import annotations

from collections.abc import Iterable

from ...models import Cip

#: The environment in which real money is paid.
LIVE = "production"


def is_live(account: str) -> bool:
    """Return whether an account takes real money, by the second part of the account's name."""
    return account.split(":")[1:2] == [LIVE]


def orders_of_tests(pks: Iterable[int], alias: str) -> set[int]:
    """Return the keys of orders with codes, but none on a production account; orders without codes are left out."""
    live: dict[int, bool] = {}
    codes = Cip.objects.using(alias).filter(order__in=list(pks)).order_by()
    for pk, account in codes.values_list("order_id", "account").distinct():
        live[pk] = live.get(pk, False) or is_live(account)
    return {pk for pk, is_one in live.items() if not is_one}
