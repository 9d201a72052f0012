"""Kind 3, orders that nobody can end: whatever the provider does, a person's word ends an order that is not paid."""

import itertools
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from pagoefectivo_django.channels.base import CodeRef, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import (
    InReview,
    Misconfigured,
    OutcomeUnknown,
    PagoEfectivoError,
    ReferenceConflict,
    Refused,
    Unavailable,
)
from pagoefectivo_django.flows import cancel_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Cip, Discrepancy, Order
from pagoefectivo_django.states import CipStatus, Fact, OrderState
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.messages import report
from tests.factories.orders import make
from tests.factories.provider import Undeletable, channel, serve_by

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]
PRODUCTION: dict[str, Any] = {"NAME": "production", "WEBHOOK_SECRETS": ["another-made-up-secret"]}


class Mute(Undeletable):
    """A provider that can neither delete codes nor be asked about them."""

    can_look_up = False


class Stubborn(MemoryChannel):
    """A provider that refuses to delete a code and goes on to say that it can be paid."""

    def delete(self, ref: CodeRef) -> None:
        self._begin("delete", ref.code)
        raise Refused("no", codes=("111",))


class Vague(MemoryChannel):
    """A provider whose answers nobody understands."""

    def delete(self, ref: CodeRef) -> None:
        raise OutcomeUnknown("dropped")

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        return {ref: Report(self.account, Fact.UNKNOWN, ref.code) for ref in refs}


class Broken(MemoryChannel):
    """A channel with a mistake in it."""

    def delete(self, ref: CodeRef) -> None:
        raise RuntimeError("a mistake")

    look_up = delete  # type: ignore[assignment]


class Away(MemoryChannel):
    """A provider that is never reached again."""

    def delete(self, ref: CodeRef) -> None:
        raise Unavailable("Nobody answers.")

    look_up = delete  # type: ignore[assignment]


class Locked(MemoryChannel):
    """A provider that took our keys away."""

    def delete(self, ref: CodeRef) -> None:
        raise Misconfigured("The keys are refused.")

    look_up = delete  # type: ignore[assignment]


def forgotten(settings: Any) -> None:
    MemoryChannel.slips.clear()


def moved(settings: Any) -> None:
    serve_by(settings, **PRODUCTION)


def removed(settings: Any) -> None:
    serve_by(settings, NAME="another")


def nowhere(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {}, "ROUTES": {}}


def becomes(backend: type[MemoryChannel]) -> Callable[[Any], None]:
    return lambda settings: serve_by(settings, backend)


#: What stands in the way of an end, whether nothing can come of waiting, so that no reason is asked for, and
#: whether a new code can be had all the same.
OBSTACLES: dict[str, tuple[Callable[[Any], None], bool, bool]] = {
    "the provider forgot the code": (forgotten, True, True),
    "from the sandbox to production": (moved, True, True),
    "the account is another": (removed, True, True),
    "no account is set": (nowhere, True, False),
    "can't delete": (becomes(Undeletable), True, True),
    "can't delete nor be asked": (becomes(Mute), True, True),
    "refuses to delete": (becomes(Stubborn), False, True),
    "unknown answers": (becomes(Vague), False, True),
    "mistakes": (becomes(Broken), False, True),
    "never reached": (becomes(Away), False, True),
    "keys refused": (becomes(Locked), False, True),
}


def still_payable() -> list[str]:
    return list(Discrepancy.objects.filter(kind="still_payable").values_list("status", flat=True))


@pytest.mark.parametrize("days", [0, 3])
@pytest.mark.parametrize("what", OBSTACLES)
def test_a_person_ends_what_is_not_paid(settings: Any, what: str, days: int) -> None:
    """At once where waiting is in vain; else once a person was asked, for which the clock needs a day."""
    order, (stand_in_the_way, in_vain, _new_code) = make(expires_at=later(minutes=20)), OBSTACLES[what]
    stand_in_the_way(settings)
    for day in range(days):
        tick(later(days=day, hours=2))
    for discrepancy in Discrepancy.objects.open():
        resolve_discrepancy(discrepancy, "ignore", actor="rosa", reason="It was seen.")
    now, reason = later(days=days, hours=5), "" if in_vain else "The portal says that it is gone."
    if days or in_vain:
        cancel_order(order, actor="rosa", reason=reason, now=now)
    else:
        for attempt in range(2):
            try:
                cancel_order(order, actor="rosa", reason=reason, now=now + timedelta(minutes=attempt))
            except (PagoEfectivoError, RuntimeError):
                for hour in range(8):
                    tick(now + timedelta(hours=hour + 1))
                now += timedelta(hours=9)
    order.reload()
    assert order.state in (OrderState.CANCELLED, OrderState.EXPIRED), f"{what}: {order.state}"
    for day in (1, 20, 60):
        tick(now + timedelta(days=day))
    assert not Order.objects.exclude(pending_action="").exists()
    assert set(still_payable()) <= {"resolved"}, "its date and its watch have passed"
    assert not Cip.objects.filter(retry_at__isnull=False).exists(), "nobody is asked for ever"


@pytest.mark.parametrize("what", [what for what, (_, in_vain, new_code) in OBSTACLES.items() if in_vain and new_code])
def test_it_gets_another_code_or_another_order_all_the_same(settings: Any, what: str) -> None:
    one, two = make(reference="R-1"), make(reference="R-2")
    old = one.code
    OBSTACLES[what][0](settings)
    reissue_code(one, actor="rosa")
    assert (one.state, one.code != old) == ("pending", True)
    assert one.cips.get(code=old).status == CipStatus.SUPERSEDED
    new = make(reference="R-2", amount=Decimal("50.00"), replace=True)
    two.reload()
    assert new.state == "pending"
    assert two.state == "pending" if what == "from the sandbox to production" else two.state == "cancelled"


@pytest.mark.parametrize("backend", [Stubborn, Vague, Broken, Away, Locked])
def test_without_a_person_nothing_changes_while_the_provider_may_answer(
    settings: Any, backend: type[MemoryChannel]
) -> None:
    order = make(reference="R")
    serve_by(settings, backend)
    with pytest.raises((PagoEfectivoError, RuntimeError)):
        cancel_order(order)
    with pytest.raises((PagoEfectivoError, RuntimeError)):
        make(reference="R", amount=Decimal("50.00"), replace=True)
    order.reload()
    assert order.state == "pending"


@pytest.mark.every_database
def test_where_nobody_can_be_asked_a_person_knows_until_it_cannot_be_paid(settings: Any) -> None:
    order = make()
    removed(settings)
    cancel_order(order, actor="rosa", reason="We left that provider.")
    discrepancy = Discrepancy.objects.open().get()
    assert (discrepancy.kind, discrepancy.cip, discrepancy.account) == ("still_payable", order.cip, "memory:default")
    assert order.events.filter(fact="reason", actor_name="rosa", reason="We left that provider.").exists()
    cip = order.cips.get()
    assert (cip.status, cip.poll_at is not None) == ("superseded", True)
    tick(cip.until)
    assert still_payable() == ["open"]
    tick(cip.until + timedelta(days=40))
    assert still_payable() == ["resolved"]


def test_an_account_that_is_set_again_deletes_the_code(settings: Any) -> None:
    before, order = settings.PAGOEFECTIVO, make()
    removed(settings)
    cancel_order(order)
    settings.PAGOEFECTIVO = before
    tick(later(hours=2))
    assert not channel().book[order.code].open
    assert (still_payable(), order.cips.get().status) == (["resolved"], "superseded")


@pytest.mark.parametrize("what", ["the provider forgot the code", "the account is another", "can't delete"])
def test_money_after_the_end_is_a_discrepancy(settings: Any, what: str) -> None:
    order = make()
    cip = order.cips.get()
    OBSTACLES[what][0](settings)
    cancel_order(order, actor="rosa", reason="It is gone.")
    advance(report(cip))
    assert order.state == "cancelled"
    assert list(Discrepancy.objects.open().values_list("kind", flat=True)) == ["paid_after_cancel"]


def test_an_order_with_an_open_money_discrepancy_is_not_ended(settings: Any) -> None:
    order = make()
    notify(order, amount="1.00")
    before = settings.PAGOEFECTIVO
    for stand_in_the_way, _, _ in OBSTACLES.values():
        settings.PAGOEFECTIVO = before
        stand_in_the_way(settings)
        with pytest.raises(InReview):
            cancel_order(order, actor="rosa", reason="It is gone.")


class PaidMeanwhile(MemoryChannel):
    """A provider that has the money when it is asked to delete the one code, and forgets that code."""

    def delete(self, ref: CodeRef) -> None:
        advance(report(Cip.objects.get()))
        raise Refused("no", codes=("111",))

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        return {}


@pytest.mark.every_database
def test_a_payment_that_came_first_is_not_given_up(settings: Any) -> None:
    """The code was paid, and the provider forgot it, before the person's word is written down."""
    order = make()
    serve_by(settings, PaidMeanwhile)
    with pytest.raises(PagoEfectivoError):
        cancel_order(order, actor="rosa", reason="It is gone.")
    order.reload()
    assert order.state == "paid"


def test_its_old_discrepancy_is_answered_by_the_end() -> None:
    order = make(expires_at=later(minutes=20))
    MemoryChannel.slips.clear()
    for day in range(3):
        tick(later(days=day, hours=1))
    assert Discrepancy.objects.open().get().kind == "not_confirmed"
    cancel_order(order, actor="rosa", reason="It is gone.")
    assert list(Discrepancy.objects.values_list("kind", "status")) == [("not_confirmed", "resolved")]


# Sandbox and production.


@pytest.mark.parametrize("before", ["pending", "paid", "in discrepancy"])
@pytest.mark.parametrize("amount", ["35.50", "50.00"])
@pytest.mark.parametrize("replace", [False, True])
def test_a_sandbox_order_never_stands_in_the_way(settings: Any, before: str, amount: str, replace: bool) -> None:
    old = make(reference="SHOP-1")
    if before == "paid":
        pay(old)
    elif before == "in discrepancy":
        notify(old, amount="1.00")
    moved(settings)
    new = make(reference="SHOP-1", amount=Decimal(amount), replace=replace)
    assert (new.pk != old.pk, new.state, new.amount) == (True, "pending", Decimal(amount))
    assert new.cip
    assert new.cip.account == "memory:production"
    assert make(reference="SHOP-1", amount=Decimal(amount)).pk == new.pk, "the same again is the same"
    notify(new)
    new.reload()
    assert new.state == "paid"


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("paid", [False, True])
def test_a_production_order_always_stands(settings: Any, paid: bool, inside: bool) -> None:
    sandbox = settings.PAGOEFECTIVO
    moved(settings)
    old = make(reference="SHOP-1")
    if paid:
        pay(old, channel="default")
    settings.PAGOEFECTIVO = sandbox
    assert make(reference="SHOP-1").pk == old.pk
    with transaction.atomic() if inside else nullcontext(), pytest.raises(ReferenceConflict):
        make(reference="SHOP-1", amount=Decimal("50.00"), replace=True)
    old.reload()
    assert old.state == ("paid" if paid else "pending")


@pytest.mark.every_database
def test_a_rehearsal_under_its_reference_does_not_discrepancy_a_production_payment(settings: Any) -> None:
    sandbox = settings.PAGOEFECTIVO
    moved(settings)
    old = make(reference="SHOP-1", expires_at=later(minutes=20))
    cip = old.cips.get()
    MemoryChannel("default", PRODUCTION).set(old.code, Fact.CODE_EXPIRED)
    tick(later(hours=2))
    old.reload()
    assert old.state == "expired"
    settings.PAGOEFECTIVO = sandbox
    rehearsal = make(reference="SHOP-1")
    assert rehearsal.pk != old.pk
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": {**sandbox["CHANNELS"]["default"]}}}
    moved(settings)
    advance(report(cip, paid_at=timezone.now() + timedelta(minutes=5)))
    old.reload()
    assert (old.state, Discrepancy.objects.count()) == ("paid", 0)


def test_every_order_that_is_not_paid_can_be_ended_in_every_state() -> None:
    """Whatever the states of an order and of its codes are, only money and a discrepancy about it stand in the way."""
    for state, status in itertools.product(set(OrderState) - {OrderState.PAID, OrderState.REFUNDED}, CipStatus):
        order = make()
        live = True if status in ("requested", "current") else None
        Cip.objects.filter(order=order).update(status=status, live=live)
        Order.objects.filter(pk=order.pk).update(state=state)
        cancel_order(order, actor="rosa", reason="It is not wanted any more.")
        assert order.state in (OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED), (state, status)
