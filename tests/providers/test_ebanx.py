"""The channel to EBANX keeps the contract, and sells, with the sandbox's dialect."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Channel, CodeRef
from pagoefectivo_django.channels.reading import LIMA
from pagoefectivo_django.errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import create_order, tick
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import Fact, RefundStatus
from tests.sandbox.running import Client

from .between import Between, lost
from .contract import ANA, ProviderContract
from .control import Control
from .dialect import DialectControl
from .story import ProviderStory, Shop, state


class EbanxControl(DialectControl):
    name = "ebanx"
    backend = "pagoefectivo_django.channels.ebanx.EbanxChannel"
    calls: ClassVar = {
        "issue": "POST /ebanx/ws/direct$",
        "look_up": "POST /ebanx/ws/query$",
        "find": "POST /ebanx/ws/query$",
        "delete": "POST /ebanx/ws/cancel$",
        "refund": "POST /ebanx/ws/refund$",
        "look_up_refunds": "POST /ebanx/ws/query$",
    }
    words: ClassVar = {
        "OP": Fact.ISSUED,
        "PE": Fact.ISSUED,
        "PN": Fact.IN_PROCESS,
        "CO": Fact.PAYMENT,
        "CA": Fact.CODE_DELETED,
        "MOON": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "fail": "EBANX cancels a payment, and has no word for one that failed",
        "other": "EBANX signs the messages of all merchants with one key",
    }

    error_status = 200

    def said(self, code: str) -> dict[str, Any]:
        return {"status": "ERROR", "status_code": code, "status_message": "made up"}

    def say(self, answer: Any, word: str) -> Any:
        answer["payment"]["status"] = word
        return answer

    def finish(self, refund: str, *, done: bool = True, tell: bool = False) -> None:
        super().finish(refund.partition(":")[2], done=done, tell=tell)


class SilentInProcess(EbanxControl):
    lacks: ClassVar = EbanxControl.lacks | {"process": "EBANX sends no message about a review"}


class TestEbanx(ProviderContract):
    #: EBANX takes a day, so a code ends with its day in Lima.
    step = timedelta(days=1)

    @pytest.fixture
    def control(self, dialects: Client) -> Control:
        return EbanxControl(dialects.site, dialects.session)

    def test_a_code_lasts_until_the_end_of_its_day(self, channel: Channel) -> None:
        date = self.issue(channel).expires_at
        assert date
        assert date.astimezone(LIMA).strftime("%H:%M:%S") == "23:59:59"

    def test_the_code_of_another_account_is_not_there(
        self, channel: Channel, control: Control, between: Between
    ) -> None:
        other = control.channel(between.site, other=True)
        report = self.issue(other)
        assert other.account != channel.account
        assert channel.look_up([report.ref]) == {}
        assert channel.find(report.transaction_code) is None
        with pytest.raises(Refused):
            channel.delete(report.ref)

    def test_an_integration_key_does_the_same_work(self, control: Control, between: Between) -> None:
        """The account ``other`` has a key of the older generation, which goes in each call's body."""
        self.control = control
        channel = control.channel(between.site, other=True)
        report = self.issue(channel)
        control.pay(report.ref)
        assert self.seen(channel, report.ref).fact == Fact.PAYMENT
        assert channel.refund(report.ref, Money(Decimal("5.50"), "PEN"), "refund-1").status == RefundStatus.SENT

    @pytest.mark.parametrize(
        "change",
        [{"KEY_ID": "made-up-key-id-of-nobody"}, {"KEY_ID": None, "PRIVATE_KEY": None, "INTEGRATION_KEY": "made-up"}],
    )
    def test_wrong_keys_are_told_as_such(self, control: Control, between: Between, change: dict[str, Any]) -> None:
        self.control = control
        channel = control.channel(between.site, **change)
        for ask in (lambda: self.issue(channel), lambda: channel.find("T-1"), channel.examine):
            with pytest.raises(Misconfigured):
                ask()

    def test_a_number_that_was_used_is_not_known(self, channel: Channel, between: Between) -> None:
        """The first request may have made the code."""
        between.spoil(self.control.calls["issue"], lost)
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                self.issue(channel, "TWICE-1")
        assert self.control.made("TWICE-1") == 1

    def test_without_the_code_for_not_found_nothing_counts_as_not_found(
        self, control: Control, between: Between
    ) -> None:
        channel = control.channel(between.site, NOT_FOUND_CODES=None)
        with pytest.raises(OutcomeUnknown):
            channel.find("NOBODY-1")
        with pytest.raises(OutcomeUnknown):
            channel.look_up([CodeRef("", "", "nobody")])
        with pytest.raises(Unavailable, match=r"NOT_FOUND_CODES.*BP-MADE-UP-1"):
            channel.examine()

    def test_the_doctor_tries_the_keys(self, channel: Channel, between: Between) -> None:
        found = channel.examine()
        assert found
        assert found.host == between.site.removeprefix("http://")
        assert found.ahead is not None
        assert abs(found.ahead) < timedelta(minutes=1)

    def test_each_part_is_a_refund_of_its_own(self, channel: Channel) -> None:
        report = self.paid(channel)
        parts = [
            channel.refund(report.ref, Money(Decimal(each), "PEN"), f"refund-{each}") for each in ("5.50", "30.00")
        ]
        names = [part.provider_id for part in parts]
        with pytest.raises(Refused):
            channel.refund(report.ref, Money(Decimal("0.01"), "PEN"), "refund-more")
        self.control.finish(names[0])
        seen = self.seen(channel, report.ref)
        assert (seen.fact, seen.returned) == (Fact.PAYMENT, Decimal("5.50"))
        said = channel.look_up_refunds([*names, f"{report.provider_id}:1"])
        assert {name: each.status for name, each in said.items()} == {
            names[0]: RefundStatus.DONE,
            names[1]: RefundStatus.SENT,
        }
        self.control.finish(names[1])
        assert self.seen(channel, report.ref).fact == Fact.PAYMENT_REVERSED

    def test_an_unpaid_code_is_not_refunded(self, channel: Channel) -> None:
        with pytest.raises(Refused) as refusal:
            channel.refund(self.issue(channel).ref, Money(Decimal("35.50"), "PEN"), "refund-1")
        assert refusal.value.codes == ("BP-REF-7",)


class TestStoryOfEbanx(ProviderStory):
    @pytest.fixture
    def control(self, dialects: Client) -> Control:
        return SilentInProcess(dialects.site, dialects.session)

    def test_an_order_stays_open_until_the_end_of_its_day_in_lima(self, shop: Shop) -> None:
        noon = (timezone.now().astimezone(LIMA) + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
        order = create_order(
            reference="SHOP-1001", amount=Decimal("120.50"), currency="PEN", payer=ANA, expires_at=noon
        )
        tick(now=noon + timedelta(hours=2))
        assert (state(order), order.expires_at) == ("pending", noon.replace(hour=23, minute=59, second=59))
        ref = shop.ref(order)
        tick(now=noon + timedelta(hours=14))
        assert state(order) == "expired"
        assert shop.channel.look_up([ref])[ref].fact == Fact.CODE_DELETED, "the code does not outlive its order"
