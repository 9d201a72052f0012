"""Kind 14: what has a limit on its size has one on its work: a stranger's message, an answer, a text, an address."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pagoefectivo_django.channels.http import LARGEST_ANSWER
from pagoefectivo_django.channels.redact import LONGEST, redact
from pagoefectivo_django.codes import plain
from pagoefectivo_django.errors import Malformed
from pagoefectivo_django.flows.provider.accounts import channels_at
from pagoefectivo_django.flows.refunds.refund import refund_of
from pagoefectivo_django.models import Cip
from pagoefectivo_django.payer import check_cci, check_document, check_email, check_phone, check_text
from pagoefectivo_django.strict_json import load
from pagoefectivo_django.texts import one_line
from tests.factories.messages import URL
from tests.factories.orders import make


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """The shortest of a few tries: a machine that is busy is not the code's."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        with suppress(Exception):
            work()
        found.append(time.perf_counter() - begin)
    return min(found)


# Of a stranger: addresses and headers.


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_an_address_that_no_channel_has_costs_a_look_into_an_index() -> None:
    """It read every code that was ever issued: a second of a million orders for a request without a signature."""
    make()
    with CaptureQueriesContext(connection) as seen:
        assert Client().post("/pay/webhooks/nobody/", b"{}", content_type="application/json").status_code == 404
    asked = [each["sql"] for each in seen if "pagoefectivo_cip" in each["sql"]]
    assert asked
    for sql in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row[-1]) for row in cursor.fetchall())
        assert "SCAN pagoefectivo_cip" not in plan, plan
        assert "INDEX" in plan, plan


@pytest.mark.every_database
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_an_old_alias_still_leads_to_its_account() -> None:
    make()
    Cip.objects.update(channel="before")
    assert [channel.alias for channel in channels_at("before")] == ["default"]
    assert channels_at("never") == []
    assert channels_at("a\0b") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize("signature", [None, "0" * 64, "x" * 60_000])
def test_a_refused_message_costs_the_same_few_statements_whatever_it_holds(signature: str | None) -> None:
    headers = {"PE-Signature": signature} if signature else {}
    counts = set()
    Client().post(URL, b"{}", content_type="application/json", headers=headers)  # the first makes its row
    for body in (b"", b"{}", b"[" * 65_536, b'"" ' * 20_000, b"\0" * 65_536):
        with CaptureQueriesContext(connection) as seen:
            answer = Client().post(URL, body, content_type="application/json", headers=headers)
        assert answer.status_code == 403
        counts.add(len(seen))
    assert len(counts) == 1
    assert max(counts) < 8


# Of a provider: its answers, and what is kept of them.

ANSWERS = {
    "deep": b"[", "deep objects": b'{"a":', "blanks": b" ", "texts": b'"",', "keys": b'{"":0},', "numbers": b"1,",
    "one number": b"9", "one fraction": b"0.1", "escapes": b"\\u0000", "half pairs": b"\\ud800", "quotes": b'\\"',
}  # fmt: skip


@cache
def ordinary() -> float:
    """What it takes to read an ordinary answer of the largest size."""
    answer = b'{"data":"' + b"a" * (LARGEST_ANSWER - 11) + b'"}'
    return seconds(lambda: redact(answer))


@pytest.mark.once
@pytest.mark.parametrize("piece", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(("before", "after"), [(b"", b""), (b'{"data":[', b"]}"), (b'{"data":"', b'"}')])
def test_the_largest_answer_of_a_provider_is_read_and_kept_soon(before: bytes, piece: bytes, after: bytes) -> None:
    inside = (piece * LARGEST_ANSWER)[: LARGEST_ANSWER - len(before) - len(after)].rstrip(b",")
    kept: list[str] = []
    limit = 100 * ordinary() + 1  # what is not linear takes minutes
    assert seconds(lambda: kept.append(redact(before + inside + after)), 1) < limit
    assert len(kept[0]) <= LONGEST
    with suppress(Malformed):
        load(before + inside + after)


# Of a payer, and of whoever fills in a form: texts that Django hands over whole, up to 2.5 MB of one field.

READERS: dict[str, Callable[[str], Any]] = {
    "one line": one_line,
    "a code": plain,
    "an e-mail": check_email,
    "a phone": check_phone,
    "a text": check_text,
    "a CCI": check_cci,
    "a DNI": lambda text: check_document("DNI", text),
    "a RUC": lambda text: check_document("RUC", text),
    "a link": refund_of,
}
PIECES = ("a", "1", " ", "\u200b", "\u202e", "a@", "+51 ", "e\u0301", "-", "\ufdfa", "<", "0.", "\t")


@pytest.mark.once
@pytest.mark.django_db
@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_text_of_eight_times_the_size_is_no_square_of_the_work(read: Callable[[str], Any], piece: str) -> None:
    short, long = (piece * size for size in (20_000, 160_000))
    assert seconds(lambda: read(long)) < 40 * seconds(lambda: read(short)) + 0.1  # 64 if each letter looked at all
