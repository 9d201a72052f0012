"""Kind 9: hints are asked about in batches and at the account's pace, and a kept payment does not wait behind them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from pagoefectivo_django.channels.base import CodeRef, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import Unavailable
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Cip, Order
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify
from tests.clock import later
from tests.concurrency import breaking
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.factories.provider import channel, serve_by
from tests.reading import calls

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


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
