"""Kind 4, a final state without a trace: what a removed account, channel or receiver leaves is shown, and it ends."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import models
from django.test import RequestFactory
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.dashboard import dashboard
from pagoefectivo_django.flows import actions_of, cancel_order, publish_events, resolve_discrepancy, tick
from pagoefectivo_django.flows.inbox.refuse import refuse
from pagoefectivo_django.flows.ledger.history import History
from pagoefectivo_django.flows.ledger.subject import Subject
from pagoefectivo_django.flows.privacy.erase import erase_payer
from pagoefectivo_django.flows.reports.accounts import known_accounts
from pagoefectivo_django.flows.reports.troubles import troubles
from pagoefectivo_django.models import (
    Cip,
    Delivery,
    Discrepancy,
    FailingReceiver,
    Heartbeat,
    Notification,
    NotificationStatus,
    Order,
    OrderEvent,
    Refusal,
    UnknownCode,
)
from pagoefectivo_django.models.database import one_transaction
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.states import Kind, Remark
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later
from tests.factories.orders import ANA, make
from tests.factories.people import STAFF
from tests.factories.provider import Undeletable, serve_by
from tests.factories.refunds import refund_at

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]

GONE = "memory:default"


def remove_account(settings: Any) -> None:
    """Put another account in the place of the one that everything is of."""
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    other = entry | {"OPTIONS": entry["OPTIONS"] | {"NAME": "other"}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"other": other}}


def first_page() -> str:
    """The words of the first page, of every environment."""
    user = User.objects.filter(username="eva").first() or User.objects.create_superuser("eva")
    told = []
    names = {account.split(":")[1] if account.count(":") > 1 else "" for account in known_accounts()}
    for name in names:
        request = RequestFactory().get("/", {"environment": name})
        request.user = user
        page = dashboard(request, timezone.now())
        told += [str(verdict.answer) for verdict in page["verdicts"]]
        told += [str(cell) for panel in page["panels"] for row in panel.rows for cell in [panel.title, *row]]
    return "\n".join(told)


def codes_to_ask_about(settings: Any) -> str:
    make()
    remove_account(settings)
    return f"{GONE} is not set any more, and has open codes"


def a_code_to_delete(settings: Any) -> str:
    order = make()
    remove_account(settings)
    cancel_order(order, actor="rosa", reason="The account is gone.")
    return "codes to delete at the provider"


def a_message(settings: Any) -> str:
    notify(make(), code="99999999", operation_number="5")
    remove_account(settings)
    return "messages that wait"


def a_message_of_an_account_without_codes(settings: Any) -> str:
    notify(make(), code="99999999", operation_number="5")
    Notification.objects.update(account="memory:old", channel="old")
    return "memory:old"


def a_question_of_an_account_without_codes(settings: Any) -> str:
    notify(make(), amount="1.00", operation_number="5")
    Discrepancy.objects.update(account="memory:old")
    return str(Kind.AMOUNT_MISMATCH.label)


def a_code_that_only_a_hint_told(settings: Any) -> str:
    notify(make(), "code_expired", code="99999999")
    assert UnknownCode.objects.exists()
    remove_account(settings)
    return "codes that we don't know, of which a message told"


def a_refund_by_the_channel(settings: Any) -> str:
    serve_by(settings, CAN_REFUND=True)
    refund = refund_at("approved", pay(make()))
    remove_account(settings)
    for hour in range(10):
        tick(later(hours=hour))
    assert Discrepancy.objects.open().get().kind == Kind.NOT_CONFIRMED
    refund.refresh_from_db()
    assert actions_of([refund])[refund]["fail"] == "", "a person ends it, and the next one is by hand"
    return "refunds to send"


def refusals_of_an_alias(settings: Any) -> str:
    make()
    refuse("old-alias", Refusal.Reason.UNPROVEN)
    return "old-alias"


def deliveries_of_a_receiver(settings: Any) -> str:
    payment_confirmed.connect(nobody, dispatch_uid="old-erp", in_request=False)
    pay(make())
    payment_confirmed.disconnect(dispatch_uid="old-erp")
    models.QuerySet(OrderEvent).update(created_at=timezone.now() - timedelta(hours=2))
    return "nobody tries the deliveries of old-erp"


def deliveries_of_a_receiver_that_failed(settings: Any, orders: int = 1) -> str:
    payment_confirmed.connect(nobody, dispatch_uid="old-erp", in_request=False)
    for _order in range(orders):
        pay(make())
    publish_events(timezone.now())
    assert Delivery.objects.get(event__order=Order.objects.first(), receiver="old-erp").attempts == 1
    payment_confirmed.disconnect(dispatch_uid="old-erp")
    long_ago = timezone.now() - timedelta(hours=2)
    models.QuerySet(OrderEvent).update(created_at=long_ago)
    Delivery.objects.filter(receiver="old-erp").update(retry_at=long_ago)
    FailingReceiver.objects.filter(paused_until__isnull=False).update(paused_until=long_ago)
    return "nobody tries the deliveries of old-erp"


def deliveries_of_a_receiver_that_was_left_alone(settings: Any) -> str:
    said = deliveries_of_a_receiver_that_failed(settings, orders=FailingReceiver.MOST)
    assert FailingReceiver.objects.get().paused_until
    return said


def nobody(sender: Any, **named: Any) -> None:
    raise RuntimeError


LEFT = [
    codes_to_ask_about,
    a_code_to_delete,
    a_message,
    a_message_of_an_account_without_codes,
    a_question_of_an_account_without_codes,
    a_code_that_only_a_hint_told,
    a_refund_by_the_channel,
    refusals_of_an_alias,
    deliveries_of_a_receiver,
    deliveries_of_a_receiver_that_failed,
    deliveries_of_a_receiver_that_was_left_alone,
]


@pytest.mark.parametrize("left", LEFT, ids=lambda left: left.__name__)
def test_what_is_left_behind_is_on_the_first_page(settings: Any, left: Callable[[Any], str]) -> None:
    assert left(settings) in first_page()


@pytest.mark.parametrize("left", [deliveries_of_a_receiver, deliveries_of_a_receiver_that_failed])
def test_a_removed_receiver_is_told_to_staff(settings: Any, left: Callable[[Any], str]) -> None:
    left(settings)
    told = [(one.kind, one.text) for one in troubles(timezone.now())]
    assert [text for kind, text in told if kind == "receiver" and text.startswith("old-erp: nobody tried")]


@pytest.mark.every_database
def test_the_watch_of_a_code_about_which_nobody_can_be_asked_ends_with_a_trace(settings: Any) -> None:
    order = expire(make())
    paid = pay(make())
    remove_account(settings)
    tick(later(days=5))
    assert Cip.objects.filter(poll_at__isnull=False).count() == 2, "it may come back"
    tick(later(days=12))
    assert list(Cip.objects.filter(poll_at__isnull=False).values_list("order", flat=True)) == [paid.pk]
    tick(later(days=40))
    assert not Cip.objects.filter(poll_at__isnull=False).exists()
    assert f"{GONE} is not set any more" not in first_page()
    for each in (order, paid):
        assert each.events.filter(fact=Remark.ENDED, data__about="watch_ended").count() == 1


def test_a_watch_that_somebody_keeps_is_not_ended() -> None:
    expire(make())
    tick(later(hours=1))
    assert not OrderEvent.objects.filter(fact=Remark.ENDED).exists()
    assert Cip.objects.filter(poll_at__isnull=False).exists()


def test_a_code_that_only_a_hint_told_is_dropped_in_the_end(settings: Any) -> None:
    a_code_that_only_a_hint_told(settings)
    tick(later(days=189))
    assert UnknownCode.objects.exists()
    tick(later(days=191))
    assert not UnknownCode.objects.exists()


def test_a_code_that_can_t_be_deleted_is_left_to_the_watch_and_the_history_says_so(settings: Any) -> None:
    serve_by(settings, Undeletable)
    order = make()
    cancel_order(order)
    tick(later(minutes=5))
    assert not Cip.objects.filter(retry_at__isnull=False).exists()
    assert order.events.filter(fact=Remark.ENDED, data__about="deletion_ended").count() == 1


# Erasure.


def waits_for_a_code(settings: Any) -> Order:
    return expire(make())


def has_a_message_that_was_given_up(settings: Any) -> Order:
    """Its channel is gone, so that nobody can apply it; a person has decided about it."""
    order = pay(make())
    given_up()
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", **STAFF)
    return order


def given_up() -> None:
    """Give the one message up, as the inbox does after its last attempt."""
    row = Notification.objects.get()
    Notification.objects.filter(pk=row.pk).update(status=NotificationStatus.DEAD, retry_at=None)
    with one_transaction() as alias:
        history = History(alias, timezone.now(), "pagoefectivo")
        history.open_discrepancy(Kind.UNMATCHED, Subject.of_message(row), {"error": "gone"})
        history.write()


def has_a_watch(settings: Any) -> Order:
    order = pay(make())
    remove_account(settings)
    return order


@pytest.mark.parametrize(
    "held", [waits_for_a_code, has_a_message_that_was_given_up, has_a_watch], ids=lambda held: held.__name__
)
def test_nothing_holds_an_erasure_back_for_ever(settings: Any, held: Callable[[Any], Order]) -> None:
    order = held(settings)
    remove_account(settings) if held is not has_a_watch else None
    erase_payer(email=ANA.email, **STAFF)
    Heartbeat.objects.all().delete()
    tick(later(days=41))
    order.reload()
    assert order.email == ""
    assert order.forgotten_at
    assert not [row for row in Notification.objects.all() if row.body]


def test_who_asked_for_an_erasure_that_has_to_wait_is_in_the_history() -> None:
    order = make()
    assert erase_payer(email=ANA.email, **STAFF).kept == [order.reference]
    event = order.events.get(fact=Remark.ERASURE)
    assert (event.actor.name, event.reason) == ("rosa", STAFF["reason"])


def test_a_message_that_somebody_still_reads_stays() -> None:
    order = pay(make())
    given_up()
    assert "1 message given up" in first_page()
    publish_events(later(minutes=1))
    assert erase_payer(email=ANA.email, **STAFF).erased == [order.reference]
    assert Notification.objects.get().body
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", **STAFF)
    assert "message given up" not in first_page()
    Heartbeat.objects.all().delete()
    tick(later(days=181))
    assert not Notification.objects.get().body


def test_the_provider_is_not_needed_for_any_of_this(settings: Any) -> None:
    a_code_to_delete(settings)
    calls = len(MemoryChannel.calls)
    tick(later(days=20))
    assert len(MemoryChannel.calls) == calls
