"""What one bad row, one lost answer or one old answer may not do to the others."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import ProgrammingError, connection

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import cancel_order, create_order, extend_order, tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.expire import expire_orders
from pagoefectivo_django.models import Cip, Discrepancy, Order, Payment
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.orders import ANA, make
from tests.factories.provider import channel
from tests.reading import calls, fresh, statements_of

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "first_round"),
]


def test_an_order_that_cannot_be_written_stops_no_other_part_of_a_round() -> None:
    bad, good, paid = make(expires_at=later(hours=24)), make(expires_at=later(hours=24)), make()
    Order.objects.filter(pk=bad.pk).update(event_count=0)  # the number of its next event is taken
    channel().set(paid.code, Fact.PAYMENT, paid_at=later())
    for minutes in range(3):
        tick(later(hours=19, minutes=minutes))
    paid.refresh_from_db()
    assert paid.state == "paid"
    assert good.events.filter(kind="expiry_approaching").count() == 1


def test_a_round_that_finds_nothing_to_do_asks_once_for_all_kinds() -> None:
    make()
    while tick():
        pass
    # A beat, four paces, and three questions about settlements; what is due is read at the begin and after those.
    found = statements_of(tick)
    assert len(found) == 10 + ("clock" in "".join(found)), found


class Falling(MemoryChannel):
    """A channel of the shop's own that can't be built."""

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        raise ValueError("made up")


def test_a_channel_that_falls_stops_no_other_part_of_a_round(settings: Any) -> None:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=later())
    Cip.objects.update(look_at=later(minutes=-1), poll_at=None)
    path = f"{__name__}.{Falling.__name__}"
    chosen = settings.PAGOEFECTIVO
    channels = {"falling": {"BACKEND": path, "OPTIONS": {}}} | chosen["CHANNELS"]
    Order.objects.update(remind_at=later(minutes=-1))
    settings.PAGOEFECTIVO = chosen | {"CHANNELS": channels}
    tick()
    assert order.events.filter(kind="expiry_approaching").exists()
    settings.PAGOEFECTIVO = chosen
    tick()
    assert fresh(order).state == "paid"


def test_a_round_that_can_not_read_what_is_due_does_all_of_it(caplog: pytest.LogCaptureFixture) -> None:
    order = make()
    channel().set(order.code, Fact.PAYMENT, paid_at=later())
    Cip.objects.update(poll_at=later(minutes=-1))
    with connection.execute_wrapper(refuse_to_read):
        tick()
    assert fresh(order).state == "paid"
    assert caplog.text.count("What is due can't be read") == 1


def refuse_to_read(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    """Break the statement that reads what is due, as a table that an update has changed would."""
    if "UNION ALL" in sql:
        raise ProgrammingError("made up")
    return execute(sql, *rest)


def test_an_answer_that_still_tells_of_a_payment_taken_back_is_that_payment() -> None:
    moment = later()
    order = pay(make(), paid_at=moment, operation_number="7")
    notify(order, Fact.PAYMENT_REVERSED, operation_number="7")
    channel().set(order.code, Fact.PAYMENT, paid_at=moment)
    for days in range(1, 4):
        tick(later(days=days, hours=1))
    assert Payment.objects.count() == 1
    assert [discrepancy.kind for discrepancy in Discrepancy.objects.all()] == ["reversed"]
    channel().set(order.code, Fact.PAYMENT, paid_at=later(days=4))
    tick(later(days=5))
    assert Payment.objects.count() == 2, "one that was made after it is another"


def test_what_there_was_no_time_to_ask_about_is_nobodys_discrepancy() -> None:
    make()
    stopped = iter([False])
    expire_orders(TimeBudget(later(days=5), stopped=lambda: next(stopped, True)))
    assert not Discrepancy.objects.exists()
    assert [call for call, _ in MemoryChannel.calls if call != "issue"] == []
    tick(later(days=5, minutes=1))
    assert Order.objects.get().state == "expired"


def test_the_last_look_leaves_a_code_that_is_to_be_extended() -> None:
    order = make(expires_at=later(hours=1))
    MemoryChannel.fail("extend", Unavailable("down"))
    with pytest.raises(Unavailable):
        extend_order(order, later(hours=50))
    Order.objects.update(retry_at=later(hours=2))
    tick(later(hours=1, minutes=40))
    assert not calls("delete")
    tick(later(hours=2, minutes=1))
    order.refresh_from_db()
    assert (order.state, order.pending_action) == ("pending", "")
    assert order.expires_at > later(hours=49)


def test_a_cart_that_returns_keeps_its_order() -> None:
    order = make(reference="CART")
    for call in ("delete", "look_up"):
        MemoryChannel.fail(call, OutcomeUnknown("dropped"))
    with pytest.raises(OutcomeUnknown):
        cancel_order(order)
    again = create_order(reference="CART", amount=order.amount, currency="PEN", payer=ANA)
    assert (again.pk, again.pending_action) == (order.pk, "")
    tick(later(minutes=10))
    order.refresh_from_db()
    assert order.state == "pending"
    assert order.expires_at - order.created_at > timedelta(hours=47)
