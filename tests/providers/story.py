"""A shop's orders through a provider, over real HTTP: our calls pass ``Between``, messages come to ``live_server``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.base import Channel, Charge, CodeRef, Incoming
from pagoefectivo_django.errors import InvalidRequest, PagoEfectivoError
from pagoefectivo_django.flows import approve_refund, cancel_order, create_order, refund_order, tick
from pagoefectivo_django.flows.messages.voucher import voucher_content
from pagoefectivo_django.flows.orders.open_link import open_link
from pagoefectivo_django.flows.provider.look_up import ref_of
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, Payment, Refund
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact
from tests.channels.contract import needs, new_number
from tests.sandbox.running import PATIENCE, wait_for
from tests.shop.models import Heard

from .between import Between, between, lost, unheard
from .contract import ANA
from .control import Control


@dataclass
class Shop:
    """A shop whose only channel is a provider's."""

    control: Control
    between: Between
    webhook: str

    @property
    def channel(self) -> Channel:
        return get_channel("default")

    @property
    def payer(self) -> Payer:
        return replace(ANA, **self.control.document)

    def sell(self, reference: str = "SHOP-1001") -> Order:
        currency = self.control.currency
        order = create_order(reference=reference, amount=Decimal("120.50"), currency=currency, payer=self.payer)
        self.press(order)
        return order

    def press(self, order: Order) -> None:
        """Press for a link, where the provider's links end before their orders."""
        if self.channel.life:
            with suppress(PagoEfectivoError):
                open_link(order, timezone.now())

    def ref(self, order: Order) -> CodeRef:
        order.reload()
        assert order.cip
        return ref_of(order.cip)

    def does(self, move: str) -> Callable[..., None]:
        """A move of the provider; skips the test where there is none."""
        if move in self.control.lacks:
            pytest.skip(self.control.lacks[move])
        function: Callable[..., None] = getattr(self.control, move)
        return function

    def hear(self, move: Callable[[], object]) -> None:
        """Make a move, and wait until its message was taken."""
        before = _times()
        move()
        wait_for(lambda: _times() > before)

    def post(self, message: Incoming) -> int:
        """Send a message as the provider does, and return the answer's status."""
        headers = {"Content-Type": "application/json", **message.headers}
        url = f"{self.webhook}?{message.query}" if message.query else self.webhook
        with requests.Session() as session:
            session.trust_env = False
            return session.post(url, message.body, headers=headers, timeout=PATIENCE).status_code

    @staticmethod
    def tick(**later: float) -> None:
        tick(now=timezone.now() + timedelta(**later))


def _times() -> int:
    return Notification.objects.aggregate(times=Sum("times_received"))["times"] or 0


def kinds(order: Order) -> list[str]:
    """The kinds of an order's events, without those that move nothing."""
    return [event.kind for event in order.events.order_by("number") if event.state_before != event.state_after]


def state(order: Order) -> str:
    order.reload()
    return str(order.state)


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
class ProviderStory:
    """Give ``control`` as a fixture, as for ``ProviderContract``."""

    @pytest.fixture
    def control(self) -> Iterator[Control]:
        raise NotImplementedError

    @pytest.fixture
    def shop(self, control: Control, live_server: Any, settings: Any) -> Iterator[Shop]:
        with between(control.site) as middle:
            channel = {"BACKEND": control.backend, "OPTIONS": control.options(middle.site)}
            settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": channel}}
            webhook = live_server.url + reverse("pagoefectivo:webhook", args=["default"])
            control.listen(webhook)
            yield Shop(control, middle, webhook)
            control.listen("")

    def test_a_payer_pays_and_gets_the_money_back(self, shop: Shop) -> None:
        order = shop.sell()
        ref = shop.ref(order)
        assert state(order) == "pending"
        if "process" not in shop.control.lacks:
            shop.hear(lambda: shop.control.process(ref))
            shop.tick(minutes=2)
            assert state(order) == "pending"
            assert Fact.IN_PROCESS in order.events.values_list("fact", flat=True)
        shop.hear(lambda: shop.control.pay(ref))
        shop.tick(minutes=4)
        assert (state(order), order.paid_at is not None) == ("paid", True)
        assert Payment.objects.get().amount == Decimal("120.50")
        for message in shop.control.messages(ref):
            assert shop.post(message) == 200
        shop.tick(minutes=8)
        assert [row.signal for row in Heard.objects.all()] == ["payment_confirmed"], "once, however often it was told"
        refund = approve_refund(refund_order(order, actor="ana", reason="Out of stock."), actor="eva")
        if shop.channel.can_refund:
            self.refund_takes_days(shop, order, refund)
        assert not Discrepancy.objects.exists()

    def refund_takes_days(self, shop: Shop, order: Order, refund: Refund) -> None:
        for days in (1, 3, 6):
            shop.tick(days=days)
            refund.refresh_from_db()
            assert (refund.status, state(order)) == ("sent", "paid")
        shop.control.finish(refund.provider_id)
        shop.tick(days=7)
        refund.refresh_from_db()
        assert (refund.status, state(order)) == ("done", "refunded")
        assert kinds(order) == ["order_created", "cip_issued", "payment_confirmed", "payment_refunded"]

    def test_a_part_that_went_back_is_a_part(self, shop: Shop) -> None:
        needs(shop.channel, "refund")
        order = shop.sell()
        shop.hear(lambda: shop.control.pay(shop.ref(order)))
        shop.tick(minutes=2)
        asked = refund_order(order, Decimal("20.50"), actor="ana", reason="One shirt less.")
        refund = approve_refund(asked, actor="eva")
        shop.tick(minutes=3)
        refund.refresh_from_db()
        if refund.status == "sent" and shop.channel.tells_reversals:
            shop.hear(lambda: shop.control.finish(refund.provider_id, tell=True))
        elif refund.status == "sent":
            shop.control.finish(refund.provider_id)
        for minutes in (5, 20):
            shop.tick(minutes=minutes)
        refund.refresh_from_db()
        assert (refund.status, state(order)) == ("done", "paid")
        assert not Discrepancy.objects.exists()

    def test_while_a_payment_is_examined_its_code_is_left_alone(self, shop: Shop) -> None:
        process = shop.does("process")
        order = shop.sell()
        ref = shop.ref(order)
        shop.hear(lambda: process(ref))
        shop.tick(minutes=2)
        with pytest.raises(InvalidRequest) as refusal:
            cancel_order(order)
        assert refusal.value.code == "payment_in_process"
        for days in (1, 3, 5):
            shop.tick(days=days)
        assert state(order) == "pending", "its date has passed"
        assert [row.kind for row in Discrepancy.objects.open()] == ["in_process"]
        if "delete" in shop.control.calls:
            assert shop.between.heard(shop.control.calls["delete"]) == 0
        shop.control.listen("")
        shop.control.pay(ref)
        shop.tick(days=6)
        # A payment without a time, first heard of after the order's date, may be late.
        dated = "paid_at" not in shop.control.silent
        assert state(order) == ("paid" if dated else "pending")
        assert [row.kind for row in Discrepancy.objects.open()] == ([] if dated else ["late_payment"])

    def test_messages_that_come_twice_and_in_another_order_pay_once(self, shop: Shop) -> None:
        shop.control.listen("")
        order = shop.sell()
        ref = shop.ref(order)
        if "process" not in shop.control.lacks:
            shop.control.process(ref)
        shop.control.pay(ref)
        messages = shop.control.messages(ref)
        assert [shop.post(message) for message in [*reversed(messages), *messages]] == [200] * 2 * len(messages)
        for minutes in (1, 3, 7):
            shop.tick(minutes=minutes)
        assert (state(order), Payment.objects.count(), Heard.objects.count()) == ("paid", 1, 1)
        assert not Discrepancy.objects.exists()

    def test_a_payment_that_no_message_told_is_found(self, shop: Shop) -> None:
        needs(shop.channel, "look_up")
        shop.control.listen("")
        order = shop.sell()
        shop.control.pay(shop.ref(order))
        shop.tick(hours=13)
        assert state(order) == "paid"

    def test_a_forged_message_and_one_of_another_account_do_nothing(self, shop: Shop) -> None:
        shop.control.listen("")
        order = shop.sell()
        shop.control.pay(shop.ref(order))
        (true,) = shop.control.messages(shop.ref(order))
        untrue = [replace(true, headers={name: value[::-1] for name, value in true.headers.items()})]
        untrue.append(replace(true, headers={}))
        if "other" not in shop.control.lacks:
            other = shop.control.channel(shop.between.site, other=True)
            theirs = other.issue(Charge(new_number(), order.amount, order.currency, order.expires_at, shop.payer)).ref
            shop.control.pay(theirs)
            untrue.append(shop.control.messages(theirs)[-1])
        assert {shop.post(message) for message in untrue} == {403}
        assert not Notification.objects.exists()
        assert state(order) == "pending"

    @pytest.mark.parametrize(
        ("move", "becomes"), [("expire", "expired"), ("cancel", "cancelled"), ("fail", "rejected")]
    )
    def test_a_code_that_ends_at_the_provider_ends_its_order(self, shop: Shop, move: str, becomes: str) -> None:
        move_it = shop.does(move)
        order = shop.sell()
        ref = shop.ref(order)
        shop.hear(lambda: move_it(ref))
        shop.tick(minutes=2)
        shop.tick(days=4)  # a code that expires early leaves the order open until its own date
        assert state(order) == becomes

    def test_a_payment_taken_back_comes_to_a_person(self, shop: Shop) -> None:
        take_back = shop.does("take_back")
        order = shop.sell()
        ref = shop.ref(order)
        shop.hear(lambda: shop.control.pay(ref))
        shop.tick(minutes=2)
        assert state(order) == "paid"
        shop.hear(lambda: take_back(ref))
        shop.tick(minutes=4)
        assert state(order) == "refunded"
        assert [row.kind for row in Discrepancy.objects.all()] == ["reversed"]

    def test_a_cancelled_order_can_not_be_paid(self, shop: Shop) -> None:
        needs(shop.channel, "delete", "look_up")
        order = shop.sell()
        ref = shop.ref(order)
        cancel_order(order)
        assert state(order) == "cancelled"
        assert shop.channel.look_up([ref])[ref].fact == Fact.CODE_DELETED

    def test_an_answer_that_got_lost_costs_no_second_code(self, shop: Shop) -> None:
        needs(shop.channel, "find")
        shop.between.spoil(shop.control.calls["issue"], lost)
        order = shop.sell()
        assert state(order) == "pending"
        assert shop.control.made(Cip.objects.get().transaction_code) == 1

    def test_after_a_request_that_never_arrived_another_code_is_issued(self, shop: Shop) -> None:
        shop.between.spoil(shop.control.calls["issue"], unheard)
        order = shop.sell()
        assert state(order) == "new"
        for minutes in (2, 6, 10):
            shop.tick(minutes=minutes)
        shop.press(order)
        assert state(order) == "pending"
        made = [shop.control.made(cip.transaction_code) for cip in Cip.objects.order_by("pk")]
        assert made == [0, 1]


class LinkStory(ProviderStory):
    """The story of a provider with a page on which a payer's try can fail or be given up."""

    @pytest.mark.parametrize("move", ["fail", "cancel"])
    def test_a_payer_whose_try_failed_presses_again(self, shop: Shop, move: str) -> None:
        order = shop.sell()
        failed = shop.ref(order)
        shop.hear(lambda: getattr(shop.control, move)(failed))
        shop.tick(minutes=2)
        assert state(order) == "pending"
        assert voucher_content(order.token, timezone.now()).on_press, "the voucher shows the button"
        open_link(order, timezone.now())
        assert shop.ref(order) != failed
        shop.hear(lambda: shop.control.pay(shop.ref(order)))
        shop.tick(minutes=4)
        assert state(order) == "paid"
        assert not Discrepancy.objects.exists()
