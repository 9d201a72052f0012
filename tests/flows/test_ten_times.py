"""Every poll and every tick may come again and again: nothing opens twice and nothing is written twice."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.conf import conf
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import cancel_order, reissue_code, tick
from pagoefectivo_django.models import Delivery, Discrepancy, Order, OrderEvent, Payment
from pagoefectivo_django.models import clock as database_clock
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import Clock
from tests.factories.orders import lost, make
from tests.factories.provider import channel

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    monkeypatch.setattr(database_clock, "QUERIES", {})
    return clock


def says(code: str, fact: Fact | None, **changes: Any) -> None:
    """What the provider says of a code when it is asked; None: that there is none."""
    book = channel().book
    if fact is None:
        del book[code]
    else:
        book[code].report = replace(book[code].report, fact=fact, **changes)


def run_everything() -> None:
    """Do a round and a poll in which every order that is overdue and every code that is watched is looked at."""
    now = timezone.now()
    Order.objects.filter(lapses_at__isnull=False, expires_at__lt=now - conf.grace).update(lapses_at=now)
    tick()
    with suppress(CommandError):  # some codes have no answer
        call_command("pagoefectivo_reconcile", all=True, stdout=StringIO())


def written() -> tuple[int, ...]:
    evidence = sum(len(discrepancy.evidence) for discrepancy in Discrepancy.objects.all())
    counts = [table.objects.count() for table in (OrderEvent, Discrepancy, Payment, Delivery)]
    return (*counts, evidence)


# The situations: each does what happens, and how many discrepancies must come of it, whoever asks how often.


def only_polling_finds_it(clock: Clock) -> None:
    says(make().code, Fact.PAYMENT, paid_at=clock())
    clock.forward(hours=13)


def polling_finds_it_when_the_order_is_cancelled(clock: Clock) -> None:
    order = cancel_order(make())
    says(order.code, Fact.PAYMENT, paid_at=clock())
    clock.forward(hours=13)


def polling_finds_it_when_the_order_is_expired(clock: Clock) -> None:
    order = make(expires_at=clock() + timedelta(hours=1))
    clock.forward(hours=3)
    tick()
    says(order.code, Fact.PAYMENT, paid_at=clock())
    clock.forward(hours=13)


def polling_finds_another_amount(clock: Clock) -> None:
    says(make().code, Fact.PAYMENT, paid_at=clock(), amount=Decimal("1.00"))
    clock.forward(hours=13)


def polling_finds_no_amount(clock: Clock) -> None:
    says(make().code, Fact.PAYMENT, paid_at=clock(), amount=None)
    clock.forward(hours=13)


def paid_and_they_say(fact: Fact | None) -> Callable[[Clock], None]:
    def happens(clock: Clock) -> None:
        says(pay(make()).code, fact, paid_at=None)
        clock.forward(days=1, hours=1)

    return happens


def a_code_got_lost(clock: Clock) -> None:
    lost()
    clock.forward(minutes=2)
    tick()
    clock.forward(hours=49)


def overdue_and_nobody_answers(clock: Clock) -> None:
    make()
    MemoryChannel.failures["look_up"] = [(Unavailable("down"), False)] * 9999
    clock.forward(days=3, hours=2)
    tick()
    clock.forward(hours=3)


def overdue_and_not_there(clock: Clock) -> None:
    says(make().code, None)
    clock.forward(days=3, hours=2)


def overdue_and_never_deleted(clock: Clock) -> None:
    make()
    MemoryChannel.failures["delete"] = [(OutcomeUnknown("dropped"), False)] * 9999
    clock.forward(days=3, hours=2)


def held_for_its_amount(clock: Clock) -> None:
    order = make()
    notify(order, amount="1.00", operation_number="7")
    says(order.code, Fact.PAYMENT, paid_at=clock(), amount=Decimal("1.00"))
    clock.forward(days=1, hours=1)


def held_for_its_date(clock: Clock) -> None:
    order = make(expires_at=clock() + timedelta(hours=1))
    clock.forward(hours=2)
    says(order.code, Fact.PAYMENT, paid_at=clock())
    notify(order, paid_at=clock())
    clock.forward(days=1, hours=1)


def a_superseded_code_is_paid(clock: Clock) -> None:
    first = make()
    code = first.code
    reissue_code(first)
    says(code, Fact.PAYMENT, paid_at=clock())
    clock.forward(hours=13)


def both_codes_are_paid(clock: Clock) -> None:
    order = make()
    first = order.code
    reissue_code(order)
    for code in (first, order.code):
        says(code, Fact.PAYMENT, paid_at=clock())
    clock.forward(hours=13)


def reversed_by_a_message(clock: Clock) -> None:
    order = pay(make(), operation_number="7")
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    says(order.code, Fact.ISSUED, paid_at=None)
    clock.forward(days=1, hours=1)


def reversed_before_it_was_paid(clock: Clock) -> None:
    order = make()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    pay(order, operation_number="7")
    clock.forward(days=1, hours=1)


def a_message_about_nobodys_code(clock: Clock) -> None:
    notify(make(), code="555001")
    for _ in range(12):
        clock.forward(hours=2)
        tick()


SITUATIONS: dict[Callable[[Clock], None], list[str]] = {
    only_polling_finds_it: [],
    polling_finds_it_when_the_order_is_cancelled: ["paid_after_cancel"],
    polling_finds_it_when_the_order_is_expired: ["late_payment"],
    polling_finds_another_amount: ["amount_mismatch"],
    polling_finds_no_amount: ["amount_mismatch"],
    paid_and_they_say(Fact.CODE_EXPIRED): ["missing_there"],
    paid_and_they_say(Fact.CODE_DELETED): ["missing_there"],
    paid_and_they_say(Fact.ISSUED): ["reversed"],
    paid_and_they_say(None): ["missing_there"],
    a_code_got_lost: ["lost_code"],
    overdue_and_nobody_answers: ["not_confirmed"],
    overdue_and_not_there: ["not_confirmed"],
    overdue_and_never_deleted: ["not_confirmed"],
    held_for_its_amount: ["amount_mismatch"],
    held_for_its_date: ["late_payment"],
    a_superseded_code_is_paid: [],
    both_codes_are_paid: ["duplicate_payment"],
    reversed_by_a_message: ["reversed"],
    reversed_before_it_was_paid: ["reversed"],
    a_message_about_nobodys_code: ["unmatched"],
}


@pytest.mark.parametrize(
    ("happens", "discrepancies"),
    [pytest.param(*each, id=f"{number}-{each[0].__name__}") for number, each in enumerate(SITUATIONS.items())],
)
def test_nothing_opens_twice(happens: Callable[[Clock], None], discrepancies: list[str], clock: Clock) -> None:
    happens(clock)
    for _ in range(4):  # what one round finds, such as a code that must go, is the next one's work, after its pause
        run_everything()
        clock.forward(minutes=1)
    once = written()
    assert [discrepancy.kind for discrepancy in Discrepancy.objects.all()] == discrepancies
    for _ in range(10):
        run_everything()
    assert written() == once, "ten times at the same time"
    for _ in range(10):
        clock.forward(hours=7)
        run_everything()
    assert [(discrepancy.kind, len(discrepancy.evidence)) for discrepancy in Discrepancy.objects.all()] == [
        (kind, 1) for kind in discrepancies
    ]
    events = map(str, OrderEvent.objects.values_list("order", "kind", "fact", "cip", "data", "reason", "discrepancy"))
    twice = [event for event, count in Counter(events).items() if count > 1]
    assert not twice, "at later times"
    assert Payment.objects.count() == once[2]
