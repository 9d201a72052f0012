"""Kind 6, an undo that restores half: what a match ended begins again when the match is undone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pagoefectivo_django.flows import match_line, resolve_discrepancy, tick, unmatch_line
from pagoefectivo_django.models import Cip, Discrepancy, Heartbeat, Order, OrderEvent, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.factories.orders import make
from tests.factories.people import STAFF
from tests.factories.provider import channel
from tests.factories.refunds import refund_at
from tests.factories.statements import line, load
from tests.reading import fresh

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "first_round"),
]


def refunded(order: Order) -> Order:
    refund_at("done", order)
    return fresh(order)


def test_what_a_wrong_match_ended_begins_again() -> None:
    now, first, order = timezone.now(), pay(make()), pay(make(), operation_number="111")
    load(line(first), name="FIRST.txt")
    tick(now + timedelta(days=20))
    overdue = Discrepancy.objects.get(kind="unsettled_overdue", order=order)
    settlement = load(line(order), name="SECOND.txt")
    overdue.refresh_from_db()
    assert overdue.status == "resolved"
    Cip.objects.update(poll_at=timezone.now())
    tick()
    assert order.cips.get().poll_at is None, "it is settled"
    unmatch_line(settlement.lines.get(), actor="rosa", reason="it was another's")
    overdue.refresh_from_db()
    assert (overdue.status, order.cips.get().poll_at is None) == ("open", False)
    resolve_discrepancy(
        Discrepancy.objects.open().exclude(pk=overdue.pk).get(), "ignore", actor="rosa", reason="not ours"
    )
    assert Discrepancy.objects.open().get() == overdue
    channel().set(order.code, Fact.CODE_EXPIRED)
    Heartbeat.objects.all().delete()
    tick(now + timedelta(days=2))
    kinds = Discrepancy.objects.open().filter(order=order).values_list("kind", flat=True)
    assert set(kinds) == {"unsettled_overdue", "missing_there"}, "the provider says otherwise, and that is seen"


def test_a_discrepancy_that_a_person_answered_stays_answered() -> None:
    now, first, order = timezone.now(), pay(make()), pay(make(), operation_number="111")
    load(line(first), name="FIRST.txt")
    tick(now + timedelta(days=20))
    overdue = Discrepancy.objects.get(kind="unsettled_overdue", order=order)
    resolve_discrepancy(overdue, "ignore", actor="rosa", reason="They pay late.")
    settlement = load(line(order), name="SECOND.txt")
    unmatch_line(settlement.lines.get(), actor="rosa", reason="it was another's")
    overdue.refresh_from_db()
    assert overdue.status == "resolved"
    assert not Order.objects.get(pk=order.pk).is_settled


def test_what_settled_a_payment_that_was_taken_back_is_not_the_next_one_s_money() -> None:
    now, order = timezone.now(), pay(make(), operation_number="111")
    load(line(order))
    notify(order, Fact.PAYMENT_REVERSED, operation_number="111")
    resolve_discrepancy(Discrepancy.objects.open().get(), "ignore", **STAFF)
    pay(order, operation_number="222")
    resolve_discrepancy(Discrepancy.objects.open().get(), "accept", **STAFF)
    assert (fresh(order).state, fresh(order).is_settled) == ("paid", False)
    tick(now + timedelta(days=20))
    assert Discrepancy.objects.open().filter(kind="unsettled_overdue", order=order).exists()
    load(line(order, paid_at=now + timedelta(minutes=5)), name="SECOND.txt")
    assert fresh(order).is_settled
    assert OrderEvent.objects.filter(order=order, kind="payment_settled").count() == 2


def test_the_match_of_a_payment_that_was_taken_back_is_undone_whole() -> None:
    order = pay(make(), operation_number="111")
    row = load(line(order)).lines.get()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="111")
    unmatch_line(row, **STAFF)
    assert not fresh(order).is_settled


def test_the_match_of_an_order_that_was_refunded_is_undone_and_done_again() -> None:
    order = pay(make(), operation_number="111")
    row = load(line(order)).lines.get()
    assert (refunded(order).state, fresh(order).is_settled) == ("refunded", True)
    row = unmatch_line(row, **STAFF)
    assert not fresh(order).is_settled
    match_line(row, Payment.objects.get(), **STAFF)
    assert fresh(order).is_settled
    assert OrderEvent.objects.filter(order=order, kind="payment_settled").count() == 1, "nobody ships it now"


def test_an_overdue_payment_that_was_given_back_before_its_settlement_came_is_no_discrepancy_any_more() -> None:
    now, first, order = timezone.now(), pay(make()), pay(make(), operation_number="111")
    load(line(first), name="FIRST.txt")
    tick(now + timedelta(days=20))
    overdue = Discrepancy.objects.get(kind="unsettled_overdue", order=order)
    refunded(order)
    load(line(order), name="SECOND.txt")
    overdue.refresh_from_db()
    assert overdue.status == "resolved"


def test_the_match_of_the_payment_that_pays_is_undone_whole_also_where_a_later_one_was_given_back() -> None:
    order = make()
    notify(order, operation_number="111", paid_at=timezone.now() + timedelta(days=9))
    notify(order, operation_number="222")
    refunded(order)
    resolve_discrepancy(Discrepancy.objects.open().get(kind="late_payment"), "accept", **STAFF)
    row = load(line(order)).lines.get()
    assert (fresh(order).state, fresh(order).is_settled) == ("paid", True)
    unmatch_line(row, **STAFF)
    assert not fresh(order).is_settled
