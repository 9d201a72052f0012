"""Kind 5, two sources of one truth: a line that is judged alone can be the same payments as one of thousands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from pagoefectivo_django.flows.settlements.judging import judge
from pagoefectivo_django.models import Match, Order, Settlement, SettlementLine
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.factories.orders import make
from tests.factories.statements import day, load_own
from tests.reading import discrepancies

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def taken_back(number: str) -> Order:
    order = pay(make(), operation_number=number)
    notify(order, Fact.PAYMENT_REVERSED, operation_number=number)
    order.reload()
    return order


def statuses(settlement: Settlement) -> list[str]:
    return list(settlement.lines.order_by("number").values_list("status", flat=True))


def test_a_payment_that_was_taken_back_hides_no_other_of_its_number() -> None:
    """By the SQL the first line was its payment's; by Python nobody knew the second line's number."""
    taken_back("77")
    pay(make(), operation_number="77")
    settlement = load_own(f";77;35.50;1.89;{day()}", f";77;35.50;1.88;{day()}")
    assert statuses(settlement) == ["matched", "discrepancy"]
    assert discrepancies(settlement=settlement) == ["duplicate_line"]


#: What a line says of one payment that stands: its code, its number, both; beside what else has that number.
LINES: dict[str, Callable[[Order], str]] = {
    "code": lambda order: f"{order.code};;35.50;1.89;{day()}",
    "code and number": lambda order: f"{order.code};77;35.50;1.89;{day()}",
    "code and another number": lambda order: f"{order.code};78;35.50;1.89;{day()}",
    "number": lambda order: f";77;35.50;1.89;{day()}",
    "another amount": lambda order: f"{order.code};77;35.49;1.89;{day()}",
    "nothing": lambda order: f";;35.50;1.89;{day()}",
}
BESIDE: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "one that was taken back": lambda: taken_back("77"),
    "another order's": lambda: pay(make(), operation_number="77"),
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("said", LINES)
def test_alone_and_among_thousands_a_line_is_the_same_payment_s(said: str, beside: str) -> None:
    order = pay(make(), operation_number="77")
    BESIDE[beside]()
    settlement = load_own(LINES[said](order))
    row = settlement.lines.get()
    of_all = (row.status, list(Match.objects.filter(stands=True).values_list("payment", "rule")))
    Match.objects.all().delete()
    SettlementLine.objects.update(status="new", about="", reason="", first=None)
    judge(row.pk, settlement, timezone.now(), asked={"answer": "told"})
    row.refresh_from_db()
    assert (row.status, list(Match.objects.filter(stands=True).values_list("payment", "rule"))) == of_all
