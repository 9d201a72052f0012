"""Whatever strangers send: no 500, nothing kept, no secret in a log. ``FUZZ=full`` sends thousands."""

import json
import logging
import os
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.models import Order, Refusal
from tests.hostile.doing import SECRET, URL, paid, sold

EXAMPLES = 5_000 if os.environ.get("FUZZ") == "full" else 60
FUZZ = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
SECRETS = (SECRET, "ana@example.com")

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
#: Messages that look like ours, with any field wrong in any way.
messages = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | st.sampled_from(["payment", "code_expired", "120.50", "PEN", "1", "2026-11-23T10:00:00Z"])
        for name in ("fact", "code", "transaction_code", "amount", "currency", "operation_number", "paid_at")
    },
)
bodies = (
    st.binary(max_size=300)
    | messages.map(lambda found: json.dumps(found).encode())
    | json_values.map(lambda found: json.dumps(found).encode())
)
headers = st.dictionaries(
    st.sampled_from(["PE-Signature", "Content-Type", "X-Forwarded-For", "If-None-Match", "Accept-Language", "Range"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80),
    max_size=4,
)


class Lines(logging.Handler):
    """Everything that is logged, by whomever."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


def rows() -> int:
    models = apps.get_app_config("pagoefectivo").get_models()
    return sum(model._base_manager.count() for model in models if model is not Refusal)


@pytest.mark.usefixtures("pagoefectivo_memory")
class TestStrangers(TestCase):
    """Each example begins with the same order; its transaction is rolled back."""

    def setUp(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            self.order = sold()
        self.lines = Lines()
        logging.getLogger().addHandler(self.lines)
        self.addCleanup(logging.getLogger().removeHandler, self.lines)

    def tearDown(self) -> None:
        assert not any(secret in self.lines.text for secret in SECRETS)

    @FUZZ
    @given(bodies, headers)
    def test_unproven_messages_leave_nothing(self, body: bytes, given_headers: dict[str, str]) -> None:
        before = rows()
        client = Client(raise_request_exception=False)
        answer = client.post(URL, body, content_type="application/json", headers=given_headers)
        assert answer.status_code in (403, 413), answer.status_code
        assert rows() == before
        assert Refusal.objects.count() <= 2

    @FUZZ
    @given(bodies)
    def test_proven_messages_never_break_and_never_pay_by_chance(self, body: bytes) -> None:
        client = Client(raise_request_exception=False)
        signed = {"PE-Signature": MemoryChannel.sign(body, SECRET)}
        assert client.post(URL, body, content_type="application/json", headers=signed).status_code == 200
        self.order.refresh_from_db()
        assert self.order.state != "paid" or json.loads(paid(self.order))["code"] in body.decode()

    @FUZZ
    @given(st.uuids() | st.just(None), headers, st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]))
    def test_the_payers_pages_never_break(
        self, token: uuid.UUID | None, given_headers: dict[str, str], method: str
    ) -> None:
        before = rows()
        client = Client(raise_request_exception=False)
        for page in ("", "status/", "voucher.pdf"):
            path = f"/pay/{token or self.order.token}/{page}"
            answer = client.generic(method, path, headers=given_headers)
            assert answer.status_code < 500
            assert token is None or answer.status_code in (404, 405)
        assert rows() == before
        assert Order.objects.get().state == "pending"
