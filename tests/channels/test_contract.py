"""Every channel keeps the contract."""

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Channel, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.states import Fact
from tests.channels.contract import ChannelContract
from tests.sandbox.running import Client, running


@pytest.fixture(scope="module")
def process() -> Iterator[Client]:
    with running() as sandbox:
        yield sandbox


class TestMemory(ChannelContract):
    @pytest.fixture
    def channel(self, pagoefectivo_memory: type[MemoryChannel]) -> Channel:
        return MemoryChannel("default", {"WEBHOOK_SECRETS": ["old", "new"]})

    def pay(self, channel: Channel, code: str) -> None:
        assert isinstance(channel, MemoryChannel)
        channel.set(code, Fact.PAYMENT, paid_at=timezone.now())

    def notification(self, channel: Channel, report: Report) -> tuple[bytes, dict[str, str]]:
        body = json.dumps({"fact": "payment", "code": report.code, "amount": "35.50", "currency": "PEN"}).encode()
        return body, {"PE-Signature": MemoryChannel.sign(body, "new")}


class TestPagoEfectivo(ChannelContract):
    """Against the sandbox, over real HTTP; the signature is made here once more, from the protocol (6.2)."""

    sandbox: Client

    @pytest.fixture
    def channel(self, process: Client) -> Channel:
        self.sandbox = process
        keys = {name: process.keys[name] for name in ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")}
        return PagoEfectivoChannel("default", {"ENVIRONMENT": "sandbox", "BASE_URL": process.base, **keys})

    def pay(self, channel: Channel, code: str) -> None:
        self.sandbox.tell("pay", cip=code)

    def notification(self, channel: Channel, report: Report) -> tuple[bytes, dict[str, str]]:
        body = (
            '{"eventType":"cip.paid","operationNumber":"7001","data":'
            f'{{"cip":"{report.code}","currency":"PEN","amount":35.50}}}}'
        ).encode()
        secret = self.sandbox.keys["SECRET_KEY"].encode()
        return body, {"PE-Signature": hmac.new(secret, body, hashlib.sha256).hexdigest()}
