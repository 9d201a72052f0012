"""The manual's table of what a report carries for each fact, against what the ledger makes of reports without it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Payment
from pagoefectivo_django.states import Fact
from tests.factories.messages import report
from tests.factories.orders import bought, make
from tests.manual import table
from tests.reading import discrepancies, payments, state_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]

#: By fact, the cells: what is needed, and what may be left out.
TABLE = {
    name: row[1:]
    for row in table("how-to/adding-channels", "facts-of-reports")
    for name in re.findall("[A-Z_]{4,}", row[0])
}
#: The facts that a channel never reports: they are the ledger's conclusions, or outcomes told by errors.
OURS = {"REFUSED", "LOST", "REINSTATED", "ABSENT", "ACCEPTED", "WITHDRAWN", "LAPSED", "RETURNED"}


#: In which state each fact leaves an open order; a code that expired before its date is noted.
ENDS = {
    "PAYMENT_REVERSED": "refunded",
    "CODE_DELETED": "cancelled",
    "CODE_FAILED": "rejected",
}


def fields(cell: str) -> set[str]:
    return {word for word in re.findall("[a-z_]+", cell) if word in Report.__dataclass_fields__}


def test_the_table_has_each_fact_that_a_channel_reports() -> None:
    assert TABLE.keys() == {*Fact.__members__} - OURS


def test_the_table_names_what_a_payment_needs_and_what_it_does_not() -> None:
    needed, free = TABLE["PAYMENT"]
    assert fields(needed) == {"amount", "currency", "as_issued"}
    assert fields(free) == {"paid_at", "operation_number", "returned"}


@pytest.mark.parametrize("missing", [{"amount": None}, {"currency": ""}], ids=str)
def test_a_payment_without_what_is_needed_comes_to_a_person(missing: dict[str, Any]) -> None:
    order = make()
    advance(report(order.cips.get(), **missing))
    assert (state_of(order), payments(), discrepancies()) == ("pending", [], ["amount_mismatch"])


@pytest.mark.parametrize("missing", [{"paid_at": None}, {"operation_number": ""}, {"returned": None}], ids=str)
def test_a_payment_without_the_rest_pays(missing: dict[str, Any]) -> None:
    order, begin = make(), timezone.now()
    whole: dict[str, Any] = {"operation_number": "7", "paid_at": begin}
    for _repetition in range(2):
        advance(report(order.cips.get(), **whole | missing))
    assert (state_of(order), discrepancies()) == ("paid", [])
    payment = Payment.objects.get()
    assert (payment.paid_at or payment.first_heard_at) >= begin


@pytest.mark.parametrize(
    "fact", ["PAYMENT_REVERSED", "IN_PROCESS", "CODE_EXPIRED", "CODE_DELETED", "CODE_FAILED", "UNKNOWN"]
)
def test_a_name_of_the_code_is_enough_for_each_further_fact(fact: str) -> None:
    assert fields(TABLE[fact][0]) <= {"code", "detail"}
    order = bought() if fact == "PAYMENT_REVERSED" else make()
    advance(report(order.cips.get(), Fact[fact]))
    assert order.events.latest("number").state_after == state_of(order) == ENDS.get(fact, "pending")
    assert order.events.count() > 1
