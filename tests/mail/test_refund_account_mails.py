"""Kind 4, a final state without a trace: an approved refund asks its payer; what can't be sent is in the history."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import models
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import actions_of, approve_refund, close_refund, publish_events, refund_order, tick
from pagoefectivo_django.flows.refunds.refund import ask_account, give_account
from pagoefectivo_django.models import Delivery, Order, OrderEvent, Refund
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.signals import refund_account_asked
from pagoefectivo_django.states import Remark
from pagoefectivo_django.testing import pay
from tests.clock import later
from tests.factories.orders import make
from tests.factories.people import STAFF
from tests.factories.refunds import ACCOUNT, refund_at
from tests.mail.conftest import Connect
from tests.mail.server import serving

pytestmark = [pytest.mark.usefixtures("pagoefectivo_memory"), pytest.mark.django_db(transaction=True)]

Outbox = list[EmailMultiAlternatives]
CONSOLE = {"screen": {"BACKEND": "pagoefectivo_django.carriers.console.ConsoleCarrier"}}
LINK = re.compile(r"https://shop\.example(/pay/refund/[^/\s\"]+/)")


def refund_of(**changes: Any) -> Refund:
    return refund_at("approved", pay(make(**{"language": "en"} | changes), operation_number="7"))


def asked(outbox: Outbox) -> list[EmailMultiAlternatives]:
    return [mail for mail in outbox if ".refund_account@" in mail.extra_headers["Message-ID"]]


def test_who_is_to_get_money_is_asked_where_to_once(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = pay(make(language="en"), operation_number="7")
    refund = refund_order(order, **STAFF)
    publish_events(later(seconds=1))
    assert not asked(mailoutbox), "nobody approved it"
    approve_refund(refund, actor="eva")
    for hours in (0, 1, 48):
        tick(later(seconds=1) + timedelta(hours=hours))
    (mail,) = asked(mailoutbox)
    assert mail.to == ["ana@example.com"]
    assert "35.50" in mail.subject
    assert "two weeks" in mail.body
    link = LINK.search(str(mail.body))
    assert link
    assert "<form" in Client().get(link[1]).content.decode()
    assert str(mail.alternatives[0][0]).count(link[1]) == 1


@pytest.mark.parametrize(
    ("language", "said"), [("es", "¿A dónde enviamos tu dinero?"), ("en", "Where shall your money go?")]
)
def test_in_the_payer_s_language(messages: Connect, mailoutbox: Outbox, language: str, said: str) -> None:
    messages()
    refund_of(language=language)
    publish_events(later(seconds=1))
    (mail,) = asked(mailoutbox)
    assert said in mail.body


def test_and_by_text(messages: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    messages(("refund_account",), CARRIERS=CONSOLE)
    refund_of()
    publish_events(later(seconds=1))
    assert LINK.search(capsys.readouterr().out)


def account_is_known(refund: Refund) -> None:
    give_account(refund, **ACCOUNT)


def it_is_given_up(refund: Refund) -> None:
    close_refund(refund, done=False, **STAFF)


@pytest.mark.parametrize(
    "meanwhile", [account_is_known, it_is_given_up], ids=lambda staff_action: staff_action.__name__
)
def test_what_is_wanted_no_more_is_not_asked_for(
    messages: Connect, mailoutbox: Outbox, meanwhile: Callable[[Refund], None]
) -> None:
    messages()
    meanwhile(refund_of())
    publish_events(later(seconds=1))
    assert not asked(mailoutbox)


def test_each_of_two_refunds_asks_for_its_own(messages: Connect, mailoutbox: Outbox) -> None:
    messages(("refund_account",))
    order = pay(make(language="en"), operation_number="7")
    for amount in ("10.00", "20.00"):
        refund_at("approved", order, amount)
    publish_events(later(seconds=1))
    assert ["10.00" in mail.body for mail in asked(mailoutbox)] == [True, False]
    assert ["20.00" in mail.body for mail in asked(mailoutbox)] == [False, True]


def test_what_the_provider_gives_back_asks_nobody(messages: Connect, mailoutbox: Outbox, settings: Any) -> None:
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    entry = entry | {"OPTIONS": entry["OPTIONS"] | {"CAN_REFUND": True}}
    messages(CHANNELS={"default": entry})
    refund = refund_of()
    tick(later(seconds=1))
    assert not asked(mailoutbox)
    assert actions_of([refund])[refund]["ask_account"] == "by_provider"


def test_staff_sends_it_again_and_the_history_says_who(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    refund = refund_of()
    publish_events(later(seconds=1))
    ask_account(refund, actor="marta")
    publish_events(later(seconds=1))
    assert len(asked(mailoutbox)) == 2
    events = refund.order.events.filter(kind="refund_account_asked").order_by("number")
    assert list(events.values_list("actor_name", "refund")) == [("eva", refund.pk), ("marta", refund.pk)]


def nobody_writes(refund: Refund) -> None:
    refund_account_asked.disconnect(dispatch_uid="pagoefectivo.mail.refund_account")


def the_payer_was_erased(refund: Refund) -> None:
    Order.objects.update(email="", payer_data={})


@pytest.mark.parametrize(
    ("because", "code"),
    [
        (nobody_writes, "no_message"),
        (the_payer_was_erased, "no_address"),
        (account_is_known, "account_known"),
        (it_is_given_up, "failed"),
    ],
)
def test_what_nobody_would_read_is_not_called_sent(
    messages: Connect, because: Callable[[Refund], None], code: str
) -> None:
    messages()
    refund = refund_of()
    because(refund)
    refund = Refund.objects.get()
    assert actions_of([refund])[refund]["ask_account"] == code
    with pytest.raises(InvalidRequest):
        ask_account(refund, actor="marta")
    assert refund.order.events.filter(kind="refund_account_asked").count() == 1


def hear(sender: Any, order: Order, refund: Refund, **named: Any) -> None:
    heard_of.append((order.reference, refund.account_url.startswith("/pay/refund/")))


heard_of: list[tuple[str, bool]] = []


def test_a_shop_that_writes_its_own_mails_hears_of_it() -> None:
    heard_of.clear()
    refund_account_asked.connect(hear, dispatch_uid="own mails")
    try:
        refund = refund_of()
    finally:
        refund_account_asked.disconnect(dispatch_uid="own mails")
    assert heard_of == [(refund.order.reference, True)]


# What can never arrive.


def test_a_mailbox_that_does_not_exist_is_in_the_history(
    messages: Connect, mail_server_at: Callable[[int], None]
) -> None:
    with serving() as server:
        server.says = "550 5.1.1 no mailbox {}"
        mail_server_at(server.port)
        messages(("refund_account",))
        refund = refund_of()
        publish_events(later(seconds=1))
    (event,) = refund.order.events.filter(fact=Remark.UNSENT)
    assert event.data == {"about": "no_such_mailbox", "way": "mail", "message": "refund_account"}
    assert not event.reason
    assert not Delivery.objects.filter(delivered_at__isnull=True, receiver__startswith="pagoefectivo.").exists()


@pytest.mark.parametrize(
    ("payer", "hours", "said"),
    [
        (Payer(email="ana@example.com", phone="+41791234567"), 0, "no_mobile_of_countries"),
        (Payer(email="ana@example.com", phone="999888777"), 3, "too_old"),
    ],
)
def test_a_text_that_is_given_up_is_in_the_history(messages: Connect, payer: Payer, hours: int, said: str) -> None:
    messages(("created",), CARRIERS=CONSOLE)
    order = make(payer=payer)
    models.QuerySet(OrderEvent).update(created_at=timezone.now() - timedelta(hours=hours))
    publish_events(later(seconds=1))
    (event,) = order.events.filter(fact=Remark.UNSENT)
    assert event.data == {"about": said, "way": "text", "message": "created"}


def test_who_has_no_phone_is_not_missed(messages: Connect) -> None:
    messages(("created",), CARRIERS=CONSOLE)
    order = make(payer=Payer(email="ana@example.com"))
    publish_events(later(seconds=1))
    assert not order.events.filter(fact=Remark.UNSENT).exists()
