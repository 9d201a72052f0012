"""The webhook believes nothing unproven, loses nothing proven, and answers whatever comes in."""

import hashlib
import io
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.inbox.apply import ask_person
from pagoefectivo_django.models import Discrepancy, Notification, Order, Payment
from pagoefectivo_django.states import Kind
from pagoefectivo_django.views import webhook
from tests import servers
from tests.clock import many_ticks
from tests.concurrency import breaking, observing, posting, who_waits
from tests.factories.messages import SECRET, URL, paid, post
from tests.factories.orders import make
from tests.factories.provider import serve_by
from tests.hostile.channels import Stumbling, late_with_a_mistake
from tests.reading import kept
from tests.shop.models import Heard

pytestmark = [pytest.mark.smoke, pytest.mark.every_database, pytest.mark.usefixtures("pagoefectivo_memory")]
committing = pytest.mark.django_db(transaction=True)

LIMIT = 64 * 1024
DEEP = 20_000

# What is proven and cannot be read.
MALFORMED = {
    "empty": b"",
    "blank": b"  \n",
    "no JSON": b"fact=payment&code=1",
    "cut off": b'{"fact": "payment", "code"',
    "two values": b"{} {}",
    "an array": b"[]",
    "a text": b'"payment"',
    "a number": b"7",
    "null": b"null",
    "an empty object": b"{}",
    "deep arrays": b"[" * DEEP,
    "deep arrays, closed": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"fact":' * (LIMIT // 8),
    "deep inside": b'{"fact": "payment", "code": "1", "more": ' + b"[" * 60 + b"]" * 60 + b"}",
    "NaN": b'{"fact": "payment", "code": "1", "amount": NaN}',
    "Infinity": b'{"fact": "payment", "code": "1", "amount": -Infinity}',
    "1e999": b'{"fact": "payment", "code": "1", "amount": 1e999}',
    "an endless number": b'{"fact": "payment", "code": "1", "amount": ' + b"9" * 5000 + b"}",
    "NUL": b'{"fact": "payment", "code": "1\\u0000"}',
    "NUL in a key": b'{"fact": "payment", "code": "1", "\\u0000": 1}',
    "NUL bytes": b"\0\0\0",
    "a lone surrogate": b'{"fact": "payment", "code": "\\ud800"}',
    "a lone surrogate in a key": b'{"fact": "payment", "code": "1", "\\udfff": 1}',
    "invalid UTF-8": b'{"fact": "payment", "code": "\xff"}',
    "UTF-16": '{"fact": "payment"}'.encode("utf-16"),
    "two byte order marks": b'\xef\xbb\xbf\xef\xbb\xbf{"fact": "payment", "code": "1"}',
    "an unknown fact": b'{"fact": "gift", "code": "1"}',
    "a fact that is a list": b'{"fact": ["payment"], "code": "1"}',
    "an amount that is none": b'{"fact": "payment", "code": "1", "amount": "a lot"}',
    "an amount that is an object": b'{"fact": "payment", "code": "1", "amount": {}}',
    "two amounts": b'{"fact": "payment", "code": "1", "amount": "1.00", "currency": "PEN", "amount": "120.50"}',
    "two codes": b'{"code": "2", "fact": "payment", "code": "1", "amount": "1.00", "currency": "PEN"}',
    "a date that is none": b'{"fact": "payment", "code": "1", "paid_at": "2026-13-45T00:00:00Z"}',
    "a date that is a list": b'{"fact": "payment", "code": "1", "paid_at": [2026]}',
}

# What can be read and can't be right; each changes the message of a payment of a known order.
ODD: dict[str, dict[str, Any]] = {
    "a code of 500 digits": {"code": "9" * 500},
    "a code that is an object": {"code": {"code": 1}},
    "a fact of people": {"fact": "accepted"},
    "a transaction code of 500 letters": {"transaction_code": "x" * 500},
    "an operation number of 500 digits": {"operation_number": "7" * 500},
    "no amount": {"amount": None},
    "no currency": {"currency": None},
    "a currency of 500 letters": {"currency": "PEN" * 150},
    "a negative amount": {"amount": "-120.50"},
    "nothing": {"amount": "0"},
    "NaN as text": {"amount": "NaN"},
    "Infinity as text": {"amount": "Infinity"},
    "three decimals": {"amount": "120.501"},
    "more than there is": {"amount": "1" + "0" * 30},
    "less than a cent": {"amount": 1e-30},
    "a naive date": {"paid_at": "2026-01-01T00:00:00"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_proven_and_malformed_is_kept_for_a_person(body: bytes) -> None:
    assert post(body).status_code == 200
    row = kept(body)
    assert (bytes(row.body), row.status, row.times_received) == (body, "dead", 1)
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.notification, discrepancy.status) == ("unprocessed", row, "open")
    assert discrepancy.evidence[0]["identity"] == row.identity
    assert post(body).status_code == 200
    assert kept(body).times_received == 2
    # The worker may look at it again, and then it rests: the bytes will not get better.
    many_ticks(5)
    row.refresh_from_db()
    assert (row.status, row.retry_at) == ("dead", None)
    assert Discrepancy.objects.get().status == "open"


@committing
@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_what_can_be_read_and_cannot_be_right_comes_to_a_person(changes: dict[str, Any]) -> None:
    order = make()
    body = paid(order, **changes)
    assert post(body).status_code == 200
    assert kept(body).times_received == 1
    many_ticks()
    order.refresh_from_db()
    assert order.state == "pending"
    assert not Heard.objects.exists()
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.status == "open"
    assert str(kept(body).retry_at) == "None"


SIGNED = b'{"fact": "payment", "code": "1"}'
RIGHT = MemoryChannel.sign(SIGNED, SECRET)
UNPROVEN = {
    "missing": None,
    "empty": "",
    "short": RIGHT[:-1],
    "long": RIGHT + "0",
    "not hex": "z" * 64,
    "not ASCII": "é" * 64,
    "wide digits": "\uff11" * 64,
    "a lone surrogate": "\ud800" * 64,
    "a prefix": f"sha256={RIGHT}",
    "several": f"{RIGHT},{RIGHT}",
    "zeros": "0" * 64,
    "for other bytes": MemoryChannel.sign(SIGNED + b" ", SECRET),
    "by another secret": MemoryChannel.sign(SIGNED, "another"),
    "by an empty secret": MemoryChannel.sign(SIGNED, ""),
    "huge": RIGHT * 1000,
}


@pytest.mark.django_db
@pytest.mark.parametrize("signature", UNPROVEN.values(), ids=UNPROVEN)
@pytest.mark.parametrize("body", [SIGNED, b"", b"[" * DEEP, b"\xff\0"], ids=["JSON", "empty", "deep", "no UTF-8"])
def test_unproven_is_refused_and_not_kept(
    client: Client, body: bytes, signature: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {} if signature is None else {"PE-Signature": signature}
    answer = client.post(URL, body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.content) == (403, b'{"code": 403, "message": "invalid signature"}')
    assert not Notification.objects.exists()
    (record,) = [record for record in caplog.records if record.name == "pagoefectivo.webhook"]
    assert record.levelno == logging.WARNING
    assert SECRET not in caplog.text
    assert RIGHT not in caplog.text


@pytest.mark.django_db
def test_without_a_secret_everything_is_refused(settings: Any) -> None:
    serve_by(settings, WEBHOOK_SECRETS=[])
    assert post(SIGNED, secret="").status_code == 403


@pytest.mark.django_db
def test_a_secret_can_be_rotated_and_hex_may_be_in_capitals(client: Client, settings: Any) -> None:
    serve_by(settings, WEBHOOK_SECRETS=["the next one", SECRET])
    assert post(SIGNED).status_code == 200
    assert post(SIGNED, secret="the next one").status_code == 200
    headers = {"PE-Signature": RIGHT.upper()}
    assert client.post(URL, SIGNED, content_type="application/json", headers=headers).status_code == 200
    assert Notification.objects.get().times_received == 3


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "status"), [("other", 404), ("%00", 404), ("%F0%9F%92%A9", 404), ("Default", 404)])
def test_an_unknown_channel_is_not_found(path: str, status: int) -> None:
    assert post(SIGNED, url=f"/pay/webhooks/{path}/").status_code == status
    assert not Notification.objects.exists()


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post_is_allowed(client: Client, method: str) -> None:
    assert getattr(client, method)(URL).status_code == 405


# Size.


@pytest.mark.django_db
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (4_000_000, 413)])
def test_a_body_has_a_limit(size: int, status: int) -> None:
    body = b" " * size
    assert post(body).status_code == status
    assert Notification.objects.count() == (status == 200)


@pytest.mark.django_db
def test_the_limit_is_a_setting(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"WEBHOOK_LIMIT": 10}
    assert post(b"x" * 10).status_code == 200
    assert post(b"x" * 11).status_code == 413


@pytest.mark.django_db
@pytest.mark.parametrize("length", ["", "-1", "7", "many", "31", "33", "9" * 30, None])
def test_a_content_length_may_lie(client: Client, length: str | None) -> None:
    extra: dict[str, Any] = {"wsgi.input": io.BytesIO(SIGNED), "HTTP_PE_SIGNATURE": RIGHT}
    if length is not None:
        extra["CONTENT_LENGTH"] = length
    answer = client.generic("POST", URL, b"", content_type="application/json", **extra)
    assert answer.status_code in (200, 400, 403, 413)
    assert Notification.objects.filter(body=SIGNED).count() == (answer.status_code == 200)


@pytest.mark.django_db
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
@pytest.mark.parametrize("told", [None, b"1", b"-1"])
def test_nor_does_asgi_need_one(size: int, status: int, told: bytes | None) -> None:
    body = b" " * size
    headers = [(b"pe-signature", MemoryChannel.sign(body, SECRET).encode())]
    headers += [(b"content-length", told)] if told else []
    scope = {"type": "http", "method": "POST", "path": URL, "query_string": b"", "headers": headers}
    answer = webhook(ASGIRequest(scope, io.BytesIO(body)), channel="default")
    assert answer.status_code == status
    assert Notification.objects.count() == (status == 200)


@pytest.mark.django_db
def test_a_line_that_drops_is_no_message(client: Client) -> None:
    class Dropped(io.BytesIO):
        def read(self, *args: Any) -> bytes:
            raise ConnectionResetError

    extra: dict[str, Any] = {"wsgi.input": Dropped(), "CONTENT_LENGTH": "32", "HTTP_PE_SIGNATURE": RIGHT}
    assert client.generic("POST", URL, b"", content_type="application/json", **extra).status_code == 400
    assert not Notification.objects.exists()


# Unknown codes.


@committing
def test_an_unknown_code_waits_and_then_a_person_is_asked() -> None:
    body = json.dumps({"fact": "payment", "code": "404", "amount": "5.00", "currency": "PEN"}).encode()
    assert post(body).status_code == 200
    assert kept(body).status == "waiting"
    now = timezone.now()
    assert tick(now=now).notifications == 1
    assert ("look_up", "404") in MemoryChannel.calls
    assert not Discrepancy.objects.exists()
    now = many_ticks(begin=now)
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.status, discrepancy.order) == ("unmatched", "open", None)
    assert (discrepancy.evidence[0]["code"], discrepancy.evidence[0]["amount"]) == ("404", "5.00")
    assert kept(body).status == "dead"
    assert kept(body).retry_at is None
    asked = len(MemoryChannel.calls)
    many_ticks(begin=now)
    assert len(MemoryChannel.calls) == asked
    assert post(body).status_code == 200
    many_ticks(begin=now)
    assert Discrepancy.objects.get() == discrepancy
    assert kept(body).retry_at is None


@committing
def test_a_code_that_becomes_known_is_paid_after_all() -> None:
    order = make()
    code = order.code
    order.cips.update(code=None)
    body = paid(order, paid_at=None, code=code)
    assert post(body).status_code == 200
    assert kept(body).status == "waiting"
    assert tick(now=timezone.now()).notifications == 1
    order.refresh_from_db()
    assert (order.state, kept(body).status) == ("paid", "applied")


@committing
def test_first_received_in_time_counts_however_late_it_is_applied(settings: Any) -> None:
    """The provider told no time: when we first received it stands in, also if the bytes come again later."""
    order = make()
    body = paid(order, paid_at=None)
    with breaking("INSERT", "pagoefectivo_payment"):
        assert post(body).status_code == 200
    order.refresh_from_db()
    assert (order.state, kept(body).status) == ("pending", "waiting")
    # Long ago, by now.
    back = order.expires_at - timedelta(minutes=1)
    long_ago = timezone.now() - timedelta(days=10)
    Order.objects.update(expires_at=long_ago)
    Notification.objects.update(received_at=long_ago - timedelta(hours=1))
    assert back > long_ago
    assert post(body).status_code == 200
    order.refresh_from_db()
    assert order.state == "paid"
    assert not Discrepancy.objects.exists()


# Trouble in our own house.


@pytest.fixture
def stumbling(settings: Any) -> Iterator[dict[str, int]]:
    serve_by(settings, Stumbling)
    Stumbling.stumbles.clear()
    yield Stumbling.stumbles
    Stumbling.stumbles.clear()


@committing
def test_a_mistake_in_reading_is_ours_to_repeat(stumbling: dict[str, int]) -> None:
    order = make()
    body = paid(order)
    stumbling["read"] = 2
    assert post(body).status_code == 200
    row = kept(body)
    assert (row.status, row.retry_at is not None) == ("waiting", True)
    assert "a mistake in read" in row.last_error
    many_ticks(3)
    order.refresh_from_db()
    assert (order.state, kept(body).status, kept(body).last_error) == ("paid", "applied", "")
    assert Heard.objects.count() == 1


@committing
def test_a_message_that_becomes_unreadable_says_so_on_its_row_and_to_the_person(stumbling: dict[str, int]) -> None:
    """Its earlier error, of another kind, would lead the person astray."""
    body = paid(make())
    stumbling["read"] = 1
    assert post(body).status_code == 200
    assert "a mistake in read" in kept(body).last_error
    Notification.objects.update(body=b"{")
    many_ticks(1)
    row = Notification.objects.get()
    assert (row.status, row.last_error) == (
        "dead",
        "Malformed: The body is not JSON that can be stored (JSONDecodeError).",
    )
    assert row.error_data
    evidence = Discrepancy.objects.get().evidence[0]
    assert (evidence["error"], evidence["error"]["code"]) == (row.error_data["error"], "not_json")


@committing
def test_evidence_of_a_message_whose_error_is_a_text_alone() -> None:
    """Such as a row that an older release wrote."""
    post(paid(make()))
    Notification.objects.update(last_error="ValueError: no shelf", error_data=None)
    ask_person(Notification.objects.get(), Kind.UNPROCESSED, timezone.now())
    assert Discrepancy.objects.get().evidence[0]["said"] == "ValueError: no shelf"


@committing
def test_a_mistake_in_the_shop_s_policy_is_a_discrepancy(settings: Any) -> None:
    policy = f"{late_with_a_mistake.__module__}.{late_with_a_mistake.__qualname__}"
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"LATE_PAYMENTS": policy}
    order = make()
    body = paid(order, paid_at=(order.expires_at + timedelta(hours=1)).isoformat())
    assert post(body).status_code == 200
    assert kept(body).status == "applied"
    discrepancy = Discrepancy.objects.get()
    assert (discrepancy.kind, discrepancy.order, discrepancy.status) == ("late_payment", order, "open")


@committing
def test_a_mistake_in_proving_keeps_nothing_and_asks_to_send_again(stumbling: dict[str, int]) -> None:
    stumbling["prove"] = 1
    body = paid(make())
    assert post(body).status_code == 503
    assert not Notification.objects.exists()
    assert post(body).status_code == 200


@committing
def test_a_database_that_is_down_asks_to_send_again(caplog: pytest.LogCaptureFixture) -> None:
    order = make()
    body = paid(order)
    with breaking(""):
        assert post(body).status_code == 503
    assert not Notification.objects.exists()
    assert any(record.name == "pagoefectivo.webhook" and record.exc_info for record in caplog.records)
    assert post(body).status_code == 200
    order.refresh_from_db()
    assert order.state == "paid"


@committing
@pytest.mark.parametrize(
    "parts",
    [("INSERT", "pagoefectivo_payment"), ("UPDATE", "pagoefectivo_cip"), ("INSERT", "pagoefectivo_delivery")],
    ids=["payment", "code", "outbox"],
)
@pytest.mark.parametrize("lose_transaction", [False, True], ids=["savepoint", "transaction"])
def test_what_cannot_be_applied_now_is_kept_and_applied_later(parts: tuple[str, ...], lose_transaction: bool) -> None:
    order = make()
    body = paid(order)
    with breaking(*parts, times=1, lose_transaction=lose_transaction) as failed:
        assert post(body).status_code == 200
    assert failed
    order.refresh_from_db()
    assert (order.state, Payment.objects.count()) == ("pending", 0)
    row = kept(body)
    assert (row.status, row.retry_at is not None) == ("waiting", True)
    assert "the test broke it" in row.last_error or lose_transaction
    assert tick(now=timezone.now()).notifications == 1
    order.refresh_from_db()
    row.refresh_from_db()
    assert (order.state, row.status, row.retry_at, row.last_error) == ("paid", "applied", None, "")
    assert Heard.objects.count() == 1


@committing
def test_only_if_it_cannot_be_kept_at_all_it_must_be_sent_again() -> None:
    body = paid(make())
    with breaking("INSERT", "pagoefectivo_notification") as failed:
        assert post(body).status_code == 503
    assert len(failed) == 2  # it was tried a second time, alone
    assert not Notification.objects.exists()


WHO_AM_I = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}
KILL = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}


@committing
@pytest.mark.postgresql
@pytest.mark.mariadb
def test_a_connection_that_died_while_nobody_looked_is_replaced() -> None:
    """With CONN_MAX_AGE the first to notice that the server was restarted is a payment."""
    body = paid(make())
    with connection.cursor() as cursor, observing() as ask:
        cursor.execute(WHO_AM_I[servers.kind()])
        ask(KILL[servers.kind()].format(cursor.fetchone()[0]))
    assert post(body).status_code == 200
    many_ticks(2)
    assert Order.objects.get().state == "paid"


@committing
@pytest.mark.postgresql
@pytest.mark.mariadb
def test_a_connection_that_is_killed_in_the_middle_loses_nothing() -> None:
    """The webhook waits for somebody who writes the same message; then its connection is killed."""
    order = make()
    body = paid(order)
    now = timezone.now()
    twin = Notification(account="memory:default", identity=hashlib.sha256(body).hexdigest(), body=b"", channel="x")
    twin.received_at = twin.last_received_at = now
    with observing() as ask, ExitStack() as thread, transaction.atomic():
        twin.save()
        statuses = thread.enter_context(posting(body))
        ask(KILL[servers.kind()].format(who_waits(ask)))
        transaction.set_rollback(True)
    assert statuses == [200]
    assert kept(body).status == "waiting"
    many_ticks(2)
    order.refresh_from_db()
    assert (order.state, kept(body).status) == ("paid", "applied")
