"""Kind 5: a poisoned batch is split in one way, in pace, so that one bad row keeps no other waiting."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from math import ceil, log2
from typing import Any, ClassVar

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.channels.base import CodeRef, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import Refused
from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.inbox.hints import hint
from pagoefectivo_django.flows.provider.halving import in_halves
from pagoefectivo_django.models import Cip, Heartbeat, Order, UnknownCode
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify
from tests.factories.orders import make
from tests.factories.provider import channel, serve_by
from tests.factories.statements import line, load
from tests.reading import searches

database = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "poisoned"),
]
#: So many codes are in a batch, and so many questions find the bad one among them at most.
MANY = 40
CALLS = 1 + 2 * ceil(log2(MANY))


class Poisoned(MemoryChannel):
    """A provider that refuses to tell about any batch with one certain code."""

    poison: ClassVar[str] = ""

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        wanted = list(refs)
        if self.poison in [ref.code for ref in wanted]:
            self.calls.append(("look_up", ",".join(ref.code for ref in wanted)))
            raise Refused("One of them is wrong.", codes=("112",))
        return super().look_up(wanted)


@pytest.fixture
def poisoned(settings: Any) -> Iterator[None]:
    serve_by(settings, Poisoned)
    yield
    Poisoned.poison = ""


def paid_there(order: Order) -> None:
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now() - timedelta(hours=1))


def polled(orders: Sequence[Order]) -> None:
    Cip.objects.update(poll_at=timezone.now() - timedelta(minutes=1))
    tick()


def hinted(orders: Sequence[Order]) -> None:
    for order in orders:
        notify(order, Fact.CODE_EXPIRED)
    tick()


def past(orders: Sequence[Order]) -> None:
    passed = timezone.now() - timedelta(minutes=40)
    Order.objects.update(expires_at=passed, lapses_at=passed)
    tick()


def told_by_a_file(orders: Sequence[Order]) -> None:
    load(*[line(order) for order in orders])


class TestOneRow:
    pytestmark = database

    @pytest.mark.parametrize("ask", [polled, hinted, past, told_by_a_file])
    def test_one_code_that_the_provider_refuses_is_found_in_one_round_and_in_pace(
        self, ask: Callable[[Sequence[Order]], None], settings: Any
    ) -> None:
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"SEARCHES_PER_MINUTE": 1200}
        orders = [make() for _ in range(MANY)]
        for order in orders:
            paid_there(order)
        Cip.objects.update(poll_at=None)
        Poisoned.poison = orders[17].code
        Heartbeat.objects.all().delete()
        begin = timezone.now()
        ask(orders)
        assert Order.objects.filter(state="paid").count() == MANY - 1
        assert Order.objects.get(pk=orders[17].pk).state == "pending"
        assert len(searches()) <= CALLS
        # Each question took its turn: so far is the pace used up.
        used = Heartbeat.objects.get(name="search memory:default").beaten_at - begin
        assert used >= (len(searches()) - 1) * timedelta(minutes=1) / 1200

    @pytest.mark.parametrize("ask", [polled, hinted])
    def test_a_mistake_of_ours_in_one_answer_costs_few_discrepancies_and_no_other_answer(
        self, ask: Callable[[Sequence[Order]], None]
    ) -> None:
        orders = [make() for _ in range(MANY)]
        for order in orders:
            paid_there(order)
        Cip.objects.update(poll_at=None)
        Order.objects.filter(pk=orders[17].pk).update(event_count=0)  # the number of its next event is taken
        ask(orders)
        assert Order.objects.filter(state="paid").count() == MANY - 1
        assert len(searches()) <= CALLS

    def test_a_mistake_of_ours_about_a_code_that_nobody_knows(self) -> None:
        """Its answer names an order that can't be written."""
        orders = [make() for _ in range(4)]
        Cip.objects.update(poll_at=None)
        book = channel().book
        for order in orders:
            paid_there(order)
            Cip.objects.filter(order=order).update(code=None, status="lost", live=None)
            hint(Report("memory:default", Fact.CODE_EXPIRED, code=book[order.code].report.code), timezone.now())
        Order.objects.filter(pk=orders[2].pk).update(event_count=0)
        tick()
        assert Order.objects.filter(state="paid").count() == 3
        assert UnknownCode.objects.get().code == orders[2].code


@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=4))
def test_every_good_row_is_worked_on_and_each_bad_one_is_told_alone(many: int, bad: set[int]) -> None:
    rows, bad = list(range(many)), {row for row in bad if row < many}
    tries, good, told = [0], list[int](), list[int]()

    def work(some: Sequence[int]) -> None:
        tries[0] += 1
        if bad & {*some}:
            raise ValueError(some)
        good.extend(some)

    in_halves(rows, work, splits=lambda error: isinstance(error, ValueError), alone=lambda row, error: told.append(row))
    assert (good, told) == ([row for row in rows if row not in bad], sorted(bad))
    assert tries[0] <= 1 + 2 * len(bad) * ceil(log2(many) if many > 1 else 1)


def test_what_a_smaller_batch_can_t_mend_is_raised() -> None:
    def work(some: Sequence[int]) -> None:
        raise KeyError(some)

    with pytest.raises(KeyError):
        in_halves([1, 2], work, splits=lambda error: False, alone=lambda row, error: None)
