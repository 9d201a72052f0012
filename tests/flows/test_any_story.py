"""Any story of payer, provider, shop and staff: whatever they do in whatever order, the books stand."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, PagoEfectivoError, Unavailable
from pagoefectivo_django.flows import cancel_order, extend_order, refresh_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.models import Discrepancy, Order, OrderEvent, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify
from tests.clock import later
from tests.factories.orders import make
from tests.factories.provider import channel

pytestmark = [pytest.mark.storm, pytest.mark.django_db(transaction=True)]


def code_of(order: Order, choice: int) -> str:
    codes = sorted(channel().book)
    return codes[choice % len(codes)] if codes else ""


def pays(order: Order, choice: int, **changes: Any) -> None:
    """The payer pays one of the codes that the provider ever gave."""
    if code := code_of(order, choice):
        channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
        number = str(choice) if choice % 3 else None
        transaction_code = channel().book[code].report.transaction_code if choice % 2 else None
        notify(order, code=code, transaction_code=transaction_code, operation_number=number, **changes)


def takes_back(order: Order, choice: int) -> None:
    if code := code_of(order, choice):
        if channel().book[code].report.fact == Fact.PAYMENT:
            channel().set(code, Fact.ISSUED)
        notify(order, Fact.PAYMENT_REVERSED, code=code, operation_number=str(choice) if choice % 3 else None)


def expires(order: Order, choice: int) -> None:
    if (code := code_of(order, choice)) and channel().book[code].open:
        channel().set(code, Fact.CODE_EXPIRED)
        notify(order, Fact.CODE_EXPIRED, code=code)


def answers(order: Order, choice: int) -> None:
    """Staff resolves the oldest open discrepancy."""
    if discrepancy := Discrepancy.objects.open().order_by("pk").first():
        resolve_discrepancy(discrepancy, ["accept", "refund_due", "ignore"][choice % 3], actor="marta", reason="Seen.")


def stumbles(order: Order, choice: int) -> None:
    """The next call goes wrong: not sent, or its answer lost before or after the work."""
    error = Unavailable("down") if choice % 2 else OutcomeUnknown("dropped")
    after = choice % 3 == 0 and not choice % 2
    MemoryChannel.fail(["issue", "delete", "look_up", "extend"][choice % 4], error, after=after)


STEPS: dict[str, Callable[[Order, int], Any]] = {
    "pays": pays,
    "pays another amount": lambda order, choice: pays(order, choice, amount="1.00"),
    "pays late": lambda order, choice: pays(order, choice, paid_at=later(days=9)),
    "takes back": takes_back,
    "expires": expires,
    "cancels": lambda order, choice: cancel_order(order),
    "extends": lambda order, choice: extend_order(order, later(days=3 + choice)),
    "reissues": lambda order, choice: reissue_code(order),
    "refreshes": lambda order, choice: refresh_order(order),
    "answers": answers,
    "stumbles": stumbles,
    "ticks": lambda order, choice: tick(later(hours=choice)),
}


def check(order: Order) -> None:
    order.refresh_from_db()
    payments = list(Payment.objects.filter(cip__order=order))
    asked = set(Discrepancy.objects.filter(order=order).values_list("payment", flat=True))
    applied = [payment for payment in payments if payment.status == "applied"]
    assert len(applied) == (order.state == "paid"), "an order is paid by exactly one payment"
    for payment in payments:
        assert payment.status in ("applied", "reversed") or payment.pk in asked, f"{payment} is forgotten"
    confirmed = OrderEvent.objects.filter(order=order, kind="payment_confirmed")
    for event in confirmed:
        assert event.state_before != "paid"
        assert event.state_after == "paid"


@settings(max_examples=25)
@given(story=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 7)), max_size=14))
def test_the_books_hold_after_every_step(story: list[tuple[str, int]]) -> None:
    MemoryChannel.clear()
    order = make()
    for step, choice in story:
        with suppress(PagoEfectivoError):
            STEPS[step](order, choice)
        check(order)
    MemoryChannel.failures.clear()
    for hours in range(10, 40, 2):
        tick(later(hours=hours))
    check(order)
    # Everything came to rest: done, or in front of a person.
    asked = set(Discrepancy.objects.filter(order=order).values_list("kind", flat=True))
    assert order.pending_action == "", f"{order.pending_action} is still wished for"
    payable = {code for code, slip in channel().book.items() if slip.open}
    known = set(order.cips.exclude(code=None).values_list("code", flat=True))
    taken_back = set(Payment.objects.filter(cip__order=order, status="reversed").values_list("cip__code", flat=True))
    stray = (payable & known) - {order.code if order.state == "pending" else ""} - taken_back
    assert not stray or asked, f"{stray} can be paid though the order is {order.state}"
