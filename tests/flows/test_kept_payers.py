"""Kind 7, needed later and thrown away now: what can still be paid keeps its payer until it cannot."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, Refused
from pagoefectivo_django.flows import cancel_order, close_refund, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.privacy.erase import erase_payer
from pagoefectivo_django.flows.privacy.forget import forget
from pagoefectivo_django.models import ApiCall, ApiCallSubject, Delivery, Discrepancy, Heartbeat, Order, UnknownCode
from pagoefectivo_django.payer import Erased, Payer
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.orders import ANA, lost, make
from tests.factories.people import STAFF
from tests.factories.provider import Undeletable, channel, serve_by
from tests.factories.refunds import bring

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


def expired() -> Order:
    order = make(expires_at=later(minutes=20))
    channel().set(order.code, Fact.CODE_EXPIRED)
    tick(later(hours=1))
    order.reload()
    assert order.state == "expired"
    return order


@pytest.mark.every_database
def test_an_expired_order_whose_code_is_watched_keeps_its_payer() -> None:
    order = expired()
    assert erase_payer(email=ANA.email, **STAFF).kept == [order.reference]
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now() + timedelta(minutes=5))
    heard: list[str] = []

    def ship(sender: Any, order: Order, **named: Any) -> None:
        heard.append(order.payer.email)

    payment_confirmed.connect(ship, dispatch_uid="ship")
    try:
        tick(later(hours=14))
    finally:
        payment_confirmed.disconnect(dispatch_uid="ship")
    order.reload()
    assert (order.state, heard) == ("paid", [ANA.email])


def test_it_follows_when_it_cannot_be_paid_any_more() -> None:
    order = expired()
    erase_payer(email=ANA.email, **STAFF)
    Heartbeat.objects.all().delete()
    tick(later(days=40))
    order.reload()
    assert (order.email, order.forgotten_at is None) == ("", False)


def test_a_deleted_code_keeps_nobody() -> None:
    order = cancel_order(make())
    assert erase_payer(email=ANA.email, **STAFF).erased == [order.reference]
    order.reload()
    assert order.payer == Erased()
    assert (order.payer.erased, order.payer.email, order.payer.phone_prefix) == (True, "", "")
    assert not ANA.erased
    assert isinstance(order.payer, Payer)


def test_an_erased_order_gets_no_new_code() -> None:
    order = expired()
    erase_payer(email=ANA.email, **STAFF)
    Heartbeat.objects.all().delete()
    tick(later(days=40))
    order.reload()
    with pytest.raises(InvalidRequest, match="was erased"):
        reissue_code(order)
    order.reload()
    assert (order.state, order.pending_action) == ("expired", "")


# Whatever became of the order: as long as one of its codes can be paid, money may come that has to go back to somebody.


def _paid_with_another(settings: Any) -> Order:
    order = make(expires_at=later(days=2))
    serve_by(settings, Undeletable)
    reissue_code(order, actor="rosa", reason="She lost it.")
    serve_by(settings, MemoryChannel)
    return pay(order)


def _cancelled_and_payable(settings: Any) -> Order:
    order = make(expires_at=later(days=2))
    serve_by(settings, Undeletable)
    cancel_order(order, **STAFF)
    serve_by(settings, MemoryChannel)
    return order


def _rejected_with_a_lost_code(settings: Any) -> Order:
    order = lost(expires_at=later(days=2))
    MemoryChannel.fail("issue", Refused("no", codes=("111",)))
    tick(later(minutes=2))
    return order


def _cancelled_with_a_lost_code(settings: Any) -> Order:
    order = lost(expires_at=later(days=2))
    cancel_order(order, **STAFF)
    return order


@pytest.mark.parametrize(
    "ended",
    [_paid_with_another, _cancelled_and_payable, _rejected_with_a_lost_code, _cancelled_with_a_lost_code],
    ids=lambda one: one.__name__,
)
def test_an_order_keeps_its_payer_while_any_of_its_codes_can_be_paid(settings: Any, ended: Any) -> None:
    order = ended(settings)
    order.reload()
    assert order.state in ("paid", "cancelled", "rejected")
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    Discrepancy.objects.open().update(status="resolved", resolved_at=timezone.now(), resolved_by="x", reason="x")
    assert erase_payer(email=ANA.email, **STAFF).kept == [order.reference]
    (code,) = [
        code
        for code, slip in channel().book.items()
        if slip.open and (cip := order.cips.filter(transaction_code=slip.report.transaction_code).first())
        and cip.pk != (order.cip_id if order.state == "paid" else None)
    ]  # fmt: skip
    slip = channel().book[code]
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
    notify(order, code=code, transaction_code=slip.report.transaction_code, operation_number="8")
    tick(later(minutes=5))
    discrepancy = Discrepancy.objects.open().about_money().get()
    resolve_discrepancy(discrepancy, "refund_due", **STAFF)
    order.reload()
    assert order.payer.email == ANA.email, "somebody has to be asked where it goes"
    assert order.refunds.count() == 1


def test_whatever_order_it_was_it_follows_in_the_end(settings: Any) -> None:
    for ended in (_paid_with_another, _rejected_with_a_lost_code, _cancelled_with_a_lost_code):
        ended(settings)
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    assert len(erase_payer(email=ANA.email, **STAFF).kept) == 3
    Discrepancy.objects.open().update(status="resolved", resolved_at=timezone.now(), resolved_by="x", reason="x")
    for days in (40, 41, 80):
        Heartbeat.objects.all().delete()
        tick(later(days=days))
        Discrepancy.objects.open().update(status="resolved", resolved_at=timezone.now(), resolved_by="x", reason="x")
        Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    assert set(Order.objects.values_list("email", flat=True)) == {""}


# What else somebody still needs.


def test_calls_about_an_order_stay_while_a_person_is_asked_about_it() -> None:
    asked, other = make(), make()
    notify(asked, amount="1.00")
    for order in (asked, other):
        began = timezone.now() - timedelta(days=40)
        call = ApiCall.objects.create(account="a", method="POST", path="/cips", began_at=began, milliseconds=1)
        ApiCallSubject.objects.create(call=call, order=order)
    forget(TimeBudget())
    assert list(ApiCallSubject.objects.values_list("order", flat=True)) == [asked.pk]
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", **STAFF)
    forget(TimeBudget())
    assert not ApiCall.objects.exists()


def test_a_refund_that_failed_keeps_whom_the_money_belongs_to_for_a_while() -> None:
    order = pay(make(), operation_number="7")
    notify(order, operation_number="8")
    resolve_discrepancy(Discrepancy.objects.get(), "refund_due", **STAFF)
    refund = order.refunds.get()
    close_refund(bring(refund, "sent"), done=False, **STAFF)
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    assert erase_payer(email=ANA.email, **STAFF).kept == [order.reference]
    refund.refresh_from_db()
    assert refund.holder == "Ana Quispe", "it can be tried again"
    forget(TimeBudget(later(days=31)))
    order.reload()
    assert order.payer.erased


def test_digits_of_an_account_that_is_gone_go_by_age(settings: Any) -> None:
    notify(make(), Fact.CODE_EXPIRED, code="4711")
    serve_by(settings, NAME="another")
    for days, left in ((0, 1), (189, 1), (191, 0)):
        Heartbeat.objects.all().delete()
        tick(later(days=days))
        assert UnknownCode.objects.count() == left
