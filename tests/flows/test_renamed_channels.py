"""Kind 5, two sources of one truth: who issued a code is its account; an alias is only a name in the settings."""

import ast
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

import pagoefectivo_django
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import cancel_order, extend_order, refresh_order, refund_order, reissue_code, tick
from pagoefectivo_django.flows.inbox.receive import receive
from pagoefectivo_django.models import Notification, Order, Refusal
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import expire, pay
from tests.clock import later
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.factories.provider import channel, serve_by
from tests.reading import fresh

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]

OLD, NEW = "/pay/webhooks/default/", "/pay/webhooks/main/"


def renamed(settings: Any) -> None:
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"main": entry}}


def polled(order: Order) -> None:
    MemoryChannel("main", {}).set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    tick(later(days=1))


STEPS: dict[str, tuple[Callable[[Order], object], str]] = {
    "cancel": (cancel_order, "cancelled"),
    "extend": (lambda order: extend_order(order, later(days=5)), "pending"),
    "reissue": (reissue_code, "pending"),
    "refresh": (refresh_order, "pending"),
    "expiry": (lambda order: tick(later(days=9)), "expired"),
    "poll": (polled, "paid"),
    "message to the old address": (lambda order: post(paid(order), url=OLD), "paid"),
    "message to the new address": (lambda order: post(paid(order), url=NEW), "paid"),
    "the shop's own tests: pay": (pay, "paid"),
    "the shop's own tests: expire": (expire, "expired"),
}


@pytest.mark.parametrize("step", STEPS)
def test_everything_goes_on_after_an_alias_was_renamed(settings: Any, step: str) -> None:
    order = make()
    renamed(settings)
    do, state = STEPS[step]
    do(order)
    assert fresh(order).state == state


def test_a_refund_by_the_channel_too(settings: Any) -> None:
    serve_by(settings, CAN_REFUND=True)
    order = pay(make())
    renamed(settings)
    assert refund_order(order, actor="rosa", reason="It was broken.").by_channel


def test_a_message_that_waits_is_completed_under_the_new_name(settings: Any) -> None:
    order = make(expires_at=later(minutes=20))
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    body = paid(order, paid_at=None, operation_number=None, amount="35.50")
    signed = {"PE-Signature": MemoryChannel.sign(body, "made-up-webhook-secret")}
    receive("default", body, signed, now=timezone.now() + timedelta(hours=2))
    assert Notification.objects.get().status == "waiting"
    renamed(settings)
    tick(later(hours=3))
    assert (fresh(order).state, Notification.objects.get().status) == ("paid", "applied")


def test_an_address_that_no_channel_ever_had_is_counted() -> None:
    order = make()
    for name in ("nobody", "no-one"):
        assert post(paid(order), url=f"/pay/webhooks/{name}/").status_code == 404
    refusal = Refusal.objects.get()
    assert (refusal.channel, refusal.reason, refusal.count) == ("", "address", 2)


def test_nobody_looks_for_a_channel_by_the_alias_that_a_row_remembers() -> None:
    package = Path(pagoefectivo_django.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "get_channel":
                assert not any(ast.unparse(each).endswith(".channel") for each in node.args), f"{path}:{node.lineno}"
