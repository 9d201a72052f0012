"""Checkout.com: hosted pages, by the contract of every provider."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from pagoefectivo_django.channels.base import Channel, CodeRef
from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client

from .contract import ProviderContract
from .control import Control
from .dialect import DialectControl
from .story import ProviderStory


class CheckoutComControl(DialectControl):
    name = "checkout_com"
    backend = "pagoefectivo_django.channels.checkout_com.CheckoutComChannel"
    calls: ClassVar = {
        "issue": "POST /checkout_com/hosted-payments$",
        "look_up": "GET /checkout_com/hosted-payments/",
        "refund": "POST /checkout_com/payments/.*/refunds",
        "look_up_refunds": "GET /checkout_com/payments/.*/actions",
    }
    words: ClassVar = {
        "Payment Pending": Fact.ISSUED,
        "Expired": Fact.CODE_EXPIRED,
        "Payment Received": Fact.UNKNOWN,
        "Moon": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "expire": "no message of Checkout.com tells the end of a page; a test below looks",
        "cancel": "nobody cancels a page of Checkout.com",
        "fail": "after a declined try a page of Checkout.com can be paid; a test below looks",
    }

    def say(self, answer: Any, word: str) -> Any:
        return answer | {"status": word}

    def finish(self, refund: str, *, done: bool = True, tell: bool = False) -> None:
        super().finish(refund.partition("/")[2], done=done, tell=tell)


@pytest.fixture
def checkout_com(dialects: Client, settings: Any) -> CheckoutComControl:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": "https://shop.example"}
    return CheckoutComControl(dialects.site, dialects.session)


class TestCheckoutCom(ProviderContract):
    @pytest.fixture
    def control(self, checkout_com: Control) -> Control:
        return checkout_com

    def test_a_page_that_ended_can_not_be_paid(self, channel: Channel) -> None:
        ref = self.issue(channel).ref
        self.control.expire(ref)
        assert self.seen(channel, ref).fact == Fact.CODE_EXPIRED

    @pytest.mark.parametrize("move", ["fail", "cancel"])
    def test_after_a_try_that_failed_a_page_can_be_paid(self, channel: Channel, move: str) -> None:
        ref = self.issue(channel).ref
        getattr(self.control, move)(ref)
        seen = self.seen(channel, ref)
        assert (seen.fact, bool(seen.detail)) == (Fact.ISSUED, True)

    def test_a_payment_is_found_by_our_number(self, channel: Channel) -> None:
        report = self.issue(channel)
        ref = CodeRef(transaction_code=report.transaction_code)
        assert channel.look_up([ref]) == {}
        self.control.pay(report.ref)
        seen = self.seen(channel, ref)
        assert (seen.fact, seen.amount, seen.operation_number[:4]) == (Fact.PAYMENT, report.amount, "pay_")


class TestStoryOfCheckoutCom(ProviderStory):
    @pytest.fixture
    def control(self, checkout_com: Control) -> Control:
        return checkout_com
