"""The payer is texted besides: each text and each mail on its own."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import models
from django.utils import timezone

from pagoefectivo_django.carriers import get_carrier
from pagoefectivo_django.carriers.base import Carrier
from pagoefectivo_django.carriers.console import ConsoleCarrier
from pagoefectivo_django.errors import Misconfigured
from pagoefectivo_django.flows import publish_events, tick
from pagoefectivo_django.models import Delivery, Order, OrderEvent
from pagoefectivo_django.payer import Payer, e164
from pagoefectivo_django.testing import expire, notify, pay
from tests.channels.scripted import Says, Script, playing
from tests.clock import later
from tests.factories.carriers import BATCHES, CONSOLE, KEYS, NUMBER, REFUSAL, SINCH, TOKEN
from tests.factories.orders import make
from tests.mail.conftest import Connect, messages  # noqa: F401

pytestmark = [pytest.mark.usefixtures("pagoefectivo_memory"), pytest.mark.django_db(transaction=True)]


NOBODY = Payer(email="ana@example.com")


@pytest.fixture
def sinch(messages: Connect) -> Iterator[Script]:  # noqa: F811
    with playing() as script:
        script.always[BATCHES] = Says(201, {"id": "x"})
        options = KEYS | {"BASE_URL": script.base.removesuffix("/v1/")}
        messages(CARRIERS={"sms": {"BACKEND": SINCH, "OPTIONS": options}})
        yield script


def bodies(sinch: Script) -> list[str]:
    return [heard.json["body"] for heard in sinch.asked(BATCHES)]


def row(name: str) -> Delivery:
    return Delivery.objects.select_related("event").get(receiver=f"pagoefectivo.carrier.sms.{name}")


def test_each_step_is_texted(sinch: Script, mailoutbox: list[EmailMultiAlternatives]) -> None:
    order = make(language="en")
    publish_events(later(seconds=1))
    tick(now=order.expires_at - timedelta(hours=1))
    pay(order)
    expire(make(language="en"))
    publish_events(later(seconds=1))
    created, reminder, paid, expired = bodies(sinch)
    assert created.startswith(f"Pay S/ 35.50 with the PagoEfectivo code (CIP) {order.code} before ")
    assert created.endswith(f" https://shop.example/pay/{order.token}/")
    assert "expires" in reminder
    assert "We received your payment" in paid
    assert "do not pay it any more" in expired
    assert {heard.json["to"][0] for heard in sinch.heard} == {NUMBER}
    assert len(mailoutbox) == 4


def test_what_needs_more_words_is_mailed_only(sinch: Script, mailoutbox: list[EmailMultiAlternatives]) -> None:
    notify(make(), amount="7.00")
    publish_events(later(seconds=1))
    assert len(mailoutbox) == 1
    assert not sinch.heard


def test_what_is_true_no_more_is_not_texted(sinch: Script) -> None:
    pay(make(language="en"))
    publish_events(later(seconds=1))
    assert [body[:11] for body in bodies(sinch)] == ["We received"]


def test_two_carriers_text_alone(messages: Connect, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    with playing() as script:
        script.always[BATCHES] = Says(500)
        options = KEYS | {"BASE_URL": script.base.removesuffix("/v1/")}
        messages(
            ("created",),
            CARRIERS={"sms": {"BACKEND": SINCH, "OPTIONS": options}, "screen": {"BACKEND": CONSOLE}},
        )
        order = make(language="en")
        assert publish_events(later(seconds=1)) == 2
        assert row("created").last_error.startswith("OutcomeUnknown: Sinch answered 500")
        script.always[BATCHES] = Says(201)
        assert row("created").retry_at
        assert tick(now=row("created").retry_at).deliveries == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"SMS to {NUMBER}: Pay ")
    assert shown.count(order.code) == 1
    assert Delivery.objects.filter(delivered_at=None).count() == 0


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_what_may_work_later_is_tried_again(sinch: Script, caplog: pytest.LogCaptureFixture, status: int) -> None:
    sinch.always[BATCHES] = Says(status, REFUSAL if status == 500 else b"")
    order = make(language="en")
    publish_events(later(seconds=1))
    failed = row("created")
    assert (failed.delivered_at, failed.attempts) == (None, 1)
    assert str(status) in failed.last_error
    told = caplog.text + failed.last_error
    assert not [secret for secret in ("999888777", TOKEN, order.code) if secret in told]
    sinch.always[BATCHES] = Says(201)
    assert failed.retry_at
    tick(now=failed.retry_at)
    assert row("created").delivered_at
    assert len(sinch.heard) == 2
    assert Order.objects.get(pk=order.pk).state == "pending"


def test_what_can_never_arrive_is_not(sinch: Script, caplog: pytest.LogCaptureFixture) -> None:
    sinch.always[BATCHES] = Says(400, REFUSAL)
    make()
    publish_events(later(seconds=1))
    assert row("created").delivered_at
    warned = [record for record in caplog.records if record.name == "pagoefectivo.delivery"]
    assert [record.levelno for record in warned] == [logging.WARNING]
    assert "syntax_invalid_parameter_format" in warned[0].getMessage()
    assert str(row("created").event.pk) in warned[0].getMessage()
    assert "999888777" not in caplog.text


def test_a_text_that_comes_too_late_is_not_sent(sinch: Script, caplog: pytest.LogCaptureFixture) -> None:
    pay(make())
    models.QuerySet(OrderEvent).update(created_at=timezone.now() - timedelta(hours=3))
    publish_events(later(seconds=1))
    assert not bodies(sinch)
    assert row("paid").delivered_at
    assert "too_old" in caplog.text


def test_without_a_phone_nobody_is_texted(sinch: Script, caplog: pytest.LogCaptureFixture) -> None:
    make(payer=NOBODY)
    publish_events(later(seconds=1))
    assert row("created").delivered_at
    assert not sinch.heard
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("phone", ["00000", "99988877", "not a number", "9998887771"])
def test_a_number_that_is_none_is_noted_and_skipped(
    sinch: Script, caplog: pytest.LogCaptureFixture, phone: str
) -> None:
    make(payer=Payer(email="ana@example.com", phone=phone))
    publish_events(later(seconds=1))
    assert row("created").delivered_at
    assert not sinch.heard
    assert str(row("created").event.pk) in caplog.text
    assert phone not in caplog.text


@pytest.mark.parametrize(
    ("phone", "prefix", "number"),
    [
        ("999888777", "+51", NUMBER),
        ("999 888 777", "51", NUMBER),
        ("999-888-777", "+51", NUMBER),
        ("+51 999888777", "+51", NUMBER),
        ("+51999888777", "+1", NUMBER),
        ("91123456789", "+54", "+5491123456789"),
        ("999888777", "", ""),
        ("999888777", "+", ""),
        ("999888777", "+999", ""),
    ],
)
def test_numbers_as_people_type_them(phone: str, prefix: str, number: str) -> None:
    assert e164(Payer(email="ana@example.com", phone=phone, phone_prefix=prefix)) == number


def test_a_carrier_by_its_alias(settings: Any) -> None:
    settings.PAGOEFECTIVO = {
        **settings.PAGOEFECTIVO,
        "CARRIERS": {"screen": {"BACKEND": CONSOLE}, "odd": {}, "no": None},
    }
    found = get_carrier("screen")
    assert type(found) is ConsoleCarrier
    assert found.alias == "screen"
    for alias in ("odd", "no", "unknown"):
        with pytest.raises(Misconfigured, match=f"'{alias}'.* no BACKEND"):
            get_carrier(alias)


@pytest.mark.parametrize("path", ["no.such.Backend", "datetime.datetime", "", None, 7])
def test_a_backend_that_is_no_carrier(settings: Any, path: Any) -> None:
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "CARRIERS": {"sms": {"BACKEND": path}}}
    with pytest.raises(Misconfigured, match="not a carrier"):
        get_carrier("sms")


def test_a_carrier_has_to_say_how() -> None:
    with pytest.raises(NotImplementedError):
        Carrier("x", {}).send(NUMBER, "x")
