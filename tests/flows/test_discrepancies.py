"""What people do about discrepancies besides answering them, and what answers do to a line of a statement."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.errors import InReview, InvalidRequest
from pagoefectivo_django.flows import (
    assign_discrepancy,
    cancel_order,
    comment_on,
    reopen_discrepancy,
    resolve_discrepancy,
)
from pagoefectivo_django.flows.ledger.discrepancy import answers_to
from pagoefectivo_django.flows.ledger.history import History
from pagoefectivo_django.flows.ledger.subject import Subject
from pagoefectivo_django.models import Discrepancy, Order, Payment, Refund
from pagoefectivo_django.models.database import database, one_transaction
from pagoefectivo_django.signals import discrepancy_opened
from pagoefectivo_django.states import Kind, LineStatus
from pagoefectivo_django.testing import notify, pay
from tests.concurrency import at_once
from tests.factories.discrepancies import open_discrepancy
from tests.factories.orders import make
from tests.factories.settlements import settlement_line

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]

STAFF: dict[str, Any] = {"actor": "rosa", "reason": "Seen at the bank."}
#: Each of the verbs, and what it needs besides an actor.
VERBS: list[Callable[..., Any]] = [
    partial(assign_discrepancy, to="luis"),
    partial(comment_on, text="I called."),
    partial(reopen_discrepancy, reason="x"),
]


def late() -> Discrepancy:
    """An order that was paid too much."""
    order = make()
    notify(order, amount=Decimal("99.00"), operation_number="7")
    return Discrepancy.objects.get()


def story(discrepancy: Discrepancy) -> list[tuple[str, str, str]]:
    """Return what was done to a discrepancy: what, by whom, and a person's words, the answer or the person named."""
    events = discrepancy.events.order_by("created_at", "number")
    said = [
        " ".join([event.data.get("resolution", event.data.get("to", "")), event.reason]).strip() for event in events
    ]
    return [(event.fact, event.actor.name, words) for event, words in zip(events, said, strict=True)]


# Whose money.


def test_a_discrepancy_says_how_much_money_it_is_about() -> None:
    of_payment = late()
    assert (of_payment.amount, of_payment.currency) == (Decimal("99.00"), "PEN")
    of_line = open_discrepancy(Kind.MISSING_HERE, line=settlement_line(gross=Decimal("8.10"), currency="USD"))
    assert (of_line.amount, of_line.currency) == (Decimal("8.10"), "USD")
    order = make(amount=Decimal("7.00"))
    of_order = open_discrepancy(Kind.UNSETTLED_OVERDUE, order=order)
    assert (of_order.amount, of_order.currency) == (Decimal("7.00"), "PEN")
    told = open_discrepancy(Kind.FEE_MISMATCH, line=settlement_line(), amount=Decimal("0.05"), currency="PEN")
    assert (told.amount, told.line is not None, told.settlement) == (Decimal("0.05"), True, told.line.settlement)  # type: ignore[union-attr]
    unknown = open_discrepancy(Kind.UNPROCESSED)
    assert (unknown.amount, unknown.currency) == (None, "")


def test_a_statement_freezes_no_order() -> None:
    order = make()
    with one_transaction() as alias:
        history = History(alias, timezone.now(), "clock")
        history.open_discrepancy(Kind.AMOUNT_MISMATCH, Subject("line:1", order, line=settlement_line()), {})
        assert not history.in_review
        history.open_discrepancy(Kind.AMOUNT_MISMATCH, Subject("cip:1", order), {})
        assert history.in_review == {order.pk}
    Discrepancy.objects.filter(subject="cip:1").update(line=settlement_line())
    assert cancel_order(order).state == "cancelled"


def test_a_line_has_no_suggestion_that_it_can_not_have() -> None:
    assert open_discrepancy(Kind.AMOUNT_MISMATCH, line=settlement_line()).suggestion == ""
    assert (
        open_discrepancy(Kind.AMOUNT_MISMATCH, order=make()).suggestion == ""
    )  # without a payment nothing can go back
    for kind in Kind:
        discrepancy = open_discrepancy(kind, line=settlement_line())
        assert discrepancy.suggestion in ("", *answers_to(discrepancy)), kind


# Somebody does something.


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_does_nothing(verb: Callable[..., Any]) -> None:
    discrepancy = late()
    if verb.func is reopen_discrepancy:  # type: ignore[attr-defined]
        resolve_discrepancy(discrepancy, "ignore", **STAFF)
    known = story(discrepancy)
    with pytest.raises(InvalidRequest, match="pass actor"):
        verb(discrepancy, actor=" ")
    assert story(discrepancy) == known


def test_a_discrepancy_is_assigned_and_given_on() -> None:
    discrepancy = late()
    assert assign_discrepancy(discrepancy, "rosa", actor="rosa").assigned_to == "rosa"
    assert assign_discrepancy(discrepancy, "luis", actor="rosa").assigned_to == "luis"
    assert assign_discrepancy(discrepancy, "", actor="luis").assigned_to == ""
    facts = [("assigned", "rosa", "rosa"), ("assigned", "rosa", "luis"), ("assigned", "luis", "")]
    assert story(discrepancy)[1:] == facts
    assert discrepancy.order
    discrepancy.order.refresh_from_db()
    assert discrepancy.order.event_count == discrepancy.order.events.count()


def test_who_takes_a_discrepancy_second_is_told_who_has_it() -> None:
    discrepancy = late()
    results = at_once(
        *(partial(assign_discrepancy, Discrepancy.objects.get(), name, actor=name) for name in ("rosa", "luis"))
    )
    holder = Discrepancy.objects.get().assigned_to
    (refused,) = (result for result in results if isinstance(result, Exception))
    assert isinstance(refused, InvalidRequest)
    assert f"is assigned to {holder} by now" in str(refused)
    assert len(story(discrepancy)) == 2


def test_the_same_person_twice_is_one_event() -> None:
    discrepancy = late()
    for one in (discrepancy, Discrepancy.objects.get()):
        assign_discrepancy(one, "rosa", actor="luis")
    assert len(story(discrepancy)) == 2


def test_a_resolved_discrepancy_is_given_to_nobody() -> None:
    discrepancy = resolve_discrepancy(late(), "ignore", **STAFF)
    with pytest.raises(InvalidRequest, match="was resolved by rosa; reopen it"):
        assign_discrepancy(discrepancy, "luis", actor="luis")


def test_a_comment_stays_whatever_becomes_of_the_discrepancy() -> None:
    discrepancy = late()
    comment_on(discrepancy, "  amount_mismatch: accept  ", actor="luis")
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    comment_on(discrepancy, "It is done.", actor="luis")
    assert [row for row in story(discrepancy) if row[0] == "commented"] == [
        ("commented", "luis", "amount_mismatch: accept"),
        ("commented", "luis", "It is done."),
    ]


@pytest.mark.parametrize("text", ["", "  ", "x" * 501])
def test_a_comment_is_kept_whole_or_refused(text: str) -> None:
    discrepancy = late()
    with pytest.raises(InvalidRequest, match="1 to 500"):
        comment_on(discrepancy, text, actor="luis")
    comment_on(discrepancy, "x" * 500, actor="luis")
    assert story(discrepancy)[1:] == [("commented", "luis", "x" * 500)]


def test_comments_at_once_are_all_kept() -> None:
    discrepancy = late()
    results = at_once(*(partial(comment_on, discrepancy, f"{number}", actor="rosa") for number in range(4)))
    assert not any(isinstance(result, Exception) for result in results), results
    assert sorted(detail for fact, _, detail in story(discrepancy) if fact == "commented") == ["0", "1", "2", "3"]


def test_a_discrepancy_of_no_order_has_a_timeline_too() -> None:
    discrepancy = open_discrepancy(Kind.MISSING_HERE, line=settlement_line())
    assign_discrepancy(discrepancy, "rosa", actor="rosa")
    comment_on(discrepancy, "Theirs?", actor="rosa")
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    reopen_discrepancy(discrepancy, **STAFF)
    assert [fact for fact, *_ in story(discrepancy)] == ["", "assigned", "commented", "", "reopened"]


def test_remarks_wake_nobody() -> None:
    heard: list[object] = []
    discrepancy = late()
    discrepancy_opened.connect(lambda **named: heard.append(named), dispatch_uid="desk", atomic=False)
    try:
        resolve_discrepancy(discrepancy, "ignore", **STAFF)
        reopen_discrepancy(discrepancy, **STAFF)
        comment_on(discrepancy, "x", actor="rosa")
    finally:
        discrepancy_opened.disconnect(dispatch_uid="desk")
    assert not heard


# Reopening.


def test_a_reopened_discrepancy_can_be_answered_otherwise() -> None:
    discrepancy = late()
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    reopen_discrepancy(discrepancy, actor="luis", reason="The payer called.")
    answer = (
        discrepancy.status,
        discrepancy.resolution,
        discrepancy.resolved_by,
        discrepancy.resolved_at,
        discrepancy.reason,
    )
    assert answer == ("open", "", "", None, "")
    resolve_discrepancy(discrepancy, "accept", actor="luis", reason="Agreed.")
    assert Order.objects.get().state == "paid"
    assert [row for row in story(discrepancy) if row[0] in ("", "reopened")][1:] == [
        ("", "rosa", "ignore Seen at the bank."),
        ("reopened", "luis", "The payer called."),
        ("", "luis", "accept Agreed."),
    ]


def test_a_reopened_discrepancy_about_money_freezes_its_order_again() -> None:
    discrepancy = late()
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    reopen_discrepancy(discrepancy, **STAFF)
    assert discrepancy.order
    with pytest.raises(InReview):
        cancel_order(discrepancy.order)


def test_a_discrepancy_that_is_open_is_not_reopened() -> None:
    with pytest.raises(InvalidRequest, match="is open; answer it"):
        reopen_discrepancy(late(), **STAFF)


def test_a_discrepancy_is_reopened_for_a_reason() -> None:
    discrepancy = resolve_discrepancy(late(), "ignore", **STAFF)
    with pytest.raises(InvalidRequest, match="pass reason"):
        reopen_discrepancy(discrepancy, actor="rosa", reason=" ")
    assert Discrepancy.objects.get().status == "resolved"


@pytest.mark.parametrize("ask_one", [late, partial(open_discrepancy, Kind.LOST_CODE)])
def test_who_reopens_second_is_told_who_was_first(ask_one: Callable[[], Discrepancy]) -> None:
    discrepancy = resolve_discrepancy(ask_one(), "ignore", **STAFF)
    results = at_once(*(partial(reopen_discrepancy, discrepancy, actor=name, reason="x") for name in ("ana", "luis")))
    (refused,) = (result for result in results if isinstance(result, Exception))
    (first,) = (actor for fact, actor, _ in story(discrepancy) if fact == "reopened")
    assert isinstance(refused, InvalidRequest)
    assert f"was reopened by {first}" in str(refused)


def test_a_repetition_reopens_nothing() -> None:
    discrepancy = open_discrepancy(Kind.MISSING_HERE, line=(of := settlement_line()))
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    assert open_discrepancy(Kind.MISSING_HERE, line=of, evidence="More of it.") == discrepancy
    discrepancy.refresh_from_db()
    assert (discrepancy.status, len(discrepancy.evidence)) == ("resolved", 2)


def test_money_goes_back_once_however_often_that_is_answered() -> None:
    order = pay(make(), operation_number="1")
    notify(order, operation_number="2")
    discrepancy = Discrepancy.objects.get()
    for _ in range(2):
        resolve_discrepancy(discrepancy, "refund_due", **STAFF)
        reopen_discrepancy(discrepancy, **STAFF)
    assert Refund.objects.get().amount == Decimal("35.50")
    with pytest.raises(InvalidRequest, match="is being refunded"):
        resolve_discrepancy(discrepancy, "accept", **STAFF)


# Answers to a statement.


def possible(kind: Kind, **about: Any) -> set[str]:
    return {str(answer) for answer in answers_to(Discrepancy(kind=kind, **about))}


def test_each_discrepancy_has_the_answers_that_it_can_have() -> None:
    order = pay(make())
    payment = Payment.objects.get(cip__order=order)
    of = settlement_line()
    every = {"accept", "refund_due", "ignore"}
    read = {Kind.FEE_MISMATCH, Kind.PAYOUT_MISMATCH, Kind.UNSETTLED_OVERDUE}
    for kind in Kind:
        assert possible(kind, order=order, payment=payment) == ({"ignore"} if kind in read else every)
        assert possible(kind, line=of) == {"ignore"}
        assert possible(kind, settlement=of.settlement) == {"ignore"}
    for kind in (Kind.DUPLICATE_LINE, Kind.DUPLICATE_PAYMENT, Kind.REFUND_UNMATCHED):
        assert possible(kind, line=of, payment=payment) == {"refund_due", "ignore"}
    assert possible(Kind.STATUS_MISMATCH, line=of, payment=payment) == {"ignore"}


def test_a_statement_pays_no_order() -> None:
    order = make()
    notify(order, amount=Decimal("99.00"))
    discrepancy = open_discrepancy(
        Kind.AMOUNT_MISMATCH, order=order, payment=Payment.objects.get(), line=settlement_line()
    )
    with pytest.raises(InvalidRequest, match="can't be answered with accept; use ignore"):
        resolve_discrepancy(discrepancy, "accept", **STAFF)
    order.refresh_from_db()
    assert (order.state, discrepancy.line.status) == ("pending", "discrepancy")  # type: ignore[union-attr]


def test_a_line_is_ignored_by_the_answer_and_comes_back_with_the_discrepancy() -> None:
    discrepancy = open_discrepancy(Kind.MISSING_HERE, line=settlement_line())
    of = discrepancy.line
    assert of
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    of.refresh_from_db()
    assert (of.status, of.reason) == ("ignored", "Seen at the bank.")
    reopen_discrepancy(discrepancy, actor="luis", reason="Not so sure.")
    of.refresh_from_db()
    assert (of.status, of.about, of.reason) == ("discrepancy", "reopened", "Not so sure.")


@pytest.mark.parametrize("status", [status for status in LineStatus if status != LineStatus.DISCREPANCY])
def test_a_line_that_is_not_in_review_stays_what_it_is(status: LineStatus) -> None:
    discrepancy = open_discrepancy(Kind.MISSING_HERE, line=settlement_line(status=status, reason="before"))
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    assert discrepancy.line
    discrepancy.line.refresh_from_db()
    assert (discrepancy.line.status, discrepancy.line.reason) == (status, "before")


@pytest.mark.parametrize("status", ["discrepancy", "matched", "ignored"])
@pytest.mark.parametrize("kind", [Kind.FEE_MISMATCH, Kind.PAYOUT_MISMATCH, Kind.UNSETTLED_OVERDUE])
def test_a_discrepancy_about_a_fee_moves_no_line(kind: Kind, status: str) -> None:
    discrepancy = open_discrepancy(kind, line=settlement_line(status=status, reason="before"))
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    reopen_discrepancy(discrepancy, **STAFF)
    assert discrepancy.line
    discrepancy.line.refresh_from_db()
    assert (discrepancy.line.status, discrepancy.line.reason) == (status, "before")


def test_an_answer_that_fails_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    discrepancy = open_discrepancy(Kind.MISSING_HERE, line=settlement_line())

    def broken(self: History) -> None:
        raise RuntimeError("lost")

    monkeypatch.setattr(History, "write", broken)
    with pytest.raises(RuntimeError, match="lost"):
        resolve_discrepancy(discrepancy, "ignore", **STAFF)
    assert discrepancy.line
    discrepancy.line.refresh_from_db()
    assert (discrepancy.line.status, Discrepancy.objects.using(database()).get().status) == ("discrepancy", "open")
