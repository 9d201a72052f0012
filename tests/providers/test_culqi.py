"""Culqi keeps the contract, and sells."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client

from .contract import ProviderContract
from .control import Control
from .dialect import DialectControl
from .story import ProviderStory


class CulqiControl(DialectControl):
    name = "culqi"
    backend = "pagoefectivo_django.channels.culqi.CulqiChannel"
    calls: ClassVar = {
        "issue": "POST /culqi/v2/orders$",
        "look_up": "GET /culqi/v2/orders/",
        "find": r"GET /culqi/v2/orders\?limit=",
        "extend": "PATCH /culqi/v2/orders/",
        "delete": "DELETE /culqi/v2/orders/",
    }
    words: ClassVar = {
        "created": Fact.ISSUED,
        "pending": Fact.ISSUED,
        "paid": Fact.PAYMENT,
        "expired": Fact.CODE_EXPIRED,
        "deleted": Fact.CODE_DELETED,
        "Paid": Fact.UNKNOWN,
        "moon": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "process": "Culqi has no word for a payment that is examined",
        "fail": "an order of Culqi ends by its date, or is deleted",
        "take_back": "Culqi has no word for a payment that was taken back",
    }

    def said(self, code: str) -> dict[str, Any]:
        return {"object": "error", "type": code, "merchant_message": "made up", "user_message": "made up"}

    def say(self, answer: Any, word: str) -> Any:
        return answer | {"state": word}


@pytest.fixture
def culqi(dialects: Client) -> CulqiControl:
    return CulqiControl(dialects.site, dialects.session)


class TestCulqi(ProviderContract):
    @pytest.fixture
    def control(self, culqi: Control) -> Control:
        return culqi


class TestStoryOfCulqi(ProviderStory):
    @pytest.fixture
    def control(self, culqi: Control) -> Control:
        return culqi
