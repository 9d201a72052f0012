"""The channel in memory keeps the contract; ``tests/providers`` has those that speak HTTP."""

import json

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Channel, CodeRef, Incoming, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.states import Fact
from tests.channels.contract import ChannelContract


class TestMemory(ChannelContract):
    @pytest.fixture
    def channel(self, pagoefectivo_memory: type[MemoryChannel]) -> Channel:
        return MemoryChannel("default", {"WEBHOOK_SECRETS": ["old", "new"]})

    def pay(self, channel: Channel, ref: CodeRef) -> None:
        assert isinstance(channel, MemoryChannel)
        channel.set(ref.code, Fact.PAYMENT, paid_at=timezone.now())

    def notification(self, channel: Channel, report: Report) -> Incoming:
        body = json.dumps({"fact": "payment", "code": report.code, "amount": "35.50", "currency": "PEN"}).encode()
        return Incoming(body, {"PE-Signature": MemoryChannel.sign(body, "new")})
