"""The commands of every day: show an order, deliver again, play the payer."""

import io
import json
import os
import pwd
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings
from django.utils import timezone, translation

from pagoefectivo_django.flows import cancel_order, resolve_discrepancy, tick
from pagoefectivo_django.flows.ledger.redeliver import redeliver
from pagoefectivo_django.management.commands import pagoefectivo_redeliver
from pagoefectivo_django.models import Delivery
from pagoefectivo_django.models.database import LEASE
from pagoefectivo_django.testing import Sandbox, expire, make_discrepancy, make_order, make_refund, pay, settle
from tests.factories.orders import ANA
from tests.shop.models import Heard

pytestmark = pytest.mark.django_db(transaction=True)
SHIP = "tests.shop.receivers.ship"


@pytest.fixture(autouse=True)
def _memory(pagoefectivo_memory: object) -> None:
    """A provider in memory, but for the tests with a sandbox."""


def run(command: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(f"pagoefectivo_{command}", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def refused(command: str, *arguments: str) -> tuple[str, int]:
    with pytest.raises(CommandError) as error:
        run(command, *arguments)
    return str(error.value), error.value.returncode


@pytest.mark.every_database
def test_an_order_is_told_from_its_beginning() -> None:
    order = pay(make_order("SHOP-1001"), operation_number="000123")
    make_refund(order)
    settle(order)
    told = run("show", "SHOP-1001")
    lines = [line.strip() for line in told.splitlines()]
    assert lines[0].startswith("SHOP-1001: paid, S/\u00a035.50, expires ")
    assert any(line.startswith(f"code: {order.code}, paid, memory:default, ") for line in lines)
    assert any(line.startswith("payment: S/\u00a035.50 000123, applied, ") for line in lines)
    assert any(line.startswith("refund: S/\u00a035.50, requested, ") for line in lines)
    story = lines[lines.index("timeline:") + 1 :]
    kinds = ("order made", "code issued", "paid", "settled")
    places = [next(place for place, line in enumerate(story) if f"  {kind}" in f"  {line}") for kind in kinds]
    assert places == sorted(places)
    assert "pending → paid" in told
    assert "ana@example.com" not in told


def test_a_discrepancy_and_what_waits_are_told() -> None:
    order = pay(make_order())
    make_discrepancy(order)
    Delivery.objects.update(delivered_at=None, last_error="LookupError: no shelf")
    told = run("show", order.reference)
    assert "discrepancy: paid another amount, open, " in told
    assert "deliveries that wait: " in told
    assert "LookupError: no shelf" not in told
    assert "LookupError: no shelf" in run("show", order.reference, "--reasons")


def test_what_people_wrote_is_told_only_where_asked_for() -> None:
    order = make_order()
    cancel_order(order, actor="rosa", reason="Ana Quispe called")
    resolve_discrepancy(make_discrepancy(make_order("SHOP-2")), "ignore", actor="rosa", reason="Ana wrote")
    for reference, words in ((order.reference, "Ana Quispe called"), ("SHOP-2", "Ana wrote")):
        assert words not in run("show", reference)
        assert words in run("show", reference, "--reasons")


@pytest.mark.parametrize("number", ["code", "transaction_code"])
def test_an_order_is_found_by_the_numbers_of_its_code(number: str) -> None:
    order = make_order("SHOP-1001")
    assert order.cip is not None
    assert run("show", str(getattr(order.cip, number))).startswith("SHOP-1001: pending")
    assert run("show", order.code.zfill(14)).startswith("SHOP-1001: pending")


def test_all_orders_of_a_reference_are_told() -> None:
    expire(make_order("SHOP-1001"))
    make_order("SHOP-1001")
    told = run("show", "SHOP-1001")
    assert [line.split(",")[0] for line in told.splitlines() if line.startswith("SHOP")] == [
        "SHOP-1001: expired",
        "SHOP-1001: pending",
    ]


def test_the_story_is_told_in_the_projects_language() -> None:
    pay(make_order("SHOP-1001"))
    with translation.override("es"):
        assert "pendiente de pago → pagado" in run("show", "SHOP-1001")


def test_no_such_order_is_told() -> None:
    assert refused("show", "SHOP-9") == ("There is no order 'SHOP-9', and no code of this number.", 1)


@pytest.mark.every_database
def test_what_was_heard_is_delivered_again_where_asked_for() -> None:
    order = pay(make_order("SHOP-1001"))
    assert Heard.objects.count() == 1
    assert refused("redeliver", "--order", "SHOP-1001")[1] == 1
    told = run("redeliver", "--order", "SHOP-1001", "--heard")
    assert told.splitlines() == ["SHOP-1001: paid → tests.shop.receivers.ship", "1 deliveries are due again."]
    tick()
    assert Heard.objects.count() == 2
    assert order.events.filter(fact="retried").exists()


def test_what_was_not_heard_is_due_at_once() -> None:
    pay(make_order("SHOP-1001"))
    Heard.objects.all().delete()
    Delivery.objects.update(delivered_at=None, retry_at=None, attempts=9)
    assert "1 deliveries." in run("redeliver", "--receiver", "tests.shop.receivers.ship", "--dry-run")
    tick()
    assert not Heard.objects.exists()
    run("redeliver", "--receiver", "tests.shop.receivers.ship")
    tick()
    assert Heard.objects.count() == 1


def test_what_the_worker_delivers_meanwhile_is_not_delivered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for reference in ("A", "B", "C"):
        pay(make_order(reference))
    Heard.objects.all().delete()
    Delivery.objects.filter(receiver=SHIP).update(delivered_at=None, retry_at=timezone.now(), attempts=9)

    def slow(row: Delivery, *, actor: str) -> None:
        try:
            redeliver(row, actor=actor)
        finally:
            tick()

    monkeypatch.setattr(pagoefectivo_redeliver, "redeliver", slow)
    told = run("redeliver", "--receiver", SHIP)
    assert (told.count("left alone"), told.splitlines()[-1]) == (2, "1 deliveries are due again.")
    tick()
    assert Heard.objects.count() == 3


def test_a_delivery_that_a_process_is_making_is_left_to_it() -> None:
    order = pay(make_order())
    until = timezone.now() + LEASE
    mine = Delivery.objects.filter(receiver=SHIP, event__order=order)
    mine.update(delivered_at=None, retry_at=until, attempts=1)
    assert "0 deliveries are due again." in run("redeliver", "--receiver", SHIP)
    assert {delivery.retry_at for delivery in mine} == {until}
    assert not order.events.filter(fact="retried").exists()


def test_a_user_without_a_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that runs under a number for which its system has no entry."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    order = pay(make_order("SHOP-1001"))
    run("redeliver", "--order", "SHOP-1001", "--heard")
    assert order.events.get(fact="retried").actor.name == f"uid {os.getuid()}"
    exported = json.loads(run("forget", "--export", ANA.email))
    assert [one["reference"] for one in exported["orders"]] == ["SHOP-1001"]
    run("forget", "--erase", ANA.email, "--reason", "asked")


def test_one_event_is_chosen_by_its_id() -> None:
    order = pay(make_order())
    pay(make_order())
    event = order.events.get(kind="payment_confirmed")
    assert run("redeliver", "--event", str(event.pk), "--heard", "--dry-run").startswith(f"{order}: paid → ")
    assert refused("redeliver", "--event", str(UUID(int=0)), "--heard")[1] == 1


@pytest.mark.parametrize("arguments", [[], ["--heard"], ["--receiver", "tests.shop.receivers.ship", "--heard"]])
def test_nobody_delivers_everything_by_mistake(arguments: list[str]) -> None:
    pay(make_order())
    assert refused("redeliver", *arguments)[1] == 2
    assert not Delivery.objects.filter(delivered_at=None).exists()


@override_settings(DEBUG=True)
def test_a_developer_plays_the_payer() -> None:
    order = make_order("SHOP-1001")
    assert run("simulate", "pay", "SHOP-1001") == "SHOP-1001: paid\n"
    assert run("simulate", "settle", "SHOP-1001") == "SHOP-1001: paid\n"
    order.reload()
    assert order.is_settled
    run("simulate", "take-back", "SHOP-1001")
    assert order.discrepancies.open().filter(kind="reversed").exists()
    make_order("SHOP-1002")
    assert run("simulate", "expire", "SHOP-1002") == "SHOP-1002: expired\n"
    assert refused("simulate", "settle", "SHOP-1002")[0] == "Order SHOP-1002 is expired: pay it first."
    assert refused("simulate", "pay", "SHOP-9")[0] == "There is no order 'SHOP-9' with a code."


def test_nobody_plays_without_debug() -> None:
    order = make_order("SHOP-1001")
    assert "needs DEBUG = True" in refused("simulate", "pay", "SHOP-1001")[0]
    order.reload()
    assert order.state == "pending"


@pytest.mark.once
@override_settings(DEBUG=True)
def test_a_sandbox_on_this_machine_is_played_with(pagoefectivo_sandbox: Sandbox, settings: Any) -> None:
    order = make_order("SHOP-1001")
    run("simulate", "expire", "SHOP-1001")
    tick()
    order.reload()
    assert order.state == "expired"
    order = make_order("SHOP-1002")
    run("simulate", "pay", "SHOP-1002")
    pagoefectivo_sandbox.await_answers()
    order.reload()
    assert order.state == "paid"
    assert "answered 409" in refused("simulate", "pay", "SHOP-1002")[0]


@pytest.mark.once
@override_settings(DEBUG=True)
def test_no_other_provider_is_played_with(pagoefectivo_sandbox: Sandbox, settings: Any, closed_port: int) -> None:
    make_order("SHOP-1001")
    for address, words in (
        ("https://pagoefectivo.example/v1/", "is no sandbox"),
        (f"http://127.0.0.1:{closed_port}/v1/", "is it running"),
    ):
        changed = pagoefectivo_sandbox.settings()
        changed["CHANNELS"]["default"]["OPTIONS"]["BASE_URL"] = address
        settings.PAGOEFECTIVO = changed
        assert words in refused("simulate", "pay", "SHOP-1001")[0]


@pytest.mark.once
@override_settings(DEBUG=True)
@pytest.mark.parametrize("deed", ["settle", "pay"])
def test_no_production_account_behind_a_tunnel_is_played_with(
    pagoefectivo_sandbox: Sandbox, settings: Any, deed: str
) -> None:
    changed = pagoefectivo_sandbox.settings()
    changed["CHANNELS"]["default"]["OPTIONS"]["ENVIRONMENT"] = "production"
    settings.PAGOEFECTIVO = changed
    order = make_order("SHOP-1001")
    assert order.cip
    assert ":production:" in order.cip.account
    assert "is no sandbox" in refused("simulate", deed, "SHOP-1001")[0]
