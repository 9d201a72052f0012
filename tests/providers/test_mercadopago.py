"""Mercado Pago keeps the contract, and sells."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client

from .contract import ProviderContract
from .control import Control
from .dialect import DialectControl
from .story import ProviderStory


class MercadoPagoControl(DialectControl):
    name = "mercadopago"
    backend = "pagoefectivo_django.channels.mercadopago.MercadoPagoChannel"
    calls: ClassVar = {
        "issue": "POST /mercadopago/v1/payments$",
        "look_up": "GET /mercadopago/v1/payments/[0-9]+$",
        "find": r"GET /mercadopago/v1/payments/search\?external_reference=",
        "delete": "PUT /mercadopago/v1/payments/",
        "refund": "POST /mercadopago/v1/payments/[0-9]+/refunds$",
        "look_up_refunds": "GET /mercadopago/v1/payments/.*/refunds/",
    }
    words: ClassVar = {
        "pending": Fact.ISSUED,
        "in_process": Fact.IN_PROCESS,
        "authorized": Fact.IN_PROCESS,
        "in_mediation": Fact.IN_PROCESS,
        "approved": Fact.PAYMENT,
        "rejected": Fact.CODE_FAILED,
        "cancelled": Fact.CODE_DELETED,
        "cancelled expired": Fact.CODE_EXPIRED,
        "expired": Fact.CODE_EXPIRED,
        "refunded": Fact.PAYMENT_REVERSED,
        "charged_back": Fact.PAYMENT_REVERSED,
        "Approved": Fact.UNKNOWN,
        "moon": Fact.UNKNOWN,
    }

    def say(self, answer: Any, word: str) -> Any:
        status, _blank, detail = word.partition(" ")
        return answer | {"status": status, "status_detail": detail}

    def finish(self, refund: str, *, done: bool = True, tell: bool = False) -> None:
        super().finish(refund.partition("-")[2], done=done, tell=tell)


@pytest.fixture
def mercadopago(dialects: Client) -> MercadoPagoControl:
    return MercadoPagoControl(dialects.site, dialects.session)


class TestMercadoPago(ProviderContract):
    @pytest.fixture
    def control(self, mercadopago: Control) -> Control:
        return mercadopago


class TestStoryOfMercadoPago(ProviderStory):
    @pytest.fixture
    def control(self, mercadopago: Control) -> Control:
        return mercadopago
