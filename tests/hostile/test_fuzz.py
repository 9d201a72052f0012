"""Whatever strangers send: no 500, nothing kept, no secret in a log."""

import json
import logging
import uuid

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client
from hypothesis import strategies as st

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.models import Order, Refund, Refusal
from pagoefectivo_django.testing import expire, pay
from tests.factories.messages import SECRET, URL, paid
from tests.factories.orders import make
from tests.hostile.fuzzing import Door, fuzz, headers, json_values, sendable

pytestmark = pytest.mark.once

SECRETS = (SECRET, "ana@example.com")

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
class TestStrangers(Door):
    """The webhook and the payer's pages, with one order whose code can be paid."""

    def setUp(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            self.order = make()
        self.lines = Lines()
        logging.getLogger().addHandler(self.lines)
        self.addCleanup(logging.getLogger().removeHandler, self.lines)

    def tearDown(self) -> None:
        assert not any(secret in self.lines.text for secret in SECRETS)

    @fuzz(bodies, headers)
    def test_unproven_messages_leave_nothing(self, body: bytes, given_headers: dict[str, str]) -> None:
        before = rows()
        client = Client(raise_request_exception=False)
        answer = client.post(URL, body, content_type="application/json", headers=given_headers)
        assert answer.status_code in (403, 413), answer.status_code
        assert rows() == before
        assert Refusal.objects.count() <= 2

    @fuzz(bodies)
    def test_proven_messages_never_break_and_never_pay_by_chance(self, body: bytes) -> None:
        client = Client(raise_request_exception=False)
        signed = {"PE-Signature": MemoryChannel.sign(body, SECRET)}
        assert client.post(URL, body, content_type="application/json", headers=signed).status_code == 200
        self.order.refresh_from_db()
        assert self.order.state != "paid" or json.loads(paid(self.order))["code"] in body.decode()

    @fuzz(st.uuids() | st.just(None), headers, st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]))
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

    @fuzz(st.text(max_size=80), bodies, headers, st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"]))
    def test_no_address_below_ours_breaks(
        self, path: str, body: bytes, given_headers: dict[str, str], method: str
    ) -> None:
        for prefix in ("/pay/", "/pay/webhooks/", "/pay/refund/", f"/pay/{self.order.token}/"):
            answer = Client(raise_request_exception=False).generic(method, prefix + path, body, headers=given_headers)
            assert answer.status_code < 500, prefix
        assert Order.objects.get().state == "pending"


@pytest.mark.usefixtures("pagoefectivo_memory")
class TestPayers(Door):
    """What a payer may change: the account for a refund, and an expired code."""

    def setUp(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            refund_order(pay(make("SHOP-2")), actor="rosa", reason="Sold out")
        self.token = Refund.objects.get().link_token
        self.order = expire(make("SHOP-3"))

    @fuzz(
        st.just("") | sendable,
        st.fixed_dictionaries(
            {},
            optional={
                "bank": sendable | st.just("BCP"),
                "cci": sendable | st.just("00219100000000000152") | st.text("0123456789- ", max_size=30),
                "holder": sendable | st.just("Ana Quispe"),
                "csrfmiddlewaretoken": sendable,
            },
        ),
        headers,
    )
    def test_the_refund_s_page_never_breaks(
        self, spoiled: str, said: dict[str, str], given_headers: dict[str, str]
    ) -> None:
        client = Client()
        for method in (client.get, client.post):
            answer = method(f"/pay/refund/{self.token}{spoiled}/", said, headers=given_headers)
            assert answer.status_code in (200, 301, 302, 404)
        refund = Refund.objects.get()
        assert (refund.status, len(refund.cci)) in (("requested", 0), ("requested", 20))

    @fuzz(st.booleans(), st.dictionaries(sendable, sendable, max_size=3), headers)
    def test_the_button_for_a_new_code_never_breaks(
        self, may: bool, said: dict[str, str], given_headers: dict[str, str]
    ) -> None:
        with self.settings(PAGOEFECTIVO=settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": may}):
            for token in (self.order.token, uuid.uuid4()):
                answer = Client().post(f"/pay/{token}/renew/", said, headers=given_headers)
                assert answer.status_code in (302, 404, 429)
