"""A code whose answer got lost is found by our number, and until the provider has answered nobody else is asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Charge, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import Misconfigured, OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.flows.orders.find import NO_COUNTS_AFTER, SILENCE, find
from pagoefectivo_django.flows.orders.issue import MOST_IN_VAIN
from pagoefectivo_django.models import Cip, Discrepancy, Order
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify
from tests.factories.orders import lost, lost_for_ever, make
from tests.factories.provider import channel, serve_by
from tests.reading import calls, code_statuses, fresh

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]

LOST, SILENT = OutcomeUnknown("The line went dead."), Unavailable("Nobody answers.")


@pytest.fixture(autouse=True)
def finds(settings: Any) -> None:
    """The provider can be asked by our number."""
    serve_by(settings, CAN_FIND=True)


def after(begin: datetime, **time: float) -> None:
    tick(now=begin + timedelta(**time))


def test_a_code_that_was_made_is_found_at_once_and_the_payer_sees_it() -> None:
    order = lost()
    assert (order.state, code_statuses(), len(calls("issue"))) == ("pending", ["current"], 1)
    assert order.code in channel().book


def test_a_code_that_could_not_be_found_at_once_is_found_by_the_worker() -> None:
    begin = timezone.now()
    MemoryChannel.fail("issue", LOST, after=True)
    MemoryChannel.fail("find", SILENT)
    order = make()
    assert (order.state, code_statuses()) == ("new", ["lost"])
    after(begin, minutes=5)
    order.reload()
    assert (order.state, code_statuses(), len(calls("issue"))) == ("pending", ["current"], 1)


def test_a_lost_code_that_was_paid_meanwhile_pays_its_order() -> None:
    begin = timezone.now()
    MemoryChannel.fail("issue", LOST, after=True)
    MemoryChannel.fail("find", SILENT)
    order = make()
    (code,) = channel().book
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
    after(begin, minutes=5)
    assert Order.objects.get().state == "paid"
    assert order.reference == Order.objects.get().reference


def test_no_counts_only_a_minute_after_the_request_was_over() -> None:
    begin = timezone.now()
    lost_for_ever()
    assert code_statuses() == ["lost"]
    after(begin, seconds=NO_COUNTS_AFTER.total_seconds() - 8)
    assert (code_statuses(), len(calls("issue"))) == (["lost"], 1), "the request may still arrive"
    after(begin, seconds=NO_COUNTS_AFTER.total_seconds() + 8)
    assert (code_statuses(), len(calls("issue"))) == (["lost", "current"], 2)


class OtherAmount(MemoryChannel):
    """A provider that makes a code over another amount, whose channel says that the outcome is not known."""

    def issue(self, charge: Charge) -> Report:
        report = super().issue(charge)
        self.set(report.code, Fact.ISSUED, amount=Decimal("1.00"))
        raise OutcomeUnknown("The code is not as requested.")


def test_a_code_over_another_amount_is_found_and_never_shown(settings: Any) -> None:
    """Neither at once nor later, and nobody else is asked while that code may be paid: a person decides."""
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"] | {"BACKEND": f"{__name__}.OtherAmount"}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": entry}}
    begin = timezone.now()
    order = make()
    assert (order.state, code_statuses()) == ("new", ["lost"])
    after(begin, minutes=5)
    order.reload()
    assert (order.state, code_statuses(), len(calls("issue"))) == ("new", ["lost"], 1)
    assert Discrepancy.objects.get().kind == "lost_code"


def test_refused_keys_are_no_no() -> None:
    begin = timezone.now()
    MemoryChannel.fail("issue", LOST, after=True)
    MemoryChannel.failures["find"] = [(Misconfigured("403, forbidden"), False)] * 99
    make()
    after(begin, minutes=5)
    assert (code_statuses(), len(calls("issue"))) == (["lost"], 1), "the lost code may be paid"
    after(begin, seconds=SILENCE.total_seconds() + 60)
    assert Discrepancy.objects.get().kind == "lost_code"


def test_while_the_provider_is_silent_nobody_else_is_asked_and_after_an_hour_a_person_is_told() -> None:
    begin = timezone.now()
    MemoryChannel.fail("issue", LOST, after=True)
    MemoryChannel.failures["find"] = [(SILENT, False)] * 99
    order = make()
    for minutes in (5, 10, 30, 59):
        after(begin, minutes=minutes)
    assert not Discrepancy.objects.exists()
    for minutes in (62, 64, 66):
        after(begin + SILENCE - timedelta(hours=1), minutes=minutes)
    assert [row.kind for row in Discrepancy.objects.all()] == ["lost_code"]
    assert len(calls("issue")) == 1
    MemoryChannel.failures.clear()
    after(begin, minutes=70)
    order.reload()
    assert (order.state, code_statuses()) == ("pending", ["current"])
    assert not Discrepancy.objects.open().exists(), "the code is known, so nothing is in doubt"


def test_a_code_that_does_not_exist_is_no_discrepancy_at_its_date() -> None:
    begin = timezone.now()
    lost_for_ever(expires_at=begin + timedelta(hours=1))
    after(begin, minutes=5)
    assert code_statuses() == ["lost", "current"]
    after(begin, hours=5)
    assert not Discrepancy.objects.exists()
    assert Cip.objects.earliest("pk").poll_at is None


def test_a_webhook_between_the_answer_and_its_writing_is_no_contradiction() -> None:
    MemoryChannel.fail("issue", LOST, after=True)
    MemoryChannel.fail("find", SILENT)
    order = make()
    cip = Cip.objects.get()
    (code,) = channel().book
    answer = find(MemoryChannel("default", {"CAN_FIND": True}), cip, timezone.now())
    assert answer
    notify(order, code=code, transaction_code=cip.transaction_code)
    assert advance(answer) == ["stale"]
    assert (Order.objects.get().state, Discrepancy.objects.count()) == ("paid", 0)


@pytest.mark.parametrize("fact", [Fact.UNKNOWN, Fact.ABSENT])
def test_a_provider_that_knows_the_request_and_says_no_more_is_asked_again(fact: Fact) -> None:
    begin = timezone.now()
    MemoryChannel.fail("issue", LOST, after=True)
    MemoryChannel.fail("find", SILENT)
    order = make()
    (code,) = channel().book
    channel().set(code, fact)
    for minutes in (5, 30, 63, 66):
        after(begin, minutes=minutes)
    assert (len(calls("issue")), code_statuses()) == (1, ["lost"]), "a second code could be paid beside the first"
    assert [row.kind for row in Discrepancy.objects.all()] == ["lost_code"]
    channel().set(code, Fact.ISSUED)
    after(begin, minutes=70)
    order.reload()
    assert (order.state, order.code) == ("pending", code)


@pytest.mark.parametrize(("failures", "state", "asked"), [(4, "pending", 5), (9, "new", MOST_IN_VAIN)])
def test_requests_of_which_the_provider_knows_nothing_are_repeated_and_end_with_a_person(
    failures: int, state: str, asked: int
) -> None:
    """None of them can be paid, so they are not the two lost codes after which an order waits for a person."""
    begin = timezone.now()
    for _failure in range(failures):
        MemoryChannel.fail("issue", LOST)
    order = make()
    for minutes in range(4, 60, 4):
        after(begin, minutes=minutes)
    assert (fresh(order).state, len(calls("issue"))) == (state, asked)
    assert [row.kind for row in Discrepancy.objects.all()] == ([] if state == "pending" else ["lost_code"])
