"""The payer is written what is true, by mail, whatever the mail server does."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.conf import MESSAGES
from pagoefectivo_django.errors import Refused, Unavailable
from pagoefectivo_django.flows import (
    cancel_order,
    extend_order,
    publish_events,
    reissue_code,
    resolve_discrepancy,
    tick,
)
from pagoefectivo_django.flows.orders.renew import renew_code
from pagoefectivo_django.flows.outbox.publish import deliver_again
from pagoefectivo_django.models import Delivery, Discrepancy, Order
from pagoefectivo_django.signals import SIGNALS
from pagoefectivo_django.states import Kind, VoucherState
from pagoefectivo_django.testing import expire, notify, pay
from tests.browser.states import order_in
from tests.clock import later
from tests.factories.discrepancies import open_discrepancy
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.factories.settlements import settlement_line
from tests.mail.conftest import Connect
from tests.mail.server import serving
from tests.reading import statements

pytestmark = [pytest.mark.usefixtures("pagoefectivo_memory"), pytest.mark.django_db(transaction=True)]

Outbox = list[EmailMultiAlternatives]
At = Callable[[int], None]
PERSONAL = ("ana@example.com", "Ana", "999888777")


def names(outbox: Outbox) -> list[str]:
    """Which messages were sent, in their order."""
    return [message.extra_headers["Message-ID"].partition("@")[0].rpartition(".")[2] for message in outbox]


def mails() -> dict[str, Delivery]:
    rows = Delivery.objects.filter(receiver__startswith="pagoefectivo.").select_related("event")
    return {row.receiver.rpartition(".")[2]: row for row in rows}


# Each message, and its moment.


@pytest.mark.parametrize(
    ("state", "written"),
    [
        (VoucherState.GETTING, []),
        (VoucherState.WAITING, ["created"]),
        (VoucherState.OVERDUE, []),
        (VoucherState.PAID, ["paid"]),
        (VoucherState.EXPIRED, ["expired"]),
        (VoucherState.CANCELLED, []),
        (VoucherState.REJECTED, []),
        (VoucherState.IN_REVIEW, ["in_review"]),
        (VoucherState.REFUNDED, ["refunded"]),
    ],
)
def test_the_worker_writes_only_what_is_still_true(
    messages: Connect, mailoutbox: Outbox, state: VoucherState, written: list[str]
) -> None:
    messages()
    order = order_in(state, language="en")
    assert not mailoutbox  # not in the request
    publish_events(later(seconds=1))
    assert names(mailoutbox) == written
    assert all(message.to == ["ana@example.com"] for message in mailoutbox)
    assert all(order.reference in message.body for message in mailoutbox)
    assert not [row for row in mails().values() if not row.delivered_at]


def test_step_by_step_every_step_is_told(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = make(language="en")
    publish_events(later(seconds=1))
    tick(now=order.expires_at - timedelta(hours=1))
    pay(order, operation_number="7001")
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["created", "reminder", "paid"]
    assert "7001" in mailoutbox[2].body
    assert "https://shop.example/pay/" in mailoutbox[0].body
    assert len({message.extra_headers["Message-ID"] for message in mailoutbox}) == 3


def test_a_code_that_was_replaced_is_told_no_more(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = make(language="en")
    old = order.code
    reissue_code(order, actor="rosa")
    order.reload()
    assert order.code != old
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["created"]
    assert order.code in mailoutbox[0].body
    assert old not in mailoutbox[0].body


def test_the_date_that_is_told_is_the_one_that_counts(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = make(language="en")
    extend_order(order, datetime.fromisoformat("2027-01-02T12:00:00-05:00"), actor="rosa")
    publish_events(later(seconds=1))
    assert "Saturday, January 2, 12:00" in mailoutbox[0].body


def test_a_discrepancy_that_was_answered_meanwhile_worries_nobody(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = order_in(VoucherState.IN_REVIEW)
    resolve_discrepancy(Discrepancy.objects.get(order=order), "accept", actor="rosa", reason="It is near enough.")
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["paid"]


def test_a_discrepancy_about_a_statement_is_not_the_payers(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = make()
    open_discrepancy(Kind.AMOUNT_MISMATCH, order=order, cip=order.cip, line=settlement_line(code=order.code))
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["created"]
    open_discrepancy(Kind.AMOUNT_MISMATCH, order=order, cip=order.cip)
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["created", "in_review"]


def test_a_second_payment_is_looked_at_while_the_order_stays_paid(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = pay(make(language="en"), operation_number="1")
    notify(order, operation_number="2")
    publish_events(later(seconds=1))
    assert sorted(names(mailoutbox)) == ["in_review", "paid"]
    review = mailoutbox[names(mailoutbox).index("in_review")]
    assert "Another payment came" in review.body


@pytest.mark.parametrize("kind", ["missing_there", "lost_code"])
def test_what_the_payer_could_not_have_done_is_no_matter_of_theirs(
    messages: Connect, mailoutbox: Outbox, kind: str
) -> None:
    messages()
    notify(make(), amount="7.00")
    Discrepancy.objects.update(kind=kind)
    publish_events(later(seconds=1))
    assert "in_review" not in names(mailoutbox)


def test_a_payment_that_was_taken_back_is_not_called_refunded(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = pay(make())
    assert notify(order, "payment_reversed") == 200
    order.reload()
    assert order.state == "refunded"
    publish_events(later(seconds=1))
    assert sorted(names(mailoutbox)) == ["in_review"]


def test_a_code_that_is_about_to_go_is_not_mailed(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = make()
    MemoryChannel.fail("delete", Unavailable("down"))
    with pytest.raises(Unavailable):
        cancel_order(order)
    publish_events(later(seconds=1))
    assert not mailoutbox


def test_a_code_that_was_refused_anew_is_not_reminded_of(messages: Connect, mailoutbox: Outbox) -> None:
    messages(("reminder",))
    order = make()
    MemoryChannel.fail("issue", Refused("no", codes=("111",)))
    with pytest.raises(Refused):
        reissue_code(order)
    tick(now=order.expires_at - timedelta(hours=1))
    assert not mailoutbox


def test_what_never_had_a_code_did_not_expire_for_its_payer(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    order = expire(order_in(VoucherState.GETTING))
    assert order.state == "expired"
    publish_events(later(seconds=1))
    assert not mailoutbox


def test_each_code_expires_once(messages: Connect, mailoutbox: Outbox, settings: Any) -> None:
    messages()
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": True}
    order = expire(make())
    expire(renew_code(order, timezone.now()))
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["expired"]


def test_money_of_no_order_is_nobody_s(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    post(b"{}")
    assert mails()["in_review"].event.order is None
    publish_events(later(seconds=1))
    assert not mailoutbox
    assert mails()["in_review"].delivered_at


# Switched on and off.


@pytest.mark.parametrize("chosen", [(), ("paid",), ("created", "expired"), MESSAGES])
def test_what_is_switched_off_writes_no_delivery(messages: Connect, chosen: tuple[str, ...]) -> None:
    messages(chosen)
    pay(make())
    expire(make())
    notify(make(), amount="7.00")
    receivers = set(Delivery.objects.values_list("receiver", flat=True)) - {"tests.shop.receivers.ship"}
    happened = {"created", "paid", "expired", "in_review"} & {*chosen}
    assert receivers == {f"pagoefectivo.mail.{name}" for name in happened}


def test_connecting_twice_writes_once(messages: Connect, mailoutbox: Outbox) -> None:
    messages()
    messages()
    make()
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["created"]
    assert len([uid for signal in SIGNALS.values() for uid in signal.by_name if "mail" in uid]) == len(MESSAGES)


# A mail server that is down, slow, or says no.


def test_while_it_is_down_nothing_else_suffers_and_then_the_mail_comes_once(
    messages: Connect, mail_server_at: At, closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server_at(closed_port)
    messages(("paid",))
    order = pay(make())
    assert order.state == "paid"
    now = later(seconds=1)
    for attempt in range(1, 4):
        assert tick(now=now).deliveries == 0
        row = mails()["paid"]
        assert (row.delivered_at, row.attempts) == (None, attempt)
        assert row.retry_at
        assert row.retry_at > now
        now = row.retry_at
    assert "ConnectionRefusedError" in row.last_error
    order.reload()
    assert (order.state, order.pending_action, order.retry_at) == ("paid", "", None)
    assert Delivery.objects.get(receiver="tests.shop.receivers.ship").delivered_at
    with serving(closed_port) as server:
        assert tick(now=now).deliveries == 1
        tick(now=now + timedelta(days=1))
    assert [mail["To"] for mail in server.received] == ["ana@example.com"]
    assert not [secret for secret in PERSONAL if secret in caplog.text + row.last_error]


def test_a_repetition_has_the_same_message_id(messages: Connect, mail_server_at: At) -> None:
    with serving() as server:
        mail_server_at(server.port)
        messages()
        make()
        make()
        publish_events(later(seconds=1))
        deliver_again(Delivery.objects.filter(receiver="pagoefectivo.mail.created").order_by("pk")[0])
        publish_events(later(seconds=1))
    ids = [mail["Message-ID"] for mail in server.received]
    assert len(ids) == 3
    assert len(set(ids)) == 2
    assert all(each.endswith(".created@shop.example>") for each in ids)


def test_what_arrives_is_a_whole_mail(messages: Connect, mail_server_at: At) -> None:
    with serving() as server:
        mail_server_at(server.port)
        messages()
        order = make(concept="Café con leche, 咖啡")
        publish_events(later(seconds=1))
    mail = server.received[0]
    assert isinstance(mail, EmailMessage)
    assert mail["Subject"].endswith(" · Café con leche, 咖啡")
    assert mail["From"] == "The Shop <pay@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    bodies = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert order.code in bodies["text/plain"]
    assert "咖啡" in bodies["text/html"]
    assert bodies["application/pdf"].startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("451 4.3.0 try later, {}", "SMTPRecipientsRefused 451"),
        ("554 5.7.1 relay access denied for {}", "SMTPRecipientsRefused 554"),
        ("550 5.1.8 sender unknown, {}", "SMTPRecipientsRefused 550"),
        ("550 no such user {}", "SMTPRecipientsRefused 550"),
    ],
)
def test_a_refusal_is_retried_and_told_without_the_address(
    messages: Connect, mail_server_at: At, caplog: pytest.LogCaptureFixture, says: str, told: str
) -> None:
    with serving() as server:
        server.says = says
        mail_server_at(server.port)
        messages(("paid",))
        pay(make())
        publish_events(later(seconds=1))
        row = mails()["paid"]
        assert (row.delivered_at, row.attempts) == (None, 1)
        assert told in row.last_error
        errors = [record for record in caplog.records if record.exc_info]
        assert len(errors) == 1
        assert told in caplog.text
        assert errors[0].exc_info
        error: BaseException | None = errors[0].exc_info[1]
        assert error
        assert error.__context__ is None
        assert not [secret for secret in PERSONAL if secret in caplog.text + row.last_error]
        server.says = "250 fine"
        assert row.retry_at
        tick(now=row.retry_at)
    assert len(server.received) == 1


def test_whatever_fails_tells_nothing_of_the_payer(
    messages: Connect, mail_server_at: At, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server_at(0)
    messages(("paid",))
    order = pay(make(concept="Two T-shirts"))
    publish_events(later(seconds=1))
    row = mails()["paid"]
    assert not row.delivered_at
    assert "LookupError" in row.last_error
    said = caplog.text + row.last_error
    assert not [secret for secret in (*PERSONAL, "T-shirts") if secret in said]
    assert order.reference in caplog.text  # a line about a delivery names its order


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.10", "5.2.1"])
def test_a_mailbox_that_does_not_exist_is_not_tried_for_ever(
    messages: Connect, mail_server_at: At, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    with serving() as server:
        server.says = f"550 {status} no mailbox {{}}"
        mail_server_at(server.port)
        messages(("paid",))
        pay(make())
        assert publish_events(later(seconds=1)) == 1
    row = mails()["paid"]
    assert row.delivered_at
    warned = [record for record in caplog.records if record.name == "pagoefectivo.delivery"]
    assert [record.levelname for record in warned] == ["WARNING"]
    assert str(row.event.pk) in warned[0].getMessage()
    assert not [secret for secret in PERSONAL if secret in caplog.text]


def test_a_slow_mail_server_keeps_no_webhook_waiting(messages: Connect, mail_server_at: At) -> None:
    with serving() as server:
        server.gate = threading.Event()
        mail_server_at(server.port)
        messages()
        order = make()
        assert post(paid(order)).status_code == 200
        assert not server.received
        assert {row.attempts for row in mails().values()} == {0}
        server.gate.set()
        publish_events(later(seconds=1))
    assert [mail["Message-ID"].partition("@")[0].rpartition(".")[2] for mail in server.received] == ["paid"]


def test_a_message_costs_the_webhook_no_statement(messages: Connect) -> None:
    before = statements(paid(make("SHOP-1")))
    messages()
    after = statements(paid(make("SHOP-2")))
    assert mails()["paid"].attempts == 0
    assert [sql.split()[0] for sql in after] == [sql.split()[0] for sql in before]


def test_a_task_queue_is_told_of_them(messages: Connect, monkeypatch: pytest.MonkeyPatch, mailoutbox: Outbox) -> None:
    """Also where nobody else listens, as to a code that was issued."""
    told: list[int] = []
    messages(("created",))
    monkeypatch.setattr(
        "pagoefectivo_django.flows.outbox.publish._handed_to", [lambda: told.append(Delivery.objects.count())]
    )
    make()
    assert told == [1]
    assert not mailoutbox
    publish_events(later(seconds=1))
    assert names(mailoutbox) == ["created"]


def test_an_order_is_not_touched(messages: Connect, mail_server_at: At, closed_port: int) -> None:
    mail_server_at(closed_port)
    messages()
    order = make()
    before = Order.objects.values().get(pk=order.pk)
    publish_events(later(seconds=1))
    assert mails()["created"].last_error
    assert Order.objects.values().get(pk=order.pk) == before
