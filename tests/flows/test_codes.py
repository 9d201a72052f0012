"""Codes: the three endings of a call, routes, lost answers, cancel, extend, reissue, adopt."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from pagoefectivo_django.channels.base import Charge
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import AlreadyPaid, InReview, InvalidRequest, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import (
    adopt_code,
    cancel_order,
    extend_order,
    issue_code,
    refresh_order,
    reissue_code,
    resolve_discrepancy,
    tick,
)
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Cip, Discrepancy, Order, OrderEvent, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later
from tests.factories.messages import report
from tests.factories.orders import make, without_code
from tests.factories.provider import channel
from tests.reading import calls, code_statuses, event_kinds, fresh

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

LOST = OutcomeUnknown("The line was dropped.")
DOWN = Unavailable("Nobody answers.")


# Issuing.


def test_not_sent_is_tried_again_with_the_same_transaction_code() -> None:
    order = without_code()
    assert (order.state, code_statuses(order=order)) == ("new", ["requested"])
    tick(later(minutes=10))
    assert fresh(order).state == "pending"
    asked = calls("issue")
    assert len(asked) == 2
    assert len(set(asked)) == 1


def test_a_lost_answer_is_followed_by_one_more_code_and_then_a_person() -> None:
    for _ in range(3):
        MemoryChannel.fail("issue", LOST, after=True)
    order = make()
    assert (order.state, code_statuses(order=order)) == ("new", ["lost"])
    tick(later(seconds=30))
    assert code_statuses(order=order) == ["lost"], "the second code waits a minute"
    tick(later(minutes=2))
    assert code_statuses(order=order) == ["lost", "lost"]
    for hours in range(1, 5):
        tick(later(hours=hours))
    assert code_statuses(order=order) == ["lost", "lost"]
    assert [discrepancy.kind for discrepancy in Discrepancy.objects.all()] == ["lost_code"]


def test_a_lost_code_that_is_paid_finds_its_order_by_its_transaction_code() -> None:
    MemoryChannel.fail("issue", LOST, after=True)
    order = make()
    lost = order.cips.get()
    (code,) = MemoryChannel.slips["memory:default"]
    assert notify(order, code=code, transaction_code=lost.transaction_code) == 200
    order = fresh(order)
    assert (order.state, order.code, code_statuses(order=order)) == ("paid", code, ["paid"])


def test_a_lost_code_that_is_paid_is_found_by_asking_the_provider() -> None:
    MemoryChannel.fail("issue", LOST, after=True)
    order = make()
    (code,) = MemoryChannel.slips["memory:default"]
    assert notify(order, code="000" + code) == 200
    assert fresh(order).state == "new"
    tick(later(seconds=1))
    assert (fresh(order).state, fresh(order).code) == ("paid", code)
    assert not Discrepancy.objects.exists()


def test_a_refusal_goes_to_the_next_route_and_rejects_at_the_last(settings: Any) -> None:
    one = dict(settings.PAGOEFECTIVO["CHANNELS"]["default"])
    two = {**one, "OPTIONS": {**one["OPTIONS"], "NAME": "second"}}
    settings.PAGOEFECTIVO = {"CHANNELS": {"default": one, "second": two}}
    no = Refused("amount: over the merchant's maximum", codes=("511",))
    MemoryChannel.fail("issue", no)
    order = make()
    assert (order.state, code_statuses(order=order)) == ("pending", ["refused", "current"])
    assert order.cips.get(live=True).account == "memory:second"
    MemoryChannel.fail("issue", no)
    MemoryChannel.fail("issue", no)
    order = make()
    assert (order.state, code_statuses(order=order)) == ("rejected", ["refused", "refused"])
    assert event_kinds(order) == ["order_created", "payment_rejected"]
    reissue_code(order)
    assert fresh(order).state == "pending"


def test_a_process_that_dies_while_asking_leaves_a_lost_code() -> None:
    order = without_code()
    Cip.objects.update(asked_at=timezone.now())  # as if the process had died before the answer
    Order.objects.update(retry_at=timezone.now())
    tick(later(minutes=3))
    assert (fresh(order).state, code_statuses(order=order)) == ("pending", ["lost", "current"])


def test_issue_code_never_raises() -> None:
    MemoryChannel.fail("issue", DOWN)
    order = without_code()
    Order.objects.update(retry_at=timezone.now())
    assert issue_code(fresh(order)).state == "new"
    Order.objects.update(retry_at=timezone.now())
    assert issue_code(fresh(order)).state == "pending"
    assert issue_code(fresh(order)).state == "pending"
    assert code_statuses(order=order) == ["current"]


# Cancelling.


def test_cancel_deletes_the_code_first() -> None:
    order = cancel_order(make(), actor="marta")
    assert (order.state, code_statuses(order=order)) == ("cancelled", ["deleted"])
    assert MemoryChannel.calls[-1] == ("delete", fresh(order).code)
    assert OrderEvent.objects.get(kind="payment_cancelled").actor.name == "marta"
    assert cancel_order(order).state == "cancelled"


def test_cancel_finds_out_that_it_was_paid() -> None:
    order = make()
    channel().set(fresh(order).code, Fact.PAYMENT, paid_at=timezone.now())
    with pytest.raises(AlreadyPaid):
        cancel_order(order)
    assert fresh(order).state == "paid"
    with pytest.raises(AlreadyPaid):
        cancel_order(fresh(order))


def test_cancel_whose_answer_is_lost_looks() -> None:
    MemoryChannel.fail("delete", LOST, after=True)
    assert cancel_order(make()).state == "cancelled"


def test_cancel_that_is_not_known_changes_nothing_and_is_tried_again() -> None:
    order = make()
    MemoryChannel.fail("delete", LOST)
    MemoryChannel.fail("look_up", LOST)
    with pytest.raises(OutcomeUnknown):
        cancel_order(order)
    assert fresh(order).state == "pending"
    tick(later(minutes=10))
    assert fresh(order).state == "cancelled"


def test_what_is_never_confirmed_goes_to_a_person() -> None:
    order = make()
    for _ in range(20):
        MemoryChannel.fail("delete", DOWN)
    with pytest.raises(Unavailable):
        cancel_order(order)
    for hours in range(1, 20):
        tick(later(hours=hours * 2))
    assert fresh(order).state == "pending"
    assert [discrepancy.kind for discrepancy in Discrepancy.objects.all()] == ["not_confirmed"]


def test_cancelling_without_a_code() -> None:
    MemoryChannel.fail("issue", LOST, after=True)
    order = make()
    assert cancel_order(order).state == "cancelled"
    assert OrderEvent.objects.get(kind="payment_cancelled").data == {"about": "lost_code_not_deleted"}
    tick(later(minutes=5))
    assert code_statuses(order=order) == ["lost"], "a cancelled order asks for no code"
    (code,) = MemoryChannel.slips["memory:default"]
    notify(order, code=code, transaction_code=order.cips.get().transaction_code)
    assert [discrepancy.kind for discrepancy in Discrepancy.objects.all()] == ["paid_after_cancel"]


def test_an_answer_after_cancelling_deletes_the_code() -> None:
    order = without_code()
    cip = order.cips.get()
    Cip.objects.update(asked_at=timezone.now())
    cancel_order(order)
    slip = channel().issue(_charge(cip))
    advance(slip)
    assert code_statuses(order=order) == ["superseded"]
    tick(later(seconds=1))
    assert MemoryChannel.calls[-1] == ("delete", slip.code)
    assert fresh(order).state == "cancelled"


def _charge(cip: Cip) -> Charge:
    order = cip.order
    return Charge(cip.transaction_code, order.amount, order.currency, cip.until, order.payer)


# Extending and reissuing.


def test_extend() -> None:
    order, date = make(), later(days=5).replace(microsecond=0)
    assert extend_order(order, date).expires_at == date
    assert code_statuses(order=order) == ["current"]


def test_extend_revives_an_expired_code() -> None:
    order = make()
    channel().set(fresh(order).code, Fact.CODE_EXPIRED)
    when = later(days=3)
    refresh_order(fresh(order), now=when)
    assert (fresh(order).state, code_statuses(order=order)) == ("expired", ["expired"])
    extend_order(fresh(order), later(days=5), now=when)
    assert (fresh(order).state, code_statuses(order=order)) == ("pending", ["current"])


def test_extend_is_believed_when_it_shows() -> None:
    order = make()
    MemoryChannel.fail("extend", LOST)
    with pytest.raises(OutcomeUnknown):
        extend_order(order, later(days=5))
    assert fresh(order).expires_at < later(days=3)
    tick(later(minutes=10))
    assert fresh(order).expires_at > later(days=4)


def test_reissue_deletes_the_old_code() -> None:
    order = make()
    first = fresh(order).code
    reissue_code(order)
    assert code_statuses(order=order) == ["superseded", "current"]
    assert fresh(order).code != first
    assert [call for call, _ in MemoryChannel.calls] == ["issue", "delete", "issue"]
    assert fresh(order).state == "pending"
    assert event_kinds(order) == ["order_created", "cip_issued", "cip_issued"]


def test_a_payment_on_the_old_code_counts_and_deletes_the_new_one() -> None:
    order = make()
    old = order.cips.get()
    reissue_code(order)
    advance(report(old))
    assert (fresh(order).state, code_statuses(order=order)) == ("paid", ["paid", "superseded"])
    tick(later(seconds=1))
    new = order.cips.last()
    assert new
    assert MemoryChannel.calls[-1] == ("delete", new.code)


def test_pending_actions_inside_a_transaction_wait_for_its_commit() -> None:
    order = make()
    before = len(MemoryChannel.calls)
    with transaction.atomic():
        assert cancel_order(order).state == "pending"
        assert len(MemoryChannel.calls) == before
    assert fresh(order).state == "cancelled"
    with transaction.atomic():
        other = make()
        assert other.state == "new"
    assert fresh(other).state == "pending"


# Questions.


def test_an_order_in_review_is_frozen_until_a_person_answers() -> None:
    order = make()
    notify(order, amount="1.00", operation_number="1")
    assert fresh(order).state == "pending"
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.suggestion) == ("amount_mismatch", "refund_due")
    for step in (cancel_order, reissue_code, lambda order: extend_order(order, later(days=9))):
        with pytest.raises(InReview):
            step(order)
    assert make(reference=order.reference).pk == order.pk
    with pytest.raises(InvalidRequest):
        resolve_discrepancy(discrepancy, "accept", actor="marta", reason=" ")
    resolve_discrepancy(discrepancy, "accept", actor="marta", reason="A discount was promised.")
    assert (fresh(order).state, Payment.objects.get().status) == ("paid", "applied")
    assert event_kinds(order)[-1] == "payment_confirmed"
    with pytest.raises(InvalidRequest):
        resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="Again.")
    notify(order, amount="1.00", operation_number="1")
    assert Discrepancy.objects.get().status == "resolved"


def test_a_second_payment_is_a_discrepancy_and_never_accepted() -> None:
    order = pay(make(), operation_number="1")
    notify(order, operation_number="2")
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.kind == "duplicate_payment"
    with pytest.raises(AlreadyPaid):
        resolve_discrepancy(discrepancy, "accept", actor="marta", reason="Why not.")
    resolve_discrepancy(discrepancy, "refund_due", actor="marta", reason="Paid twice.")
    assert sorted(Payment.objects.values_list("status", flat=True)) == ["applied", "duplicate"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"amount": "99.00"}, "amount_mismatch"),
        ({"currency": "USD"}, "currency_mismatch"),
        ({"transaction_code": "somebody-else-1-1"}, "unmatched"),
        ({"paid_at": later(days=9)}, "late_payment"),
    ],
)
def test_what_does_not_fit_is_held(changes: dict[str, Any], kind: str) -> None:
    order = make()
    notify(order, **changes)
    assert fresh(order).state == "pending"
    assert Payment.objects.get().status == "held"
    assert Discrepancy.objects.get().kind == kind


def test_late_payments_may_be_accepted(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "LATE_PAYMENTS": "accept"}
    assert pay(make(), paid_at=later(days=9)).state == "paid"


def in_stock(order: Order, report: Any) -> bool:
    return bool(order.metadata.get("stock"))


def test_late_payments_may_be_the_shops_decision(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "LATE_PAYMENTS": "tests.flows.test_codes.in_stock"}
    assert pay(make(metadata={"stock": 1}), paid_at=later(days=9)).state == "paid"
    assert pay(make(), paid_at=later(days=9)).state == "pending"


def test_a_late_message_without_a_time_asks_when_it_was_paid() -> None:
    order = make()
    code = fresh(order).code
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
    Order.objects.update(expires_at=timezone.now() - timedelta(days=1))
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now() - timedelta(days=2))
    notify(order, paid_at=None)
    assert fresh(order).state == "pending"
    assert not Discrepancy.objects.exists()
    tick(later(seconds=1))
    assert fresh(order).state == "paid"


def test_the_providers_second_thoughts() -> None:
    order = pay(make(), operation_number="1")
    channel().set(order.code, Fact.ISSUED)
    refresh_order(order)
    assert (fresh(order).state, Discrepancy.objects.get().kind) == ("paid", "reversed")
    refresh_order(order)
    notify(order, Fact.PAYMENT_REVERSED, operation_number="1")
    assert fresh(order).state == "refunded"
    assert Discrepancy.objects.count() == 1


def test_an_expiry_by_webhook_is_a_hint() -> None:
    order = make()
    notify(order, Fact.CODE_EXPIRED)
    tick(later(seconds=1))
    assert fresh(order).state == "pending"
    channel().set(fresh(order).code, Fact.CODE_EXPIRED)
    Order.objects.update(expires_at=timezone.now())
    notify(order, Fact.CODE_EXPIRED)
    tick(later(hours=1))
    assert fresh(order).state == "expired"


def test_a_stale_answer_is_asked_again() -> None:
    order = pay(make())
    cip = order.cips.get()
    stale = report(cip, Fact.ISSUED, asked_at=timezone.now(), version=cip.version - 1)
    assert [str(outcome) for outcome in advance(stale)] == ["stale"]
    assert not Discrepancy.objects.exists()


# Adopting.


def test_adopt_a_code_that_staff_found() -> None:
    MemoryChannel.fail("issue", LOST, after=True)
    order = make()
    (code,) = MemoryChannel.slips["memory:default"]
    adopt_code(order, f"00{code[:4]} {code[4:]}", actor="marta")
    assert (fresh(order).state, fresh(order).code, code_statuses(order=order)) == ("pending", code, ["current"])


def test_adopt_refuses_another_orders_code() -> None:
    other = make()
    MemoryChannel.fail("issue", LOST, after=True)
    order = make()
    with pytest.raises(InvalidRequest):
        adopt_code(order, fresh(other).code, actor="marta")
    with pytest.raises(InvalidRequest):
        adopt_code(order, "not a code", actor="marta")
    assert code_statuses(order=order) == ["lost"]


def test_an_unknown_code_is_a_discrepancy_and_adopting_it_answers() -> None:
    MemoryChannel.fail("issue", LOST, after=True)
    order = make()
    (code,) = MemoryChannel.slips["memory:default"]
    slip = MemoryChannel.slips["memory:default"].pop(code)
    notify(order, code=code)
    for hours in range(1, 20):
        tick(later(hours=hours))
    discrepancy = Discrepancy.objects.get(kind="unmatched")
    assert discrepancy.order is None
    MemoryChannel.slips["memory:default"][code] = slip
    adopt_code(order, code, actor="marta")
    tick(later(seconds=1))
    assert fresh(order).state == "paid"
    discrepancy.refresh_from_db()
    assert discrepancy.status == "resolved"


# Ordered again.


@pytest.mark.parametrize("state", ["pending", "paid"])
def test_an_expired_order_is_not_revived_beside_the_one_that_followed_it(state: str) -> None:
    old, new = expire(make(reference="AGAIN")), make(reference="AGAIN")
    if state == "paid":
        pay(new)
    with pytest.raises(InvalidRequest, match="ordered again"):
        extend_order(old, later(days=3))
    with pytest.raises(InvalidRequest, match="ordered again"):
        reissue_code(old)
    assert (fresh(old).state, fresh(old).pending_action, fresh(new).state) == ("expired", "", state)


def test_a_code_adopted_for_an_order_that_was_ordered_again_is_deleted() -> None:
    MemoryChannel.fail("issue", LOST, after=True)
    old = expire(make(reference="AGAIN"))
    (code,) = channel().book
    make(reference="AGAIN")
    adopt_code(old, code, actor="marta")
    assert (fresh(old).state, code_statuses(order=old)) == ("expired", ["superseded"])
    tick(later(seconds=1))
    assert not channel().book[code].open


def test_the_providers_own_qr_is_kept() -> None:
    order = make()
    advance(report(order.cips.get(), Fact.ISSUED, qr="00020101021226…made-up"))
    assert order.cips.get().qr == "00020101021226…made-up"
