"""Kind 9, an unfair queue: a hint only makes its code due, so that none crowds out a payment, however many come."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.utils import timezone

from pagoefectivo_django import measures, strict_json
from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Presents, Report
from pagoefectivo_django.channels.memory import MemoryChannel, Slip
from pagoefectivo_django.errors import OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import resolve_discrepancy, tick
from pagoefectivo_django.flows.inbox.hints import AGAIN, APART, COUNTED_FROM_MESSAGES, hint
from pagoefectivo_django.flows.ledger.advance import WHAT_BECOMES
from pagoefectivo_django.measures import Measure, observe_by
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, UnknownCode
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.concurrency import breaking
from tests.factories.messages import paid, post, report
from tests.factories.orders import lost, make
from tests.factories.people import STAFF
from tests.factories.provider import Busy, channel, serve_by
from tests.factories.statements import line, load
from tests.reading import calls, discrepancies, fresh, searches

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

#: What a message may say besides of money; a channel that can be asked is asked.
HINTS = sorted(set(WHAT_BECOMES) - {*COUNTED_FROM_MESSAGES})


def cip_of(order: Order) -> Cip:
    return Cip.objects.get(order=order)


def looks(begin: datetime, minutes: int) -> list[int]:
    """Let a worker go round each half minute, and return in which of them the provider was asked."""
    asked = []
    for half in range(2 * minutes):
        before = len(searches())
        tick(begin + timedelta(seconds=30 * half))
        asked += [half] * (len(searches()) - before)
    return asked


def unwatched() -> None:
    """Nothing but a hint makes codes due from now on."""
    Cip.objects.update(poll_at=None)


@pytest.mark.every_database
def test_three_hundred_hints_are_three_discrepancies_and_no_payment_waits_behind_them(settings: Any) -> None:
    orders = [make() for _ in range(12)]
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 4, "SEARCHES_PER_MINUTE": 6}
    unwatched()
    for order in orders:
        assert notify(order, Fact.CODE_EXPIRED) == 200
        channel().set(order.code, Fact.CODE_EXPIRED)
    assert {row.status for row in Notification.objects.all()} == {"applied"}, "no hint waits in the inbox"
    tick()
    assert sorted(len(batch) for batch in searches()) == [4, 4], "the pace's share of ten seconds, in batches"
    tick(later(minutes=1))
    Cip.objects.update(look_at=None)


def test_a_provider_that_does_not_answer_keeps_no_payment_waiting() -> None:
    hinted, paid = [make() for _ in range(3)], make()
    for order in hinted:
        notify(order, Fact.CODE_EXPIRED)
    MemoryChannel.failures["look_up"] = [(Unavailable("Nobody answers."), False)] * 99
    notify(paid)
    assert fresh(paid).state == "paid"
    tick()
    assert len(searches()) == 1
    assert not Notification.objects.exclude(status="applied").exists()
    assert {cip.hinted_at is None for cip in Cip.objects.filter(order__in=hinted)} == {False}, (
        "no answer clears nothing"
    )
    MemoryChannel.failures.clear()
    for order in hinted:
        channel().set(order.code, Fact.CODE_EXPIRED)
    tick(later(minutes=4))
    assert set(Cip.objects.filter(order__in=hinted).values_list("hinted_at", "status")) == {(None, "expired")}


@pytest.mark.parametrize("fact", HINTS)
def test_what_a_message_says_besides_of_money_only_makes_its_code_due(fact: Fact) -> None:
    order = make()
    unwatched()
    notify(order, fact)
    assert (fresh(order).state, cip_of(order).status) == ("pending", "current")
    assert cip_of(order).hinted_at
    assert Notification.objects.get().status == "applied"
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    tick()
    assert fresh(order).state == "paid", "the answer counts, whatever the hint said"
    assert (cip_of(order).hinted_at, cip_of(order).look_at) == (None, None)


def test_without_news_it_is_looked_at_again_after_1_5_and_30_minutes_and_then_no_more() -> None:
    order = make()
    unwatched()
    notify(order, Fact.CODE_EXPIRED)
    begin = cip_of(order).hinted_at
    assert begin
    found = looks(begin, minutes=50)
    assert len(found) == 4
    for half, pause in zip(found, (timedelta(0), *AGAIN), strict=True):
        assert timedelta(0) <= half * timedelta(seconds=30) - pause <= timedelta(minutes=1)
    assert (fresh(order).state, cip_of(order).hinted_at, cip_of(order).look_at) == ("pending", None, None)


def test_however_many_hints_come_a_code_is_looked_at_once_a_minute() -> None:
    order = make()
    unwatched()
    begin = timezone.now()
    for second in range(0, 200, 20):
        hint(report(cip_of(order), Fact.CODE_EXPIRED), begin + timedelta(seconds=second))
        tick(begin + timedelta(seconds=second))
    assert 3 <= len(searches()) <= 200 / APART.total_seconds() + 1


@pytest.mark.every_database
def test_a_hint_that_comes_while_the_provider_is_asked_stays(settings: Any) -> None:
    order = make()
    unwatched()
    serve_by(settings, Busy)
    channel().set(order.code, Fact.CODE_EXPIRED)
    notify(order, Fact.CODE_EXPIRED)
    Busy.during["look_up"] = lambda: notify(order, Fact.CODE_EXPIRED, operation_number="1")
    tick()
    assert cip_of(order).status == "expired"
    assert cip_of(order).hinted_at, "its answer was asked for before"
    tick(later(minutes=2))
    assert len(searches()) == 2


@pytest.mark.parametrize("status", ["settled", "paid", "expired", "superseded", "deleted"])
def test_codes_that_nobody_watches_any_more_are_looked_at_too(status: str) -> None:
    order = make()
    if status in ("settled", "paid"):
        pay(order, operation_number="1")
        if status == "settled":
            load(line(fresh(order)))
    else:
        Cip.objects.update(status=status, live=None)
    unwatched()
    notify(order, Fact.CODE_DELETED)
    tick()
    assert searches()[-1] == [order.code]


@pytest.mark.every_database
def test_unknown_digits_are_kept_once_outside_the_inbox_and_dropped_when_nobody_knows_them() -> None:
    for number in range(3):
        notify(Order(), Fact.CODE_EXPIRED, code="900", operation_number=str(number))
    assert UnknownCode.objects.get().code == "900"
    assert not Notification.objects.exclude(status="applied").exists()
    found = looks(timezone.now(), minutes=50)
    assert len(found) == 4
    assert not UnknownCode.objects.exists()
    assert not Discrepancy.objects.exists()


def test_unknown_digits_close_the_request_whose_answer_was_lost() -> None:
    order = lost()
    (code,) = channel().book
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
    assert cip_of(order).code is None
    notify(Order(), Fact.CODE_EXPIRED, code=code)
    tick()
    assert (fresh(order).state, fresh(order).code) == ("paid", code)
    assert not UnknownCode.objects.exists()


def test_unknown_digits_of_another_system_end_at_the_first_answer_and_are_asked_about_if_they_were_paid() -> None:
    other = Report("memory:default", Fact.ISSUED, "900", "OTHER-1", Decimal("35.50"), "PEN", expires_at=later(days=1))
    channel().book["900"] = Slip(other)
    notify(Order(), Fact.CODE_EXPIRED, code="900")
    tick()
    assert not UnknownCode.objects.exists()
    assert not Discrepancy.objects.exists()
    channel().set("900", Fact.PAYMENT, paid_at=timezone.now())
    notify(Order(), Fact.CODE_EXPIRED, code="900", operation_number="2")
    tick()
    assert (Discrepancy.objects.get().kind, Discrepancy.objects.get().account) == ("unmatched", "memory:default")


def test_a_code_that_is_refused_alone_does_not_hold_back_the_others() -> None:
    one, other = make(), make()
    unwatched()
    for order in (one, other):
        notify(order, Fact.CODE_EXPIRED)
        channel().set(order.code, Fact.CODE_EXPIRED)
    refusal = Refused("Not that code.")
    MemoryChannel.failures["look_up"] = [(refusal, False), (refusal, False)]
    tick()
    assert {cip_of(order).status for order in (one, other)} == {"current", "expired"}


# Many hints, and a payment that was kept.


class Hanging(MemoryChannel):
    """A provider that gives no answer; it writes down who was not paid yet when it was asked."""

    asked: ClassVar[list[int]] = []

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        self.asked.append(Order.objects.filter(reference="PAID", state="pending").count())
        raise Unavailable("Nobody answers.")


def test_sixty_hints_are_asked_about_in_three_look_ups(settings: Any) -> None:
    """Each was a question of its own: 300 in 4.6 s, past the pace and the size of a batch."""
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": 20}
    orders = [make() for _ in range(60)]
    Cip.objects.update(poll_at=None)
    for order in orders:
        notify(order, Fact.CODE_EXPIRED)
        channel().set(order.code, Fact.CODE_EXPIRED)
    tick(later(seconds=1))
    assert len(calls("look_up")) == 3
    assert set(Cip.objects.values_list("status", flat=True)) == {"expired"}


def test_a_kept_payment_is_applied_before_a_provider_that_hangs_is_asked_about_30_hints(settings: Any) -> None:
    """It was behind them: not applied after twelve rounds."""
    Hanging.asked.clear()
    serve_by(settings, Hanging)
    hinted, order = [make() for _ in range(30)], make(reference="PAID")
    Cip.objects.update(poll_at=None)
    for each in hinted:
        notify(each, Fact.CODE_EXPIRED)
    with breaking("pagoefectivo_payment"):
        assert post(paid(order)).status_code == 200
    order.reload()
    assert order.state == "pending"
    for minutes in (1, 4):
        tick(later(minutes=minutes))
    order.reload()
    assert order.state == "paid"
    assert sum(Hanging.asked) <= 1, "so often it was asked before"


# Messages that name nothing but our number, as Pagadito's and most of Checkout.com's do.


class Numbers(MemoryChannel):
    """A provider whose messages name our number alone, and which can't be asked by our number."""

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        return [Hint(self.account, transaction_code=str(strict_json.load(incoming.body)["number"]))]


class NumbersOfLinks(Numbers):
    """Such a provider of links."""

    presents = Presents.LINK


@pytest.fixture
def numbers(settings: Any) -> None:
    serve_by(settings, Numbers)


def tell(number: str, message: int = 1) -> None:
    assert post(f'{{"number": "{number}", "message": {message}}}'.encode()).status_code == 200
    assert not Notification.objects.exclude(status="applied").exists()


@pytest.mark.every_database
@pytest.mark.usefixtures("numbers")
def test_a_number_that_nobody_here_knows_comes_to_a_person_once() -> None:
    """It was dropped in silence: after a restored backup, a payment that only such a message names would be lost."""
    for message in (1, 1, 2):
        tell("LOST-1", message)
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.account, discrepancy.order) == ("unmatched", "memory:default", None)
    assert discrepancy.evidence == [
        {"about": "number_named", "transaction_code": "LOST-1", "account": "memory:default", "source": "notification"}
    ]
    tell("LOST-2")
    assert discrepancies() == ["unmatched", "unmatched"]
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    assert discrepancies() == ["unmatched"]
    tell("LOST-1", 3)
    assert discrepancies() == ["unmatched", "unmatched"], "another message may tell of a payment after the answer"
    assert not UnknownCode.objects.exists()


@pytest.mark.usefixtures("numbers")
def test_a_number_of_a_refused_request_comes_to_a_person() -> None:
    """The provider that said no may have made the code after all, and taken money for it."""
    MemoryChannel.fail("issue", Refused("no"))
    order = make()
    assert fresh(order).state == "rejected"
    tell(Cip.objects.get().transaction_code)
    assert discrepancies() == ["unmatched"]


@pytest.mark.parametrize("shared", [True, False])
def test_a_number_of_another_system_on_a_shared_account_is_counted(settings: Any, shared: bool) -> None:
    serve_by(settings, Numbers, SHARED_ACCOUNT=shared)
    counted: list[tuple[str, ...]] = []
    observe = lambda measure, value, labels: counted.append(labels) if measure == Measure.FOREIGN else None  # noqa: E731
    observe_by(observe)
    try:
        tell("OTHER-1")
    finally:
        measures._observers.remove(observe)
    assert counted == ([("memory:default",)] if shared else [])
    assert discrepancies() == ([] if shared else ["unmatched"])


@pytest.mark.usefixtures("numbers")
def test_the_number_of_a_code_with_a_name_only_makes_the_code_due() -> None:
    order = make()
    unwatched()
    tell(cip_of(order).transaction_code)
    assert cip_of(order).look_at
    assert discrepancies("") == []


@pytest.mark.every_database
@pytest.mark.parametrize(("backend", "status"), [(Numbers, "lost"), (NumbersOfLinks, "superseded")])
def test_the_number_of_a_request_whose_answer_got_lost_comes_to_a_person(
    settings: Any, backend: type[MemoryChannel], status: str
) -> None:
    serve_by(settings, backend)
    order = lost()
    cip = Cip.objects.filter(order=order).earliest("pk")
    assert cip.status == status
    for message in (1, 2):
        tell(cip.transaction_code, message)
    assert discrepancies("") == [], "the message is applied without the order's lock"
    for minutes in (2, 4, 40):
        tick(later(minutes=minutes))
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.order, discrepancy.cip) == ("unmatched", order, cip)
    assert len(discrepancy.evidence) == 1
    assert (discrepancy.evidence[0]["about"], discrepancy.evidence[0]["transaction_code"]) == (
        "number_named", cip.transaction_code,
    )  # fmt: skip
    assert Cip.objects.get(pk=cip.pk).hinted_at is None


def test_the_number_of_a_lost_link_is_asked_about_where_the_provider_can_be_asked_by_it(settings: Any) -> None:
    serve_by(settings, NumbersOfLinks, CAN_FIND=True)
    MemoryChannel.fail("find", OutcomeUnknown("silent"))
    order = lost()
    cip = Cip.objects.filter(order=order).earliest("pk")
    assert not cip.is_known
    (code,) = channel().book
    channel().set(code, Fact.PAYMENT, paid_at=later())
    tell(cip.transaction_code)
    tick(later(minutes=2))
    assert fresh(order).state == "paid"
    assert discrepancies("") == []
