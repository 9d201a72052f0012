"""Providers that take no date of ours: the order's date is the shop's, the code's is the provider's or none."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import reissue_code, tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.privacy.forget import forget_by_age
from pagoefectivo_django.models import Cip, Discrepancy, Order, Payment
from pagoefectivo_django.states import Fact
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.hostile.channels import OwnDate, ThreeDays

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.every_database,
]


@pytest.fixture(params=[OwnDate, ThreeDays])
def life(request: Any, settings: Any) -> timedelta | None:
    """How long a code of the provider lives; None: for ever."""
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    backend = f"{request.param.__module__}.{request.param.__qualname__}"
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": entry | {"BACKEND": backend}}}
    found: timedelta | None = request.param.LIFE
    return found


def last_poll(cip: Cip, begin: datetime) -> datetime:
    """Let a worker poll until it asks no more, and return when it asked last."""
    now = begin
    while moment := Cip.objects.values_list("poll_at", flat=True).get(pk=cip.pk):
        now = moment
        tick(now=now)
    return now


def test_the_order_keeps_the_shops_date_and_ends_at_it(life: timedelta | None) -> None:
    wanted = timezone.now().replace(microsecond=0) + timedelta(days=1)
    order = make(expires_at=wanted)
    cip = Cip.objects.get()
    assert (cip.expires_at is None) == (life is None)
    order.refresh_from_db()
    assert (order.state, order.expires_at) == ("pending", wanted)
    tick(now=wanted + timedelta(minutes=29))
    order.refresh_from_db()
    assert order.state == "pending"
    tick(now=wanted + timedelta(minutes=31))
    order.refresh_from_db()
    assert (order.state, order.expires_at) == ("expired", wanted)
    assert not Discrepancy.objects.exists()


def test_the_code_of_an_expired_order_is_polled_to_its_own_end_and_its_payment_is_late(life: timedelta | None) -> None:
    order = make()
    tick(now=order.expires_at + timedelta(hours=1))
    cip = Cip.objects.get()
    assert cip.status == "expired"
    end = (cip.expires_at or order.expires_at) + timedelta(days=7)
    assert end - timedelta(days=1) < last_poll(cip, order.expires_at) <= end
    post(paid(order, paid_at=(order.expires_at + timedelta(hours=2)).isoformat()))
    assert [row.kind for row in Discrepancy.objects.all()] == ["late_payment"]
    assert Payment.objects.get().status == "held"


def test_a_reissue_moves_the_order_to_the_date_that_the_shop_wants(life: timedelta | None) -> None:
    order = make()
    wanted = order.expires_at + timedelta(days=2)
    order = reissue_code(order, expires_at=wanted)
    assert (order.state, order.expires_at) == ("pending", wanted)
    assert list(Cip.objects.order_by("pk").values_list("status", flat=True)) == ["superseded", "current"]
    tick(now=wanted + timedelta(hours=1))
    order.refresh_from_db()
    assert order.state == "expired"


def test_an_old_code_pays_the_reissued_order(life: timedelta | None) -> None:
    order = make()
    old = order.code
    tick(now=order.expires_at + timedelta(hours=1))
    now = order.expires_at + timedelta(hours=2)
    order = reissue_code(order, now=now)
    MemoryChannel("default", {}).set(old, Fact.PAYMENT, paid_at=now)
    Cip.objects.filter(code=old).update(poll_at=now)
    tick(now=now + timedelta(minutes=1))
    order.refresh_from_db()
    assert order.state == "paid", "paid before the order's new date"


def test_the_payer_is_kept_as_long_as_a_code_without_a_date_may_be_paid(life: timedelta | None, settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"KEEP_PAYERS": timedelta(days=30)}
    order = make(expires_at=timezone.now() + timedelta(days=29))
    tick(now=order.expires_at + timedelta(hours=1))
    Cip.objects.update(status="expired", expires_at=Cip.objects.get().expires_at and order.expires_at)
    for days, forgotten in ((2, False), (8, True)):
        forget_by_age(TimeBudget(order.expires_at + timedelta(days=days), timedelta(seconds=20)))
        order.refresh_from_db()
        assert bool(order.forgotten_at) == forgotten
    assert Order.objects.count() == 1
