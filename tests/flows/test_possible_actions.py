"""Kind 5, two sources of one truth: what may be done is one answer, and the flows do what it says."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.channels.base import Charge
from pagoefectivo_django.channels.memory import Slip
from pagoefectivo_django.errors import InvalidRequest, PagoEfectivoError
from pagoefectivo_django.flows import (
    actions_of,
    adopt_code,
    approve_refund,
    assign_discrepancy,
    cancel_order,
    close_refund,
    comment_on,
    extend_order,
    issue_code,
    mark_paid,
    refresh_order,
    refund_order,
    reissue_code,
    reopen_discrepancy,
    resolve_discrepancy,
    send_refund,
    tick,
)
from pagoefectivo_django.flows.orders.open_link import open_link
from pagoefectivo_django.flows.orders.renew import renew_code
from pagoefectivo_django.flows.possible.rules import PERMISSIONS
from pagoefectivo_django.flows.refunds.refund import ask_account, give_account
from pagoefectivo_django.flows.reports.accounts import known_accounts
from pagoefectivo_django.flows.reports.balance import ages
from pagoefectivo_django.flows.reports.health import orphans
from pagoefectivo_django.flows.reports.health import waiting as waiting_now
from pagoefectivo_django.flows.reports.troubles import troubles
from pagoefectivo_django.models import Cip, Delivery, Discrepancy, FailingReceiver, Heartbeat, Order, Refund
from pagoefectivo_django.states import Fact, Resolution
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later
from tests.factories.orders import lost_for_ever, make, rejected, without_code
from tests.factories.people import STAFF
from tests.factories.provider import channel
from tests.factories.refunds import ACCOUNT, refund_at
from tests.reading import voucher

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


def refunded() -> Order:
    order = pay(make())
    notify(order, Fact.PAYMENT_REVERSED)
    return order


def again() -> Order:
    order = expire(make())
    make(reference=order.reference)
    return order


def in_review() -> Order:
    order = make()
    notify(order, amount="1.00")
    return order


def twice() -> Order:
    order = pay(make(), operation_number="1")
    notify(order, operation_number="2")
    return order


def given_back() -> Order:
    order = pay(make())
    refund_order(order, **STAFF)
    return order


#: An order in each situation that tells one order from another.
SITUATIONS: dict[str, Callable[[], Order]] = {
    "new": without_code,
    "lost": lost_for_ever,
    "pending": make,
    "paid": lambda: pay(make()),
    "paid twice": twice,
    "going back": given_back,
    "expired": lambda: expire(make()),
    "ordered again": again,
    "cancelled": lambda: cancel_order(make()),
    "rejected": rejected,
    "refunded": refunded,
    "in review": in_review,
}
#: How each action is done.
STEPS: dict[str, Callable[[Order], object]] = {
    "issue": lambda order: issue_code(order),
    "cancel": lambda order: cancel_order(order, **STAFF),
    "extend": lambda order: extend_order(order, later(days=5)),
    "reissue": lambda order: reissue_code(order),
    "renew": lambda order: renew_code(order, timezone.now()),
    "open_link": lambda order: open_link(order, timezone.now()),
    "refresh": lambda order: refresh_order(order),
    "mark_paid": lambda order: mark_paid(order, "4711", **STAFF),
    "adopt_code": lambda order: adopt_code(order, "123", actor="rosa"),
    "refund": lambda order: refund_order(order, payment=_refundable(order), **STAFF),
}
#: What is done already may be asked for again; who asks about what has no code hears of no error.
HARMLESS = {"issue", "refresh"}


def _refundable(order: Order) -> Any:
    payments = [payment for cip in order.cips.all() for payment in cip.payments.all() if payment.refundable]
    return payments[-1] if payments else None


def at_provider(order: Order, code: str) -> None:
    """Let the provider know the code that an order lost."""
    cip = order.cips.get()
    charge = Charge(cip.transaction_code, order.amount, order.currency, order.expires_at, order.payer)
    report = replace(channel().issue(charge), code=code)
    channel().book[code] = Slip(report)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_flow_does_what_may_be_done_and_refuses_the_rest(settings: Any, situation: str) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": True}
    for action, do in STEPS.items():
        order = SITUATIONS[situation]()
        order.reload()
        if action == "adopt_code" and situation == "lost":
            at_provider(order, "123")
        actions = actions_of([order])[order]
        assert set(actions) == set(STEPS)
        before = (order.state, order.cip_id, order.pending_action, order.event_count)
        try:
            do(order)
        except PagoEfectivoError:
            assert actions[action], f"{action} is said to be possible"
        else:
            order.reload()
            same = (order.state, order.cip_id, order.pending_action, order.event_count) == before
            assert not actions[action] or action in HARMLESS or same, f"{action}: {actions[action]}"


def test_it_is_asked_once_for_many(django_assert_max_num_queries: Any) -> None:
    orders = [make() for make in SITUATIONS.values() for _ in range(3)]
    refunds, discrepancies = list(Refund.objects.all()), list(Discrepancy.objects.all())
    with django_assert_max_num_queries(16):
        found = actions_of([*orders, *refunds, *discrepancies])
    assert len(found) == len(orders) + len(refunds) + len(discrepancies)


REFUND_STEPS: dict[str, Callable[[Refund], object]] = {
    "approve": lambda refund: approve_refund(refund, actor="eva"),
    "send": lambda refund: send_refund(refund, actor="eva"),
    "done": lambda refund: close_refund(refund, done=True, **STAFF),
    "fail": lambda refund: close_refund(refund, done=False, **STAFF),
    "ask_account": lambda refund: ask_account(refund, actor="eva"),
    "give_account": lambda refund: give_account(refund, **ACCOUNT),
}


@pytest.mark.parametrize("taken_back", [False, True])
@pytest.mark.parametrize("step", ["requested", "approved", "named", "sent", "done", "failed"])
def test_a_refund_goes_on_as_it_says(step: str, taken_back: bool) -> None:
    for action, do in REFUND_STEPS.items():
        refund = refund_at(step)
        if taken_back:
            notify(refund.order, Fact.PAYMENT_REVERSED)
            refund.refresh_from_db()
        why = actions_of([refund])[refund][action]
        try:
            do(refund)
        except PagoEfectivoError:
            assert why, f"{action} is said to be possible"
        else:
            assert not why, f"{action}: {why}"


@pytest.mark.parametrize(
    "situation", ["in discrepancy", "paid twice", "no payment", "no order", "taken back", "closed"]
)
def test_a_discrepancy_has_the_answers_that_it_says(situation: str) -> None:
    for answer, again in itertools.product(Resolution, (False, True)):
        discrepancy = asked(situation)
        if again:
            resolve_discrepancy(discrepancy, "ignore", **STAFF) if situation != "closed" else None
            reopen_discrepancy(discrepancy, **STAFF)
        why = actions_of([discrepancy])[discrepancy][answer]
        try:
            resolve_discrepancy(discrepancy, answer, **STAFF)
        except PagoEfectivoError:
            assert why, f"{answer} is said to be possible"
        else:
            assert not why, f"{answer}: {why}"


def asked(situation: str) -> Discrepancy:
    Discrepancy.objects.open().update(status="resolved", resolved_by="x", reason="x", resolved_at=timezone.now())
    if situation == "no payment":
        order = make()
        notify(order, amount=None, operation_number="1", currency=None)
    elif situation == "no order":
        make()
        notify(make(), code="9" + str(Discrepancy.objects.count()), operation_number="5")
        for hour in range(14):
            tick(later(hours=hour, minutes=1))
    else:
        order = twice() if situation == "paid twice" else in_review()
        if situation == "taken back":
            notify(order, Fact.PAYMENT_REVERSED)
        if situation == "closed":
            resolve_discrepancy(Discrepancy.objects.open().get(), "ignore", **STAFF)
            return Discrepancy.objects.order_by("pk").last() or Discrepancy()
    return Discrepancy.objects.open().get()


def test_what_else_can_be_done_with_a_discrepancy() -> None:
    discrepancy = asked("in discrepancy")
    actions = actions_of([discrepancy])[discrepancy]
    assert {name: actions[name] for name in ("reopen", "assign", "comment")} == {
        "reopen": "open",
        "assign": "",
        "comment": "",
    }
    assign_discrepancy(discrepancy, "eva", actor="rosa")
    comment_on(discrepancy, "x", actor="rosa")
    with pytest.raises(InvalidRequest):
        reopen_discrepancy(discrepancy, **STAFF)


def test_every_action_names_its_permission() -> None:
    order = twice()
    rows: list[Order | Refund | Discrepancy] = [order, refund_at("requested"), Discrepancy.objects.all()[0]]
    named = {action for actions in actions_of(rows).values() for action in actions}
    assert named - {"renew", "open_link", "give_account"} == set(PERMISSIONS), "the payer does these"


def test_the_voucher_offers_what_can_be_done(settings: Any, client: Client) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": True}
    order = expire(make())
    assert "/renew/" not in voucher(again()), "it was ordered again"
    assert "/renew/" in voucher(order)
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"ROUTES": {"USD": ["default"]}}
    assert "/renew/" not in voucher(order), "no channel issues codes in its currency"


@pytest.mark.every_database
def test_what_is_not_settled_has_one_age() -> None:
    """An order that was paid twice is two payments, for the command as for the first page."""
    twice()
    found = [(age.count, age.amount) for age in ages("PEN", timezone.now())]
    assert found == [(2, Decimal("71.00")), (0, 0), (0, 0), (0, 0)]
    assert [(age.count, age.amount) for age in ages("PEN", timezone.now(), most=1_000)] == found
    out = StringIO()
    call_command("pagoefectivo_reconcile", "--report", stdout=out)
    assert "not settled since 0-1 days: 2 payments, 71.00" in out.getvalue()


def test_a_page_counts_the_oldest_up_to_a_limit() -> None:
    for _ in range(3):
        pay(make())
    found = ages("PEN", timezone.now() + timedelta(days=30), most=2)[-1]
    assert (found.count, found.amount, found.at_least) == (2, Decimal("71.00"), True)


# What is wrong is said alike by the first page and by mail to staff.


def _silent() -> None:
    Heartbeat.objects.create(name="tick", beaten_at=later(minutes=-6))


def _of_the_future() -> None:
    Heartbeat.objects.create(name="tick", beaten_at=later(days=6))


def _awake() -> None:
    Heartbeat.objects.create(name="tick", beaten_at=timezone.now())


def _failing(**changes: Any) -> Callable[[], None]:
    def fails() -> None:
        _awake()
        pay(make())
        row = Delivery.objects.order_by("pk")[0]
        known: dict[str, Any] = {"delivered_at": None, "retry_at": later(hours=1), "receiver": "shop.ship"}
        Delivery.objects.filter(pk=row.pk).update(**known | changes)

    return fails


def _paused() -> None:
    _failing(attempts=1, last_error="OSError")()
    FailingReceiver.objects.create(
        receiver="shop.ship", failures=7, since=later(minutes=-9), paused_until=later(minutes=9)
    )


def _gone(status: str, live: bool | None, watched: bool) -> Callable[[], None]:
    def leaves() -> None:
        _awake()
        make()
        moment = later(days=1) if watched else None
        Cip.objects.update(status=status, live=live, poll_at=moment, account="memory:gone")

    return leaves


WRONG: dict[str, Callable[[], None]] = {
    "a worker that is silent": _silent,
    "a worker of the future": _of_the_future,
    "a worker that goes round": _awake,
    "a delivery that failed once": _failing(attempts=1, last_error="OSError"),
    "a delivery that failed five times": _failing(attempts=5, last_error="OSError"),
    "a receiver that is paused": _paused,
    **{
        f"a {status} code of an account that is gone": _gone(status, live, watched)
        for status, live, watched in (
            ("current", True, True), ("requested", True, True), ("lost", None, True), ("lost", None, False),
            ("paid", None, True), ("expired", None, True), ("deleted", None, False), ("superseded", None, True),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_the_first_page_and_the_mail_say_the_same(what: str) -> None:
    make()
    WRONG[what]()
    now = timezone.now()
    told = {(one.kind, one.subject) for one in troubles(now)}
    state = waiting_now()
    assert state.asleep(now) == (("worker", "tick") in told)
    assert {("receiver", f"fails {name}") for name in state.failing} == {
        one for one in told if one[0] == "receiver" and one[1].startswith("fails ")
    }
    gone = orphans(account for account, alias in known_accounts().items() if not alias)
    assert {("account", account) for account in gone} == {one for one in told if one[0] == "account"}
