"""What a page asks again and again: where its order stands."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.models import Cip, Discrepancy, Order
from pagoefectivo_django.models.clock import QUERIES
from pagoefectivo_django.states import VoucherState
from pagoefectivo_django.testing import notify, pay
from tests.browser.states import order_in
from tests.factories.orders import make
from tests.reading import within_a_minute

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory", "uncounted"),
]


@pytest.fixture
def uncounted() -> None:
    cache.clear()


def ask(client: Client, order: Order, **headers: str) -> Any:
    return client.get(reverse("pagoefectivo:voucher-status", args=[order.token]), headers=headers)


def test_what_it_tells(client: Client) -> None:
    order = make()
    told = ask(client, order).json()
    assert told == {
        "state": "pending",
        "shown": "waiting",
        "in_review": False,
        "code": order.code,
        "payment_url": "",
        "amount": "35.50",
        "currency": "PEN",
        "expires_at": order.expires_at.isoformat(),
        "paid_at": None,
    }
    pay(order)
    told = ask(client, order).json()
    assert (told["state"], told["shown"]) == ("paid", "paid")
    assert told["paid_at"] == (order.paid_at and order.paid_at.isoformat())


@pytest.mark.parametrize("state", VoucherState)
def test_it_costs_one_statement_in_every_state(client: Client, state: VoucherState) -> None:
    order = order_in(state)
    for headers in ({}, {"If-None-Match": ask(client, order)["ETag"]}):
        with CaptureQueriesContext(connection) as made:
            answer = ask(client, order, **headers)
        assert len([each for each in made if each["sql"] not in QUERIES.values()]) == 1
        assert answer.status_code == (304 if headers else 200)


def test_no_news_has_no_body_and_says_when_to_ask_again(client: Client) -> None:
    order = make()
    known = ask(client, order)["ETag"]
    answer = ask(client, order, **{"If-None-Match": f'"other", W/{known}'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer["ETag"], answer["Retry-After"]) == (known, "5")
    assert "no-store" in answer["Cache-Control"]


def test_all_that_the_page_would_show_is_news(client: Client, settings: Any) -> None:
    order = make()
    tags = {ask(client, order)["ETag"]}
    Cip.objects.update(url="https://other.example/")
    tags.add(ask(client, order)["ETag"])
    Cip.objects.update(qr="made-up")
    tags.add(ask(client, order)["ETag"])
    Order.objects.update(expires_at=timezone.now() + timedelta(days=5))
    tags.add(ask(client, order)["ETag"])
    Order.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    tags.add(ask(client, order)["ETag"])
    assert notify(order, amount="1.00", operation_number="1") == 200
    tags.add(ask(client, order)["ETag"])
    pay(order, operation_number="2")
    tags.add(ask(client, order)["ETag"])
    Order.objects.update(operation_number="3")
    tags.add(ask(client, order)["ETag"])
    Order.objects.update(state="expired")
    tags.add(ask(client, order)["ETag"])
    Discrepancy.objects.update(
        status="resolved", resolution="ignore", resolved_by="x", reason="x", resolved_at=timezone.now()
    )
    tags.add(ask(client, order)["ETag"])
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": True}
    tags.add(ask(client, order)["ETag"])
    assert len(tags) == 11


def test_the_page_knows_its_own_tag(client: Client) -> None:
    order = make()
    tag = ask(client, order)["ETag"].strip('"')
    assert f'data-etag="&quot;{tag}&quot;"' in client.get(order.voucher_url).content.decode()


def test_who_asks_too_often_is_told_when_to_come_back(client: Client) -> None:
    order, other = make(), make()
    answers = within_a_minute(lambda: [ask(client, order) for _ in range(121)])
    assert {answer.status_code for answer in answers[:120]} == {200}
    assert answers[120].status_code == 429
    assert 1 <= int(answers[120]["Retry-After"]) <= 60
    with CaptureQueriesContext(connection) as made:
        assert ask(client, order).status_code == 429
    assert len(made) == 0
    assert ask(client, other).status_code == 200


def test_without_a_cache_it_still_tells(client: Client, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    order = make()
    assert {ask(client, order).status_code for _ in range(130)} == {200}


def test_a_cache_that_is_down_stops_nobody(client: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    address = "redis://127.0.0.1:1/made-up"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": address}}
    order = make()
    assert ask(client, order).status_code == 200
    assert "Requests are not limited, since the cache fails (ConnectionError)." in caplog.text


def test_an_unknown_token_says_nothing(client: Client) -> None:
    answer = client.get(reverse("pagoefectivo:voucher-status", args=[uuid.uuid4()]))
    assert answer.status_code == 404
