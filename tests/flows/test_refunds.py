"""Money on its way back: never more than came, never twice, and never forgotten."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

import pytest
from django.core import signing
from django.utils import timezone

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.base import CodeRef, RefundReport
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import (
    approve_refund,
    close_refund,
    mark_paid,
    refresh_order,
    refund_order,
    resolve_discrepancy,
    send_refund,
    tick,
)
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.flows.provider.pace import may_search
from pagoefectivo_django.flows.refunds.refund import PACED, give_account, refund_of, send_by_channel
from pagoefectivo_django.models import Delivery, Discrepancy, Heartbeat, Order, Payment, Refund
from pagoefectivo_django.money import Money
from pagoefectivo_django.signals import payment_refunded
from pagoefectivo_django.states import Fact, RefundStatus
from pagoefectivo_django.testing import notify
from tests.clock import later
from tests.concurrency import at_once
from tests.factories.messages import report
from tests.factories.orders import bought, make
from tests.factories.provider import channel, serve_by
from tests.factories.refunds import ACCOUNT, CCI, bring, refund_at
from tests.reading import calls, discrepancies, state_of, status_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

LOST = OutcomeUnknown("The line was dropped.")


class Killed(BaseException):
    """What ends a process."""


class Meanwhile(MemoryChannel):
    """A channel at which something happens while it gives money back."""

    happens: ClassVar[list[Callable[[], object]]] = []

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        report = super().refund(ref, money, key)
        while self.happens:
            self.happens.pop()()
        return report


class TakesDays(MemoryChannel):
    """A channel whose provider works on a refund for days, and can be asked about it by an id."""

    said: ClassVar[RefundReport] = RefundReport("r-1", RefundStatus.SENT)

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        super().refund(ref, money, key)
        return RefundReport("r-1", RefundStatus.SENT)

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        self._end(self._begin("look_up_refunds", ",".join(provider_ids)))
        return {"r-1": self.said}


@pytest.fixture
def can_refund(settings: Any) -> None:
    serve_by(settings, Meanwhile, CAN_REFUND=True)


@pytest.fixture
def takes_days(settings: Any, can_refund: None) -> Iterator[type[TakesDays]]:
    serve_by(settings, TakesDays)
    yield TakesDays
    TakesDays.said = RefundReport("r-1", RefundStatus.SENT)


def refunded_events(order: Order) -> int:
    return order.events.filter(kind="payment_refunded").count()


# By hand.


def test_money_goes_back_by_bank() -> None:
    order = bought()
    refund = refund_at("requested", order)
    assert (refund.money, refund.status, refund.by_channel) == (Money(Decimal("35.50"), "PEN"), "requested", False)
    assert (refund.requested_by, refund.needs_account) == ("rosa", True)
    approve_refund(refund, actor="marta")
    with pytest.raises(InvalidRequest, match="ask the payer"):
        send_refund(refund, actor="marta")
    give_account(refund, **ACCOUNT)
    assert (refund.approved_by, refund.needs_account) == ("marta", False)
    send_refund(refund, actor="marta")
    assert (state_of(order), refunded_events(order)) == ("paid", 0)
    close_refund(refund, done=True, actor="marta", reason="The bank says so.")
    assert (refund.status, refund.outcome, state_of(order)) == ("done", "The bank says so.", "refunded")
    assert refunded_events(order) == 1
    told = list(order.events.values_list("actor_kind", "actor_name", "data"))
    for actor, word in [
        ("rosa", "requested"), ("marta", "approved"), ("payer", "account_named"), ("marta", "sent")
    ]:  # fmt: skip
        assert any(actor in (kind, who) and word in data.values() for kind, who, data in told)
    assert "Quispe" not in str(told)
    assert CCI not in str(told)


def hear(sender: Any, **kwargs: Any) -> None: ...


def test_the_shop_hears_when_all_is_back_not_before() -> None:
    payment_refunded.connect(hear)
    try:
        order = bought()
        refund_at("done", order, "10.00")
        assert (state_of(order), Delivery.objects.filter(event__kind="payment_refunded").count()) == ("paid", 0)
        close_refund(refund_at("sent", order, "5.50"), done=False, actor="marta", reason="The account is closed.")
        refund_at("done", order, "5.50")
        assert state_of(order) == "paid"
        refund_at("done", order, "20.00")
        assert state_of(order) == "refunded"
        assert Delivery.objects.filter(event__kind="payment_refunded", delivered_at__isnull=False).count() == 1
    finally:
        payment_refunded.disconnect(hear)
    with pytest.raises(InvalidRequest, match="nothing is left"):
        refund_at("requested", order)


def test_a_failed_refund_frees_its_amount() -> None:
    order = bought()
    refund = refund_at("requested", order)
    assert Payment.objects.get().refundable == 0
    close_refund(refund, done=False, actor="marta", reason="Agreed with the payer.")
    assert (refund.status, Payment.objects.get().refundable) == ("failed", Decimal("35.50"))
    assert refund_at("requested", order).amount == Decimal("35.50")


def test_what_was_sent_is_not_approved_again_and_so_not_sent_again() -> None:
    refund = refund_at("sent")
    with pytest.raises(InvalidRequest, match="is sent"):
        approve_refund(refund, actor="rosa")
    with pytest.raises(InvalidRequest, match="can't become"):
        send_refund(refund, actor="rosa")
    assert status_of(refund) == "sent"


@pytest.mark.parametrize("amount", ["35.51", "0.00", "-1.00", "1.005", "NaN", "99999999999999999.99"])
def test_an_amount_that_cannot_go_back(amount: str) -> None:
    order = bought()
    with pytest.raises(InvalidRequest):
        refund_order(order, Decimal(amount), actor="rosa", reason="x")
    with pytest.raises(InvalidRequest):
        refund_order(order, 1.5, actor="rosa", reason="x")  # type: ignore[arg-type]
    assert not Refund.objects.exists()
    assert Payment.objects.get().refunded == 0


def test_never_more_than_was_paid() -> None:
    order = bought()
    refund_at("requested", order, "20.00")
    with pytest.raises(InvalidRequest, match=r"15\.50 can be refunded; 15\.51 is too much"):
        refund_at("requested", order, "15.51")
    refund_at("requested", order, "15.50")
    with pytest.raises(InvalidRequest, match="nothing is left"):
        refund_at("requested", order, "0.01")
    assert (Refund.objects.count(), Payment.objects.get().refunded) == (2, Decimal("35.50"))


@pytest.mark.every_database
@pytest.mark.parametrize("amount", [None, "20.00"])
def test_never_more_than_was_paid_also_when_asked_at_once(amount: str | None) -> None:
    order = bought()
    results = at_once(*[partial(refund_at, "requested", order, amount)] * 4)
    assert [type(result) for result in results if not isinstance(result, Refund)] == [InvalidRequest] * 3
    assert Payment.objects.get().refunded == sum(refund.amount for refund in Refund.objects.all())
    assert Refund.objects.count() == 1


@pytest.mark.every_database
def test_closing_at_once_counts_once() -> None:
    order = bought()
    refund = refund_at("sent", order)
    results = at_once(
        *[partial(close_refund, refund, done=False, actor="marta", reason="x")] * 2,
        *[partial(close_refund, refund, done=True, actor="marta", reason="x")] * 2,
    )
    assert len([result for result in results if isinstance(result, InvalidRequest)]) == 3
    assert (status_of(refund), Payment.objects.get().refunded) in (("failed", 0), ("done", Decimal("35.50")))
    assert state_of(order) == ("refunded" if refund.status == "done" else "paid")


def test_every_step_needs_somebody_and_its_turn() -> None:
    order = bought()
    for missing in ({"actor": " "}, {"reason": " "}):
        with pytest.raises(InvalidRequest, match="pass actor"):
            refund_at("requested", order, **missing)
        with pytest.raises(InvalidRequest, match="pass actor"):
            close_refund(refund_at("requested", order, "1.00"), **{"done": True, "actor": "x", "reason": "x"} | missing)  # type: ignore[arg-type]
    refund = refund_at("requested", order)
    with pytest.raises(InvalidRequest, match="pass actor"):
        approve_refund(refund, actor=" ")
    give_account(refund, **ACCOUNT)
    for early in (
        partial(send_refund, refund, actor="x"),
        partial(close_refund, refund, done=True, actor="x", reason="x"),
    ):
        with pytest.raises(InvalidRequest, match="is requested"):
            early()
    close_refund(refund, done=False, actor="x", reason="x")
    with pytest.raises(InvalidRequest, match="is failed"):
        approve_refund(refund, actor="x")


def test_an_order_without_a_payment_has_nothing_to_refund() -> None:
    with pytest.raises(InvalidRequest, match="nothing can be refunded"):
        refund_at("requested", make())
    other = bought()
    with pytest.raises(InvalidRequest, match="no such payment"):
        refund_at("requested", bought(), payment=Payment.objects.get(cip__order=other))


# The payer's link.


@pytest.mark.every_database
def test_the_account_is_named_once() -> None:
    refund = refund_at("requested")
    assert refund_of(refund.link_token) == refund
    results = at_once(*[partial(give_account, refund, bank="BBVA", cci=CCI, holder=name) for name in ("Ana", "Eva")])
    assert len([result for result in results if isinstance(result, InvalidRequest)]) == 1
    refund.refresh_from_db()
    assert refund.holder in ("Ana", "Eva")


def test_a_link_that_is_forged() -> None:
    refund = refund_at("requested")
    token = refund.link_token
    forged = [token[:-1], token + "A", "", ":", "ñ", "a:b:c", signing.dumps(refund.pk), Refund(pk=999).link_token]
    for text in forged:
        with pytest.raises(InvalidRequest, match="ask the shop"):
            refund_of(text)


@pytest.mark.parametrize(("days", "works"), [(13, True), (15, False)])
def test_a_link_works_for_two_weeks(monkeypatch: pytest.MonkeyPatch, days: int, works: bool) -> None:
    refund, now = refund_at("requested"), time.time()
    with monkeypatch.context() as past:
        past.setattr(time, "time", lambda: now - days * 24 * 3600)
        token = refund.link_token
    if works:
        assert refund_of(token) == refund
    else:
        with pytest.raises(InvalidRequest, match="ask the shop"):
            refund_of(token)


def test_no_account_for_what_is_over(can_refund: None) -> None:
    by_channel = refund_at("requested")
    with pytest.raises(InvalidRequest, match="none is needed"):
        give_account(by_channel, bank="BBVA", cci=CCI, holder="Ana")
    close_refund(by_channel, done=False, actor="x", reason="x")
    by_hand = refund_at("requested", by_channel.order)
    close_refund(by_hand, done=False, actor="x", reason="x")
    with pytest.raises(InvalidRequest, match="none is needed"):
        give_account(by_hand, bank="BBVA", cci=CCI, holder="Ana")


# By the provider.


def test_the_provider_does_it(can_refund: None) -> None:
    order = bought()
    refund = refund_at("requested", order, "10.00")
    assert refund.by_channel
    tick()
    assert MemoryChannel.refunds == []  # nobody approved it
    approve_refund(refund, actor="marta")
    with pytest.raises(InvalidRequest, match="must not be sent twice"):
        send_refund(refund, actor="marta")
    tick()
    assert (status_of(refund), state_of(order)) == ("done", "paid")
    refund_at("approved", order)
    tick()
    assert [money for _code, money, _key in MemoryChannel.refunds] == [
        Money(Decimal("10.00"), "PEN"), Money(Decimal("25.50"), "PEN")
    ]  # fmt: skip
    assert len({key for _code, _money, key in MemoryChannel.refunds}) == 2
    assert (state_of(order), refunded_events(order), discrepancies()) == ("refunded", 1, [])


@pytest.mark.parametrize("fact", [Fact.ISSUED, Fact.CODE_DELETED, Fact.CODE_EXPIRED, Fact.ABSENT])
def test_what_the_provider_gave_back_for_us_may_be_missing_there(can_refund: None, fact: Fact) -> None:
    order = bought()
    refund_at("approved", order)
    tick()
    channel().set(order.code, fact)
    refresh_order(order)
    assert (state_of(order), discrepancies()) == ("refunded", [])


@pytest.mark.parametrize("fact", [Fact.ISSUED, Fact.CODE_DELETED])
def test_what_was_given_back_in_part_or_not_at_all_may_not(can_refund: None, fact: Fact) -> None:
    order = bought()
    refund_at("approved", order, "10.00")
    tick()
    channel().set(order.code, fact)
    refresh_order(order)
    assert (state_of(order), len(discrepancies())) == ("paid", 1)


def test_what_was_certainly_not_sent_is_sent_again(can_refund: None) -> None:
    order = bought()
    refund = refund_at("approved", order)
    for error in (Unavailable("Nobody answers."), Misconfigured("The keys are wrong.")):
        MemoryChannel.fail("refund", error)
        refund.refresh_from_db()
        tick(refund.retry_at)
        assert (status_of(refund), refund.sent_at, refund.last_error) == (
            *("approved", None, f"{type(error).__name__}: {error}"),
        )
        assert refund.retry_at
    tick(refund.retry_at)
    assert (status_of(refund), state_of(order), len(calls("refund")), len(MemoryChannel.refunds)) == (
        "done",
        "refunded",
        3,
        1,
    )


def test_what_the_provider_refuses_is_a_person_s_and_then_by_hand(can_refund: None) -> None:
    order = bought()
    refund = refund_at("approved", order)
    MemoryChannel.fail("refund", Refused("Too late for that."))
    tick()
    assert (status_of(refund), refund.data, state_of(order)) == ("failed", {"said": "Too late for that."}, "paid")
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.status) == ("not_confirmed", "open")
    assert "Too late for that." in str(discrepancy.evidence)
    assert refund_at("requested", order).by_channel is False
    for minutes in range(10):
        tick(later(minutes=minutes))
    assert (len(calls("refund")), discrepancies()) == (1, ["not_confirmed"])


@pytest.mark.parametrize("was_done", [True, False])
@pytest.mark.parametrize("error", [LOST, RuntimeError("a mistake")])
def test_no_answer_is_a_person_s_and_never_sent_twice(can_refund: None, error: Exception, was_done: bool) -> None:
    order = bought()
    refund = refund_at("approved", order)
    MemoryChannel.fail("refund", error, after=was_done)
    for hour in range(10):
        tick(later(hours=hour))
        assert str(error) in Discrepancy.objects.get().evidence[0]["said"]
    assert (status_of(refund), len(calls("refund")), discrepancies()) == ("sent", 1, ["not_confirmed"])
    assert Discrepancy.objects.get().evidence[0]["refund"] == refund.pk
    close_refund(refund, done=was_done, actor="marta", reason="Looked in the portal.")
    assert state_of(order) == ("refunded" if was_done else "paid")
    assert discrepancies() == []
    assert Discrepancy.objects.get().resolved_by == "marta"


@pytest.mark.parametrize("was_done", [True, False])
def test_a_process_that_dies_while_it_asks(can_refund: None, was_done: bool) -> None:
    refund = refund_at("approved")
    MemoryChannel.fail("refund", Killed(), after=was_done)  # type: ignore[arg-type]
    with pytest.raises(Killed):
        tick()
    assert (status_of(refund), discrepancies()) == ("sent", [])
    tick(later(seconds=1))
    assert discrepancies() == []  # whoever asks may still be at it
    for minutes in range(3, 60, 3):
        tick(later(minutes=minutes))
    assert (status_of(refund), len(calls("refund")), discrepancies()) == ("sent", 1, ["not_confirmed"])
    assert Discrepancy.objects.get().evidence[0]["about"] == "request_ended"


@pytest.mark.every_database
def test_two_workers_send_once(can_refund: None) -> None:
    refund = refund_at("approved")
    results = at_once(*[partial(send_by_channel, Refund.objects.get(), timezone.now()) for _ in range(4)])
    assert sorted(results) == [False, False, False, True]
    assert (len(calls("refund")), status_of(refund)) == (1, "done")


def test_nobody_closes_what_the_provider_is_being_asked_for(can_refund: None) -> None:
    refund = refund_at("approved")
    said: list[str] = []

    def close() -> None:
        try:
            close_refund(Refund.objects.get(), done=False, actor="marta", reason="x")
        except InvalidRequest as error:
            said.append(str(error))

    Meanwhile.happens[:] = [close]
    tick()
    assert "wait for what it says" in said[0]
    assert (status_of(refund), Payment.objects.get().refundable) == ("done", Decimal(0))


def test_what_was_stopped_is_not_sent(can_refund: None) -> None:
    order = bought()
    refund = refund_at("approved", order)
    stale = Refund.objects.get()
    close_refund(refund, done=False, actor="marta", reason="The payer wants it after all.")
    assert not send_by_channel(stale, timezone.now())
    tick()
    assert (len(calls("refund")), state_of(order)) == (0, "paid")


def test_a_message_faster_than_the_answer(can_refund: None, caplog: pytest.LogCaptureFixture) -> None:
    order = bought()
    refund = refund_at("approved", order)
    Meanwhile.happens[:] = [lambda: notify(order, Fact.PAYMENT_REVERSED, operation_number="7")]
    tick()
    assert (status_of(refund), state_of(order), discrepancies(), refunded_events(order)) == ("done", "refunded", [], 1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_message_makes_up_for_an_answer_that_got_lost(can_refund: None) -> None:
    def lose() -> None:
        raise LOST

    order = bought()
    refund = refund_at("approved", order)
    Meanwhile.happens[:] = [lose, lambda: notify(order, Fact.PAYMENT_REVERSED, operation_number="7")]  # the last first
    for hour in range(3):
        tick(later(hours=hour))
    assert (status_of(refund), state_of(order), discrepancies(), len(calls("refund"))) == ("done", "refunded", [], 1)


@pytest.mark.parametrize(("changes", "by_channel"), [({"channel": "gone"}, True), ({"account": "memory:old"}, False)])
def test_what_another_account_took_is_left_to_staff(
    can_refund: None, changes: dict[str, str], by_channel: bool
) -> None:
    """A channel serves an account, whatever its alias was when the code was issued."""
    order = bought()
    order.cips.update(**changes)
    assert refund_at("requested", order).by_channel is by_channel


# The provider takes the payment back.


def reverse(order: Order) -> None:
    assert notify(order, Fact.PAYMENT_REVERSED, operation_number="7") == 200


@pytest.mark.parametrize(
    ("step", "becomes"), [("requested", "failed"), ("approved", "failed"), ("sent", "sent"), ("done", "done")]
)
def test_reversed_while_a_refund_by_hand_goes_on(step: str, becomes: str) -> None:
    order = bought()
    refund = refund_at(step, order)
    reverse(order)
    assert (status_of(refund), state_of(order), discrepancies()) == (becomes, "refunded", ["reversed"])
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded) == ("reversed", 0 if becomes == "failed" else Decimal("35.50"))
    reverse(order)
    assert (discrepancies(), refunded_events(order)) == (["reversed"], 1)
    for wrong in (partial(refund_at, "requested", order), partial(approve_refund, refund, actor="x")):
        with pytest.raises(InvalidRequest):
            wrong()
    if becomes == "sent":
        close_refund(refund, done=False, actor="marta", reason="Stopped in time.")
        assert (status_of(refund), Payment.objects.get().refunded) == ("failed", Decimal(0))


@pytest.mark.parametrize(
    ("step", "becomes", "asked"),
    [
        ("requested", "failed", ["reversed"]), ("approved", "failed", ["reversed"]),
        ("sent", "done", []), ("done", "done", []),
    ],
)  # fmt: skip
def test_reversed_while_a_refund_by_the_provider_goes_on(
    can_refund: None, step: str, becomes: str, asked: list[str]
) -> None:
    order = bought()
    refund = refund_at("requested", order) if step == "requested" else refund_at("approved", order)
    if step == "sent":
        MemoryChannel.fail("refund", LOST)
    if step in ("sent", "done"):
        tick()
    assert status_of(refund) == step
    reverse(order)
    tick()
    assert (status_of(refund), state_of(order), discrepancies(), refunded_events(order)) == (
        becomes,
        "refunded",
        asked,
        1,
    )
    assert len(calls("refund")) == (step in ("sent", "done"))
    about = {"refund": refund.pk, "amount": "35.50", "currency": "PEN"}
    assert any(about.items() <= data.items() for data in order.events.values_list("data", flat=True))


def test_more_was_taken_back_than_we_gave(can_refund: None) -> None:
    order = bought()
    refund_at("approved", order, "10.00")
    tick()
    reverse(order)
    assert (state_of(order), discrepancies()) == ("refunded", ["reversed"])


# Questions.


def test_a_refund_that_is_due_is_asked_for() -> None:
    order = bought()
    notify(order, operation_number="8", amount="35.50")
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.kind == "duplicate_payment"
    resolve_discrepancy(discrepancy, "refund_due", actor="marta", reason="Paid twice.")
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount, refund.reason) == (discrepancy.payment, Decimal("35.50"), "Paid twice.")
    assert (refund.requested_by, refund.status) == ("marta", "requested")
    bring(refund, "done")
    assert (state_of(order), refunded_events(order)) == ("paid", 0)  # what paid it is still there


@pytest.mark.parametrize("can", [True, False])
def test_a_refund_that_is_due_is_done_by_the_provider_if_it_can(request: pytest.FixtureRequest, can: bool) -> None:
    if can:
        request.getfixturevalue("can_refund")
    order = bought()
    notify(order, operation_number="8")
    resolve_discrepancy(Discrepancy.objects.get(), "refund_due", actor="marta", reason="Paid twice.")
    assert Refund.objects.get().by_channel == can


def test_a_refund_that_is_due_in_another_currency() -> None:
    order = make()
    notify(order, currency="EUR", operation_number="7")
    resolve_discrepancy(Discrepancy.objects.get(), "refund_due", actor="marta", reason="We sell in PEN.")
    assert (Refund.objects.get().currency, state_of(order)) == ("EUR", "pending")


def test_what_is_asked_for_already_is_not_asked_for_again() -> None:
    order = bought()
    notify(order, operation_number="8")
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.payment
    refund_at("requested", order, payment=discrepancy.payment)
    resolve_discrepancy(discrepancy, "refund_due", actor="marta", reason="Paid twice.")
    assert Refund.objects.count() == 1


def test_a_payment_on_its_way_back_pays_nothing() -> None:
    order = make()
    notify(order, paid_at=later(days=9), operation_number="7")
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.payment
    refund = refund_at("requested", order, "1.00", payment=discrepancy.payment)
    with pytest.raises(InvalidRequest, match="being refunded"):
        resolve_discrepancy(discrepancy, "accept", actor="marta", reason="It came.")
    assert (state_of(order), discrepancies()) == ("pending", ["late_payment"])
    close_refund(refund, done=False, actor="marta", reason="We ship after all.")
    resolve_discrepancy(discrepancy, "accept", actor="marta", reason="It came.")
    assert state_of(order) == "paid"


def test_a_payment_on_its_way_back_pays_nothing_when_it_turns_out_to_be_in_time() -> None:
    order = make()
    heard = order.expires_at + timedelta(days=1)
    body: dict[str, Any] = {"paid_at": None, "operation_number": "7"}
    advance(report(order.cips.get(), **body), now=heard)
    assert discrepancies() == ["late_payment"]
    refund_at("requested", order, payment=Payment.objects.get())
    advance(report(order.cips.get(), operation_number="7", paid_at=timezone.now()), now=heard)
    assert (state_of(order), discrepancies()) == ("pending", ["late_payment"])


def test_a_payment_that_a_person_vouched_for_can_go_back() -> None:
    order = mark_paid(make(), "99", "marta", "Seen in the portal.")
    refund_at("done", order)
    assert state_of(order) == "refunded"


@pytest.mark.every_database
@pytest.mark.parametrize("done", [True, False])
def test_a_refund_that_takes_days_is_asked_about_until_it_ends(takes_days: type[TakesDays], done: bool) -> None:
    order = bought()
    refund = refund_at("approved", order)
    for hours in (0, 1, 10, 40):
        tick(later(hours=hours))
    assert (status_of(refund), len(calls("refund")), state_of(order), discrepancies()) == ("sent", 1, "paid", [])
    assert len(calls("look_up_refunds")) == 3
    takes_days.said = RefundReport(
        "r-1", RefundStatus.DONE if done else RefundStatus.FAILED, "" if done else "No such account."
    )
    tick(later(hours=60))
    assert (status_of(refund), state_of(order)) == (("done", "refunded") if done else ("failed", "paid"))
    assert discrepancies() == ([] if done else ["not_confirmed"])
    assert len(calls("refund")) == 1, "the money is asked for once"


def test_a_refund_is_asked_about_at_the_pace_of_its_account(takes_days: type[TakesDays], settings: Any) -> None:
    serve_by(settings, TakesDays, SEARCHES_PER_MINUTE=1)
    refund = refund_at("approved", bought())
    tick()
    may_search(get_channel("default"))
    assert not may_search(get_channel("default"))
    tick(now := later(hours=1))
    refund.refresh_from_db()
    assert len(calls("look_up_refunds")) == 0
    assert refund.retry_at
    assert PACED <= refund.retry_at - now < 6 * PACED
    Heartbeat.objects.filter(name__startswith="search ").delete()
    tick(refund.retry_at)
    assert len(calls("look_up_refunds")) == 1


def test_a_refund_that_never_ends_comes_to_a_person(takes_days: type[TakesDays]) -> None:
    order = bought()
    refund = refund_at("approved", order)
    tick()
    MemoryChannel.failures["look_up_refunds"] = [(LOST, False)] * 99
    for days in (1, 5, 13):
        tick(later(days=days))
    assert discrepancies() == []
    with pytest.raises(InvalidRequest, match="wait for what it says"):
        close_refund(Refund.objects.get(), done=False, actor="marta", reason="x")
    tick(later(days=15))
    assert (status_of(refund), discrepancies()) == ("sent", ["not_confirmed"])
    close_refund(Refund.objects.get(), done=True, actor="marta", reason="The bank says so.")
    assert (state_of(order), discrepancies()) == ("refunded", [])


@pytest.mark.parametrize("status", [RefundStatus.REQUESTED, RefundStatus.APPROVED])
def test_a_channel_can_not_report_a_refund_as_not_sent(status: RefundStatus) -> None:
    with pytest.raises(ValueError, match="sent, done or failed"):
        RefundReport("r-1", status)
    with pytest.raises(ValueError, match="needs the provider's id"):
        RefundReport(status=RefundStatus.SENT)
