"""An account that other systems use too, and one that takes some orders only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django import measures
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, Refused
from pagoefectivo_django.flows import tick
from pagoefectivo_django.measures import Measure, observe_by
from pagoefectivo_django.models import Discrepancy, Notification, Order, UnknownCode
from tests.providers.linked import channel_options, page_of, post, running_provider, sold  # noqa: F401
from tests.providers.linking_server import LinkingProvider, Page
from tests.reading import state_of

pytestmark = [pytest.mark.django_db(transaction=True)]


class TestSharedAccount:
    """Other systems of the merchant issue pages on the account too."""

    @pytest.mark.parametrize("shared", [True, False])
    @pytest.mark.parametrize("known", [True, False])
    @pytest.mark.parametrize("fact", ["paid", "refunded"])
    def test_a_payment_that_is_not_ours_is_counted_and_no_discrepancy(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None], caplog: Any,
        shared: bool, known: bool, fact: str,
    ) -> None:  # fmt: skip
        options(SHARED_ACCOUNT=shared)
        caplog.set_level("INFO", "pagoefectivo.provider")
        order = sold()
        page = provider.pay(provider.foreign())
        page.state = fact
        body = provider.message(page)
        if not known:
            del provider.pages[page.id]
        assert post(client, body) == 200
        begin = timezone.now()
        for round_ in range(12):
            tick(now=begin + round_ * timedelta(minutes=75) + timedelta(minutes=1))
        counted = [
            record for record in caplog.records if f"{page.id} of account linking:1 is not ours" in record.message
        ]
        kinds = [row.kind for row in Discrepancy.objects.exclude(kind="missing_there")]
        assert (len(counted), kinds) == ((1, []) if shared else (0, ["unmatched"]))
        assert Notification.objects.get().status == ("applied" if shared else "dead")
        assert state_of(order) == "pending"

    @pytest.mark.parametrize("shared", [True, False])
    def test_a_hint_about_a_page_that_is_not_ours_is_counted_once_it_is_paid(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None], shared: bool
    ) -> None:
        options(SHARED_ACCOUNT=shared)
        sold()
        page = provider.foreign()
        body = provider.message(page)
        provider.pay(page)
        counted: list[tuple[str, ...]] = []
        observe = lambda measure, value, labels: counted.append(labels) if measure == Measure.FOREIGN else None  # noqa: E731
        observe_by(observe)
        try:
            assert post(client, body) == 200
            tick(now=timezone.now() + timedelta(minutes=1))
        finally:
            measures._observers.remove(observe)
        assert counted == ([("linking:1",)] if shared else [])
        assert [row.kind for row in Discrepancy.objects.all()] == ([] if shared else ["unmatched"])
        assert not UnknownCode.objects.exists()

    def test_a_payment_of_ours_is_ours(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None]
    ) -> None:
        options(SHARED_ACCOUNT=True)
        order = sold()
        pages = [provider.pay(page) for page in (provider.foreign(), page_of(provider, order))]
        assert post(client, provider.message(*pages)) == 200
        tick(now=timezone.now() + timedelta(minutes=1))
        assert state_of(order) == "paid"
        assert not Discrepancy.objects.exists()


class TestTaken:
    """A channel takes the currencies that it declares, and amounts within its limits."""

    @pytest.fixture(autouse=True)
    def two_channels(self, options: Callable[..., None], settings: Any, pagoefectivo_memory: Any) -> None:
        options(MIN_AMOUNT=Decimal(10), MAX_AMOUNT=Decimal("99.99"))
        memory = {"BACKEND": "pagoefectivo_django.channels.memory.MemoryChannel"}
        settings.PAGOEFECTIVO["CHANNELS"]["second"] = memory | {"OPTIONS": {"WEBHOOK_SECRETS": ["made-up"]}}

    @pytest.mark.parametrize(
        ("amount", "currency", "account"),
        [
            ("10.00", "PEN", "linking:1"), ("99.99", "PEN", "linking:1"), ("9.99", "PEN", "memory:default"),
            ("100.00", "PEN", "memory:default"), ("50.00", "USD", "memory:default"),
        ],
    )  # fmt: skip
    def test_an_order_goes_to_the_first_channel_that_takes_it(
        self, provider: LinkingProvider, amount: str, currency: str, account: str
    ) -> None:
        order = sold(amount=Decimal(amount), currency=currency)
        assert order.cip
        assert (order.state, order.cip.account) == ("pending", account)

    @pytest.mark.parametrize(("amount", "currency"), [("9.99", "PEN"), ("50.00", "USD")])
    def test_an_order_that_no_channel_takes_is_refused_and_nothing_is_written(
        self, settings: Any, amount: str, currency: str
    ) -> None:
        del settings.PAGOEFECTIVO["CHANNELS"]["second"]
        with pytest.raises(InvalidRequest) as refusal:
            sold(amount=Decimal(amount), currency=currency)
        assert refusal.value.code == "no_route"
        assert not Order.objects.exists()

    @pytest.mark.parametrize(("amount", "becomes"), [("120.50", "paid"), ("1.00", "new")])
    def test_a_lost_page_that_is_found_paid_asks_no_other_channel(
        self, provider: LinkingProvider, options: Callable[..., None], settings: Any, amount: str, becomes: str
    ) -> None:
        def pay(page: Page) -> None:
            provider.pay(page).amount = amount

        second = settings.PAGOEFECTIVO["CHANNELS"]["second"]
        options(CAN_FIND=True)
        settings.PAGOEFECTIVO["CHANNELS"]["second"] = second
        provider.lose["POST pages"], provider.when_made = 1, pay
        order = sold()
        assert (state_of(order), MemoryChannel.calls) == (becomes, [])

    def test_an_order_is_rejected_when_each_channel_that_takes_it_has_refused(self, provider: LinkingProvider) -> None:
        MemoryChannel.fail("issue", Refused("no", codes=("111",)))
        order = sold(amount=Decimal("100.00"))
        assert (order.state, provider.asked["POST pages"]) == ("rejected", 0)
