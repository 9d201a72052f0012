"""Events reach endpoints as signed messages: once queued, tried on schedule, and given up by rule."""

import socket
import threading
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from standardwebhooks import Webhook, WebhookVerificationError

from pagoefectivo_django.contrib.webhooks import posting, sending, threads
from pagoefectivo_django.contrib.webhooks.managing import (
    change_endpoint,
    create_endpoint,
    rotate_secret,
    send_again,
    send_test,
)
from pagoefectivo_django.contrib.webhooks.models import (
    SCHEDULE,
    Endpoint,
    EndpointSecret,
    EndpointStatus,
    MessageStatus,
    Outcome,
    WebhookMessage,
)
from pagoefectivo_django.contrib.webhooks.payload import body_of
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.messages.alert import tell_staff
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.outbox.publish import deliver_again
from pagoefectivo_django.models import Delivery, FailingReceiver, OrderEvent, StaffAlert
from pagoefectivo_django.models.clock import current_time
from pagoefectivo_django.models.database import LEASE
from pagoefectivo_django.testing import notify, pay
from tests.contrib.webhooks.listening import Heard, Listener, listening
from tests.factories.orders import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("webhooks")]
NO = b"HTTP/1.1 503 Away\r\n\r\n"


def kinds(listener: Listener) -> list[str]:
    return [heard.json["type"] for heard in listener.heard]


def verified(heard: Heard, secret: str) -> Any:
    return Webhook(secret).verify(heard.body, heard.headers)


def only() -> WebhookMessage:
    return WebhookMessage.objects.get()


def test_an_event_is_heard_signed_and_with_its_order(listener: Listener) -> None:
    _, secret = create_endpoint(listener.url, ["payment_confirmed"])
    order = pay(make(metadata={"cart": 7}), operation_number="4711")
    tick()
    (heard,) = listener.heard
    event = OrderEvent.objects.get(kind="payment_confirmed")
    told = verified(heard, secret)
    assert heard.headers["webhook-id"] == str(event.pk) == told["data"]["event"]["id"]
    assert told["type"] == told["data"]["event"]["kind"] == "payment_confirmed"
    assert told["timestamp"] == told["data"]["event"]["occurred_at"]
    assert told["data"]["event"]["order"] == told["data"]["order"]["id"] == str(order.public_id)
    about = told["data"]["order"]
    assert (about["reference"], about["state"], about["amount"]) == (order.reference, "paid", "35.50")
    assert (about["operation_number"], about["metadata"]) == ("4711", {"cart": 7})
    assert "actions" not in about, "an empty list would say that nothing is possible"
    message = only()
    assert (message.status, message.outcome, message.http_status) == (MessageStatus.DELIVERED, Outcome.OK, 204)
    tick()
    assert len(listener.heard) == 1


def test_nothing_about_the_payer_leaves(listener: Listener) -> None:
    create_endpoint(listener.url)
    order = pay(make())
    tick()
    assert len(listener.heard) > 1
    for heard in listener.heard:
        text = heard.body.decode()
        for personal in (*order.payer_data.values(), str(order.token), "payer"):
            assert not personal or str(personal) not in text


def test_an_endpoint_hears_the_kinds_that_it_chose(listener: Listener) -> None:
    create_endpoint(listener.url, ["cip_issued", "discrepancy_opened"])
    notify(make(), amount=Decimal("1.00"))
    tick()
    assert kinds(listener) == ["cip_issued", "discrepancy_opened"]
    assert listener.heard[1].json["data"]["event"]["discrepancy"]


def test_without_choice_every_kind_is_heard(listener: Listener) -> None:
    create_endpoint(listener.url)
    pay(make())
    tick()
    assert kinds(listener) == ["order_created", "cip_issued", "payment_confirmed"]


def test_an_event_is_queued_once_however_often_its_receiver_runs(listener: Listener) -> None:
    create_endpoint(listener.url, ["cip_issued"])
    make()
    tick()
    deliver_again(Delivery.objects.get(event__kind="cip_issued", receiver="pagoefectivo.webhooks"))
    tick()
    assert len(listener.heard) == WebhookMessage.objects.count() == 1


@pytest.mark.once
def test_a_message_is_tried_on_schedule_and_then_given_up(listener: Listener) -> None:
    create_endpoint(listener.url, ["cip_issued"])
    listener.answer = NO
    make()
    moment = current_time()
    tick(moment)
    for pause in SCHEDULE:
        heard = len(listener.heard)
        tick(moment + pause - timedelta(seconds=2))
        assert len(listener.heard) == heard
        moment = moment + pause
        tick(moment)
        assert len(listener.heard) == heard + 1
    message = only()
    assert (message.status, message.attempts, message.outcome) == (MessageStatus.FAILED, 10, Outcome.REFUSED)
    assert {each.headers["webhook-id"] for each in listener.heard} == {message.message_id}
    tick(moment + timedelta(days=30))
    assert len(listener.heard) == 10


def test_the_schedule_is_the_documented_one() -> None:
    hours = [timedelta(hours=count) for count in (2, 5, 10, 14, 20, 24)]
    assert list(SCHEDULE) == [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), *hours]


def test_an_endpoint_that_answers_again_hears_what_waits(listener: Listener) -> None:
    create_endpoint(listener.url, ["cip_issued"])
    listener.answer = NO
    for _ in range(5):
        make()
    now = current_time()
    tick(now)
    assert Endpoint.objects.get().failing_since is not None
    assert len(listener.heard) < 5, "an endpoint that fails for several messages is left alone"
    listener.answer = b"HTTP/1.1 200 OK\r\n\r\n"
    tick(now + timedelta(hours=1))
    assert WebhookMessage.objects.filter(delivered_at__isnull=False).count() == 5
    assert Endpoint.objects.get().failing_since is None
    assert not FailingReceiver.objects.exists()


def fail_since(endpoint: Endpoint, moment: datetime) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(failing_since=moment)


@pytest.fixture
def staff(settings: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "STAFF_ALERTS": ["ventas@example.com"]}


def test_five_days_without_a_yes_disable_an_endpoint_and_staff_is_told(listener: Listener, staff: None) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"])
    listener.answer = NO
    now = current_time()
    make()
    fail_since(endpoint, now - timedelta(days=5) + timedelta(minutes=1))
    tick(now)
    assert Endpoint.objects.get().status == EndpointStatus.ACTIVE
    tick(now + timedelta(minutes=2))
    found = Endpoint.objects.get()
    assert (found.status, found.given_up_at is not None) == (EndpointStatus.DISABLED, True)
    mail.outbox.clear()
    tell_staff(now + timedelta(hours=1))
    (told,) = mail.outbox
    assert "127.0.0.1 was disabled" in told.body
    assert "made-up-token" not in told.body
    assert StaffAlert.objects.filter(subject=f"webhooks off {endpoint.pk}").exists()
    make()
    heard = len(listener.heard)
    tick(now + timedelta(hours=2))
    assert len(listener.heard) == heard
    assert WebhookMessage.objects.count() == 1, "nothing is queued for a disabled endpoint"
    change_endpoint(found, status="active")
    assert (found.failing_since, found.given_up_at) == (None, None)
    tell_staff(now + timedelta(hours=3))
    assert not StaffAlert.objects.filter(kind="receiver").exists()


def test_staff_is_told_before_an_endpoint_is_disabled(listener: Listener, staff: None) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"])
    now = current_time()
    fail_since(endpoint, now - timedelta(hours=23))
    tell_staff(now)
    assert not mail.outbox
    tell_staff(now + timedelta(hours=2))
    assert "has accepted nothing since" in mail.outbox[0].body


def test_a_paused_endpoint_hears_it_all_later(listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"], "paused")
    make()
    tick()
    assert (len(listener.heard), only().status) == (0, MessageStatus.WAITING)
    change_endpoint(endpoint, status="active")
    tick()
    assert kinds(listener) == ["cip_issued"]


def test_two_secrets_sign_while_rotating(listener: Listener) -> None:
    endpoint, old = create_endpoint(listener.url)
    new = rotate_secret(endpoint)
    newest = rotate_secret(endpoint)
    assert len({old, new, newest}) == 3
    send_test(endpoint)
    for secret in (old, new, newest):
        verified(listener.heard[0], secret)
    EndpointSecret.objects.filter(ends_at__isnull=False).update(ends_at=current_time())
    send_test(endpoint)
    verified(listener.heard[1], newest)
    for secret in (old, new):
        with pytest.raises(WebhookVerificationError):
            verified(listener.heard[1], secret)
    rotate_secret(endpoint)
    assert EndpointSecret.objects.count() == 2, "a secret that signs no more is not kept"


def test_a_test_tells_its_outcome_at_once_and_is_not_repeated(listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"], "disabled")
    assert send_test(endpoint).status == MessageStatus.DELIVERED
    assert listener.heard[0].json["data"] == {"event": None, "order": None}
    listener.answer = NO
    message = send_test(endpoint)
    assert (message.status, message.outcome, message.http_status) == (MessageStatus.FAILED, Outcome.REFUSED, 503)
    tick(current_time() + timedelta(days=1))
    assert len(listener.heard) == 2


def test_a_message_is_sent_again_on_demand(listener: Listener) -> None:
    endpoint, _ = create_endpoint(listener.url, ["cip_issued"])
    order = make()
    tick()
    send_again(only(), actor="rosa")
    tick()
    first, second = listener.heard
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert order.events.filter(fact="retried", actor_name="rosa").exists()
    change_endpoint(endpoint, status="disabled")
    with pytest.raises(InvalidRequest) as refused:
        send_again(only(), actor="rosa")
    assert refused.value.code == "endpoint_disabled"


@pytest.mark.once
def test_whoever_hangs_holds_back_nobody(listener: Listener) -> None:
    """An endpoint hangs until another has heard all orders: one after the other, they would wait for each other."""
    heard: list[int] = []
    with listening() as hanging:

        def hang(connection: Any) -> None:
            until = time.monotonic() + 60
            while len(listener.heard) < 12 and time.monotonic() < until and not hanging.over.wait(0.01):
                pass
            heard.append(len(listener.heard))

        hanging.answer = hang
        create_endpoint(hanging.url, ["cip_issued"])
        create_endpoint(listener.url, ["cip_issued"])
        for _ in range(12):
            make()
        tick()
    assert heard[0] == 12


def test_a_name_server_that_hangs_holds_back_nobody(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint counts as timed out, and is not asked again while its thread hangs; nothing is sent afterwards."""
    over, asked, real = threading.Event(), threading.Semaphore(0), socket.getaddrinfo

    def hanging(host: str, port: int, **kwargs: Any) -> Any:
        if host != "hanging.example":
            return real(host, port, **kwargs)
        asked.release()
        assert over.wait(60)
        return real("127.0.0.1", port, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    monkeypatch.setattr(posting, "LONGEST", 2)
    monkeypatch.setattr(threads, "LEFT_AFTER", 2.5)
    hung, _ = create_endpoint(f"http://hanging.example:{listener.port}/", ["cip_issued"])
    create_endpoint(listener.url, ["cip_issued"])
    for _ in range(2):
        make()
    now = current_time()
    try:
        for hours in range(3):
            tick(now + timedelta(hours=hours))
        assert asked.acquire(timeout=1)
        assert not asked.acquire(timeout=0)
        assert len(listener.heard) == 2
        outcomes = hung.messages.order_by("pk").values_list("outcome", "attempts")
        assert list(outcomes) == [(Outcome.TIMED_OUT, 1), ("", 0)]
    finally:
        over.set()
        for thread in threading.enumerate():
            if thread.name == "pagoefectivo-webhooks":
                thread.join(10)
    assert threads.left() == []
    assert len(listener.heard) == 2


def test_a_budget_ends_a_round(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    create_endpoint(listener.url, ["cip_issued"])
    for _ in range(3):
        make()
    done: list[str] = []

    def answer(connection: Any) -> None:
        done.append("one")
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    listener.answer = answer
    tick(stopped=lambda: bool(done))
    assert len(listener.heard) == 1
    tick()
    assert len(listener.heard) == 3


def test_an_attempt_that_never_came_back_is_made_again(listener: Listener) -> None:
    create_endpoint(listener.url, ["cip_issued"])
    make()
    now = current_time()
    assert only().claim(now), "as a process does that is killed before the answer"
    tick(now + timedelta(seconds=60))
    assert not listener.heard
    tick(now + LEASE + timedelta(seconds=1))
    assert kinds(listener) == ["cip_issued"]


def test_a_message_that_cannot_be_made_stops_no_other(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create_endpoint(listener.url, ["cip_issued"])
    make("BROKEN")
    make("WHOLE")

    def broken(message: WebhookMessage) -> str:
        if message.event and message.event.order and message.event.order.reference == "BROKEN":
            raise ValueError("made up")
        return body_of(message)

    monkeypatch.setattr(sending, "body_of", broken)
    moment = current_time()
    assert sending.send_due(TimeBudget(moment)) == 1, "the endpoint's other message is sent in the same round"
    assert [heard.json["data"]["order"]["reference"] for heard in listener.heard] == ["WHOLE"]
    assert Endpoint.objects.get().failing_since is None
    assert "could not be made" in caplog.text
    message = WebhookMessage.objects.get(delivered_at=None)
    assert (message.status, message.outcome, message.last_error) == (
        *(MessageStatus.WAITING, Outcome.BROKEN, "ValueError"),
    )
    for pause in SCHEDULE:
        moment += pause
        sending.send_due(TimeBudget(moment))
    message.refresh_from_db()
    assert (message.status, message.attempts) == (MessageStatus.FAILED, 10)


def test_no_log_tells_the_address_or_a_secret(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    _, secret = create_endpoint(listener.url, ["cip_issued"])
    listener.answer = NO
    make()
    tick()
    assert "refused 503" in caplog.text
    assert "made-up-token" not in caplog.text
    assert secret not in caplog.text
