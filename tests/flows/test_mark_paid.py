"""Marked as paid by hand: a person vouches, and what the provider tells later changes nothing or is asked about."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import AlreadyPaid, InReview, InvalidRequest, Refused, Unavailable
from pagoefectivo_django.flows import cancel_order, mark_paid, refund_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.models import Cip, Discrepancy, Order, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later
from tests.concurrency import at_once
from tests.factories.orders import lost, make, without_code
from tests.reading import discrepancies, payments
from tests.shop.models import Heard

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def mark(order: Order, number: str = "99", **changes: Any) -> Order:
    return mark_paid(order, number, **{"actor": "marta", "reason": "Seen in the portal."} | changes)


def test_the_order_is_paid_and_says_by_whom_and_why() -> None:
    order = mark(make())
    assert (order.state, order.operation_number, order.cip.status) == ("paid", "99", "paid")  # type: ignore[union-attr]
    payment = Payment.objects.get()
    assert (payment.amount, payment.currency, payment.status) == (Decimal("35.50"), "PEN", "applied")
    event = order.events.get(kind="payment_confirmed")
    assert (event.actor.name, event.reason, event.fact) == ("marta", "Seen in the portal.", "accepted")
    assert Heard.objects.count() == 1


@pytest.mark.parametrize("number", ["99", None])
def test_a_message_of_the_same_operation_adds_its_time(number: str | None) -> None:
    order, when = mark(make()), later(minutes=-5).replace(microsecond=0)
    for _ in range(3):
        assert notify(order, operation_number=number, paid_at=when) == 200
    order.refresh_from_db()
    assert (order.state, order.paid_at, payments()) == ("paid", when, [("99", "applied")])
    assert (discrepancies(""), Heard.objects.count()) == ([], 1)


def test_a_message_of_another_operation_is_asked_about() -> None:
    order = mark(make())
    notify(order, operation_number="100")
    assert (payments(), discrepancies("")) == ([("99", "applied"), ("100", "duplicate")], ["duplicate_payment"])


@pytest.mark.parametrize("changes", [{"amount": "1.00"}, {"currency": "USD"}])
def test_a_message_of_the_same_operation_that_contradicts_is_asked_about(changes: dict[str, str]) -> None:
    order = mark(make())
    notify(order, operation_number="99", **changes)
    assert (payments(), discrepancies("")) == ([("99", "applied")], ["amount_mismatch"])


def test_a_payment_of_an_older_code_is_asked_about() -> None:
    order = make()
    old = order.code
    order = mark(reissue_code(order))
    notify(order, code=old, operation_number="99")
    assert discrepancies("") == ["duplicate_payment"]


@pytest.mark.parametrize("state", ["pending", "expired", "cancelled"])
def test_in_every_state_in_which_a_code_could_have_been_paid(state: str) -> None:
    order = make()
    order = {"expired": expire, "cancelled": cancel_order}.get(state, lambda order: order)(order)
    assert order.state == state
    assert mark(order).state == "paid"
    assert (payments(), discrepancies(""), Heard.objects.count()) == ([("99", "applied")], [], 1)
    tick()
    assert Order.objects.get().state == "paid"


@pytest.mark.parametrize(("error", "state"), [(Refused("No."), "rejected"), (Unavailable("Down."), "new")])
def test_without_a_code_nothing_was_paid(error: Exception, state: str) -> None:
    MemoryChannel.fail("issue", error)
    order = make()
    assert order.state == state
    with pytest.raises(InvalidRequest, match="no code that could have been paid"):
        mark(order)
    assert not Payment.objects.exists()


def test_a_code_whose_answer_got_lost_could_have_been_paid() -> None:
    order = lost()
    assert Cip.objects.get().status == "lost"
    assert mark(order).state == "paid"
    code = next(iter(MemoryChannel.slips["memory:default"]))
    notify(order, code=code, transaction_code=Cip.objects.get().transaction_code, operation_number="99")
    assert (Cip.objects.get().code, payments(), discrepancies("")) == (code, [("99", "applied")], [])


def test_by_an_order_that_was_read_before_it_had_a_code() -> None:
    order = without_code()
    stale = Order.objects.get()
    tick(later(minutes=10))
    assert mark(stale).state == "paid"
    assert (Cip.objects.get(live=None, status="paid").code or "") == Order.objects.select_related("cip").get().code
    assert order.cips.filter(live=True).count() == 0


def test_not_twice_and_not_what_was_refunded() -> None:
    order = mark(make())
    for _ in range(2):
        with pytest.raises(AlreadyPaid, match="is paid"):
            mark(order)
    notify(order, Fact.PAYMENT_REVERSED, operation_number="99")
    assert Order.objects.get().state == "refunded"
    with pytest.raises(AlreadyPaid, match="is refunded"):
        mark(order, "100")
    with pytest.raises(AlreadyPaid):
        mark(pay(make()))


def test_two_at_once_pay_once() -> None:
    order = make()
    results = at_once(*[partial(mark, order, str(number)) for number in range(4)])
    assert len([result for result in results if isinstance(result, AlreadyPaid)]) == 3
    assert (Payment.objects.count(), Heard.objects.count()) == (1, 1)


def test_an_open_discrepancy_is_answered_first() -> None:
    order = make()
    notify(order, amount="1.00", operation_number="7")
    with pytest.raises(InReview, match="answer it"):
        mark(order)
    discrepancy = Discrepancy.objects.get()
    resolve_discrepancy(discrepancy, "refund_due", actor="marta", reason="He paid the rest in the shop.")
    with pytest.raises(InvalidRequest, match="taken or given back"):
        mark(order, "7")
    assert mark(order, "99").state == "paid"
    assert payments() == [("7", "held"), ("99", "applied")]


@pytest.mark.parametrize("number", ["7", None])
def test_money_of_another_amount_is_not_taken_for_the_whole(number: str | None) -> None:
    order = make()
    notify(order, amount="1.00", operation_number=number)
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", actor="marta", reason="x")
    with pytest.raises(InvalidRequest, match=r"was paid with S/\s1\.00"):
        mark(order, "7")
    assert Order.objects.get().state == "pending"


def test_a_payment_that_is_held_is_the_same() -> None:
    order = make()
    notify(order, paid_at=later(days=9))
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", actor="marta", reason="x")
    assert mark(order, "7").state == "paid"
    assert payments() == [("7", "applied")]


@pytest.mark.parametrize("number", ["99", None])
def test_what_the_provider_took_back_before_is_not_vouched_for(number: str | None) -> None:
    order = make()
    notify(order, Fact.PAYMENT_REVERSED, operation_number=number)
    with pytest.raises(InvalidRequest, match="back"):
        mark(order)
    assert (Order.objects.get().state, Payment.objects.count()) == ("pending", 0)


def test_a_payment_on_its_way_back_is_not_vouched_for() -> None:
    order = make()
    notify(order, paid_at=later(days=9), operation_number="99")
    discrepancy = Discrepancy.objects.get()
    resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="x")
    refund_order(order, payment=discrepancy.payment, actor="marta", reason="Too late.")
    with pytest.raises(InvalidRequest, match="given back"):
        mark(order)


def test_a_reference_that_was_ordered_again() -> None:
    old = cancel_order(make(reference="AGAIN"))
    make(reference="AGAIN")
    with pytest.raises(InvalidRequest, match="ordered again"):
        mark(old)


@pytest.mark.parametrize("number", ["", "  ", "x" * 41, "4\x007"])
def test_an_operation_number_that_is_none(number: str) -> None:
    with pytest.raises(InvalidRequest, match="operation number"):
        mark(make(), number)


@pytest.mark.parametrize("missing", ["actor", "reason"])
def test_by_somebody_and_for_a_reason(missing: str) -> None:
    with pytest.raises(InvalidRequest, match="pass actor and reason"):
        mark(make(), **{missing: " "})
