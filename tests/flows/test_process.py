"""Facts that some providers have: in process, code failed, reinstated, and how much of a payment went back so far."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from pagoefectivo_django.channels.base import Hint, Presents, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown, Refused, Unavailable
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
from pagoefectivo_django.flows.inbox.apply import _is_foreign
from pagoefectivo_django.flows.inbox.hints import hint
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, OrderEvent, Payment, Refund
from pagoefectivo_django.states import Fact, Kind
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.messages import report
from tests.factories.orders import lost, make
from tests.factories.provider import answers, channel, look, says, serve_by
from tests.factories.statements import line, load
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
    assert {actions[action] for action in ("extend", "reissue")} == {"in_process"}
    for change in (
        lambda: cancel_order(order),
        lambda: extend_order(order, later(days=5)),
        lambda: reissue_code(order),
    ):
        with pytest.raises(InvalidRequest) as caught:
            change()
        assert caught.value.code == "payment_in_process"
    assert not [call for call, _ in MemoryChannel.calls if call in ("delete", "extend")]


@pytest.mark.parametrize("outcome", [Fact.ISSUED, Fact.PAYMENT])
def test_a_person_ends_an_order_in_process_and_its_code_waits_for_the_outcome(outcome: Fact) -> None:
    order = in_process()
    cancel_order(order, actor="marta", reason="The payer asked for another.")
    tick(now=later(hours=3))
    assert fresh(order).state == "cancelled"
    assert not [call for call, _ in MemoryChannel.calls if call == "delete"]
    channel().set(order.code, outcome, paid_at=later() if outcome == Fact.PAYMENT else None)
    look(0.5)
    tick(now=later(days=1))
    assert bool([call for call, _ in MemoryChannel.calls if call == "delete"]) == (outcome == Fact.ISSUED)
    assert discrepancies() == ([Kind.PAID_AFTER_CANCEL] if outcome == Fact.PAYMENT else [])


def test_a_code_in_process_of_which_nobody_is_heard_is_given_up_with_its_watch() -> None:
    order = in_process()
    cancel_order(order, actor="marta", reason="We left that provider.")
    channel().book.clear()
    tick(now=later(days=40))
    tick(now=later(days=41))
    assert Cip.objects.get().retry_at is None


@pytest.mark.usefixtures("two_routes")
def test_a_failed_code_asks_no_route_where_another_action_waits_for_a_review() -> None:
    order = make()
    Order.objects.update(deferred_action="cancel")
    failed(order)
    assert fresh(order).pending_action == ""


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


# Found by review.


def first_heard(order: Order, returned: str, **changes: Any) -> None:
    cip = fresh(order).cip
    assert cip
    advance(replace(report(cip, asked_at=later(), version=cip.version, **changes), returned=Decimal(returned)))


def settle_doubts(answer: str = "ignore") -> None:
    for discrepancy in Discrepancy.objects.open():
        resolve_discrepancy(discrepancy, answer, actor="marta", reason="Looked at.")


def test_a_review_that_ended_without_a_payment_ends_the_mark() -> None:
    order = in_process()
    says(order, Fact.ISSUED)
    for day in (1, 2.5, 3, 4, 8, 20, 40):
        tick(now=later(days=day))
    assert fresh(order).state == "expired"


def test_a_dispute_that_was_won_closes_its_discrepancy() -> None:
    order = make()
    pay(order)
    for day, fact in ((1, Fact.IN_PROCESS), (5, Fact.IN_PROCESS), (6, Fact.PAYMENT)):
        answers(order, day, fact)
    assert discrepancies() == []


@pytest.mark.parametrize("amount", ["35.50", "35.00"])
def test_money_that_went_back_before_we_heard_of_it_confirms_nothing(amount: str) -> None:
    order = make()
    first_heard(order, amount, operation_number="1")
    assert not OrderEvent.objects.filter(kind="payment_confirmed").exists()
    assert discrepancies() == [Kind.REVERSED]


@pytest.mark.usefixtures("two_routes")
@pytest.mark.parametrize("fact", [Fact.PAYMENT, Fact.ISSUED])
def test_a_failed_code_stays_watched(fact: Fact) -> None:
    order = make()
    first = order.cip
    assert first
    failed(order)
    tick(now=later(minutes=1))
    channel().set(str(first.code), fact, paid_at=later(minutes=2))
    for hour in (1, 13, 26, 40, 60):
        tick(now=later(hours=hour))
    if fact == Fact.PAYMENT:
        assert fresh(order).state == "paid"
    else:
        assert ("delete", first.code) in MemoryChannel.calls


def test_a_payment_of_a_lost_code_is_not_foreign_while_nobody_answers(settings: Any) -> None:
    serve_by(settings, SHARED_ACCOUNT=True)
    order = lost()
    (code,) = channel().book
    for _ in range(300):
        MemoryChannel.fail("look_up", Unavailable("down"))
    notify(order, code=code, operation_number="9")
    for hour in range(30):
        tick(now=later(hours=hour))
    assert Kind.UNMATCHED in discrepancies()


def test_a_payment_of_a_lost_code_is_not_foreign_where_the_answer_names_our_request(settings: Any) -> None:
    serve_by(settings, SHARED_ACCOUNT=True)
    lost()
    (code,) = channel().book
    notify(make(), code=code, operation_number="9")
    row = Notification.objects.get()
    assert not _is_foreign(row)
    channel().set(code, Fact.PAYMENT, transaction_code="of-another-system")
    assert _is_foreign(row)


@pytest.mark.usefixtures("two_routes")
def test_no_route_is_asked_while_money_is_in_review() -> None:
    order = make()
    first = order.cip
    assert first
    failed(order)
    advance(report(first, amount=Decimal("30.00")))
    assert discrepancies() == [Kind.AMOUNT_MISMATCH]
    tick(now=later(minutes=1))
    assert [call for call, _ in MemoryChannel.calls].count("issue") == 1
    settle_doubts()
    for minute in (2, 3):
        tick(now=later(minutes=minute))
    assert [call for call, _ in MemoryChannel.calls].count("issue") == 2


@pytest.mark.usefixtures("two_routes")
def test_a_code_that_failed_in_review_gives_way_after_the_review() -> None:
    order = make()
    advance(report(order.cip, amount=None))  # type: ignore[arg-type]
    failed(order)
    settle_doubts()
    for minute in (1, 10, 60):
        tick(now=later(minutes=minute))
    assert fresh(order).cip.channel == "second"  # type: ignore[union-attr]


def test_the_same_answer_without_number_and_time_is_the_same_payment() -> None:
    order = make()
    pay(order)
    for _ in range(3):
        first_heard(order, "35.50", paid_at=None)
    assert Payment.objects.count() == 1
    assert discrepancies() == [Kind.REVERSED]


@pytest.mark.usefixtures("telling")
def test_a_second_reinstatement_comes_to_a_person_too() -> None:
    order = reversed_order()
    says_paid(order, 1)
    settle_doubts("accept")
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1", userName="again")
    settle_doubts()
    assert fresh(order).state == "refunded"
    says_paid(fresh(order), 2)
    assert discrepancies() == [Kind.REINSTATED]


@pytest.mark.usefixtures("telling")
def test_a_reinstatement_of_a_part_comes_to_a_person() -> None:
    order = make()
    pay(order, operation_number="1")
    returned(order, "35.50", 1)
    settle_doubts()
    returned(order, "5.00", 2)
    assert Kind.REINSTATED in discrepancies()


def test_nobody_is_asked_to_pay_a_payment_in_process_again() -> None:
    order = in_process()
    assert Client().get(f"{order.voucher_url}status/").json()["shown"] == "in_review"
    for hour in (10, 30, 44, 47):
        tick(now=later(hours=hour))
    assert not OrderEvent.objects.filter(kind="expiry_approaching").exists()


def test_an_expired_code_in_process_is_not_replaced() -> None:
    order = make()
    tick(now=later(days=2.5))
    answers(fresh(order), 2.6, Fact.IN_PROCESS)
    (actions,) = actions_of([fresh(order)]).values()
    assert actions["reissue"] == "in_process"


def test_a_cancellation_that_waits_for_the_commit_deletes_no_code_in_process() -> None:
    order = make()
    with transaction.atomic():
        cancel_order(order, reason="changed")
        advance(report(order.cip, Fact.IN_PROCESS, asked_at=later(), version=order.cip.version))  # type: ignore
    assert not [call for call, _ in MemoryChannel.calls if call == "delete"]


def test_a_code_in_process_late_is_watched_until_a_person_is_told() -> None:
    order = make()
    tick(now=later(days=2.5))
    says(order, Fact.IN_PROCESS)
    look(8)
    for day in (9, 10, 11, 12, 13):
        tick(now=later(days=day))
    assert discrepancies() == [Kind.IN_PROCESS]


def test_a_dispute_about_a_settled_payment_comes_to_a_person() -> None:
    order = make()
    pay(order, operation_number="1")
    load(line(fresh(order)))
    tick(now=later(minutes=5))
    assert fresh(order).settled_at
    says(order, Fact.IN_PROCESS)
    Cip.objects.update(hinted_at=later(days=5), look_at=later(days=5))
    for day in (5, 6, 7, 8, 9, 10):
        tick(now=later(days=day))
    assert discrepancies() == [Kind.IN_PROCESS]


def test_a_second_review_comes_to_a_person_too() -> None:
    order = make()
    pay(order)
    for day, fact in ((1, Fact.IN_PROCESS), (5, Fact.IN_PROCESS), (6, Fact.PAYMENT), (10, Fact.IN_PROCESS)):
        answers(order, day, fact)
        settle_doubts()
    answers(order, 15, Fact.IN_PROCESS)
    assert discrepancies() == [Kind.IN_PROCESS]


class Linking(MemoryChannel):
    presents = Presents.LINK


def test_an_early_no_about_a_lost_link_does_not_end_the_watch(settings: Any) -> None:
    serve_by(settings, Linking, CAN_FIND=True)
    MemoryChannel.fail("issue", OutcomeUnknown("no answer"), after=True)
    MemoryChannel.fail("find", OutcomeUnknown("no answer"))
    order = make()
    (slip,) = channel().book.values()
    cip = Cip.objects.get()
    channel().book.clear()  # the provider's search lags behind
    hint(Hint(cip.account, transaction_code=cip.transaction_code), later())
    tick(now=later(minutes=0.5))
    channel().book[slip.report.code] = slip
    channel().set(slip.report.code, Fact.PAYMENT, paid_at=later(minutes=3))
    for hour in (1, 2, 13, 26, 30, 60):
        tick(now=later(hours=hour))
    assert fresh(order).state == "paid"
