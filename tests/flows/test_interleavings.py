"""For every interleaving with repetitions: no payment is lost, no order is paid without one, a repetition is nothing.

Reports about two codes of one order: repeated, late, reversed, without operation number, without time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.flows import reissue_code
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Cip, Delivery, Discrepancy, Order, OrderEvent, Payment
from pagoefectivo_django.states import CipStatus, Fact
from pagoefectivo_django.transitions import CODE_TABLE
from tests.factories.orders import make

pytestmark = [pytest.mark.storm, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True)
class Said:
    """One report, before it is known which order it is about."""

    code: int
    number: str
    hours: float | None
    back: bool = False
    #: An answer of the provider about the code, in place of a payment.
    answer: Fact | None = None


def payments(*, reversals: bool) -> st.SearchStrategy[list[Said]]:
    """Views of at most two payments on each of two codes: a view may lack number or time."""

    @st.composite
    def build(draw: Any) -> list[Said]:
        said = []
        for code in (0, 1):
            numbers = draw(st.sampled_from([[], ["1"], ["1"], ["1", "2"]]))
            hours = draw(st.sampled_from([-1.0, 5.0]))  # before or after the date and its grace
            for number in numbers:
                views = draw(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=3))
                for with_number, with_time in views:
                    said.append(Said(code, number if with_number else "", hours if with_time else None))
                if reversals and draw(st.booleans()):
                    said.append(Said(code, draw(st.sampled_from([number, ""])), None, back=True))
        return said + (draw(st.lists(st.sampled_from(said), max_size=2)) if said else [])

    return build()


def order_of_two_codes() -> tuple[Order, list[Cip]]:
    order = make()
    reissue_code(order)
    cips = list(order.cips.order_by("pk"))
    assert [cip.status for cip in cips] == ["superseded", "current"]
    return order, cips


def play(said: Sequence[Said]) -> tuple[Order, dict[str, Any]]:
    order, cips = order_of_two_codes()
    now = order.expires_at + timedelta(hours=10)
    for one in said:
        cip = cips[one.code]
        fact = one.answer or (Fact.PAYMENT_REVERSED if one.back else Fact.PAYMENT)
        report = Report(
            account=cip.account,
            fact=fact,
            code=cip.code or "",
            amount=None if one.answer else order.amount,
            currency=order.currency,
            asked_at=now if one.answer else None,
            paid_at=None if one.hours is None else order.expires_at + timedelta(hours=one.hours),
            operation_number=one.number,
            received_at=now,
        )
        advance(report, now=now)
        before = books(order)
        advance(report, now=now)
        assert books(order) == before, f"{one} applied twice in a row changed something"
        check(order)
    return order, summary(order, cips)


def books(order: Order) -> dict[str, Any]:
    """Everything that is written about an order."""
    discrepancies = Discrepancy.objects.filter(order=order)
    return {
        "order": Order.objects.filter(pk=order.pk).values().get(),
        "cips": list(order.cips.order_by("pk").values()),
        "payments": list(Payment.objects.filter(cip__order=order).order_by("pk").values()),
        "discrepancies": list(discrepancies.order_by("pk").values()),
        "events": OrderEvent.objects.filter(order=order).count(),
        "deliveries": Delivery.objects.filter(event__order=order).count(),
    }


def check(order: Order) -> None:
    order.refresh_from_db()
    found = list(Payment.objects.filter(cip__order=order))
    asked = set(Discrepancy.objects.filter(order=order).open().values_list("payment", flat=True))
    applied = [payment for payment in found if payment.status == "applied"]
    assert len(applied) == (order.state == "paid"), "an order is paid by exactly one payment"
    for payment in found:
        assert payment.status in ("applied", "reversed") or payment.pk in asked, f"{payment} is forgotten"
    if order.state == "refunded":
        assert any(payment.status == "reversed" for payment in found)


def summary(order: Order, cips: list[Cip]) -> dict[str, Any]:
    """What must be the same whatever the order of arrival."""
    found = Payment.objects.filter(cip__order=order)
    return {
        "state": order.state,
        "payments": Counter((cips.index(payment.cip), payment.operation_number, payment.amount) for payment in found),
        "standings": Counter(payment.status for payment in found),
        "discrepancies": Counter(Discrepancy.objects.filter(order=order).open().values_list("kind", flat=True)),
    }


@settings(max_examples=40)
@given(said=payments(reversals=True).flatmap(st.permutations))
def test_nothing_is_lost_in_any_order(said: list[Said]) -> None:
    play(said)


#: Facts that an answer may tell of a code, besides a payment.
OF_CODES = [fact for fact in CODE_TABLE[CipStatus.CURRENT] if fact not in (Fact.PAYMENT, Fact.PAYMENT_REVERSED)]


@settings(max_examples=80)
@given(data=st.data(), said=payments(reversals=True))
def test_nothing_is_lost_whatever_becomes_of_the_codes(data: Any, said: list[Said]) -> None:
    told = st.builds(
        Said, code=st.sampled_from([0, 1]), number=st.just(""), hours=st.none(), answer=st.sampled_from(OF_CODES)
    )
    play(data.draw(st.permutations(said + data.draw(st.lists(told, min_size=1, max_size=6)))))


@settings(max_examples=40)
@given(data=st.data(), said=payments(reversals=False))
def test_payments_are_the_same_in_any_order(data: Any, said: list[Said]) -> None:
    other = data.draw(st.permutations(said))
    (one, first), (another, second) = play(said), play(other)
    first["payments"], second["payments"] = (
        {(code, number): count for (code, number, _), count in counts.items()}
        for counts in (first["payments"], second["payments"])
    )
    assert first == second
    assert {one.state, another.state} <= {"paid", "pending"}
