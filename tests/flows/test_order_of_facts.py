"""Kind 2: whatever came first, money that the provider took back pays no order, and what pays one stays its payment."""

from itertools import permutations

import pytest

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import mark_paid, refund_order, reissue_code, reopen_discrepancy, resolve_discrepancy
from pagoefectivo_django.models import Discrepancy, Order, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.orders import make
from tests.factories.provider import answers
from tests.factories.refunds import refund_at
from tests.reading import discrepancies, payments, state_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def mark(order: Order, number: str) -> Order:
    return mark_paid(order, number, actor="marta", reason="Seen on the receipt.")


def answer(resolution: str, **about: str) -> None:
    for discrepancy in Discrepancy.objects.open().filter(**about):
        resolve_discrepancy(discrepancy, resolution, actor="marta", reason="x")


def paid_again_after_its_refund() -> Order:
    """Return an order that was paid, refunded by hand, and is paid by a second payment that staff accepted."""
    order = pay(make(), operation_number="1")
    refund_at("done", order)
    notify(order, operation_number="2")
    answer("accept", kind="paid_after_refund")
    order.refresh_from_db()
    assert (order.state, order.operation_number) == ("paid", "2")
    return order


def test_a_reversal_of_what_was_given_back_takes_nothing_from_the_payment_that_pays_now() -> None:
    order = paid_again_after_its_refund()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1")
    assert (state_of(order), dict(payments())) == ("paid", {"1": "reversed", "2": "applied"})
    assert Discrepancy.objects.open().get().kind == "reversed", "its money went back twice"
    notify(order, Fact.PAYMENT_REVERSED, operation_number="2")
    assert (state_of(order), dict(payments())) == ("refunded", {"1": "reversed", "2": "reversed"})


def test_the_reversed_number_is_told_of_a_payment_without_one_at_last() -> None:
    order = make()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1")
    notify(order, operation_number=None)
    notify(order, operation_number="2")
    notify(order, operation_number="1")
    assert (state_of(order), dict(payments())) == ("paid", {"1": "held", "2": "applied"})
    assert Discrepancy.objects.open().get().kind == "reversed"


def test_nobody_vouches_later_for_what_the_provider_took_back_first() -> None:
    order = make()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1")
    notify(order, operation_number="1")
    answer("ignore")
    with pytest.raises(InvalidRequest, match="back"):
        mark(order, "1")
    assert state_of(order) == "pending"
    discrepancy = reopen_discrepancy(Discrepancy.objects.get(), actor="marta", reason="The provider was wrong.")
    resolve_discrepancy(discrepancy, "accept", actor="marta", reason="The money is there.")
    assert state_of(order) == "paid"


@pytest.mark.parametrize("facts", [*permutations([Fact.PAYMENT, Fact.PAYMENT_REVERSED]), [Fact.PAYMENT_REVERSED]])
def test_nobody_vouches_by_the_next_code_for_what_was_taken_back_on_the_one_before(
    facts: list[Fact],
) -> None:
    order = make()
    old = order.code
    order = reissue_code(order)
    for fact in facts:
        notify(order, fact, code=old, operation_number="1", paid_at=later(days=9))
    answer("ignore")
    with pytest.raises(InvalidRequest, match="back"):
        mark(order, "1")
    assert state_of(order) == "pending"


def test_a_receipt_of_another_code_of_the_order_is_one_payment() -> None:
    order = make()
    old = order.code
    order = reissue_code(order)
    notify(order, code=old, operation_number="1", paid_at=later(days=9))
    answer("ignore")
    mark(order, "1")
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("facts", list(permutations([Fact.PAYMENT, Fact.PAYMENT_REVERSED])))
def test_a_reversal_on_an_older_code_takes_the_payment_back_that_a_person_vouched_for(facts: list[Fact]) -> None:
    order = make()
    old = order.code
    order = mark(reissue_code(order), "1")
    for fact in facts:
        notify(order, fact, code=old, operation_number="1")
    assert (state_of(order), Payment.objects.get(vouched__isnull=False).status) == ("refunded", "reversed")
    assert Discrepancy.objects.open().filter(kind="reversed").exists()


def test_no_refund_is_suggested_of_a_receipt_that_a_person_vouched_for_on_another_code() -> None:
    order = make()
    old = order.code
    order = mark(reissue_code(order), "1")
    notify(order, code=old, operation_number="1")
    assert Discrepancy.objects.values_list("kind", "suggestion").get() == ("duplicate_payment", "")
    notify(order, code=old, operation_number="2")
    assert Discrepancy.objects.values_list("kind", "suggestion").last() == ("duplicate_payment", "refund_due")


@pytest.mark.parametrize("number", ["1", None])
def test_a_message_that_names_another_order_is_asked_about_after_its_payment_too(number: str | None) -> None:
    order = pay(make(), operation_number="1")
    for _ in range(2):
        notify(order, operation_number=number, transaction_code="another-order")
    assert (state_of(order), dict(payments())) == ("paid", {"1": "applied"})
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.payment) == ("unmatched", Payment.objects.get())
    answer("ignore")
    notify(order, operation_number=number)
    assert not Discrepancy.objects.open().exists()


def test_another_order_s_name_that_a_person_sees_already_is_not_asked_about_once_more() -> None:
    order = make()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1")
    for minutes in (-2, -1):
        notify(order, operation_number="1", transaction_code="another-order", paid_at=later(minutes=minutes))
    assert discrepancies() == ["reversed"]


def test_what_is_refunded_by_default_is_the_payment_that_pays_not_one_that_was_given_back() -> None:
    order = make()
    notify(order, operation_number="1", paid_at=later(days=9))
    notify(order, operation_number="2")
    refund_at("done", order)
    answer("accept", kind="late_payment")
    assert Order.objects.get().operation_number == "1"
    assert refund_order(order, actor="marta", reason="Sent back.").payment.operation_number == "1"


def test_an_answer_closes_no_discrepancy_that_a_reversal_before_its_payment_asked() -> None:
    order = make()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1")
    order.refresh_from_db()
    for day, fact in enumerate([Fact.PAYMENT, Fact.ISSUED, Fact.PAYMENT], 1):
        answers(order, day, fact)
    assert (state_of(order), dict(payments())) == ("pending", {"1": "held"})
    assert discrepancies() == ["reversed"]
