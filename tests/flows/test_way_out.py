"""A way out of everything: each state of the manual's table that is not final is reached, shown to staff, left again.

The table (docs/reference/ways-out.rst) is compared with the enumerations; each row that does not say *Final*
has a walk here: a generator that is in the state when it yields, and out of it when it ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.dashboard.queues import QUEUES, queues_panel
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import (
    adopt_code,
    approve_refund,
    cancel_order,
    close_refund,
    extend_order,
    reissue_code,
    resolve_discrepancy,
    send_refund,
    tick,
)
from pagoefectivo_django.flows.inbox.apply import retry
from pagoefectivo_django.flows.inbox.hints import look_at_unknown_codes
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.flows.reports.accounts import known_accounts
from pagoefectivo_django.flows.settlements.imports import confirm_settlement, match_settlement
from pagoefectivo_django.models import (
    Cip,
    Delivery,
    Discrepancy,
    FailingReceiver,
    Notification,
    NotificationStatus,
    Order,
    Payment,
    SettlementLine,
    UnknownCode,
)
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.states import (
    CipStatus,
    Fact,
    LineStatus,
    OrderState,
    PaymentStatus,
    PendingAction,
    RefundStatus,
    SettlementStatus,
)
from pagoefectivo_django.testing import notify
from tests.clock import later
from tests.factories.messages import unmatched
from tests.factories.orders import bought, lost, make, without_code
from tests.factories.provider import channel
from tests.factories.refunds import ACCOUNT, refund_at
from tests.factories.statements import draft, line
from tests.manual import table
from tests.reading import dashboard_now

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

DOWN = Unavailable("Nobody answers.")
LOST = OutcomeUnknown("The line was dropped.")


#: What can be in which states, as the manual calls it.
STATES: dict[str, list[str]] = {
    "order": OrderState.values,
    "pending action": PendingAction.values,
    "code": CipStatus.values,
    # Both have dates instead, and their rows go with what they wait for.
    "unknown code": ["waiting"],
    "failing receiver": ["paused"],
    "payment": PaymentStatus.values,
    "refund": RefundStatus.values,
    "discrepancy": Discrepancy.Status.values,
    # A delivery has a date instead: NULL while it waits.
    "delivery": ["waiting", "delivered"],
    "notification": NotificationStatus.values,
    "settlement": SettlementStatus.values,
    "settlement line": LineStatus.values,
}

#: A walk yields how to read the state of its row.
Walk = Iterator[Callable[[], str]]

WALKS: dict[tuple[str, str], Callable[[], Walk]] = {}


def walk(thing: str, state: str) -> Callable[[Callable[[], Walk]], Callable[[], Walk]]:
    def keep(walked: Callable[[], Walk]) -> Callable[[], Walk]:
        WALKS[thing, state] = walked
        return walked

    return keep


def reading(row: Any, name: str) -> Callable[[], str]:
    """Return what reads a column of a row as it is in the database; "gone" where the row is not there any more."""
    found = type(row)._base_manager.filter(pk=row.pk)
    return lambda: str(found.values_list(name, flat=True).first()) if found.exists() else "gone"


def answer(resolution: str = "ignore") -> None:
    """Resolve the one open discrepancy."""
    discrepancy = Discrepancy.objects.open().get()
    resolve_discrepancy(discrepancy, resolution=resolution, actor="rosa", reason="It was looked at.")


def ticks(*hours: float) -> None:
    for ahead in hours:
        tick(later(hours=ahead))


# Orders, and what is put_off for them.


@walk("order", "new")
def _() -> Walk:
    order = without_code()
    yield reading(order, "state")
    ticks(1)


@walk("order", "pending")
def _() -> Walk:
    order = make()
    yield reading(order, "state")
    ticks(49)  # nobody pays: the clock ends it after its date


@walk("pending action", "issue")
def _() -> Walk:
    order = without_code()
    yield reading(order, "pending_action")
    ticks(1)


def put_off(call: str, pending_action: Callable[[Order], object]) -> Walk:
    order = make()
    MemoryChannel.fail(call, DOWN)
    with pytest.raises(Unavailable):
        pending_action(order)
    yield reading(order, "pending_action")
    ticks(1)


@walk("pending action", "cancel")
def _() -> Walk:
    yield from put_off("delete", lambda order: cancel_order(order, actor="shop"))


@walk("pending action", "extend")
def _() -> Walk:
    yield from put_off("extend", lambda order: extend_order(order, later(days=5), actor="shop"))


@walk("pending action", "reissue")
def _() -> Walk:
    yield from put_off("delete", lambda order: reissue_code(order, actor="shop"))


# Codes.


@walk("code", "requested")
def _() -> Walk:
    order = make()
    cip = order.cips.get()
    # As a process leaves it that ends before the answer.
    Order.objects.filter(pk=order.pk).update(state=OrderState.NEW)
    Cip.objects.filter(pk=cip.pk).update(status=CipStatus.REQUESTED, code=None, poll_at=timezone.now())
    yield reading(cip, "status")
    ticks(1)


@walk("code", "lost")
def _() -> Walk:
    order = lost()
    cip = order.cips.get()
    yield reading(cip, "status")
    (code,) = channel().book
    adopt_code(order, code, actor="rosa")


@walk("code", "current")
def _() -> Walk:
    cip = make().cips.get()
    yield reading(cip, "status")
    ticks(49)


@walk("code", "superseded")
def _() -> Walk:
    order = lost()
    ticks(1)  # the answer is not known: another code is asked for
    older = order.cips.order_by("pk")[0]
    code = next(iter(channel().book))
    notify(order, "issued", code=code, transaction_code=older.transaction_code)  # the lost one exists after all
    look_at_unknown_codes(get_channel("default"), TimeBudget(timezone.now()))
    # It stays superseded, and waits no more once it can't be paid.
    due = Cip.objects.filter(pk=older.pk, retry_at__isnull=False)
    yield lambda: str(due.values_list("status", flat=True).first())
    ticks(2)
    assert channel().book[code].report.fact == Fact.CODE_DELETED


@walk("unknown code", "waiting")
def _() -> Walk:
    notify(make(), Fact.CODE_EXPIRED, code="4711")
    yield lambda: "waiting" if UnknownCode.objects.exists() else "gone"
    ticks(0, 0.05, 0.2, 1, 2)


# Payments, their refunds, and discrepancies.


@walk("payment", "held")
def _() -> Walk:
    order = make()
    notify(order, amount="30.00")
    yield reading(Payment.objects.get(), "status")
    answer("accept")


@walk("payment", "duplicate")
def _() -> Walk:
    order = bought()
    notify(order, operation_number="8")
    payment = Payment.objects.get(operation_number="8")
    # It stays a duplicate, and waits no more once it is answered and given back.
    yield lambda: str(payment.status) if Discrepancy.objects.open().exists() else "answered"
    answer("refund_due")


@walk("refund", "requested")
def _() -> Walk:
    refund = refund_at("requested")
    yield reading(refund, "status")
    approve_refund(refund, actor="marta")


@walk("refund", "approved")
def _() -> Walk:
    refund = refund_at("approved")
    yield reading(refund, "status")
    give_account(refund, **ACCOUNT)
    assert shown("refunds to send")
    send_refund(refund, actor="marta")


@walk("refund", "sent")
def _() -> Walk:
    refund = refund_at("sent")
    yield reading(refund, "status")
    close_refund(refund, done=True, actor="marta", reason="The bank says so.")


@walk("discrepancy", "open")
def _() -> Walk:
    notify(make(), amount="30.00")
    yield reading(Discrepancy.objects.get(), "status")
    answer()


# Messages and deliveries.


@walk("notification", "waiting")
def _() -> Walk:
    row = unmatched()
    yield reading(row, "status")
    ticks(1)  # the provider says whose code it is


@walk("notification", "dead")
def _() -> Walk:
    row = unmatched()
    Notification.objects.filter(pk=row.pk).update(status=NotificationStatus.DEAD, retry_at=None)
    yield reading(row, "status")
    assert retry(row, later(minutes=1))


broken = [False]


def hear(sender: object, **kwargs: object) -> None:
    if broken[0]:
        raise RuntimeError("The warehouse is closed.")


@walk("delivery", "waiting")
def _() -> Walk:
    payment_confirmed.connect(hear, dispatch_uid="way out")
    broken[0] = True
    try:
        bought()
        row = Delivery.objects.filter(receiver="way out")
        yield lambda: "delivered" if row.filter(delivered_at__isnull=False).exists() else "waiting"
        broken[0] = False
        ticks(1)
    finally:
        payment_confirmed.disconnect(dispatch_uid="way out")


@walk("failing receiver", "paused")
def _() -> Walk:
    payment_confirmed.connect(hear, dispatch_uid="way out")
    broken[0] = True
    try:
        for _number in range(FailingReceiver.MOST):
            bought()
        paused = FailingReceiver.objects.filter(receiver="way out", paused_until__isnull=False)
        yield lambda: "paused" if paused.exists() else "well"
        broken[0] = False
        ticks(1)
    finally:
        payment_confirmed.disconnect(dispatch_uid="way out")


# Statements.


def stop_when_asking() -> bool:
    return SettlementLine.objects.filter(status=LineStatus.ASKING).exists()


@walk("settlement", "draft")
def _() -> Walk:
    found = draft(line(bought()))
    yield reading(found, "status")
    ticks(24 * 8)  # nobody confirms it


@walk("settlement", "matching")
def _() -> Walk:
    found = confirm_settlement(draft(line(bought())))
    yield reading(found, "status")
    ticks(1)


@walk("settlement line", "new")
def _() -> Walk:
    found = draft(line(bought()))
    yield reading(found.lines.get(), "status")
    confirm_settlement(found)
    ticks(1)


@walk("settlement line", "asking")
def _() -> Walk:
    found = confirm_settlement(draft(line(make())))
    match_settlement(found, TimeBudget(stopped=stop_when_asking))
    yield reading(found.lines.get(), "status")
    ticks(1)


@walk("settlement line", "discrepancy")
def _() -> Walk:
    found = confirm_settlement(draft(line(make(), code="99999999", transaction_code="NOBODYS")))
    ticks(1)
    yield reading(found.lines.get(), "status")
    answer()


# The table.


def shown(words: str) -> bool:
    """Tell whether the first page has these words, as a row or as the title of a panel, with a count above zero."""
    for panel in dashboard_now()["panels"]:
        for row in panel.rows:
            named = str(row[0]) == words or str(panel.title) == words
            if named and any(re.match("[1-9]", strip_tags(str(cell))) for cell in row[1:2]):
                return True
    return False


def rows() -> dict[tuple[str, str], tuple[str, list[str]]]:
    """Return the manual's table: who moves a state on, and the words by which the first page shows it."""
    found = table("reference/ways-out", "ways-out")
    return {(thing, state): (who, re.findall('"([^"]+)"', page)) for thing, state, who, page in found[1:]}


ROWS = rows()
WAITING = [key for key, (who, _page) in ROWS.items() if not who.startswith("Final")]


def test_the_table_has_every_state_and_every_state_that_waits_is_walked() -> None:
    assert set(ROWS) == {(thing, state) for thing, states in STATES.items() for state in states}
    assert set(WALKS) == set(WAITING)
    for key, (who, page) in ROWS.items():
        assert bool(page) == (key in WAITING), f"{key}: what waits is shown, what is final is not"
        assert key not in WAITING or re.search("clock|[Ss]taff|payer", who), f"{key}: nobody moves it on"


@pytest.mark.parametrize("key", WAITING, ids=" ".join)
def test_it_is_reached_shown_and_left(key: tuple[str, str]) -> None:
    walked = WALKS[key]()
    state = next(walked)
    assert state() == key[1]
    assert any(shown(words) for words in ROWS[key][1]), [str(panel.rows) for panel in dashboard_now()["panels"]]
    assert next(walked, None) is None
    assert state() != key[1]


def test_every_queue_that_is_counted_has_its_words() -> None:
    told = {words for _who, page in ROWS.values() for words in page}
    named = {str(what) for name, (what, *_rest) in QUEUES.items() if name != "erasure"}
    assert named <= told


def test_what_is_behind_a_list_is_counted_only_for_who_may_see_the_list() -> None:
    refund_at("requested")
    without_code()
    told = []
    for allowed in (["order"], ["order", "refund"]):
        panel = queues_panel(known_accounts(), timezone.now(), allowed.__contains__)
        told.append({str(row[0]) for row in panel.rows})
    assert "orders without a code" in told[0]
    assert told[1] - told[0] == {"refunds to approve"}
