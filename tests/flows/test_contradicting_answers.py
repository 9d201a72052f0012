"""Kind 8, one answer silences what comes later: an answer lasts as long as its facts."""

from contextlib import suppress
from decimal import Decimal

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel, Slip
from pagoefectivo_django.errors import InReview, OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import cancel_order, resolve_discrepancy, tick
from pagoefectivo_django.flows.inbox.hints import hint
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import Cip, Discrepancy, Order, OrderEvent
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.discrepancies import resolve
from tests.factories.messages import report
from tests.factories.orders import make
from tests.factories.provider import ACCOUNT, answers, channel, look, says
from tests.reading import discrepancies

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


@pytest.fixture
def order() -> Order:
    """A paid order, beside another one that the provider always knows."""
    pay(make())
    return pay(make(), operation_number="7")


# What a person answered is asked again when the provider's answer changes into doubt.

GONE = {"absent": None, "expired": Fact.CODE_EXPIRED, "deleted": Fact.CODE_DELETED, "pending": Fact.ISSUED}


@pytest.mark.parametrize("said", GONE)
def test_a_glitch_that_was_ignored_does_not_silence_what_really_happens_later(order: Order, said: str) -> None:
    kind = "reversed" if said == "pending" else "missing_there"
    answers(order, 1, GONE[said])
    assert discrepancies() == [kind]
    resolve()
    answers(order, 2, Fact.PAYMENT)
    assert discrepancies() == []
    answers(order, 3, GONE[said])
    assert discrepancies() == [kind]
    discrepancy = Discrepancy.objects.get()
    assert len(discrepancy.evidence) == 2, "it was told twice"
    assert OrderEvent.objects.filter(order=order, kind="discrepancy_opened").count() == 2


@pytest.mark.parametrize("said", GONE)
def test_the_same_doubtful_answer_is_silent_and_writes_nothing(order: Order, said: str) -> None:
    answers(order, 1, GONE[said])
    resolve()
    before = Cip.objects.values_list("version", "changed_at", "answer").get(order=order)
    written = OrderEvent.objects.count(), [discrepancy.evidence for discrepancy in Discrepancy.objects.all()]
    for day in range(2, 6):
        look(day)
    assert discrepancies() == []
    assert Cip.objects.values_list("version", "changed_at", "answer").get(order=order) == before
    assert (OrderEvent.objects.count(), [discrepancy.evidence for discrepancy in Discrepancy.objects.all()]) == written


def test_an_answer_that_agrees_writes_nothing(order: Order) -> None:
    answers(order, 1, Fact.PAYMENT)
    before = list(Cip.objects.order_by("pk").values_list("version", "answer"))
    look(2)
    assert list(Cip.objects.order_by("pk").values_list("version", "answer")) == before
    assert {answer for _, answer in before} == {""}


def test_one_doubt_after_the_other_is_news(order: Order) -> None:
    answers(order, 1, None)
    resolve()
    answers(order, 2, Fact.CODE_DELETED)
    assert discrepancies() == ["missing_there"]
    resolve()
    answers(order, 3, Fact.ISSUED)
    assert discrepancies() == ["reversed"]


def test_an_answer_that_nobody_understands_ends_no_doubt(order: Order) -> None:
    answers(order, 1, None)
    resolve()
    answers(order, 2, Fact.UNKNOWN)
    answers(order, 3, None)
    assert discrepancies() == []


@pytest.mark.parametrize("answer", ["accept", "ignore"])
def test_another_amount_is_asked_about_although_one_was_answered(answer: str) -> None:
    pay(make())
    order = make()
    notify(order, amount="30.00", operation_number="7")
    assert discrepancies() == ["amount_mismatch"]
    resolve(answer)
    order.reload()
    assert order.state == ("paid" if answer == "accept" else "pending")
    for day, amount, open_ones in [
        (1, "30.00", []),
        (2, "20.00", ["amount_mismatch"]),
        (3, "20.00", []),
        (4, "10.00", ["amount_mismatch"]),
        (5, "30.00", []),
        (6, "10.00", ["amount_mismatch"]),
        (7, None, ["amount_mismatch"]),
    ]:
        answers(order, day, Fact.PAYMENT, amount)
        assert discrepancies() == open_ones, f"day {day}: {amount}"
        resolve()


def test_the_orders_own_amount_is_no_doubt_once_a_person_accepted_another() -> None:
    order = make()
    notify(order, amount="30.00", operation_number="7")
    resolve("accept")
    answers(order, 1, Fact.PAYMENT)
    assert discrepancies() == []


def test_the_orders_own_amount_is_told_to_who_ignored_another() -> None:
    order = make()
    notify(order, amount="30.00", operation_number="7")
    resolve()
    answers(order, 1, Fact.PAYMENT)
    discrepancy = Discrepancy.objects.open().get()
    assert (discrepancy.kind, discrepancy.suggestion) == ("amount_mismatch", "")
    order.reload()
    assert order.state == "pending", "nothing is accepted by itself"


def test_messages_of_another_amount_are_news_and_their_repetitions_are_not(order: Order) -> None:
    notify(order, amount="20.00", operation_number="7")
    resolve()
    notify(order, amount="20.00", operation_number="7")
    notify(order, amount="20.00", operation_number="7", paid_at=None)
    assert discrepancies() == []
    notify(order, amount="10.00", operation_number="7")
    assert discrepancies() == ["amount_mismatch"]


def test_a_payment_that_the_provider_really_takes_back_is_asked_about_after_a_glitch(order: Order) -> None:
    answers(order, 1, Fact.ISSUED)
    resolve()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    order.reload()
    assert (order.state, discrepancies()) == ("refunded", ["reversed"])


def test_the_reversal_of_another_unknown_operation_is_news(order: Order) -> None:
    notify(order, Fact.PAYMENT_REVERSED, operation_number="8")
    assert discrepancies() == ["reversed"]
    resolve()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="8", paid_at="")
    assert discrepancies() == []
    notify(order, Fact.PAYMENT_REVERSED, operation_number="9")
    assert discrepancies() == ["reversed"]


def test_another_payment_that_is_not_there_is_another_matter(order: Order) -> None:
    """What was ignored of one payment says nothing of the next on the same code."""
    answers(order, 1, None)
    resolve()
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    resolve()
    notify(order, operation_number="8")
    resolve()
    look(2)
    assert discrepancies() == ["missing_there"]


def test_an_unknown_code_that_is_paid_once_more_is_asked_about_again() -> None:
    make()
    channel().book["900"] = Slip(Report(ACCOUNT, Fact.PAYMENT, "900", "OTHER", Decimal("5.00"), "PEN"))

    def hinted(days: float) -> list[str]:
        hint(Report(ACCOUNT, Fact.CODE_EXPIRED, "900"), later(days=days))
        reconcile(TimeBudget(later(days=days, seconds=1)))
        return discrepancies()

    assert hinted(0) == ["unmatched"]
    resolve()
    assert hinted(1) == []
    channel().set("900", Fact.PAYMENT, amount=Decimal("6.00"))
    assert hinted(2) == ["unmatched"]


# A later answer that contradicts the discrepancy closes it.


@pytest.mark.parametrize("said", GONE)
def test_a_discrepancy_that_an_answer_opened_closes_when_the_provider_says_paid_again(order: Order, said: str) -> None:
    answers(order, 1, GONE[said])
    answers(order, 2, Fact.PAYMENT)
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.status, discrepancy.resolution, discrepancy.resolved_by) == ("resolved", "", "worker:")
    assert (discrepancy.closed_because, discrepancy.reason) == ("paid_again", "")
    assert OrderEvent.objects.filter(order=order, discrepancy=discrepancy, kind="noted").exists()
    answers(order, 3, GONE[said])
    assert discrepancies() == [discrepancy.kind]


def test_both_close_also_when_another_amount_is_told_which_is_a_persons(order: Order) -> None:
    answers(order, 1, None)
    answers(order, 2, Fact.ISSUED)
    assert discrepancies() == ["missing_there", "reversed"]
    answers(order, 3, Fact.PAYMENT, "20.00")
    assert discrepancies() == ["amount_mismatch"]
    answers(order, 4, Fact.PAYMENT)
    assert discrepancies() == ["amount_mismatch"], "money that a person decides about"
    assert Discrepancy.objects.open().get().suggestion == ""


def test_what_a_message_asked_does_not_close(order: Order) -> None:
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7", amount="5.00", currency="PEN")
    answers(order, 1, Fact.ISSUED)
    answers(order, 2, Fact.PAYMENT)
    assert discrepancies() == ["reversed"]


def test_a_pending_action_waits_for_the_discrepancy_and_is_done_after_it() -> None:
    make()
    order = make()
    notify(order, amount="30.00", operation_number="7")
    says(order, None)
    look(1)
    assert discrepancies() == ["amount_mismatch", "missing_there"]
    Order.objects.filter(pk=order.pk).update(
        pending_action="cancel", action_requested_by="shop", action_requested_at=timezone.now(), retry_at=timezone.now()
    )
    with suppress(InReview):
        tick(later(days=1, minutes=1))
    order.reload()
    assert order.deferred_action == "cancel"
    resolve_discrepancy(Discrepancy.objects.get(kind="amount_mismatch"), "ignore", actor="rosa", reason="Not ours.")
    order.reload()
    assert (order.state, order.deferred_action) == ("pending", "cancel"), "the other discrepancy is open"
    answers(order, 2, Fact.PAYMENT, "30.00")
    tick(later(days=2, minutes=1))
    order.reload()
    assert (discrepancies(), order.state) == ([], "cancelled")


@pytest.mark.parametrize("then", [Fact.PAYMENT, Fact.CODE_EXPIRED, Fact.CODE_DELETED, Fact.ISSUED])
def test_what_nobody_confirmed_closes_once_the_provider_tells(then: Fact) -> None:
    order = make(expires_at=later(hours=1))
    MemoryChannel.failures["look_up"] = [(Unavailable("down"), False)] * 99
    for hours in (2, 30):
        tick(later(hours=hours))
    assert discrepancies() == ["not_confirmed"]
    MemoryChannel.failures.clear()
    changes = {"expires_at": later(days=5)} if then == Fact.ISSUED else {}
    channel().set(order.code, then, paid_at=timezone.now() if then == Fact.PAYMENT else None, **changes)
    tick(later(hours=36))
    order.reload()
    states = {Fact.PAYMENT: "paid", Fact.ISSUED: "pending"}
    assert (order.state, discrepancies()) == (states.get(then, "expired"), [])


def test_a_message_late_in_the_day_closes_it_too() -> None:
    order = make(expires_at=later(hours=1))
    MemoryChannel.failures["look_up"] = [(Unavailable("down"), False)] * 99
    for hours in (2, 30):
        tick(later(hours=hours))
    assert order.cip
    advance(report(order.cip, operation_number="7"), now=later(hours=31))
    order.reload()
    assert (order.state, discrepancies()) == ("paid", [])


def test_a_lost_code_that_turns_up_is_nobodys_discrepancy_any_more() -> None:
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"), after=True)
    order = make()
    tick(later(minutes=2))
    (lost, _second) = sorted(channel().book)
    for hours in (49, 50):
        tick(later(hours=hours))
    assert "lost_code" in discrepancies()
    transaction_code = channel().book[lost].report.transaction_code
    notify(order, code=lost, transaction_code=transaction_code, operation_number="7")
    assert "lost_code" not in discrepancies()


def test_a_code_that_can_be_paid_again_is_asked_about_again() -> None:
    order = make()
    cip = order.cips.get()
    MemoryChannel.slips.clear()
    cancel_order(order, actor="rosa", reason="It is gone.")

    def many_attempts() -> None:
        for hours in range(1, 14):
            tick(later(hours=hours))

    many_attempts()
    assert discrepancies() == ["still_payable"]
    advance(report(cip, Fact.CODE_DELETED))
    assert discrepancies() == []
    advance(report(cip, Fact.ISSUED, asked_at=timezone.now(), expires_at=cip.expires_at))
    Cip.objects.update(attempts=0)
    many_attempts()
    assert discrepancies() == ["still_payable"]
