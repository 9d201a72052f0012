"""Paddle: links to a checkout, by the contract of every provider."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from pagoefectivo_django.channels.base import Channel, Incoming
from pagoefectivo_django.models import Discrepancy, Payment
from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client

from .contract import ProviderContract
from .control import Control
from .dialect import DialectControl
from .story import ProviderStory, Shop, state


class PaddleControl(DialectControl):
    name = "paddle"
    backend = "pagoefectivo_django.channels.paddle.PaddleChannel"
    calls: ClassVar = {
        "issue": "POST /paddle/transactions$",
        "look_up": r"GET /paddle/transactions\?",
        "refund": "POST /paddle/adjustments$",
        "look_up_refunds": r"GET /paddle/adjustments\?",
    }
    words: ClassVar = {
        **dict.fromkeys(("draft", "ready", "billed", "past_due"), Fact.ISSUED),
        "canceled": Fact.CODE_DELETED,
        "moon": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "process": "Paddle tells no payment that is examined",
        "expire": "a transaction of Paddle has no date",
        "fail": "after a try that failed a transaction of Paddle can be paid; a test below looks",
    }

    def said(self, code: str) -> dict[str, Any]:
        return {"error": {"type": "request_error", "code": code, "detail": "made up"}, "meta": {"request_id": "1"}}

    def say(self, answer: Any, word: str) -> Any:
        (one,) = answer["data"]
        return answer | {"data": [one | {"status": word}]}


@pytest.fixture
def paddle(dialects: Client) -> PaddleControl:
    return PaddleControl(dialects.site, dialects.session)


class TestPaddle(ProviderContract):
    @pytest.fixture
    def control(self, paddle: Control) -> Control:
        return paddle

    def test_after_a_try_that_failed_a_transaction_can_be_paid(self, channel: Channel) -> None:
        ref = self.issue(channel).ref
        self.control.fail(ref)
        assert self.seen(channel, ref).fact == Fact.ISSUED


class TestStoryOfPaddle(ProviderStory):
    @pytest.fixture
    def control(self, paddle: Control) -> Control:
        return paddle

    def test_what_is_told_of_a_payment_that_was_taken_back_is_no_second_payment(self, shop: Shop) -> None:
        order = shop.sell()
        shop.hear(lambda: shop.control.pay(shop.ref(order)))
        shop.tick(minutes=2)
        (paid,) = shop.control.messages(shop.ref(order))
        shop.hear(lambda: shop.control.take_back(shop.ref(order)))
        shop.tick(minutes=4)
        assert state(order) == "refunded"
        said = json.loads(paid.body)
        said["event_type"], said["data"]["status"] = "transaction.updated", "completed"
        body = json.dumps(said).encode()
        assert shop.post(Incoming(body, shop.channel.signed(body))) == 200
        shop.tick(minutes=8)
        assert (state(order), Payment.objects.count()) == ("refunded", 1)
        assert [row.kind for row in Discrepancy.objects.all()] == ["reversed"]
