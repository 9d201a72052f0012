"""Kind 10: what came back, and how much too much or too little was paid, is said with its amount."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pagoefectivo_django.actors import PROVIDER
from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import mark_paid, refund_order, resolve_discrepancy, tick
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.refunds.refund import approve_refund
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import Cip, Discrepancy, Order, OrderEvent, Payment, Refund
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.concurrency import at_once
from tests.factories.orders import make
from tests.factories.people import STAFF
from tests.factories.provider import channel, look, serve_by
from tests.reading import discrepancies, state_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]
every_database = pytest.mark.every_database


def told(order: Order, fact: Fact, **said: Any) -> None:
    assert order.cip
    known: dict[str, Any] = {"currency": order.currency, "received_at": timezone.now()} | said
    advance(Report(order.cip.account, fact, code=order.code, **known), actor=PROVIDER)
    order.reload()


@every_database
def test_a_part_that_came_back_leaves_the_payment_standing() -> None:
    order = pay(make(), operation_number="7")
    first, second = timezone.now(), timezone.now() + timedelta(minutes=1)
    for heard in (first, first, second):
        told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("5.00"), received_at=heard)
    discrepancy = Discrepancy.objects.get()
    assert (order.state, Payment.objects.get().status) == ("paid", "applied")
    assert (discrepancy.kind, discrepancy.amount, discrepancy.currency) == ("reversed", Decimal("5.00"), "PEN")
    assert [one["amount"] for one in discrepancy.evidence] == ["5.00", "5.00"]
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=order.amount)
    assert (order.state, Payment.objects.get().status) == ("refunded", "reversed")


@every_database
@pytest.mark.parametrize("amount", ["35.50", None])
def test_all_that_came_back_or_an_amount_that_nobody_told_is_the_payment(amount: str | None) -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=amount and Decimal(amount))
    assert order.state == "refunded"


@every_database
@pytest.mark.parametrize(("paid", "difference"), [("36.50", "+1.00"), ("34.50", "-1.00"), ("0.01", "-35.49")])
def test_another_amount_is_told_with_its_sign(paid: str, difference: str) -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal(paid))
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.evidence[0]["difference"], discrepancy.suggestion) == (difference, "refund_due")


@every_database
def test_two_halves_are_seen_to_add_up() -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal("20.00"))
    told(order, Fact.PAYMENT, operation_number="8", amount=Decimal("15.50"))
    order.reload()
    assert order.state == "pending"
    first, second = Discrepancy.objects.order_by("pk")
    assert second.evidence[0]["together"] == "35.50"
    assert (first.suggestion, second.suggestion) == ("", "")


@every_database
def test_the_providers_own_answer_clears_the_suggestion_and_accepts_nothing() -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal("35.00"))
    told(
        order,
        Fact.PAYMENT,
        operation_number="7",
        amount=order.amount,
        received_at=None,
        asked_at=timezone.now() + timedelta(seconds=5),
    )
    assert (order.state, Discrepancy.objects.get().suggestion) == ("pending", "")


@every_database
def test_one_receipt_is_one_payment() -> None:
    one, two = make(), make()
    mark_paid(one, "000123", "rosa", "the payer mailed the receipt")
    with pytest.raises(InvalidRequest, match=r"Operation 000123 paid order .* already"):
        mark_paid(two, "\u200e000123 ", "rosa", "the payer mailed the receipt")
    two.reload()
    assert two.state == "pending"
    mark_paid(two, "000123", "rosa", "months later", now=timezone.now() + timedelta(days=90))


@every_database
def test_one_receipt_is_one_payment_for_two_people_at_the_same_instant() -> None:
    for number in range(4):
        orders = [make(), make()]
        results = at_once(*[partial(mark_paid, order, f"00{number}", "rosa", "the receipt") for order in orders])
        refused = [result for result in results if isinstance(result, InvalidRequest)]
        assert len(refused) == 1, results
        assert f"Operation 00{number} paid" in str(refused[0])
        assert sorted(Order.objects.get(pk=order.pk).state for order in orders) == ["paid", "pending"]
    assert Payment.objects.count() == 4


@every_database
def test_the_database_itself_takes_a_receipt_once() -> None:
    one, two = mark_paid(make(), "000123", "rosa", "the receipt"), make()
    assert two.cip
    copy = Payment.objects.get(cip__order=one)
    copy.pk, copy.cip, copy.operation_number = None, two.cip, None
    with pytest.raises(IntegrityError):
        copy.save(force_insert=True)


# Parts that nobody listed.


@pytest.mark.parametrize("number", ["7", ""])
@pytest.mark.parametrize("amount", ["0.01", "5.00", "35.49", "35.51", "71.00"])
def test_any_other_amount_leaves_the_payment_and_asks_with_it(number: str, amount: str) -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number=number, amount=Decimal(amount))
    discrepancy = Discrepancy.objects.get()
    assert (state_of(order), Payment.objects.get().status) == ("paid", "applied")
    assert (discrepancy.kind, discrepancy.amount, discrepancy.suggestion) == ("reversed", Decimal(amount), "")


def test_the_amount_in_another_currency_is_not_the_payment() -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=order.amount, currency="USD")
    assert (state_of(order), Discrepancy.objects.get().currency) == ("paid", "USD")


def test_parts_that_are_the_whole_together_are_in_front_of_a_person() -> None:
    order = pay(make(), operation_number="7")
    for minutes, amount in enumerate(("20.00", "15.50")):
        at = later(minutes=minutes)
        told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal(amount), received_at=at)
    assert state_of(order) == "paid"
    assert sorted(one["amount"] for one in Discrepancy.objects.get().evidence) == ["15.50", "20.00"]


def test_a_part_after_its_discrepancy_was_answered_is_asked_about_again() -> None:
    order = pay(make(), operation_number="7")
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("5.00"))
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", **STAFF)
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("6.00"), received_at=later(minutes=2))
    assert Discrepancy.objects.get().status == "open"


def test_a_part_that_comes_before_its_payment_is_not_forgotten() -> None:
    order = make()
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal("5.00"))
    told(order, Fact.PAYMENT, operation_number="7", amount=order.amount)
    assert (state_of(order), Payment.objects.get().status) == ("pending", "held")
    assert Discrepancy.objects.open().get().kind == "reversed"


@pytest.mark.parametrize("order_of_arrival", list(permutations([("1", "20.00"), ("2", "15.50"), ("3", "35.50")])))
def test_parts_and_a_whole_in_any_order_pay_once(order_of_arrival: Any) -> None:
    order = make()
    for number, amount in order_of_arrival:
        told(order, Fact.PAYMENT, operation_number=number, amount=Decimal(amount))
    assert state_of(order) == "paid"
    assert sorted(Payment.objects.values_list("operation_number", "status")) == [
        ("1", "held"), ("2", "held"), ("3", "applied"),
    ]  # fmt: skip
    assert Discrepancy.objects.open().about_money().count() == 2


@pytest.mark.parametrize("amounts", [["10.00", "10.00", "15.50"], ["35.49", "0.01"], ["30.00", "10.00"]])
def test_what_came_together_is_said(amounts: list[str]) -> None:
    order = make()
    for number, amount in enumerate(amounts):
        told(order, Fact.PAYMENT, operation_number=f"{number}", amount=Decimal(amount))
    last = Discrepancy.objects.order_by("pk").last()
    assert last
    assert last.evidence[-1]["together"] == f"{sum(map(Decimal, amounts)):.2f}"
    assert state_of(order) == "pending"


@pytest.mark.parametrize("amount", ["35.5", "35.500", "3.55E1"])
def test_an_amount_in_another_writing_is_that_amount(amount: str) -> None:
    order = make()
    told(order, Fact.PAYMENT, operation_number="7", amount=Decimal(amount), paid_at=timezone.now())
    assert (state_of(order), Discrepancy.objects.exists()) == ("paid", False)
    told(order, Fact.PAYMENT_REVERSED, operation_number="7", amount=Decimal(amount))
    assert state_of(order) == "refunded"


# Parts that only the provider's answers tell, after somebody gave money back in the provider's panel.


def paid_at_the_provider() -> Order:
    """Return an order whose payment only an answer has told, without an operation number."""
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=later())
    look()
    assert state_of(order) == "paid"
    return order


def answers(order: Order, returned: str, day: float) -> None:
    """Let the provider say so much went back, and ask about every code on a later day."""
    slip = channel().book[order.code].report
    channel().set(order.code, Fact.PAYMENT, paid_at=slip.paid_at, returned=Decimal(returned))
    look(day)


@every_database
def test_a_part_given_back_in_the_provider_s_panel_is_found_by_polling() -> None:
    order = paid_at_the_provider()
    answers(order, "10.00", day=1)
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.amount, discrepancy.currency) == ("reversed", Decimal("10.00"), "PEN")
    assert (state_of(order), Payment.objects.get().status) == ("paid", "applied")
    events = OrderEvent.objects.count()
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    for day in (2, 3):
        answers(order, "10.00", day)
    assert (discrepancies(), OrderEvent.objects.count()) == ([], events + 1), "only the resolution was told"
    answers(order, "12.00", day=4)
    assert discrepancies() == ["reversed"]
    answers(order, "35.50", day=5)
    assert (state_of(order), Payment.objects.get().status) == ("refunded", "reversed")


def test_a_part_given_back_is_found_after_a_hint_too_and_a_known_part_answers_no_hint() -> None:
    order = paid_at_the_provider()
    answers(order, "10.00", day=1)
    Cip.objects.update(poll_at=None)
    channel().set(order.code, Fact.PAYMENT, paid_at=channel().book[order.code].report.paid_at, returned=Decimal(11))
    notify(order, Fact.CODE_EXPIRED)
    tick(later(minutes=1))
    assert Discrepancy.objects.get().evidence[-1]["returned"] == "11"
    assert Cip.objects.get().hinted_at is None
    notify(order, Fact.CODE_EXPIRED, operation_number="2")
    tick(later(minutes=1))
    assert Cip.objects.get().hinted_at, "the answer told no news, so the question is repeated"


def test_a_part_that_an_answer_tells_with_the_payment_is_asked_about_once() -> None:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=later())
    for day in (1, 2, 3):
        answers(order, "10.00", day)
    assert Payment.objects.get().status == "held"
    assert discrepancies("") == ["reversed"]


@pytest.mark.parametrize("amount", ["5.00", "35.50"])
def test_a_refund_of_ours_that_an_answer_tells_is_nobody_s_question(settings: Any, amount: str) -> None:
    serve_by(settings, CAN_REFUND=True)
    order = paid_at_the_provider()
    approve_refund(refund_order(order, Decimal(amount), actor="rosa", reason="one of two"), actor="eva")
    tick(later(minutes=5))
    assert Refund.objects.get().status == "done"
    before = state_of(order)
    for day in (1, 2):
        answers(order, amount, day)
    assert (state_of(order), discrepancies("")) == (before, [])
    notify(order, Fact.CODE_EXPIRED)
    Cip.objects.update(poll_at=None)
    tick(later(minutes=1))
    assert bool(Cip.objects.get().hinted_at) == (amount == "5.00"), "a part that is ours answers no hint"


def test_parts_given_back_cost_no_statement_for_each_code(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 50}
    orders = [paid_at_the_provider() for _ in range(2)]
    for order in orders:
        answers(order, "10.00", day=1)

    def cost(count: int) -> int:
        Cip.objects.update(poll_at=None)
        Cip.objects.filter(order__in=orders[:count]).update(poll_at=later(days=2))
        with CaptureQueriesContext(connection) as queries:
            assert reconcile(TimeBudget(later(days=2)))["asked"] == count
        return len(queries)

    cost(2)
    assert cost(2) <= cost(1) + 1  # whose turns to ask again may fall into two minutes
