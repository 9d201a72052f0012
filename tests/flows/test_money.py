"""Money: paid twice, late, reversed, for lost codes, by messages that say too little; none of it is lost or guessed."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import cancel_order, refresh_order, resolve_discrepancy, tick
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Discrepancy, Notification, Order, OrderEvent
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later, many_ticks
from tests.factories.messages import paid, post, report
from tests.factories.orders import lost, make
from tests.factories.provider import Busy, channel, serve_by
from tests.reading import fresh, payment_statuses

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

LOST = OutcomeUnknown("The line was dropped.")
DOWN = Unavailable("Nobody answers.")


def at_provider(order: Order, fact: Fact, **changes: Any) -> None:
    channel().set(fresh(order).code, fact, **changes)


# Reversed.


def test_a_payment_that_was_taken_back_cannot_be_accepted() -> None:
    order = make()
    notify(order, paid_at=later(days=9), operation_number="7")
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.suggestion) == ("late_payment", "accept")
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    discrepancy.refresh_from_db()
    assert [seen["fact"] for seen in discrepancy.evidence] == ["payment", "payment_reversed"]
    assert discrepancy.suggestion == "ignore"
    with pytest.raises(InvalidRequest, match="taken back"):
        resolve_discrepancy(discrepancy, "accept", actor="marta", reason="It came.")
    assert (fresh(order).state, payment_statuses()) == ("pending", ["reversed"])
    resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="It was taken back.")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"amount": "1.00"},
        {"currency": "USD"},
        {"transaction_code": "another-order"},
        {"paid_at": later(days=9)},
    ],
    ids=["nothing", "amount", "currency", "order", "time"],
)
@pytest.mark.parametrize("number", ["7", ""])
def test_staff_sees_of_a_payment_that_went_back_before_it_was_told(number: str, wrong: dict[str, Any]) -> None:
    order = make()
    notify(order, Fact.PAYMENT_REVERSED, operation_number=number)
    notify(order, operation_number="7", **wrong)
    assert [discrepancy.kind for discrepancy in Discrepancy.objects.filter(order=order)] == ["reversed"]
    assert (fresh(order).state, payment_statuses()) == ("pending", ["held"])


def test_an_answer_from_before_a_reversal_pays_nothing() -> None:
    order = make()
    advance(report(order.cips.get(), operation_number="7"))
    cip = order.cips.get()
    advance(report(cip, Fact.PAYMENT_REVERSED, operation_number="7"))
    old = report(cip, asked_at=timezone.now(), version=cip.version)
    assert [str(outcome) for outcome in advance(old)] == ["stale"]
    assert (fresh(order).state, payment_statuses()) == ("refunded", ["reversed"])


def test_a_repeated_message_of_a_payment_that_was_taken_back_pays_nothing() -> None:
    order = make()
    body = paid(order, operation_number="7")
    post(body)
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    post(body)
    assert (fresh(order).state, payment_statuses()) == ("refunded", ["reversed"])


def test_a_refunded_orders_code_that_can_be_paid_again_is_deleted() -> None:
    order = pay(make(), operation_number="7")
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    at_provider(order, Fact.ISSUED)
    refresh_order(order)
    assert OrderEvent.objects.filter(order=order, kind="noted", fact="issued").exists()
    tick(later(seconds=1))
    assert MemoryChannel.calls[-1] == ("delete", order.code)
    assert fresh(order).state == "refunded"


# Twice.


def test_one_reference_paid_twice_is_a_discrepancy_that_cannot_be_accepted() -> None:
    first = make(reference="TWICE")
    when = first.expires_at + timedelta(minutes=1)
    advance(report(first.cips.get(), Fact.CODE_EXPIRED), now=when)
    second = make(reference="TWICE", now=when)
    assert second != first
    advance(report(second.cips.get(), paid_at=when), now=when)
    advance(report(first.cips.get(), paid_at=when - timedelta(minutes=5)), now=when)
    assert [fresh(first).state, fresh(second).state, *payment_statuses()] == ["expired", "paid", "applied", "duplicate"]
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.order) == ("duplicate_payment", first)
    with pytest.raises(InvalidRequest, match="ordered again"):
        resolve_discrepancy(discrepancy, "accept", actor="marta", reason="It came.")
    assert fresh(first).state == "expired"


def test_a_payment_of_a_cancelled_order_that_was_ordered_again_cannot_be_accepted() -> None:
    first = cancel_order(make(reference="AGAIN"))
    second = pay(make(reference="AGAIN"))
    notify(first)
    discrepancy = Discrepancy.objects.get()
    with pytest.raises(InvalidRequest, match="ordered again"):
        resolve_discrepancy(discrepancy, "accept", actor="marta", reason="It came.")
    assert (fresh(first).state, fresh(second).state) == ("cancelled", "paid")


def test_two_expired_orders_of_one_reference_are_not_both_paid() -> None:
    first = expire(make(reference="TWICE"))
    second = expire(make(reference="TWICE"))
    for order in (first, second):
        notify(order, paid_at=order.expires_at)
    assert [fresh(first).state, fresh(second).state, *payment_statuses()] == ["paid", "expired", "applied", "duplicate"]
    assert Discrepancy.objects.get().kind == "duplicate_payment"


def test_a_payment_that_seemed_late_pays_no_second_order_of_its_reference() -> None:
    first = expire(make(reference="TWICE"))
    second = expire(make(reference="TWICE"))
    advance(report(first.cips.get(), operation_number="1", paid_at=None))
    advance(report(second.cips.get(), paid_at=second.expires_at))
    assert [fresh(first).state, fresh(second).state, *payment_statuses()] == ["expired", "paid", "held", "applied"]
    advance(report(first.cips.get(), operation_number="1", paid_at=first.expires_at))
    assert [fresh(first).state, fresh(second).state, *payment_statuses()] == ["expired", "paid", "duplicate", "applied"]
    assert Discrepancy.objects.open().get().kind == "duplicate_payment"


# Too little is said.


def test_a_providers_paid_without_amount_is_a_discrepancy() -> None:
    order = make()
    at_provider(order, Fact.PAYMENT, paid_at=timezone.now(), amount=None)
    refresh_order(order)
    assert (order.state, payment_statuses()) == ("pending", [])
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.order) == ("amount_mismatch", order)


def test_an_expiry_that_nobody_confirms_comes_to_a_person() -> None:
    order = make()
    at_provider(order, Fact.PAYMENT, paid_at=timezone.now())
    MemoryChannel.failures["look_up"] = [(DOWN, False)] * 999
    notify(order, Fact.CODE_EXPIRED)
    for hours in range(1, 40):
        tick(order.expires_at + timedelta(hours=hours))
    assert fresh(order).state == "pending"
    assert Discrepancy.objects.get().kind == "not_confirmed"
    assert Notification.objects.get().status == "applied"


def test_a_number_out_of_any_range_is_malformed() -> None:
    assert post(b'{"fact": "payment", "code": "1", "amount": 1e-99999999999999999999}').status_code == 200
    assert (Notification.objects.get().status, Discrepancy.objects.get().kind) == ("dead", "unprocessed")


# Messages that wait.


def test_a_message_is_not_completed_by_another_account_under_its_alias(settings: Any) -> None:
    order = make()
    notify(order, code="555")
    serve_by(settings, NAME="another")
    MemoryChannel.calls.clear()
    many_ticks(15)
    assert MemoryChannel.calls == []
    assert (Notification.objects.get().status, Discrepancy.objects.get().kind) == ("dead", "unmatched")


def test_a_message_that_waits_pays_no_code_of_another_account(settings: Any) -> None:
    notify(make(), code="555")  # nobody knows this code, so the message waits
    serve_by(settings, NAME="another")
    order = make()
    order.cips.update(code="555")
    tick(later(seconds=1))
    assert (fresh(order).state, payment_statuses(), Notification.objects.get().status) == ("pending", [], "waiting")


def test_a_message_that_was_applied_meanwhile_is_not_given_up(settings: Any) -> None:
    serve_by(settings, Busy)
    order = lost()
    code, slip = MemoryChannel.slips["memory:default"].popitem()
    body = paid(order, code=code)
    post(body)
    Notification.objects.update(attempts=9)  # the next attempt is the last
    Busy.during["look_up"] = lambda: (advance(slip.report), post(body))
    tick(later(seconds=1))
    assert not Busy.during
    assert (fresh(order).state, Notification.objects.get().status) == ("paid", "applied")
    assert not Discrepancy.objects.exists()


# Late.


def test_a_wrong_path_in_late_payments_blocks_no_payment_in_time(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "LATE_PAYMENTS": "shop.nowhere"}
    assert pay(make()).state == "paid"
    assert Notification.objects.get().status == "applied"
    late = pay(make(), paid_at=later(days=9))
    assert (late.state, Discrepancy.objects.get().kind) == ("pending", "late_payment")


def always(order: Order, report: Report) -> bool:
    return True


def test_the_shops_late_function_is_asked_for_a_lost_code_too(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "LATE_PAYMENTS": f"{__name__}.{always.__name__}"}
    order = lost()
    cip = order.cips.get()
    advance(report(cip, code="12345", transaction_code=cip.transaction_code, paid_at=later(days=9)))
    assert (fresh(order).state, fresh(order).code) == ("paid", "12345")
    assert not Discrepancy.objects.exists()
