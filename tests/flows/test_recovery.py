"""Kind 2, a recovery path forgets a case: what is answered late, lost once, or done by two at once, is done."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import CodeRef
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown
from pagoefectivo_django.flows import cancel_order, extend_order, reissue_code, tick
from pagoefectivo_django.flows.ledger.advance import Outcome, advance
from pagoefectivo_django.flows.provider.look_up import ask_provider
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify
from tests.clock import later
from tests.concurrency import breaking
from tests.factories.messages import paid, post, report
from tests.factories.orders import make
from tests.factories.provider import Busy, channel
from tests.reading import calls, fresh, kept, payment_statuses

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "busy"),
]


# A message whose transaction is lost.


def said(order: Order, fact: str) -> bytes:
    return json.dumps({"fact": fact, "code": order.code, "amount": str(order.amount), "currency": "PEN"}).encode()


def lost(body: bytes) -> None:
    """Post a message whose transaction ends as a deadlock or a restart ends it."""
    with (
        breaking('UPDATE "pagoefectivo_order"', times=1, lose_transaction=True),
        breaking("UPDATE `pagoefectivo_order`", times=1, lose_transaction=True),
    ):
        assert post(body).status_code == 200


def test_the_second_payment_of_the_same_bytes_is_applied_although_its_transaction_was_lost() -> None:
    order = make()
    post(said(order, "payment"))
    post(said(order, "payment_reversed"))
    assert fresh(order).state == "refunded"
    lost(said(order, "payment"))
    row = kept(said(order, "payment"))
    assert (row.status, row.times_received, row.retry_at is None) == ("waiting", 2, False)
    tick(later(minutes=1))
    assert payment_statuses() == ["reversed", "held"], "a person is asked about money after a refund"
    assert Discrepancy.objects.open().filter(kind="paid_after_refund").exists()
    assert kept(said(order, "payment")).status == "applied"


@pytest.mark.parametrize("status", ["applied", "waiting", "dead"])
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_repetition_whose_transaction_is_lost_is_applied_whatever_became_of_the_first(
    status: str, forgotten: bool
) -> None:
    order = make()
    body = paid(order)
    post(body)
    Payment.objects.all().delete()
    Order.objects.update(state="pending", paid_at=None)
    Cip.objects.update(status="current", live=True)
    due = None if status != "waiting" else timezone.now()
    Notification.objects.update(status=status, attempts=10, retry_at=due)
    if forgotten:
        Notification.objects.update(forgotten=True, body=b"")
    lost(body)
    tick(later(hours=1))
    assert (fresh(order).state, kept(body).status) == ("paid", "applied")


# Paid before the answer of the request is written.


@pytest.mark.parametrize("number", ["7", ""])
@pytest.mark.parametrize("then", ["nothing", "reversed"])
def test_a_payment_that_is_applied_before_the_answer_is_written_is_a_payment(number: str, then: str) -> None:
    def pays() -> None:
        ((code, slip),) = channel().book.items()
        about: dict[str, Any] = {
            "code": code,
            "transaction_code": slip.report.transaction_code,
            "operation_number": number or None,
        }
        order = Order.objects.get()
        notify(order, **about)
        if then == "reversed":
            notify(order, Fact.PAYMENT_REVERSED, **about)
        else:
            channel().set(code, Fact.PAYMENT, paid_at=timezone.now())

    Busy.during["issue"] = pays
    order = make()
    cip = Cip.objects.get()
    assert (cip.code, cip.url) == (order.code, "https://memory.example/slip.html"), "the answer teaches code and link"
    if then == "reversed":
        assert (order.state, payment_statuses()) == ("refunded", ["reversed"])
    else:
        assert (order.state, payment_statuses()) == ("paid", ["applied"])
        assert not Discrepancy.objects.exists()


@pytest.mark.parametrize("status", ["requested", "lost", "current", "paid", "expired", "deleted", "superseded"])
def test_the_answer_of_a_request_always_teaches_and_never_takes_back(status: str) -> None:
    """Whatever became of the code while the answer was on its way."""
    order = make()
    live = True if status in ("requested", "current") else None
    code, date = order.code, order.expires_at
    Order.objects.update(cip=None)
    Cip.objects.update(
        code=code if status in ("current", "paid") else None, url="", status=status, live=live, version=9
    )
    Order.objects.update(cip=Cip.objects.get())
    cip = Cip.objects.get()
    advance(
        replace(report(cip, Fact.ISSUED), code=code, transaction_code=cip.transaction_code, url="https://x.example/")
    )
    cip.refresh_from_db()
    assert (cip.code, cip.url, cip.expires_at) == (code, "https://x.example/", date)
    assert not Discrepancy.objects.exists()
    assert cip.status in (status, "current", "superseded")


# Extended while it is deleted.


def test_nobody_is_told_that_a_code_was_extended_which_is_being_deleted() -> None:
    order = make(expires_at=later(minutes=20))
    now, told = later(hours=1), []

    def staff() -> None:
        with pytest.raises(OutcomeUnknown, match="being deleted"):
            extend_order(order, later(days=5), actor="rosa", now=now)
        told.append(fresh(order).expires_at)

    Busy.during["delete"] = staff
    tick(now)
    assert told == [order.expires_at]
    assert fresh(order).state == "expired"


@pytest.mark.parametrize("pending_action", [cancel_order, reissue_code])
def test_nor_while_it_is_cancelled_or_replaced(pending_action: Callable[..., Order]) -> None:
    order = make()

    def staff() -> None:
        with pytest.raises(OutcomeUnknown, match="being deleted"):
            extend_order(order, later(days=5), actor="rosa")

    Busy.during["delete"] = staff
    pending_action(order)
    assert fresh(order).state == ("cancelled" if pending_action is cancel_order else "pending")
    assert Cip.objects.filter(status="current").count() == (pending_action is reissue_code)


def test_the_clock_deletes_no_code_that_was_extended_meanwhile() -> None:
    order = make(expires_at=later(minutes=20))
    now = later(hours=1)
    Busy.during["look_up"] = lambda: extend_order(order, later(days=5), actor="rosa", now=now)
    tick(now)
    assert (fresh(order).state, calls("delete")) == ("pending", [])


def test_a_deletion_that_died_is_ended_by_the_next_round_and_one_that_is_not_confirmed_allows_an_extension() -> None:
    order = make(expires_at=later(minutes=20))
    now = later(hours=1)

    def dies() -> None:
        raise KeyboardInterrupt

    Busy.during["delete"] = dies
    with pytest.raises(KeyboardInterrupt):
        tick(now)
    tick(now + timedelta(minutes=5))
    assert fresh(order).state == "expired"
    other = make(expires_at=later(minutes=20))
    for _ in range(2):
        MemoryChannel.fail("delete", OutcomeUnknown("?"))
    tick(now)
    assert fresh(other).state == "pending"
    extend_order(other, later(days=5), now=now)
    assert fresh(other).expires_at > later(days=4)


# Stale answers, whatever changed and whoever asked.

CHANGES: dict[str, Callable[[Order], object]] = {
    "nothing": lambda order: None,
    "paid": lambda order: advance(report(order.cips.get(), operation_number="1")),
    "reversed": lambda order: advance(
        report(order.cips.get(), operation_number="1"),
        report(order.cips.get(), Fact.PAYMENT_REVERSED, operation_number="1"),
    ),
    "reversed before it was told": lambda order: advance(report(order.cips.get(), Fact.PAYMENT_REVERSED)),
    "extended": lambda order: advance(report(order.cips.get(), Fact.ISSUED, expires_at=later(days=4)), wanted=True),
    "deleted": lambda order: advance(report(order.cips.get(), Fact.CODE_DELETED)),
}
ANSWERS = [Fact.PAYMENT, Fact.ISSUED, Fact.CODE_EXPIRED, Fact.CODE_DELETED, Fact.UNKNOWN, Fact.ABSENT]


@pytest.mark.parametrize(("change", "fact"), list(product(CHANGES, ANSWERS)))
@pytest.mark.parametrize("clock", [timedelta(0), timedelta(hours=12), timedelta(hours=-12)])
def test_an_answer_is_stale_by_what_was_written_since_and_by_no_clock(
    change: str, fact: Fact, clock: timedelta
) -> None:
    order = make()
    cip = order.cips.get()
    Cip.objects.update(changed_at=timezone.now() + clock)
    channel().set(order.code, Fact.PAYMENT if fact == Fact.PAYMENT else Fact.ISSUED, paid_at=timezone.now())
    (answer,) = ask_provider(channel(), [CodeRef(order.code)]).values()
    CHANGES[change](order)
    stale = change != "nothing" if fact != Fact.PAYMENT else "reversed" in change
    (outcome,) = advance(replace(answer, fact=fact))
    assert outcome == (Outcome.STALE if stale else Outcome.APPLIED)
    (again,) = ask_provider(channel(), [CodeRef(cip.code or "")]).values()
    assert advance(again) == [Outcome.APPLIED], "asked again it counts"


def test_answers_of_one_batch_about_one_code_do_not_make_each_other_stale() -> None:
    order = make()
    (answer,) = ask_provider(channel(), [CodeRef(order.code)]).values()
    assert advance(replace(answer, fact=Fact.CODE_EXPIRED), replace(answer, fact=Fact.CODE_DELETED)) == [
        Outcome.APPLIED,
        Outcome.APPLIED,
    ]


def test_a_code_that_changes_at_each_look_is_looked_at_once_a_round_and_ends() -> None:
    order = make(expires_at=later(minutes=20))
    begin = later(hours=1)

    def changes() -> None:
        Cip.objects.filter(order=order).update(version=Cip.objects.get(order=order).version + 1)
        if len(MemoryChannel.calls) < 200:
            Busy.during["look_up"] = changes

    Busy.during["look_up"] = changes
    channel().set(order.code, Fact.CODE_EXPIRED)
    Cip.objects.update(poll_at=begin)
    for minute in range(6):
        tick(begin + timedelta(minutes=minute))
    assert 2 <= len(calls("look_up")) <= 12
    Busy.during.clear()
    tick(begin + timedelta(minutes=10))
    assert fresh(order).state == "expired"
