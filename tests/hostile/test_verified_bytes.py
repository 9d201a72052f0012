"""Kind 11: what was verified is what is stored, whatever else the bytes could say."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.channels.base import Incoming
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.channels.pagoefectivo.notices import compact
from pagoefectivo_django.errors import InvalidSignature
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Discrepancy, Notification
from pagoefectivo_django.models.database import database
from tests.channels.examples import ACCESS_KEY, SECRET_KEY, payload, sign

pytestmark = [pytest.mark.smoke, pytest.mark.every_database]

PAID = payload("notice_paid_old")
OPTIONS = {"ENVIRONMENT": "sandbox", "SERVICE_ID": 1234, "ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}
BACKEND = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"


@pytest.fixture(autouse=True)
def direct(settings: Any) -> None:
    configure(settings)


def configure(settings: Any, **options: Any) -> None:
    settings.PAGOEFECTIVO = {"CHANNELS": {"default": {"BACKEND": BACKEND, "OPTIONS": OPTIONS | options}}}


def post(body: bytes, signature: str) -> int:
    headers = {"PE-Signature": signature}
    url = "/pay/webhooks/default/"
    return int(Client().post(url, body, content_type="application/json", headers=headers).status_code)


def indented(body: bytes, seed: int) -> bytes:
    """The same JSON with other blanks around its brackets and commas; none of them stands in a text of it."""
    chosen = random.Random(seed)
    pieces = []
    for byte in body:
        before, after = (bytes(chosen.choices(b" \t\r\n", k=chosen.randrange(4))) for _ in range(2))
        pieces.append(before + bytes([byte]) + after if byte in b"{}," else bytes([byte]))
    return b"".join(pieces)


@pytest.mark.django_db
def test_one_message_in_a_hundred_spellings_is_one_row() -> None:
    signature = sign(PAID)
    for seed in range(100):
        assert post(indented(PAID, seed), signature) == 200
    row = Notification.objects.using(database()).get()
    assert row.times_received == 100
    assert bytes(row.body) == PAID
    assert Discrepancy.objects.using(database()).count() <= 1


@pytest.mark.django_db
def test_the_same_text_by_the_next_secret_is_the_same_row(settings: Any) -> None:
    configure(settings, WEBHOOK_SECRETS=["new secret", "old secret"])
    assert post(PAID, sign(PAID, "old secret")) == 200
    assert post(PAID, sign(PAID, "new secret")) == 200
    assert Notification.objects.using(database()).get().times_received == 2


#: Each has the compact text that was signed, and reads differently.
DIFFERENT = [
    PAID.replace(b"35.50", b"35 .50"),
    PAID.replace(b"35.50", b"3 5.50"),
    PAID.replace(b"35.50", b"35.\n50"),
    PAID.replace(b"35.50", b"35.5\t0"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("body", DIFFERENT)
def test_a_body_that_reads_differently_is_refused(body: bytes) -> None:
    assert body != PAID
    assert b"".join(body.split()) == b"".join(PAID.split())
    assert post(body, sign(PAID)) == 403
    tick()
    assert not Notification.objects.using(database()).exists()
    assert not Discrepancy.objects.using(database()).exists()


@pytest.mark.django_db
def test_what_was_signed_with_its_blanks_is_kept_with_them() -> None:
    spaced = PAID.replace(b"35.50", b"3 5.50")  # the provider's own nonsense is its word: a person sees it
    assert post(spaced, sign(spaced)) == 200
    assert bytes(Notification.objects.using(database()).get().body) == spaced
    assert post(PAID, sign(PAID)) == 200  # and does not stand in the way of the true one
    assert Notification.objects.using(database()).count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["bytes", "compact"])
@pytest.mark.parametrize("seed", range(5))
def test_every_row_is_what_its_signature_proves(by: str, seed: int) -> None:
    body = indented(PAID, seed)
    assert post(body, sign(body if by == "bytes" else compact(body) or body)) == 200
    row = Notification.objects.using(database()).get()
    assert row.headers["PE-Signature"] == sign(bytes(row.body))
    assert row.identity == hashlib.sha256(bytes(row.body)).hexdigest()


def _strict(text: bytes) -> Any:
    try:
        return repr(json.loads(text.decode("utf-8"), parse_float=str))
    except ValueError:
        return "none"


@given(st.text('{}[]:,"\\ \n01.-etrufalsn', max_size=24), st.data())
def test_no_blanks_make_another_message_of_a_signed_one(text: str, data: st.DataObject) -> None:
    signed = text.encode()
    places = data.draw(
        st.lists(st.tuples(st.integers(0, len(signed)), st.sampled_from([b" ", b"\n", b"\t "])), max_size=4)
    )
    varied = signed
    for place, blanks in places:
        varied = varied[:place] + blanks + varied[place:]
    channel = PagoEfectivoChannel("default", OPTIONS)
    kept = _kept(channel, varied, sign(signed))
    assert kept in (None, signed)
    if compact(varied) == signed:
        assert kept == signed
        assert _strict(varied) == _strict(signed)


def _kept(channel: PagoEfectivoChannel, body: bytes, signature: str) -> bytes | None:
    try:
        return channel.verify(Incoming(body, {"PE-Signature": signature})).kept.body
    except InvalidSignature:
        return None


def _times(body: bytes) -> Iterator[float]:
    channel = PagoEfectivoChannel("default", OPTIONS)
    for _ in range(7):
        begin = time.perf_counter()
        with pytest.raises(Exception, match="no valid signature"):
            channel.verify(Incoming(body, {"PE-Signature": "0" * 64}))
        yield time.perf_counter() - begin


@pytest.mark.parametrize("piece", [b'"" ', b'" ', b'\\" ', b"1 ", b" ", b'"', b"[ ", b"\\", b'"\\\\" '])
def test_the_work_before_a_refusal_is_bounded(piece: bytes) -> None:
    """Against the same bytes hashed: whatever they are, refusing them costs a small multiple of a plain text."""
    size = 64 * 1024
    hostile = (piece * size)[:size]
    plain = min(_times(b"a" * size))
    assert min(_times(hostile)) < 20 * plain + 0.002


def test_without_a_signature_nothing_is_hashed_or_read() -> None:
    channel = PagoEfectivoChannel("default", OPTIONS)
    body = b'"" ' * (64 * 1024 * 1024 // 3)  # would take seconds
    begin = time.perf_counter()
    for wrong in ({}, {"PE-Signature": ""}, {"PE-Signature": "x" * 64}):
        with pytest.raises(Exception, match="no valid signature"):
            channel.verify(Incoming(body, wrong))
    assert time.perf_counter() - begin < 0.2
