"""The minimal channel of the manual keeps the contract, and sells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import requests

from pagoefectivo_django.sandbox.server import Server
from pagoefectivo_django.sandbox.settings import Service, Settings
from pagoefectivo_django.states import Fact

from .contract import ProviderContract
from .control import Control
from .dialect import DialectControl
from .minimal_dialect import QuipuDialect
from .story import ProviderStory


class Quipu(DialectControl):
    name = "quipu"
    backend = "tests.providers.minimal.MinimalChannel"
    calls: ClassVar = {"issue": "POST /quipu/charges$", "look_up": "GET /quipu/charges/"}
    words: ClassVar = {
        "open": Fact.ISSUED,
        "paid": Fact.PAYMENT,
        "expired": Fact.CODE_EXPIRED,
        "moon": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "process": "Quipu Pay examines no payment",
        "cancel": "Quipu Pay ends a charge by its date alone",
        "fail": "a charge of Quipu Pay ends by its date alone",
        "take_back": "Quipu Pay takes no payment back",
    }

    @property
    def dialect(self) -> type[QuipuDialect]:
        return QuipuDialect

    def said(self, code: str) -> dict[str, Any]:
        return {"error": code}

    def say(self, answer: Any, word: str) -> Any:
        return answer | {"state": word}


@pytest.fixture(scope="module")
def quipu() -> Iterator[Quipu]:
    """The sandbox with one dialect more, in this process."""
    with Server(0, Settings((Service(1234, "", ""),))) as server, requests.Session() as session:
        session.trust_env = False
        server.dialects["quipu"] = QuipuDialect(server.site)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Quipu(server.site, session)
        finally:
            server.shutdown()
            thread.join()


class TestMinimal(ProviderContract):
    @pytest.fixture
    def control(self, quipu: Control) -> Control:
        return quipu


class TestStoryOfMinimal(ProviderStory):
    @pytest.fixture
    def control(self, quipu: Control) -> Control:
        return quipu
