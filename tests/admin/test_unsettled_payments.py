"""Kind 5, two sources of one truth: what is not settled is as much on the first page as it is for the command."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import RequestFactory
from django.utils import timezone
from django.utils.html import strip_tags

from pagoefectivo_django.dashboard.books import books
from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import notify, pay

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]


def of_the_page(user: object) -> list[tuple[int, str]]:
    request = RequestFactory().get("/")
    request.user = user  # type: ignore[assignment]
    (panel,) = [one for one in books(request, timezone.now())["panels"] if "no settlement yet" in str(one.title)]
    return [(int(strip_tags(str(row[1]))), str(row[2]).replace("S/\u00a0", "")) for row in panel.rows]


def of_the_command() -> list[tuple[int, str]]:
    out = StringIO()
    call_command("pagoefectivo_reconcile", "--report", stdout=out)
    found = re.findall(r"not settled since .*?days: (\d+) .*?, ([\d.,]+)", out.getvalue())
    return [(int(count), amount) for count, amount in found]


def paid_once(order: Order) -> None:
    pay(order, operation_number="1")


def paid_twice(order: Order) -> None:
    pay(order, operation_number="1")
    notify(order, operation_number="2")


def paid_in_vain(order: Order) -> None:
    """Another amount than the order's, which a person has to look at."""
    notify(order, operation_number="1", amount="1.00")


@pytest.mark.parametrize(
    ("paid", "told"), [(paid_once, (1, "120.50")), (paid_twice, (2, "241.00")), (paid_in_vain, (1, "1.00"))]
)
def test_page_and_command_say_the_same(
    new_order: Make, admin_user: object, paid: Callable[[Order], None], told: tuple[int, str]
) -> None:
    """Of an order that was paid twice the command counted two payments, the page one."""
    paid(new_order())
    assert of_the_command()[0] == told
    assert of_the_page(admin_user) == of_the_command()
