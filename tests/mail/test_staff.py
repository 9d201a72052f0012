"""Staff is told by mail: once, gathered, in its language, with links, without payers' data; and no alert is lost."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.checks import run_checks
from django.db import transaction
from django.test import Client
from django.utils import timezone, translation

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import refund_order, reopen_discrepancy, resolve_discrepancy, tick
from pagoefectivo_django.flows.messages import alert
from pagoefectivo_django.flows.messages.alert import notice_silence, tell_staff
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.mail.staff import TITLES
from pagoefectivo_django.models import Cip, Delivery, Discrepancy, Heartbeat, Notification, Order, StaffAlert
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.testing import notify, pay
from pagoefectivo_django.workdays import LIMA, lima_day
from tests.concurrency import at_once
from tests.factories.messages import paid, post
from tests.factories.orders import make

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "awake"),
]

SECRET = Payer(email="secreta@example.org", name="Secretaria", phone="987654321")
STAFF = ["ventas@shop.example", "caja@shop.example"]


@pytest.fixture
def awake(settings: Any, mailers: None) -> Iterator[None]:
    """Staff's addresses, and a worker that has just made its round; what hangs has ended when the test has."""
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "STAFF_ALERTS": STAFF, "PUBLIC_URL": "https://shop.example"}
    beat()
    yield
    if alert._sending:
        alert._sending.join(30)
        assert not alert._sending.is_alive()


def beat(**ago: float) -> None:
    Heartbeat.objects.update_or_create(name="tick", defaults={"beaten_at": timezone.now() - timedelta(**ago)})


def told() -> list[str]:
    """The bodies of the mails to staff so far."""
    if alert._sending:
        alert._sending.join(30)
    return [str(each.body) for each in mail.outbox]


def at(**later: float) -> datetime:
    """A moment of a worker that has just made its round and sent the daily mail: eight o'clock in Lima is any time."""
    moment = timezone.now() + timedelta(**later)
    Heartbeat.objects.filter(name__in=("tick", "staff daily")).update(beaten_at=moment)
    return moment


def on_day(number: int, clock: str) -> datetime:
    """The moment at which clocks in Lima show ``clock``, so many days after today: the same story at any hour."""
    day = lima_day(timezone.now()) + timedelta(days=number)
    moment = datetime.combine(day, time_of_day.fromisoformat(clock), tzinfo=LIMA)
    Heartbeat.objects.filter(name="tick").update(beaten_at=moment)
    return moment


def ask(reference: str = "SHOP-1001") -> Discrepancy:
    notify(make(reference=reference, payer=SECRET), amount=Decimal("1.00"))
    return Discrepancy.objects.get(order__reference=reference)


def test_a_discrepancy_about_money_is_mailed_by_the_round() -> None:
    discrepancy = ask()
    tick()
    (message,) = mail.outbox
    assert message.to == STAFF
    assert message.subject == "PagoEfectivo: 1 new thing needs somebody"
    (body,) = told()
    assert "* paid another amount (SHOP-1001), S/\N{NO-BREAK SPACE}1.00\n" in body
    assert f"https://shop.example/admin/pagoefectivo/discrepancy/{discrepancy.pk}/change/" in body


@pytest.mark.parametrize(
    ("language", "heading", "discrepancy"),
    [
        ("en", "NEW", "paid another amount"),
        ("es", "NUEVO", "pagado por otro monto"),
        ("zh-hans", "新", "付款金额不符"),
    ],
)
def test_it_is_in_staffs_language_whatever_the_visitors_is(
    settings: Any, language: str, heading: str, discrepancy: str
) -> None:
    settings.LANGUAGE_CODE = language
    ask()
    with translation.override("en" if language != "en" else "es"):
        assert tell_staff(at())
    (body,) = told()
    assert body.splitlines()[0] == heading
    assert re.search(rf"^\* {discrepancy} ?[(（]SHOP-1001[)）]", body, re.MULTILINE)


def test_mails_are_gathered_and_each_thing_is_told_once() -> None:
    ask("SHOP-1")
    tell_staff(at())
    ask("SHOP-2")
    ask("SHOP-3")
    for minutes in (1.1, 4, 9):
        tell_staff(at(minutes=minutes))
    assert len(told()) == 1
    tell_staff(at(minutes=10.2))
    tell_staff(at(minutes=25))
    first, second = told()
    assert ("SHOP-1" in first, "SHOP-2" in first) == (True, False)
    assert ("SHOP-1)" in second, "SHOP-2" in second, "SHOP-3" in second) == (False, True, True)


def test_what_comes_back_is_told_anew() -> None:
    discrepancy = ask()
    tell_staff(at())
    resolve_discrepancy(discrepancy, "ignore", actor="marta", reason="Seen.")
    tell_staff(at(minutes=11))
    assert not StaffAlert.objects.exists()
    reopen_discrepancy(discrepancy, actor="marta", reason="No.")
    tell_staff(at(minutes=22))
    assert len(told()) == 2


def broken(**named: Any) -> None:
    raise RuntimeError("secreta@example.org is not welcome")


def a_failing_receiver() -> str:
    payment_confirmed.connect(broken, dispatch_uid="shop.broken")
    try:
        pay(make(payer=SECRET))
    finally:
        payment_confirmed.disconnect(dispatch_uid="shop.broken")
    Delivery.objects.filter(receiver="shop.broken").update(attempts=5)
    return "shop.broken keeps failing"


def a_receiver_that_fails_at_one_order_after_the_other() -> str:
    """No delivery is tried five times, since the next one is that which was tried least."""
    payment_confirmed.connect(broken, dispatch_uid="shop.broken")
    try:
        for _ in range(6):
            pay(make(payer=SECRET))
        for minutes in range(0, 60, 11):
            tick(timezone.now() + timedelta(minutes=minutes))
    finally:
        payment_confirmed.disconnect(dispatch_uid="shop.broken")
    Delivery.objects.filter(receiver="shop.broken").update(attempts=2)
    StaffAlert.objects.all().delete()
    Heartbeat.objects.filter(name__startswith="staff").delete()
    mail.outbox.clear()
    return "shop.broken keeps failing; deliveries that wait: 6"


def a_failing_message() -> str:
    post(paid(make(payer=SECRET), code="123"))
    Notification.objects.update(attempts=5)
    return "was tried 5 times"


def an_unreadable_message() -> str:
    post(b'{"fact": "payment"}')
    return "a verified message could not be applied"


def a_refusal() -> str:
    post(paid(make(payer=SECRET)), secret="wrong")
    return "no current secret made its signature, 1 in all"


def a_silent_worker() -> str:
    make(payer=SECRET)
    beat(minutes=6)
    return "No worker has made a round since"


def an_account_that_is_gone() -> str:
    make(payer=SECRET)
    Cip.objects.update(account="pagoefectivo:production:99")
    return "pagoefectivo:production:99: nobody can ask about its open codes (1)"


def an_account_that_knows_nothing() -> str:
    for _ in range(2):
        make(payer=SECRET)
    MemoryChannel.slips.clear()
    Cip.objects.update(poll_at=timezone.now())
    reconcile(TimeBudget())
    return "memory:default: the provider has not known any of our codes since"


def a_discrepancy_about_money() -> str:
    ask()
    return "paid another amount"


def a_removed_receiver() -> str:
    pay(make(payer=SECRET))
    Delivery.objects.update(receiver="shop.removed", attempts=0, delivered_at=None)
    return "shop.removed: nobody tried its deliveries (1)"


URGENT: list[tuple[str, Callable[[], str]]] = [
    ("money", a_discrepancy_about_money),
    ("worker", a_silent_worker),
    ("receiver", a_failing_receiver),
    ("receiver", a_receiver_that_fails_at_one_order_after_the_other),
    ("receiver", a_removed_receiver),
    ("message", a_failing_message),
    ("message", an_unreadable_message),
    ("refused", a_refusal),
    ("account", an_account_that_is_gone),
    ("ignorant", an_account_that_knows_nothing),
]


@pytest.mark.parametrize(("kind", "happens"), URGENT, ids=[happens.__name__ for _, happens in URGENT])
def test_each_kind_of_trouble_is_told_without_anybodys_data(kind: str, happens: Callable[[], str]) -> None:
    words = happens()
    now = timezone.now() + timedelta(hours=2 if happens is a_removed_receiver else 0)
    if happens is not a_silent_worker:
        Heartbeat.objects.update(beaten_at=now)
    assert tell_staff(now)
    (body,) = told()
    assert words in body
    assert str(TITLES[kind]) in body
    assert "https://shop.example/admin/pagoefectivo/" in body
    assert not [word for word in ("secreta", "Secret", "987654321") if word in mail.outbox[0].message().as_string()]


def test_every_kind_is_reached() -> None:
    assert {kind for kind, _ in URGENT} | {"discrepancy", "refund"} == TITLES.keys()


def test_a_daily_mail_tells_what_stays_open() -> None:
    ask("SHOP-1")
    order = pay(make(reference="SHOP-2", payer=SECRET))
    refund_order(order, actor="marta", reason="She sent it back.")
    tell_staff(on_day(1, "08:00"))  # the daily mail is due at eight in Lima; the first look counts as one
    tell_staff(on_day(1, "23:59"))
    assert len(told()) == 1
    tell_staff(on_day(2, "07:59"))
    tell_staff(on_day(2, "08:00"))
    tell_staff(on_day(2, "23:59"))
    _, daily = told()
    assert "STILL OPEN" in daily
    assert "(SHOP-1)" in daily
    assert "requested: 1" in daily
    assert mail.outbox[1].subject == "PagoEfectivo: What is still open"
    tell_staff(on_day(3, "07:59"))
    assert len(told()) == 2
    tell_staff(on_day(3, "11:00"))
    assert len(told()) == 3


def test_a_day_on_which_nothing_is_open_has_no_mail() -> None:
    pay(make())
    for hours in (0, 25, 49):
        tell_staff(at(hours=hours))
    assert told() == []


def test_a_mail_server_that_is_down_loses_no_alert(
    mail_server_at: Callable[[int], None], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    backend = getattr(settings, "EMAIL_BACKEND", None)
    mailers = getattr(settings, "MAILERS", None)
    mail_server_at(0)
    ask()
    tell_staff(at())
    warned = [record.getMessage() for record in caplog.records if record.name == "pagoefectivo.worker"]
    assert warned == ["Staff could not be told (LookupError); it is tried again in ten minutes."]
    assert not StaffAlert.objects.exists()
    if mailers:
        settings.MAILERS = mailers
    else:
        settings.EMAIL_BACKEND = backend
    tell_staff(at(minutes=2))
    assert told() == []  # the pace counts the try
    tell_staff(at(minutes=11))
    assert len(told()) == 1


def test_a_mute_mail_server_holds_up_nothing(mail_server_at: Callable[[int], None]) -> None:
    """It takes the connection and says nothing; what waits for it is one thread, however often there is news."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        mail_server_at(server.getsockname()[1])
        ask("SHOP-1")
        begin = time.monotonic()
        assert tell_staff(at(), wait=0.1)
        ask("SHOP-2")
        tell_staff(at(minutes=11), wait=0.1)
        assert time.monotonic() - begin < 10
        assert not StaffAlert.objects.exists()
        connection, _ = server.accept()
        connection.close()


def test_many_workers_send_one_mail() -> None:
    ask()
    now = at()
    results = at_once(*[lambda: tell_staff(now)] * 5)
    assert sorted(map(str, results)) == ["False"] * 4 + ["True"]
    assert len(told()) == 1


def test_no_mail_leaves_inside_a_transaction() -> None:
    ask()
    with transaction.atomic():
        assert tell_staff(at())
        assert told() == []
    assert len(told()) == 1


def test_a_transaction_that_is_rolled_back_tells_nothing_and_loses_nothing() -> None:
    ask()
    with suppress(ZeroDivisionError), transaction.atomic():
        tell_staff(at())
        raise ZeroDivisionError
    assert told() == []
    tell_staff(at())
    assert len(told()) == 1


def by_webhook() -> None:
    post(paid(make(reference="SHOP-9")))


def by_task() -> None:
    notice_silence()


@pytest.mark.parametrize("door", [by_webhook, by_task])
@pytest.mark.parametrize(("minutes", "noticed"), [(4, False), (6, True)])
def test_whoever_else_works_notices_that_the_worker_is_silent(
    door: Callable[[], None], minutes: int, noticed: bool
) -> None:
    make()
    beat(minutes=minutes)
    door()
    assert [("No worker" in body) for body in told()] == [True] * noticed


def test_a_page_of_the_admin_notices_that_the_worker_is_silent(admin_client: Client) -> None:
    beat(minutes=6)
    assert admin_client.get("/admin/pagoefectivo/order/").status_code == 200
    assert len(told()) == 1


def test_a_worker_that_never_ran_is_noticed_once_there_was_something_to_do() -> None:
    Heartbeat.objects.all().delete()
    notice_silence()
    order = make()
    notice_silence()
    assert told() == []
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(minutes=6))
    notice_silence()
    assert len(told()) == 1


def test_a_turn_that_was_taken_by_a_wrong_clock_holds_nobody_up() -> None:
    ask()
    for name in ("staff look", "staff mail"):
        Heartbeat.objects.create(name=name, beaten_at=timezone.now() + timedelta(hours=1))
    assert tell_staff(at())


@pytest.mark.parametrize(
    ("alerts", "managers", "to"),
    [
        (None, [("Marta", "marta@shop.example")], ["marta@shop.example"]),
        (None, ["marta@shop.example"], ["marta@shop.example"]),
        (["caja@shop.example"], [("Marta", "marta@shop.example")], ["caja@shop.example"]),
        ([], [("Marta", "marta@shop.example")], []),
        (None, [], []),
    ],
)
def test_who_is_told(settings: Any, alerts: Any, managers: Any, to: list[str]) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "STAFF_ALERTS": alerts}
    settings.MANAGERS = managers
    ask()
    assert tell_staff(at()) is bool(to)
    told()
    assert [each.to for each in mail.outbox] == [to] * bool(to)
    warned = [
        found.id
        for found in run_checks(tags=["pagoefectivo"], include_deployment_checks=True)
        if found.id == "pagoefectivo.W020"
    ]
    assert bool(warned) is not bool(to)


@pytest.mark.parametrize("wrong", ["ventas@shop.example", [("Marta", "marta@shop.example")], ["marta"], 7])
def test_a_check_tells_of_what_are_no_addresses(settings: Any, wrong: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "STAFF_ALERTS": wrong}
    (found,) = [each for each in run_checks(tags=["pagoefectivo"]) if "STAFF_ALERTS" in str(each.msg)]
    assert found.id == "pagoefectivo.E008"


def test_the_link_is_a_path_where_nobody_said_the_host(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "PUBLIC_URL": ""}
    ask()
    tell_staff(at())
    assert re.search(r"^  /admin/pagoefectivo/discrepancy/\d+/change/$", told()[0], re.MULTILINE)
