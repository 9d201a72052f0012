"""Kind 6: whatever can be undone is undone whole; each action with an undo, done, undone, and done again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.flows import (
    actions_of,
    assign_discrepancy,
    close_refund,
    enter_deposit,
    extend_order,
    match_line,
    reopen_discrepancy,
    resolve_discrepancy,
    tick,
    unmatch_line,
)
from pagoefectivo_django.flows.outbox.publish import deliver_again
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.models import (
    Cip,
    Delivery,
    Discrepancy,
    FailingReceiver,
    Heartbeat,
    Match,
    Order,
    Payment,
    SettlementLine,
)
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from pagoefectivo_django.workdays import lima_day
from tests.clock import later
from tests.factories.orders import make
from tests.factories.people import STAFF
from tests.factories.provider import channel
from tests.factories.refunds import refund_at
from tests.factories.statements import day, line, load, load_own
from tests.reading import books_hold

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

StaffAction = Callable[[], object]
#: The action, its undo, and what both change, as a value.
Story = tuple[StaffAction, StaffAction, Callable[[], Any]]


def matched_by_hand() -> Story:
    """A line that names nobody, matched by a person: money, watch, discrepancies, the order."""
    order = pay(make(), operation_number="111")
    row = load_own(f";999;35.50;1.89;{day()}").lines.get()

    def seen() -> Any:
        cip = order.cips.get()
        state = Order.objects.get(pk=order.pk)
        open_ones = sorted(Discrepancy.objects.open().values_list("kind", flat=True))
        books = balance("PEN")
        return state.is_settled, cip.poll_at is None, row_of(row).status, open_ones, books.holds

    def match() -> None:
        match_line(row_of(row), Payment.objects.get(), **STAFF)
        Cip.objects.update(poll_at=timezone.now())
        tick()  # which watches no code whose money is there

    return match, lambda: unmatch_line(row_of(row), **STAFF), seen


def matched_by_rule() -> Story:
    order = pay(make(), operation_number="111")
    row = load(line(order)).lines.get()
    unmatch_line(row, **STAFF)

    def seen() -> Any:
        fresh = Order.objects.get(pk=order.pk)
        return fresh.is_settled, row_of(row).status, sorted(Discrepancy.objects.open().values_list("kind", flat=True))

    return (
        lambda: match_line(row_of(row), Payment.objects.get(), **STAFF),
        lambda: unmatch_line(row_of(row), **STAFF),
        seen,
    )


def ignored_line() -> Story:
    row = load(line(make(), code="99999999", transaction_code="NOBODYS")).lines.get()
    tick(later(hours=1))
    discrepancy = Discrepancy.objects.get()

    def seen() -> Any:
        discrepancy.refresh_from_db()
        return (
            row_of(row).status,
            discrepancy.status,
            discrepancy.resolution,
            discrepancy.resolved_by,
            discrepancy.resolved_at is None,
        )

    return (
        lambda: resolve_discrepancy(Discrepancy.objects.get(), "ignore", **STAFF),
        lambda: reopen_discrepancy(Discrepancy.objects.get(), **STAFF),
        seen,
    )


def resolved_discrepancy() -> Story:
    """Money in doubt freezes its order, as long as its discrepancy is open."""
    order = make()
    notify(order, amount="1.00")

    def seen() -> Any:
        discrepancy = Discrepancy.objects.get()
        actions = {name: why for name, why in actions_of([order])[order].items() if name != "refund"}
        return discrepancy.status, discrepancy.resolution, discrepancy.reason, actions

    return (
        lambda: resolve_discrepancy(Discrepancy.objects.get(), "ignore", **STAFF),
        lambda: reopen_discrepancy(Discrepancy.objects.get(), **STAFF),
        seen,
    )


def assigned_discrepancy() -> Story:
    notify(make(), amount="1.00")
    return (
        lambda: assign_discrepancy(Discrepancy.objects.get(), "eva", actor="rosa"),
        lambda: assign_discrepancy(Discrepancy.objects.get(), "", actor="rosa"),
        lambda: Discrepancy.objects.get().assigned_to,
    )


def deposit() -> Story:
    settlement = load(line(pay(make())))
    amount = Decimal("33.61")

    def seen() -> Any:
        settlement.refresh_from_db()
        open_ones = Discrepancy.objects.open().values_list("kind", "amount")
        return settlement.open_amount, sorted(open_ones), balance("PEN").holds

    enter_deposit(settlement, Decimal("1.00"), lima_day(timezone.now()), actor="rosa")  # so that a discrepancy is open
    enter_deposit(settlement, Decimal("-1.00"), lima_day(timezone.now()), **STAFF)
    return (
        lambda: enter_deposit(settlement, amount, lima_day(timezone.now()), actor="rosa"),
        lambda: enter_deposit(settlement, -amount, lima_day(timezone.now()), **STAFF),
        seen,
    )


def failed_refund() -> Story:
    """A refund that was asked for, and failed: all can be given back again."""
    order = pay(make())

    def ask() -> None:
        refund_at("sent", order)

    def fail() -> None:
        close_refund(order.refunds.get(closed_at__isnull=True), done=False, **STAFF)

    def seen() -> Any:
        payment = Payment.objects.get()
        return payment.refundable, payment.refunded, actions_of([order])[order]["refund"], Order.objects.get().state

    return ask, fail, seen


def paused_receiver() -> Story:
    pay(make())

    def pause() -> None:
        for event in list(Delivery.objects.values_list("event", flat=True)) * 3:
            FailingReceiver.count("x", event, timezone.now())

    def again() -> None:
        row = Delivery.objects.order_by("pk")[0]
        row.receiver = "x"
        deliver_again(row)

    return pause, again, lambda: FailingReceiver.objects.count()


def refund_line() -> Story:
    """A line of a refund is matched with it, and free again when that was wrong."""
    order = pay(make(), operation_number="111")
    refund = refund_at("done", order, "10.00")
    settlement = load_own(f"{order.code};111;35.50;1.89;{day()}", f"{order.code};111;-10.00;0.00;{day()}")
    names = iter("abcdefgh")

    def undo() -> None:
        row = SettlementLine.objects.get(matches__refund=refund, matches__stands=True)
        unmatch_line(row, **STAFF)
        resolve_discrepancy(Discrepancy.objects.open().get(line=row), "ignore", **STAFF)

    def again() -> None:
        name = next(names)
        load_own(f"{order.code};{name};-10.00;0.00;{day()}", name=f"{name}.csv")

    assert settlement.lines.get(gross__lt=0).status == "matched"
    undo()
    return again, undo, lambda: (Match.objects.filter(refund=refund, stands=True).count(), balance("PEN").holds)


def row_of(row: SettlementLine) -> SettlementLine:
    return SettlementLine.objects.get(pk=row.pk)


@pytest.mark.parametrize(
    "story",
    [
        matched_by_hand, matched_by_rule, ignored_line, resolved_discrepancy, assigned_discrepancy, deposit,
        failed_refund, paused_receiver, refund_line,
    ],
    ids=lambda one: one.__name__,
)  # fmt: skip
def test_done_undone_and_done_again(story: Callable[[], Story]) -> None:
    do, undo, seen = story()
    before = seen()
    do()
    done = seen()
    assert done != before
    undo()
    assert seen() == before
    do()
    assert seen() == done
    undo()
    assert seen() == before
    books_hold()


def test_a_reversal_is_seen_after_an_undo_as_before_it() -> None:
    """The watch that a match ended goes on, whichever rule matched and whoever undid it."""
    order = pay(make(), operation_number="111")
    row = load(line(order)).lines.get()
    Cip.objects.update(poll_at=timezone.now())
    tick()
    assert order.cips.get().poll_at is None
    unmatch_line(row, **STAFF)
    channel().set(order.code, Fact.ISSUED)
    Heartbeat.objects.all().delete()
    tick(timezone.now() + timedelta(days=2))
    assert Discrepancy.objects.open().filter(order=order, kind="reversed").exists()


def test_an_extension_that_is_taken_back_is_as_before() -> None:
    order = make(expires_at=later(days=2))
    before: Any = Order.objects.values("expires_at", "lapses_at", "remind_at", "state").get()
    extend_order(order, later(days=9))
    extend_order(order, before["expires_at"])
    after: Any = Order.objects.values("expires_at", "lapses_at", "remind_at", "state").get()
    assert {**after, "remind_at": None} == {**before, "remind_at": None}
    assert abs(after["remind_at"] - before["remind_at"]) < timedelta(minutes=1)
