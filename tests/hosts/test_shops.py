"""The app keeps its promises in whatever shop it is put."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.test import AsyncClient, Client
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import AlreadyPaid, InvalidRequest, OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import cancel_order, extend_order, refresh_order, reissue_code, tick
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, OrderEvent
from pagoefectivo_django.models.database import database
from pagoefectivo_django.testing import pay
from tests.concurrency import breaking
from tests.factories.messages import SECRET, paid, post
from tests.factories.orders import make
from tests.reading import kept
from tests.shop.models import Heard

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]
both_databases = pytest.mark.django_db(transaction=True, databases=["default", "other"])
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def shop(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.hosts.urls"


@pytest.fixture(params=["plain", "atomic", "elsewhere", "atomic elsewhere"])
def host(request: pytest.FixtureRequest, settings: Any) -> Iterator[str]:
    """Shops with and without ATOMIC_REQUESTS, with our tables on the default database and on another."""
    if "elsewhere" in request.param:
        settings.DATABASE_ROUTERS = ["tests.hosts.routers.Elsewhere"]
    before = {alias: connections[alias].settings_dict["ATOMIC_REQUESTS"] for alias in ("default", "other")}
    for alias in before:
        connections[alias].settings_dict["ATOMIC_REQUESTS"] = "atomic" in request.param
    yield database()
    for alias, value in before.items():
        connections[alias].settings_dict["ATOMIC_REQUESTS"] = value


def only(model: Any, alias: str) -> Any:
    """The one row of a model, which is on this database and on no other."""
    for other in {"default", "other"} - {alias}:
        assert not model._base_manager.using(other).exists()
    return model._base_manager.using(alias).get()


@both_databases
def test_a_sale_in_any_shop(host: str, client: Client) -> None:
    answer = client.get("/sell/SHOP-1/")
    # With ATOMIC_REQUESTS around our tables, the code comes after the view.
    inside = connections[host].settings_dict["ATOMIC_REQUESTS"]
    order = only(Order, host)
    assert answer.content.decode() == ("new:" if inside else f"pending:{order.code}")
    assert (order.state, order.code != "") == ("pending", True)
    assert client.get(order.voucher_url).status_code == 200
    body = paid(order)
    assert post(body, client=Client(enforce_csrf_checks=True)).status_code == 200
    order.refresh_from_db(using=host)
    assert (order.state, only(Heard, host).reference) == ("paid", "SHOP-1")
    assert only(Notification, host).status == "applied"
    status = client.get(f"{order.voucher_url}status/").json()
    assert (status["state"], status["amount"]) == ("paid", "120.50")
    tick(now=timezone.now() + HOUR)
    with pytest.raises(AlreadyPaid):
        cancel_order(order)


@both_databases
def test_a_view_that_fails_takes_its_order_with_it(host: str, client: Client) -> None:
    client.raise_request_exception = False
    assert client.get("/sell/SHOP-1/?then=fail").status_code == 500
    inside = connections[host].settings_dict["ATOMIC_REQUESTS"]
    assert Order.objects.count() == len(MemoryChannel.calls) == (not inside)


@both_databases
def test_the_webhook_commits_before_it_answers(host: str) -> None:
    """What could not be applied is kept, though an error passed through the request."""
    order = make()
    body = paid(order)
    with breaking("INSERT", "pagoefectivo_payment", times=1, lose_transaction=True):
        assert post(body).status_code == 200
    assert kept(body).status == "waiting"
    tick(now=timezone.now() + timedelta(minutes=1))
    order.refresh_from_db(using=host)
    assert (order.state, kept(body).status) == ("paid", "applied")


@both_databases
def test_flows_anywhere(host: str) -> None:
    order = make()
    assert extend_order(order, timezone.now() + 72 * HOUR).expires_at > timezone.now() + 71 * HOUR
    assert reissue_code(order).cip_id == Cip.objects.using(host).latest("pk").pk
    assert refresh_order(order).state == "pending"
    assert cancel_order(order).state == "cancelled"
    tick(now=timezone.now() + HOUR)
    assert not Cip.objects.using(host).filter(retry_at__isnull=False)


def test_nobody_has_to_log_in(client: Client) -> None:
    order = make()
    assert client.get(order.voucher_url).status_code == 200
    assert client.get(f"{order.voucher_url}status/").status_code == 200
    assert post(paid(order), client=client).status_code == 200
    for method in ("post", "put", "delete"):
        assert getattr(client, method)(order.voucher_url).status_code == 405


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Lima", "Asia/Shanghai"])
def test_any_time_zone(zone: str, settings: Any, client: Client) -> None:
    settings.TIME_ZONE = zone
    order = make()
    answer = client.get(f"{order.voucher_url}status/").json()
    assert answer["expires_at"].startswith(order.expires_at.isoformat()[:19])
    order = pay(order, paid_at=(order.expires_at + timedelta(minutes=29)).isoformat())
    assert order.state == "paid"
    late = pay(late := make("SHOP-2"), paid_at=(late.expires_at + timedelta(minutes=31)).isoformat())
    assert late.state == "pending"


async def _async_sale() -> None:
    client = AsyncClient()
    answer = await client.get("/sell-async/SHOP-1/")
    order = await Order.objects.select_related("cip").aget()
    assert answer.content.decode() == f"pending:{order.code}"
    body = paid(order)
    headers = {"PE-Signature": MemoryChannel.sign(body, SECRET)}
    answer = await client.post("/pay/webhooks/default/", body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert (await client.get(order.voucher_url)).status_code == 200
    await order.arefresh_from_db()
    assert order.state == "paid"
    assert await Heard.objects.acount() == 1


def test_from_async_views() -> None:
    async_to_sync(_async_sale)()


# The shop's own transaction.


def test_a_code_is_asked_for_after_the_commit() -> None:
    with transaction.atomic():
        order = make()
        assert (order.state, order.code, MemoryChannel.calls) == ("new", "", [])
        tick()  # a worker in between sees nothing of it
    assert (order.state, order.code != "") == ("pending", True)
    assert len(MemoryChannel.calls) == 1


@pytest.mark.parametrize("nested", [False, True])
def test_nothing_is_asked_for_what_was_rolled_back(nested: bool) -> None:
    with transaction.atomic() if nested else nullcontext(), transaction.atomic():
        make()
        transaction.set_rollback(True)
    tick(now=timezone.now() + HOUR)
    assert MemoryChannel.calls == []
    assert not Order.objects.exists()
    assert not OrderEvent.objects.exists()


@pytest.mark.parametrize("error", [Unavailable("down"), OutcomeUnknown("lost"), RuntimeError("a mistake")])
@pytest.mark.parametrize("inside", [False, True])
def test_a_provider_that_is_down_is_no_error_of_the_sale(error: Exception, inside: bool) -> None:
    MemoryChannel.fail("issue", error)
    if inside:
        with transaction.atomic():
            order = make()
    else:
        order = make()
    assert (order.state, order.code) == ("new", "")
    tick(now=timezone.now() + HOUR)
    order.refresh_from_db()
    assert (order.state, order.code != "") == ("pending", True)


PENDING_ACTIONS: dict[str, tuple[Any, str]] = {
    "cancel": (cancel_order, "cancelled"),
    "extend": (lambda order: extend_order(order, timezone.now() + 96 * HOUR), "pending"),
    "reissue": (reissue_code, "pending"),
}


@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
def test_a_pending_action_waits_for_the_commit(pending_action: str) -> None:
    order = make()
    code, expires_at, calls = order.code, order.expires_at, len(MemoryChannel.calls)
    ask, state = PENDING_ACTIONS[pending_action]
    with transaction.atomic():
        same = ask(order)
        assert same is order
        assert (same.state, same.code, same.expires_at) == ("pending", code, expires_at)
        assert Order.objects.get().pending_action == pending_action
        assert len(MemoryChannel.calls) == calls
    assert len(MemoryChannel.calls) > calls
    after = Order.objects.select_related("cip").get()
    assert (after.state, after.pending_action) == (state, "")
    assert (after.code != code) == (pending_action == "reissue")
    assert (after.expires_at > expires_at + HOUR) == (pending_action == "extend")


@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
def test_a_pending_action_that_was_rolled_back_is_none(pending_action: str) -> None:
    order = make()
    calls = len(MemoryChannel.calls)
    with transaction.atomic():
        PENDING_ACTIONS[pending_action][0](order)
        transaction.set_rollback(True)
    tick(now=timezone.now() + HOUR)
    order.refresh_from_db()
    assert (order.state, order.pending_action, len(MemoryChannel.calls)) == ("pending", "", calls)


@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
@pytest.mark.parametrize("error", [Unavailable("down"), OutcomeUnknown("lost")])
def test_a_pending_action_that_meets_a_provider_that_is_down_is_done_later(
    pending_action: str, error: Exception
) -> None:
    order = make()
    code = order.code
    for call in ("delete", "extend", "look_up"):
        MemoryChannel.fail(call, error)
    with transaction.atomic():
        PENDING_ACTIONS[pending_action][0](order)
    assert Order.objects.get().pending_action == pending_action
    for hour in range(1, 4):
        tick(now=timezone.now() + hour * HOUR)
    after = Order.objects.select_related("cip").get()
    assert (after.state, after.pending_action) == (PENDING_ACTIONS[pending_action][1], "")
    assert (after.code != code) == (pending_action == "reissue")


@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
def test_a_mistake_after_the_commit_is_not_the_shop_s(pending_action: str) -> None:
    order = make()
    done: list[str] = []
    for call in ("delete", "extend"):
        MemoryChannel.fail(call, RuntimeError("a mistake"))
    with transaction.atomic():
        PENDING_ACTIONS[pending_action][0](order)
        transaction.on_commit(lambda: done.append("the shop's own"))
    assert done
    for hour in range(1, 4):
        tick(now=timezone.now() + hour * HOUR)
    after = Order.objects.get()
    assert (after.state, after.pending_action) == (PENDING_ACTIONS[pending_action][1], "")


@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
def test_a_pending_action_that_meets_a_mistake_of_ours_comes_to_a_person(pending_action: str) -> None:
    order = make()
    for _time in range(100):
        for call in ("delete", "extend"):
            MemoryChannel.fail(call, RuntimeError("a mistake"))
    with suppress(RuntimeError):
        PENDING_ACTIONS[pending_action][0](order)
    hour = 0
    while not Discrepancy.objects.exists() and hour < 30:
        hour += 1
        tick(now=timezone.now() + hour * HOUR)
    for later in range(1, 4):  # and to one person once
        tick(now=timezone.now() + (hour + later) * HOUR)
    after = Order.objects.get()
    assert (after.state, after.pending_action) == ("pending", "")
    assert Discrepancy.objects.get().kind == "not_confirmed"


def test_created_and_cancelled_in_one_transaction_is_cancelled() -> None:
    with transaction.atomic():
        order = make()
        cancel_order(order)
    for hour in range(1, 4):
        tick(now=timezone.now() + hour * HOUR)
    assert Order.objects.get().state == "cancelled"
    assert not any(slip.open for book in MemoryChannel.slips.values() for slip in book.values())


def test_the_last_of_two_pending_actions_in_one_transaction_is_done() -> None:
    order = make()
    with transaction.atomic():
        reissue_code(order)
        cancel_order(order)
    for hour in range(1, 4):
        tick(now=timezone.now() + hour * HOUR)
    assert Order.objects.get().state == "cancelled"
    assert not any(slip.open for book in MemoryChannel.slips.values() for slip in book.values())


def test_a_mistake_inside_does_not_spoil_the_shop_s_transaction() -> None:
    with transaction.atomic():
        order = make()
        with pytest.raises(InvalidRequest):
            extend_order(order, timezone.now() - HOUR)
        Heard.objects.create(signal="shop", reference="", event=order.token, state="")
    assert Heard.objects.filter(signal="shop").exists()
    assert Order.objects.get().state == "pending"


# A shop with other users: another project, so another process.


@pytest.mark.long
def test_users_of_their_own(child_environment: dict[str, str], tmp_path: Path) -> None:
    url = os.environ["TEST_DATABASE_URL"]
    name = Path(connections["default"].settings_dict["NAME"]).name
    another = re.sub(rf"/{re.escape(name)}(?=\?|$)", f"/test_people_{os.getpid()}", url)
    environment = child_environment | {
        "TEST_DATABASE_URL": another,
        "DJANGO_SETTINGS_MODULE": "tests.hosts.settings_people",
    }
    tests = ["tests/flows/test_story.py", f"{__file__}::test_flows_anywhere", f"{__file__}::test_nobody_has_to_log_in"]
    told = tmp_path / "told.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={told}", *tests]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(list(ElementTree.parse(told).iter("testcase"))) == 6
    assert not list(ElementTree.parse(told).iter("skipped"))
