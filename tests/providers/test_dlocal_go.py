"""dLocal Go keeps the contract, and sells."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client

from .contract import ProviderContract
from .dialect import DialectControl
from .story import LinkStory


class DlocalGoControl(DialectControl):
    name = "dlocal_go"
    backend = "pagoefectivo_django.channels.dlocal_go.DlocalGoChannel"
    silent = frozenset({"paid_at"})
    calls: ClassVar = {
        "issue": "POST /dlocal_go/v1/payments$",
        "look_up": "GET /dlocal_go/v1/payments/",
        "refund": "POST /dlocal_go/v1/refunds$",
        "look_up_refunds": r"GET /dlocal_go/v1/refunds\?page=",
    }
    words: ClassVar = {
        "PENDING": Fact.ISSUED,
        "PAID": Fact.PAYMENT,
        "REJECTED": Fact.CODE_EXPIRED,
        "CANCELLED": Fact.CODE_EXPIRED,
        "EXPIRED": Fact.CODE_EXPIRED,
        "COMPLETED": Fact.UNKNOWN,
        "pending": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        **dict.fromkeys(("cancel", "fail"), "a try that failed ends the link, and not the order; a test below looks"),
        "process": "dLocal Go has no word for a payment that is examined",
        "take_back": "dLocal Go has no word for a payment that was taken back",
    }

    def say(self, answer: Any, word: str) -> Any:
        return answer | {"status": word}


@pytest.fixture
def dlocal_go(dialects: Client) -> DlocalGoControl:
    return DlocalGoControl(dialects.site, dialects.session)


class TestDlocalGo(ProviderContract):
    @pytest.fixture
    def control(self, dlocal_go: DlocalGoControl) -> DlocalGoControl:
        return dlocal_go


class TestStoryOfDlocalGo(LinkStory):
    @pytest.fixture
    def control(self, dlocal_go: DlocalGoControl) -> DlocalGoControl:
        return dlocal_go
