"""Facts that some providers have: in process, code failed, reinstated, and how much of a payment went back so far."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown, Refused
from pagoefectivo_django.flows import (
    actions_of,
    approve_refund,
    cancel_order,
    extend_order,
    issue_code,
    refund_order,
    reissue_code,
    resolve_discrepancy,
    tick,
)
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Cip, Discrepancy, Order, OrderEvent, Payment, Refund
from pagoefectivo_django.states import Fact, Kind
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.messages import report
from tests.factories.orders import make
from tests.factories.provider import answers, channel, look, says, serve_by
from tests.reading import discrepancies, fresh

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


class Telling(MemoryChannel):
    """A provider whose answers tell a payment that was reversed from one that stands."""

    tells_reversals = True


@pytest.fixture
def telling(settings: Any) -> None:
    serve_by(settings, Telling)


@pytest.fixture
def two_routes(settings: Any) -> None:
    first = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    second = first | {"OPTIONS": first["OPTIONS"] | {"NAME": "second"}}
    routes = {"PEN": ["default", "second"]}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": first, "second": second}, "ROUTES": routes}


def in_process(day: float = 0) -> Order:
    order = make()
    answers(order, day, Fact.IN_PROCESS)
    return fresh(order)


# In process.


def test_an_order_in_process_stays_and_can_be_paid() -> None:
    order = in_process()
    assert (order.state, order.cip and order.cip.status) == ("pending", "current")
    assert order.cip
    assert order.cip.in_process_at
    pay(order)
    assert fresh(order).state == "paid"
    assert fresh(order).cip.in_process_at is None  # type: ignore[union-attr]


def test_a_code_in_process_is_not_cancelled_extended_or_reissued() -> None:
    order = in_process()
    (actions,) = actions_of([order]).values()
    assert {actions[action] for action in ("cancel", "extend", "reissue")} == {"in_process"}
    for change in (
        lambda: cancel_order(order, reason="changed"),
        lambda: extend_order(order, later(days=5)),
        lambda: reissue_code(order),
    ):
        with pytest.raises(InvalidRequest) as caught:
            change()
        assert caught.value.code == "payment_in_process"
    assert not [call for call, _ in MemoryChannel.calls if call in ("delete", "extend")]


def test_a_code_in_process_does_not_expire_until_the_outcome_is_known() -> None:
    order = in_process()
    tick(now=later(days=2.5))
    assert fresh(order).state == "pending"
    assert not [call for call, _ in MemoryChannel.calls if call == "delete"]
    says(order, Fact.CODE_EXPIRED)
    tick(now=later(days=3.5))
    assert fresh(order).state == "expired"


def test_a_code_in_process_for_days_comes_to_a_person_once_and_closes_with_the_outcome() -> None:
    order = in_process()
    look(2.9)
    assert discrepancies() == []
    for day in (3.1, 4, 5):
        look(day)
    assert discrepancies() == [Kind.IN_PROCESS]
    channel().set(order.code, Fact.PAYMENT, paid_at=later())
    look(5.1)
    assert discrepancies() == []
    assert fresh(order).state == "paid"


def test_a_superseded_code_in_process_is_deleted_only_after_the_outcome() -> None:
    MemoryChannel.fail("issue", OutcomeUnknown("no answer"), after=True)
    order = make()
    for minute in (2, 4):
        tick(now=later(minutes=minute))
    pay(fresh(order))
    (slip, _) = channel().book.values()
    advance(slip.report)
    old = Cip.objects.get(status="superseded")
    advance(report(old, Fact.IN_PROCESS, asked_at=later(), version=old.version))
    tick(now=later(hours=1))
    assert not [call for call, _ in MemoryChannel.calls if call == "delete"]
    old.refresh_from_db()
    advance(report(old, Fact.ISSUED, asked_at=later(), version=old.version))
    tick(now=later(hours=3))
    assert [code for call, code in MemoryChannel.calls if call == "delete"] == [old.code]


def test_a_lost_code_that_is_in_process_is_found(settings: Any) -> None:
    serve_by(settings, CAN_FIND=True)
    MemoryChannel.fail("issue", OutcomeUnknown("no answer"), after=True)
    MemoryChannel.fail("find", OutcomeUnknown("no answer"))
    order = make()
    assert order.state == "new"
    (slip,) = channel().book.values()
    channel().set(slip.report.code, Fact.IN_PROCESS)
    tick(now=later(minutes=2))
    order = fresh(order)
    assert (order.state, order.code) == ("pending", slip.report.code)
    assert order.cip
    assert order.cip.in_process_at


def test_a_paid_code_in_dispute_is_noted_and_stays_paid() -> None:
    order = make()
    pay(order)
    answers(order, 1, Fact.IN_PROCESS)
    assert fresh(order).state == "paid"
    assert discrepancies() == []
    assert OrderEvent.objects.filter(order=order, fact=Fact.IN_PROCESS).count() == 1
    look(4.5)
    assert discrepancies() == [Kind.IN_PROCESS]


# Code failed.


def failed(order: Order, day: float = 0) -> None:
    answers(order, day, Fact.CODE_FAILED)


@pytest.mark.usefixtures("two_routes")
def test_a_failed_code_gives_way_to_the_next_route() -> None:
    order = make()
    first = order.code
    failed(order)
    assert fresh(order).state == "new"
    tick(now=later(minutes=1))
    order = fresh(order)
    assert (order.state, order.cip and order.cip.channel) == ("pending", "second")
    assert order.code != first
    pay(order)
    assert fresh(order).state == "paid"


def test_a_failed_code_without_a_further_route_rejects_the_order() -> None:
    order = make()
    failed(order)
    assert fresh(order).state == "rejected"
    assert OrderEvent.objects.filter(order=order, kind="payment_rejected").count() == 1


@pytest.mark.usefixtures("two_routes")
def test_a_failed_code_that_is_paid_all_the_same_pays_the_order_and_the_next_code_goes() -> None:
    order = make()
    first = order.cip
    assert first
    failed(order)
    tick(now=later(minutes=1))
    advance(report(first))
    order = fresh(order)
    assert (order.state, order.code) == ("paid", first.code)
    assert not order.cips.filter(live=True).exists()


@pytest.mark.usefixtures("two_routes")
def test_a_failed_code_is_no_news_for_an_order_that_ended() -> None:
    for end in (pay, lambda order: cancel_order(order, reason="changed")):
        order = make()
        end(order)
        state = fresh(order).state
        advance(report(order.cip, Fact.CODE_FAILED))  # type: ignore[arg-type]
        assert fresh(order).state == state


@pytest.mark.usefixtures("two_routes")
def test_both_routes_fail() -> None:
    order = make()
    failed(order)
    MemoryChannel.fail("issue", Refused("no"))
    tick(now=later(minutes=1))
    assert fresh(order).state == "rejected"
    issue_code(order)
    assert fresh(order).state == "rejected"


# Reinstated.


def reversed_order() -> Order:
    order = make()
    pay(order, operation_number="1")
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1")
    order = fresh(order)
    assert order.state == "refunded"
    for discrepancy in Discrepancy.objects.open():
        resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="The portal says so.")
    return order


def says_paid(order: Order, day: float) -> None:
    channel().set(order.code, Fact.PAYMENT, paid_at=order.paid_at, operation_number="1")
    look(day)


@pytest.mark.usefixtures("telling")
def test_a_reinstated_payment_is_held_and_comes_to_a_person_once() -> None:
    order = reversed_order()
    for day in (1, 2, 3):
        says_paid(order, day)
    assert discrepancies() == [Kind.REINSTATED]
    assert [payment.status for payment in Payment.objects.all()] == ["held"]
    (discrepancy,) = Discrepancy.objects.open()
    resolve_discrepancy(discrepancy, "accept", actor="marta", reason="The portal shows the money.")
    assert fresh(order).state == "paid"
    assert OrderEvent.objects.filter(order=order, kind="payment_confirmed").count() == 2


@pytest.mark.usefixtures("telling")
def test_a_reinstated_payment_may_be_taken_back_again() -> None:
    order = reversed_order()
    says_paid(order, 1)
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1", amount="35.50", userName="again")
    assert [payment.status for payment in Payment.objects.all()] == ["reversed"]
    assert fresh(order).state == "refunded"


def test_an_answer_that_does_not_tell_reversals_reinstates_nothing() -> None:
    order = reversed_order()
    says_paid(order, 1)
    assert discrepancies() == []
    assert [payment.status for payment in Payment.objects.all()] == ["reversed"]


# How much went back so far.


def returned(order: Order, amount: str, day: float) -> None:
    cip = fresh(order).cip
    assert cip
    told = report(cip, operation_number="1", asked_at=later(days=day), version=cip.version)
    advance(Report(**{name: getattr(told, name) for name in told.__dataclass_fields__} | {"returned": Decimal(amount)}))


def test_parts_that_went_back_come_to_a_person_once_each() -> None:
    order = make()
    pay(order, operation_number="1")
    for day, amount in enumerate(("0", "5.00", "5.00", "5.00"), 1):
        returned(order, amount, day)
    (discrepancy,) = Discrepancy.objects.open()
    assert (discrepancy.kind, discrepancy.amount) == (Kind.REVERSED, Decimal("5.00"))
    resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="A goodwill of the agent.")
    returned(order, "5.00", 5)
    assert discrepancies() == []
    returned(order, "8.00", 6)
    assert discrepancies() == [Kind.REVERSED]
    assert fresh(order).state == "paid"


def test_all_that_went_back_reverses_the_payment() -> None:
    order = make()
    pay(order, operation_number="1")
    returned(order, "35.50", 1)
    assert fresh(order).state == "refunded"
    assert discrepancies() == [Kind.REVERSED]
    returned(order, "35.50", 2)
    assert discrepancies() == [Kind.REVERSED]
    assert Payment.objects.count() == 1


def test_refunds_of_ours_explain_what_went_back(settings: Any) -> None:
    serve_by(settings, CAN_REFUND=True)
    order = make()
    pay(order, operation_number="1")
    channel().set(order.code, Fact.PAYMENT)
    approve_refund(refund_order(order, Decimal("5.00"), actor="rosa", reason="one of two"), actor="eva")
    tick(now=later(minutes=5))
    assert Refund.objects.get().status == "done"
    returned(order, "5.00", 1)
    assert discrepancies() == []
    returned(order, "6.00", 2)
    (discrepancy,) = Discrepancy.objects.open()
    assert discrepancy.amount == Decimal("1.00")
