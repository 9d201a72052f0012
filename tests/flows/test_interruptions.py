"""Kind 2, as a matrix: whatever happens during whichever call of whichever action, nothing is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from pagoefectivo_django.flows import cancel_order, extend_order, mark_paid, refresh_order, reissue_code, tick
from pagoefectivo_django.models import Cip, Discrepancy, Order, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify
from tests.clock import later
from tests.factories.orders import make
from tests.factories.people import STAFF
from tests.factories.provider import Busy, channel
from tests.reading import fresh

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "busy"),
]
PAST = later(hours=1)


def extended(order: Order, now: datetime) -> None:
    extend_order(order, now + timedelta(days=5), **STAFF, now=now)


#: What is begun; those of the clock after the order's date.
BEGUN: dict[str, Callable[[Order, datetime], object]] = {
    "cancel": lambda order, now: cancel_order(order, **STAFF, now=now),
    "extend": extended,
    "reissue": lambda order, now: reissue_code(order, **STAFF, now=now),
    "refresh": lambda order, now: refresh_order(order, now=now),
    "the clock": lambda order, now: tick(now),
}
#: During which of its calls, and how that call ends.
CALLS = ["delete", "look_up", "issue"]
ENDS: dict[str, Exception | None] = {
    "well": None,
    "lost": OutcomeUnknown("dropped"),
    "refused": Refused("no", codes=("111",)),
    "unreached": Unavailable("down"),
}


def pays(order: Order, now: datetime) -> None:
    code = fresh(order).code
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
    notify(order, code=code, operation_number="7")


#: What happens meanwhile.
MEANWHILE: dict[str, Callable[[Order, datetime], object]] = {
    "it is paid": pays,
    "it is marked paid": lambda order, now: mark_paid(order, "7", **STAFF, now=now),
    "it is cancelled": lambda order, now: cancel_order(order, **STAFF, now=now),
    "it is extended": extended,
    "it is replaced": lambda order, now: reissue_code(order, **STAFF, now=now),
    "a round": lambda order, now: tick(now),
    "wrong money": lambda order, now: notify(order, amount="1.00", operation_number="9"),
}


#: In the suite the calls that end well; however else they end in ``make storm``: a case takes a quarter of a second.
CASES = [
    pytest.param(end, call, marks=[] if end == "well" and call != "issue" else [pytest.mark.storm])
    for end in ENDS
    for call in CALLS
]


@pytest.mark.parametrize(("end", "call"), CASES)
@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("begun", BEGUN)
def test_nothing_is_forgotten(begun: str, meanwhile: str, end: str, call: str) -> None:
    order = make(expires_at=later(minutes=20))
    now = PAST if begun == "the clock" else timezone.now()
    told: dict[str, Any] = {}

    def happens() -> None:
        if error := ENDS[end]:
            MemoryChannel.fail(call, error)
        try:
            MEANWHILE[meanwhile](Order.objects.get(pk=order.pk), now)
            told["meanwhile"] = fresh(order)
        except PagoEfectivoError as problem:
            told["problem"] = problem

    Busy.during[call] = happens
    try:
        BEGUN[begun](order, now)
        told["begun"] = fresh(order)
    except PagoEfectivoError as problem:
        told["refused"] = problem
    Busy.during.clear()
    MemoryChannel.failures.clear()
    for hours in (1, 2, 3, 30):
        tick(now + timedelta(hours=hours))
    judge(order, told, begun, meanwhile, f"{begun}, {meanwhile} during {call}, which ends {end}")


def judge(order: Order, told: dict[str, Any], begun: str, meanwhile: str, about: str) -> None:
    left, payments = fresh(order), list(Payment.objects.filter(cip__order=order))
    asked = Discrepancy.objects.open().filter(order=order)
    paid = [payment for payment in payments if payment.amount == order.amount]
    if paid:
        assert left.state == "paid" or asked.about_money().exists(), f"{about}: money without an order or a discrepancy"
    if left.state == "paid":
        assert any(payment.status == "applied" for payment in payments), f"{about}: paid by nothing"
    if meanwhile == "it is paid" and "meanwhile" in told:
        assert paid, f"{about}: a payment was lost"
    if meanwhile == "it is extended" and "meanwhile" in told and begun in ("cancel", "reissue", "the clock"):
        # Who was told that it is extended was told the truth: it can be paid until then, or a person ended it after.
        assert told["meanwhile"].expires_at > later(days=4) or left.pending_action or begun != "the clock", about
        if begun == "the clock" and told["meanwhile"].expires_at > later(days=4):
            assert left.state == "pending", f"{about}: extended, and then ended by the clock"
    open_codes = [code for code, slip in channel().book.items() if slip.open]
    if left.state in ("cancelled", "expired") and not asked.exists():
        due = Cip.objects.filter(order=order, code__in=open_codes, retry_at__isnull=False)
        assert due.count() == len(
            [code for code in open_codes if Cip.objects.filter(order=order, code=code).exists()]
        ), f"{about}: a code can be paid, and nobody takes it away"
    live = Cip.objects.filter(order=order, status="current").count()
    assert live <= 1, about
    assert live == 0 or left.state in ("pending", "paid", "expired") or asked.exists(), (
        f"{about}: {left.state} with a code"
    )
