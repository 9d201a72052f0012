"""Each change of an order is one line of the log, after its commit; what is said of a delivery names its order."""

import ast
import logging
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

import pagoefectivo_django
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import PagoEfectivoError, Refused
from pagoefectivo_django.flows import cancel_order, tick
from pagoefectivo_django.models import Delivery, Notification, OrderEvent
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.signals import SIGNALS, payment_confirmed
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.orders import make
from tests.factories.refunds import refund_at
from tests.flows.test_any_story import STEPS

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

PACKAGE = Path(pagoefectivo_django.__file__).parent


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pagoefectivo")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "pagoefectivo.orders"]


def expected(event: OrderEvent) -> str:
    """How the line of an event begins."""
    begin = f"order {event.order.reference}: " if event.order else "no order: "
    if event.state_before and event.state_before != event.state_after:
        return f"{begin}{event.state_before} -> {event.state_after}, "
    what = f"noted {event.fact}".strip() if event.kind == "noted" else event.kind
    return begin + ", ".join(filter(None, [event.state_after, what]))


def test_a_sale_is_three_lines(caplog: pytest.LogCaptureFixture) -> None:
    order = make(reference="SHOP-1001")
    pay(order)
    digest = Notification.objects.get().identity[:8]
    assert told(caplog) == [
        "order SHOP-1001: new, order_created, shop",
        "order SHOP-1001: new -> pending, provider",
        f"order SHOP-1001: pending -> paid, notification {digest}",
    ]
    assert {record.levelname for record in caplog.records if record.name == "pagoefectivo.orders"} == {"INFO"}


def test_a_discrepancy_is_named_and_a_person_is_not(caplog: pytest.LogCaptureFixture) -> None:
    order = make(reference="SHOP-1002")
    notify(order, amount="1.00")
    digest = Notification.objects.get().identity[:8]
    assert told(caplog)[-1] == (f"order SHOP-1002: pending, discrepancy_opened amount_mismatch, notification {digest}")
    other = make(reference="SHOP-1003")
    cancel_order(other, actor="marta.quispe")
    assert told(caplog)[-1] == "order SHOP-1003: pending -> cancelled, staff"


def test_a_change_that_is_rolled_back_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        make(reference="SHOP-1004")
        raise ZeroDivisionError
    assert told(caplog) == []
    with transaction.atomic():
        make(reference="SHOP-1005")
        assert told(caplog) == []
    assert told(caplog)[0] == "order SHOP-1005: new, order_created, shop"


def refused() -> None:
    MemoryChannel.fail("issue", Refused("no"))
    make()


def refunded() -> None:
    order = pay(make())
    refund = refund_at("approved", order)
    notify(order, "payment_reversed")
    assert refund.pk


def test_every_event_is_one_line_and_no_line_names_anybody(caplog: pytest.LogCaptureFixture) -> None:
    """Random stories, always the same: whatever happens to an order is told, once, without a payer's data.

    Takes two seconds, since every kind of event has to happen.
    """
    secret = Payer(email="secreta@example.org", name="Secretaria", phone="987654321")
    dice = random.Random(13)
    for number in range(12):
        order = make(reference=f"SHOP-{number}", payer=secret, concept="Secret concept")
        for _ in range(5):
            with suppress(PagoEfectivoError):
                STEPS[dice.choice(sorted(STEPS))](order, dice.randrange(8))
    MemoryChannel.failures.clear()
    refused()
    refunded()
    for hours in (43, 50, 60):
        tick(later(hours=hours))
    lines = told(caplog)
    events = list(OrderEvent.objects.select_related("order", "discrepancy"))
    assert len(lines) == len(events)
    begun = Counter(expected(event) for event in events)
    for begin, count in begun.items():
        assert sum(line.startswith(begin) for line in lines) >= count, begin
    assert {event.kind for event in events} >= SIGNALS.keys() - {"payment_settled"}
    for word in ("secreta", "Secret", "987654321", "marta"):
        assert not [line for line in lines if word in line]


def test_only_the_history_appends_events() -> None:
    """So that no event is written without its line."""
    places = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("OrderEvent.objects")
        if ast.unparse(node.func).endswith(".append")
    }
    assert places == {"flows/ledger/history.py"}


def broken(**named: Any) -> None:
    raise RuntimeError("no stock")


def test_a_line_about_a_delivery_names_the_order(caplog: pytest.LogCaptureFixture) -> None:
    payment_confirmed.connect(broken, dispatch_uid="broken")
    try:
        pay(make(reference="SHOP-1006"))
    finally:
        payment_confirmed.disconnect(dispatch_uid="broken")
    lines = [record.getMessage() for record in caplog.records if record.name == "pagoefectivo.delivery"]
    (line,) = [line for line in lines if line.startswith("Receiver broken failed")]
    assert line.endswith(" of order SHOP-1006.")
    assert Delivery.objects.get(receiver="broken").delivered_at is None


def test_every_line_about_deliveries_has_a_place_for_the_reference() -> None:
    """A line in the logger of deliveries says of which order; outgoing webhooks name the message and the endpoint."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if 'getLogger("pagoefectivo.delivery")' not in text or path.is_relative_to(PACKAGE / "contrib/webhooks"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
                said = ast.unparse(node.args[0])
                assert "of order %s" in said or "of %s." in said, f"{path.name}: {said}"
