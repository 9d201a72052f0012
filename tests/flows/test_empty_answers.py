"""Kind 8, one empty answer: an account that suddenly knows none of our codes says nothing of any of them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.flows import cancel_order, refresh_order, tick
from pagoefectivo_django.flows.inbox.hints import hint
from pagoefectivo_django.flows.messages import alert
from pagoefectivo_django.flows.messages.alert import tell_staff
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.provider.look_up import AFTER_NOTHING, KnowsNothing, know_nothing
from pagoefectivo_django.flows.reports.troubles import troubles
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import Cip, Order, OrderEvent
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import pay
from tests.clock import later
from tests.factories.orders import make
from tests.factories.provider import ACCOUNT, all_gone, channel, look, says
from tests.reading import discrepancies

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def ignorant() -> list[str]:
    return [one.subject for one in troubles(timezone.now()) if one.kind == "ignorant"]


@pytest.mark.parametrize("size", [100, 2, 1])
def test_an_empty_answer_opens_no_discrepancy_and_one_alert_for_the_account(settings: Any, size: int) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": size}
    orders = [pay(make()) for _ in range(4)] + [make()]
    look()
    before = all_gone()
    for day in (1, 2, 3):
        look(day)
    assert (discrepancies(), ignorant()) == ([], [ACCOUNT])
    assert not OrderEvent.objects.filter(fact="absent").exists()
    channel().book.update(before)
    look(4)
    assert (discrepancies(), ignorant()) == ([], [])
    says(orders[0], None)
    look(5)
    assert discrepancies() == ["missing_there"], "the others are there"


def test_it_is_asked_again_after_a_pause_and_not_beyond_the_watch(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"POLL_AFTER_PAYMENT": timedelta(days=5)}
    for _ in range(2):
        pay(make())
    all_gone()
    now = later(days=1)
    Cip.objects.update(poll_at=now)
    assert reconcile(TimeBudget(now))["unanswered"] == 2
    for cip in Cip.objects.all():
        assert cip.poll_at
        assert timedelta(minutes=1) < cip.poll_at - now <= AFTER_NOTHING + timedelta(minutes=1)
    look(6)
    assert set(Cip.objects.values_list("poll_at", flat=True)) == {None}
    assert (discrepancies(), know_nothing()) == ([], {}), "nothing of it is watched any more"


def test_a_hint_is_not_forgotten_by_it() -> None:
    one, _two = pay(make()), pay(make())
    before = all_gone()
    Cip.objects.update(poll_at=None)
    Cip.objects.exclude(order=one).update(poll_at=later(days=1))
    now = timezone.now()
    hint(Report(ACCOUNT, Fact.CODE_DELETED, one.code), now)
    reconcile(TimeBudget(now + timedelta(seconds=1)))
    assert (discrepancies(), ignorant()) == ([], [ACCOUNT])
    channel().book.update(before)
    channel().set(one.code, Fact.CODE_DELETED)
    reconcile(TimeBudget(now + AFTER_NOTHING + timedelta(minutes=1)))
    assert (discrepancies(), ignorant()) == (["missing_there"], [])


def test_the_last_code_of_an_account_reaches_a_person() -> None:
    order, other = pay(make()), pay(make())
    Cip.objects.filter(order=other).update(poll_at=None)
    all_gone()
    now = later(days=1)
    Cip.objects.filter(order=order).update(poll_at=now)
    reconcile(TimeBudget(now))
    assert (discrepancies(), ignorant()) == (["missing_there"], [])


@pytest.mark.parametrize("others", [1, 3])
def test_codes_that_are_asked_alone_are_not_there_if_others_are(settings: Any, others: int) -> None:
    """Those that are due together may all be gone; whether their account knows any is seen by codes that are not."""
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": others}
    gone = [pay(make()) for _ in range(others)]
    make()
    now = later(hours=1)
    Cip.objects.filter(order__in=gone).update(poll_at=now)
    for order in gone:
        says(order, None)
    reconcile(TimeBudget(now))
    assert (discrepancies(), ignorant()) == (["missing_there"] * others, [])


@pytest.mark.parametrize("size", [100, 1])
def test_orders_past_their_date_wait_for_the_account_and_for_no_person_each(settings: Any, size: int) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"BATCH_SIZE": size}
    orders = [make(expires_at=later(hours=1)) for _ in range(3)]
    before = all_gone()
    for hours in range(2, 96, 6):
        tick(later(hours=hours))
    assert set(Order.objects.values_list("state", flat=True)) == {"pending"}
    assert (discrepancies(), ignorant()) == ([], [ACCOUNT])
    assert not OrderEvent.objects.filter(fact="absent").exists()
    channel().book.update(before)
    for order in orders:
        channel().set(order.code, Fact.CODE_EXPIRED)
    tick(later(hours=99))
    assert set(Order.objects.values_list("state", flat=True)) == {"expired"}
    assert (discrepancies(), ignorant()) == ([], [])


def test_a_person_who_asks_about_one_code_is_told() -> None:
    other, order = pay(make()), pay(make())
    says(order, None)
    refresh_order(order)
    assert discrepancies() == ["missing_there"]
    all_gone()
    with pytest.raises(KnowsNothing, match="knows none of the codes"):
        refresh_order(other)
    assert (discrepancies(), ignorant()) == (["missing_there"], [ACCOUNT])


def test_a_persons_word_ends_an_order_all_the_same() -> None:
    orders = [make() for _ in range(2)]
    all_gone()
    look()
    assert ignorant() == [ACCOUNT]
    for order in orders:
        cancel_order(order, actor="rosa", reason="The account was closed.")
        assert order.state == "cancelled"


@pytest.fixture
def staff(settings: Any, mailers: None) -> Iterator[None]:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "STAFF_ALERTS": ["ventas@shop.example"]}
    yield
    if alert._sending:
        alert._sending.join(30)


@pytest.mark.usefixtures("staff")
def test_staff_is_told_once_by_mail_and_on_the_first_page() -> None:
    for _ in range(3):
        pay(make())
    User.objects.create_superuser("rosa", "rosa@example.com", "x")
    visitor = Client()
    visitor.force_login(User.objects.get())
    says_so = "the provider knows none of our codes (default)"
    assert says_so not in visitor.get("/admin/pagoefectivo/").content.decode()
    before = all_gone()
    for day in (1, 1.1, 1.2):
        look(day)
        tell_staff(later(days=day))
    new = [str(one.body).split("STILL OPEN")[0] for one in mail.outbox]
    assert len([told for told in new if "has not known any of our codes" in told]) == 1
    assert says_so in visitor.get("/admin/pagoefectivo/").content.decode()
    channel().book.update(before)
    look(1.3)
    assert says_so not in visitor.get("/admin/pagoefectivo/").content.decode()
