"""Kind 1: no date that a row remembers, however wrong, holds anything up for ever or makes a round endless."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import cancel_order, extend_order, reissue_code, tick
from pagoefectivo_django.flows.settlements.imports import confirm_settlement
from pagoefectivo_django.models import (
    Cip,
    Delivery,
    FailingReceiver,
    Heartbeat,
    Notification,
    Order,
    Settlement,
    StaffAlert,
    UnknownCode,
)
from pagoefectivo_django.models.clock import current_time
from pagoefectivo_django.models.heartbeat import beat, claim_interval, in_pace
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import at_most, later
from tests.factories.messages import unmatched
from tests.factories.orders import make, without_code
from tests.factories.provider import channel
from tests.factories.statements import draft, line
from tests.reading import fresh

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "first_round"),
]

YEARS = timedelta(days=3 * 365)
#: What the payer was promised, and what the provider told.
PROMISED = ("Order.expires_at", "Order.paid_at", "Cip.expires_at", "Cip.paid_at", "Payment.paid_at")
#: Every column that says when something is done next, or was done last.
DATES = {
    f"{model.__name__}.{field.name}": (model, field.name)
    for model in apps.get_app_config("pagoefectivo").get_models()
    for field in model._meta.concrete_fields
    if isinstance(field, models.DateTimeField) and f"{model.__name__}.{field.name}" not in PROMISED
}
HEARD: list[str] = []


def hear(sender: Any, order: Order, **named: Any) -> None:
    HEARD.append(order.reference)


@pytest.fixture(autouse=True)
def listening() -> Any:
    HEARD.clear()
    payment_confirmed.connect(hear, dispatch_uid="dates", in_request=False)
    yield
    payment_confirmed.disconnect(dispatch_uid="dates")


def future(model: type[models.Model], *dates: str) -> None:
    """Let dates of all rows be of a year that is far."""
    assert model._base_manager.update(**dict.fromkeys(dates, current_time() + YEARS))


def delivery() -> Callable[[], bool]:
    pay(make())
    future(Delivery, "retry_at")
    return lambda: bool(HEARD)


def paused_receiver() -> Callable[[], bool]:
    pay(make())
    FailingReceiver.objects.create(
        receiver="dates", failures=9, since=current_time(), paused_until=current_time() + YEARS
    )
    return lambda: bool(HEARD)


def message() -> Callable[[], bool]:
    row = unmatched()
    future(Notification, "retry_at")
    return lambda: Notification.objects.get(pk=row.pk).status == "applied"


def order_without_code() -> Callable[[], bool]:
    order = without_code()
    future(Order, "retry_at")
    return lambda: fresh(order).state == "pending"


def pending_action() -> Callable[[], bool]:
    order = make()
    MemoryChannel.fail("delete", Unavailable("down"))
    with pytest.raises(Unavailable):
        cancel_order(order)
    future(Order, "retry_at")
    return lambda: fresh(order).state == "cancelled"


def request_that_died() -> Callable[[], bool]:
    order = make()
    Order.objects.update(state="new", cip=None, pending_action="issue", retry_at=later(minutes=-1))
    future(Cip, "asked_at", "poll_at")
    Cip.objects.update(status="requested", code=None)
    return lambda: order.cips.filter(status="lost").exists()


def code_to_delete() -> Callable[[], bool]:
    order = make()
    code = order.code
    Cip.objects.update(status="superseded", live=None)
    future(Cip, "retry_at")
    return lambda: not channel().book[code].open


def watched_code() -> Callable[[], bool]:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    future(Cip, "poll_at")
    return lambda: fresh(order).state == "paid"


def hinted_code() -> Callable[[], bool]:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    Cip.objects.update(poll_at=None)
    future(Cip, "look_at", "looked_at", "hinted_at")
    return lambda: fresh(order).state == "paid"


def order_past_its_date() -> Callable[[], bool]:
    order = make(expires_at=later(minutes=20))
    Order.objects.update(expires_at=later(hours=-2))
    Cip.objects.update(expires_at=later(hours=-2))
    future(Order, "lapses_at")
    channel().set(order.code, Fact.CODE_EXPIRED)
    return lambda: fresh(order).state == "expired"


def settlement() -> Callable[[], bool]:
    confirm_settlement(draft(line(pay(make()))))
    future(Settlement, "retry_at")
    return lambda: Settlement.objects.get().status == "done"


@pytest.mark.every_database
@pytest.mark.parametrize(
    "waits",
    [
        delivery, paused_receiver, message, order_without_code, pending_action, request_that_died, code_to_delete,
        watched_code, hinted_code, order_past_its_date, settlement,
    ],
    ids=lambda one: one.__name__,
)  # fmt: skip
def test_what_was_put_off_to_another_year_is_done(waits: Callable[[], Callable[[], bool]]) -> None:
    done = waits()
    assert not done()
    for _ in range(3):
        tick()
    assert done()


@pytest.mark.every_database
def test_what_may_be_far_away_stays_where_it_is() -> None:
    order = make(expires_at=later(days=100))
    MemoryChannel.fail("issue", OutcomeUnknown("?"), after=True)
    make(expires_at=later(days=100))
    before = list(Order.objects.order_by("pk").values_list("lapses_at", "expires_at", "remind_at"))
    lost = Cip.objects.get(status="lost").poll_at
    tick()
    assert list(Order.objects.order_by("pk").values_list("lapses_at", "expires_at", "remind_at")) == before
    assert Cip.objects.get(status="lost").poll_at == lost
    assert fresh(order).state == "pending"


@pytest.mark.parametrize("by", [YEARS, -YEARS], ids=["future", "past"])
@pytest.mark.parametrize("model", dict.fromkeys(model for model, _ in DATES.values()), ids=lambda model: model.__name__)
def test_no_date_at_all_makes_a_round_endless_or_loses_a_payment(model: type[models.Model], by: timedelta) -> None:
    """Each column of each table, of all rows at once; dates that were promised to people apart."""
    paid = pay(make())
    notify(make(), Fact.CODE_EXPIRED)
    FailingReceiver.objects.create(receiver="another", failures=1, since=current_time())
    StaffAlert.objects.create(kind="money", subject="x", told_at=current_time())
    for name in [name for of, name in DATES.values() if of == model]:
        order = make()
        notify(order, Fact.CODE_EXPIRED, code="99")
        channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
        tick()
        field = model._meta.get_field(name)
        rows = model._base_manager.all() if not field.null else model._base_manager.filter(**{f"{name}__isnull": False})
        if model.__name__ != "OrderEvent":  # which nobody may change
            rows.update(**{name: current_time() + by})
        calls = len(MemoryChannel.calls)
        with at_most(30):
            for _ in range(2):
                tick()
        assert fresh(paid).state == "paid", name
        assert len(MemoryChannel.calls[calls:]) < 30, name
        notify(order)
        assert fresh(order).state == "paid", name


@pytest.mark.parametrize("by", [YEARS, -YEARS, timedelta(hours=1), -timedelta(hours=1)])
def test_every_turn_and_pace_is_taken_again(by: timedelta) -> None:
    now = current_time()
    for take in (claim_interval, in_pace):
        beat("one", now + by)
        every = timedelta(minutes=10)
        taken = [take("one", every, now), take("one", every, now)]
        assert taken == [True, False] or (take is in_pace and taken[0])


def test_a_hint_of_the_future_is_looked_at_and_ends() -> None:
    notify(make(), Fact.CODE_EXPIRED, code="4711")
    assert UnknownCode.objects.update(hinted_at=current_time() + YEARS, look_at=current_time())
    begin = current_time()
    for minutes in range(0, 200, 5):
        tick(begin + timedelta(minutes=minutes))
    assert not UnknownCode.objects.exists()
    searched = [about for call, about in MemoryChannel.calls if call == "look_up" and "4711" in about]
    assert len(searched) <= 5


@pytest.mark.parametrize("zone", ["America/Lima", "Pacific/Kiritimati", "America/Santiago", "UTC"])
def test_no_zone_moves_a_moment(settings: Any, zone: str) -> None:
    """The shop's own zone, also one that moves its clocks, and dates that are given in any."""
    settings.TIME_ZONE = zone
    date = later(days=3).replace(microsecond=0)
    order = make(expires_at=date.astimezone(zoneinfo.ZoneInfo(zone)))
    assert fresh(order).expires_at == date
    moved = date + timedelta(days=1)
    extend_order(order, moved.astimezone(zoneinfo.ZoneInfo("Asia/Kathmandu")))
    assert fresh(order).expires_at == moved
    reissue_code(order, expires_at=(moved + timedelta(days=1)).astimezone(UTC))
    assert fresh(order).expires_at == moved + timedelta(days=1)
    assert abs(current_time() - timezone.now()) < timedelta(minutes=1)


def test_a_beat_of_the_past_is_a_silent_worker_and_no_more() -> None:
    tick()
    Heartbeat.objects.update(beaten_at=current_time() - YEARS)
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    Cip.objects.update(poll_at=current_time())
    tick()
    assert fresh(order).state == "paid"
