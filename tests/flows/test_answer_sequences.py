"""Kind 8 for cases that nobody listed: every sequence of answers, with a person who answers or not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product

import pytest

from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import Cip, Order, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import pay
from tests.clock import later
from tests.factories.discrepancies import resolve
from tests.factories.orders import make
from tests.factories.provider import all_gone, channel, look, says
from tests.reading import discrepancies

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


@pytest.fixture
def order() -> Order:
    """A paid order, beside another one that the provider always knows."""
    pay(make())
    return pay(make(), operation_number="7")


PAID, NOTHING = "paid", "nothing at all"
#: What is said of a paid code: the fact, its amount, and the discrepancy that follows where we know otherwise.
COMMON: dict[str, tuple[Fact | None, str, str]] = {
    PAID: (Fact.PAYMENT, "35.50", ""),
    "another amount": (Fact.PAYMENT, "20.00", "amount_mismatch"),
    "pending": (Fact.ISSUED, "35.50", "reversed"),
    "absent": (None, "", "missing_there"),
    "deleted": (Fact.CODE_DELETED, "35.50", "missing_there"),
    NOTHING: (None, "", ""),
}
ANSWERS = COMMON | {
    "expired": (Fact.CODE_EXPIRED, "35.50", "missing_there"),
    "a third amount": (Fact.PAYMENT, "10.00", "amount_mismatch"),
}


class Model:
    """What must be open: each change into doubt, until a person or a contradicting answer closes it."""

    def __init__(self) -> None:
        self.last, self.open = PAID, set[str]()

    def hears(self, answer: str) -> None:
        if answer in (NOTHING, self.last):
            return
        self.last = answer
        fact, _, kind = ANSWERS[answer]
        if fact == Fact.PAYMENT:
            self.open -= {"reversed", "missing_there"}
        self.open |= {kind} - {""}


def walk(order: Order, said: list[str], resolves: Callable[[int], bool], begin: datetime) -> None:
    model, before = Model(), ""
    for step, answer in enumerate(said):
        told = f"after {said[max(step - 4, 0) : step + 1]}"
        fact, amount, _ = ANSWERS[answer]
        knew = all_gone() if answer == NOTHING else {}
        if answer != NOTHING:
            says(order, fact, amount)
        version = Cip.objects.get(order=order).version
        moment = begin + timedelta(minutes=step)
        Cip.objects.update(poll_at=moment)
        reconcile(TimeBudget(moment))
        channel().book.update(knew)
        model.hears(answer)
        assert set(discrepancies()) == model.open, told
        if answer in (NOTHING, before):
            assert Cip.objects.get(order=order).version == version, told
        before = before if answer == NOTHING else answer
        if resolves(step):
            resolve()
            model.open.clear()
    assert Payment.objects.filter(cip__order=order).count() == 1


def every_run_of(words: list[str], length: int) -> list[str]:
    """A sequence in which each run of so many words stands."""
    return [word for run in product(words, repeat=length) for word in run]


WHEN: dict[str, Callable[[int], bool]] = {
    "never": lambda step: False,
    "always": lambda step: True,
    "now and then": lambda step: step % 3 == 1,
    "rarely": lambda step: step % 7 == 6,
}


@pytest.mark.once  # a few hundred rounds
@pytest.mark.parametrize("when", WHEN)
def test_each_change_into_doubt_is_open_until_it_is_answered_or_contradicted(order: Order, when: str) -> None:
    look()
    walk(order, every_run_of(list(ANSWERS), 2), WHEN[when], later(days=1))


@pytest.mark.storm
@pytest.mark.parametrize("when", WHEN)
def test_whatever_three_answers_say(order: Order, when: str) -> None:
    look()
    walk(order, every_run_of(list(COMMON), 3), WHEN[when], later(days=1))
