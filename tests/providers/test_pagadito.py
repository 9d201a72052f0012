"""Pagadito keeps the contract, and sells orders in USD by a link that the payer presses for."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from pagoefectivo_django.channels.pagadito import certificates
from pagoefectivo_django.models import Discrepancy
from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client

from .contract import ProviderContract
from .dialect import DialectControl
from .story import ProviderStory, Shop, state


class PagaditoControl(DialectControl):
    name = "pagadito"
    backend = "pagoefectivo_django.channels.pagadito.PagaditoChannel"
    currency = "USD"
    silent = frozenset({"amount", "paid_at", "transaction_code"})
    calls: ClassVar = {
        "issue": "POST /pagadito/api/v2/exec-trans$",
        "look_up": "POST /pagadito/api/v2/get-status$",
    }
    words: ClassVar = {
        "REGISTERED": Fact.ISSUED,
        "PENDING": Fact.IN_PROCESS,
        "VERIFYING": Fact.IN_PROCESS,
        "COMPLETED": Fact.PAYMENT,
        "CANCELED": Fact.CODE_EXPIRED,
        "EXPIRED": Fact.CODE_EXPIRED,
        "FAILED": Fact.CODE_EXPIRED,
        "UNCOLLECTABLE": Fact.CODE_EXPIRED,
        "REVOKED": Fact.CODE_FAILED,
        "MOON": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "cancel": "a payer who leaves Pagadito's page ends the link, and not the order",
        "fail": "a try that failed ends the link, and not the order",
        "take_back": "REVOKED does not say whether there was a payment",
    }

    error_status = 200

    def said(self, code: str) -> dict[str, Any]:
        return {"code": code, "message": "made up"}

    def say(self, answer: Any, word: str) -> Any:
        answer["data"]["status"] = word
        return answer


@pytest.fixture
def pagadito(dialects: Client) -> PagaditoControl:
    """Pagadito, and no certificate of another Pagadito's."""
    certificates._kept.clear()
    certificates._failed.clear()
    return PagaditoControl(dialects.site, dialects.session)


class TestPagadito(ProviderContract):
    @pytest.fixture
    def control(self, pagadito: PagaditoControl) -> PagaditoControl:
        return pagadito


class TestStoryOfPagadito(ProviderStory):
    @pytest.fixture
    def control(self, pagadito: PagaditoControl) -> PagaditoControl:
        return pagadito

    @pytest.mark.parametrize("move", ["cancel", "fail"])
    def test_a_payer_who_left_the_page_or_failed_presses_again(self, shop: Shop, move: str) -> None:
        order = shop.sell()
        left = shop.ref(order)
        shop.hear(lambda: getattr(shop.control, move)(left))
        shop.tick(minutes=2)
        assert state(order) == "pending"
        shop.press(order)
        assert shop.ref(order) != left
        shop.hear(lambda: shop.control.pay(shop.ref(order)))
        shop.tick(minutes=4)
        assert state(order) == "paid"

    def test_a_payment_that_was_revoked_comes_to_a_person(self, shop: Shop) -> None:
        order = shop.sell()
        shop.hear(lambda: shop.control.pay(shop.ref(order)))
        shop.tick(minutes=2)
        shop.hear(lambda: shop.control.take_back(shop.ref(order)))
        shop.tick(minutes=4)
        assert state(order) == "paid"
        assert [row.kind for row in Discrepancy.objects.all()] == ["missing_there"]
