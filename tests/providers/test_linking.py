"""A provider that presents a link instead of a code, over real HTTP both ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.base import Charge, CodeRef, Incoming, Report
from pagoefectivo_django.documents.evidence_json import evidence_json
from pagoefectivo_django.errors import InvalidSignature, Malformed, Misconfigured, OutcomeUnknown, Refused, Unsigned
from pagoefectivo_django.flows import (
    approve_refund,
    cancel_order,
    refund_order,
    reissue_code,
    resolve_discrepancy,
    tick,
)
from pagoefectivo_django.flows.privacy.erase import erase_payer, payer_data
from pagoefectivo_django.flows.reports.evidence import evidence
from pagoefectivo_django.flows.reports.sales import conversion
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, OrderEvent, Payment
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import Fact, RefundStatus
from pagoefectivo_django.workdays import lima_day
from tests.factories.orders import ANA
from tests.providers.linked import channel_options, page_of, post, press, running_provider, sold  # noqa: F401
from tests.providers.linking import HEADER, LinkingChannel
from tests.providers.linking_server import LinkingProvider, sign
from tests.reading import state_of
from tests.shop.models import Heard

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.mark.usefixtures("options")
class TestContract:
    """What the channel makes of the provider's words."""

    @pytest.fixture
    def channel(self) -> LinkingChannel:
        found = get_channel("default")
        assert isinstance(found, LinkingChannel)
        return found

    def issue(self, channel: LinkingChannel, number: str = "ORDER-1-1") -> Report:
        date = timezone.now() + timedelta(hours=20)
        return channel.issue(Charge(number, Decimal("35.50"), "PEN", date, ANA, concept="Two T-shirts"))

    def test_a_request_gives_a_page_without_digits_or_date(
        self, channel: LinkingChannel, provider: LinkingProvider
    ) -> None:
        report = self.issue(channel)
        assert (report.fact, report.code, report.expires_at) == (Fact.ISSUED, "", None)
        assert (report.provider_id, report.url) == (provider.only().id, provider.only().url)
        assert (report.transaction_code, report.amount, report.currency) == ("ORDER-1-1", Decimal("35.50"), "PEN")

    def test_a_reference_is_used_once(self, channel: LinkingChannel) -> None:
        self.issue(channel)
        with pytest.raises(Refused):
            self.issue(channel)

    @pytest.mark.parametrize(
        ("state", "fact"),
        [
            ("open", Fact.ISSUED), ("paid", Fact.PAYMENT), ("ended", Fact.CODE_EXPIRED),
            ("cancelled", Fact.CODE_DELETED), ("refunded", Fact.PAYMENT_REVERSED), ("pondering", Fact.UNKNOWN),
        ],
    )  # fmt: skip
    def test_each_state_is_a_fact_in_an_answer_and_in_a_message(
        self, channel: LinkingChannel, provider: LinkingProvider, state: str, fact: Fact
    ) -> None:
        report = self.issue(channel)
        provider.only().state = state
        assert channel.look_up([report.ref, CodeRef(provider_id="pg_99")])[report.ref].fact == fact
        body = provider.message(provider.only())
        (item,) = channel.read(channel.verify(Incoming(body, {HEADER: sign(body)})).kept)
        assert isinstance(item, Report)
        assert (item.fact, item.provider_id) == (fact, report.provider_id)

    def test_a_lost_answer_is_found_and_nothing_else_is(
        self, channel: LinkingChannel, provider: LinkingProvider
    ) -> None:
        provider.lose["POST pages"] = 1
        with pytest.raises(OutcomeUnknown):
            self.issue(channel)
        found = channel.find("ORDER-1-1")
        assert found
        assert found.provider_id == provider.only().id
        assert channel.find("ORDER-9-9") is None

    def test_a_refund_takes_its_time_and_is_made_once_for_a_key(
        self, channel: LinkingChannel, provider: LinkingProvider
    ) -> None:
        report = self.issue(channel)
        money = Money(Decimal("35.50"), "PEN")
        with pytest.raises(Refused):
            channel.refund(report.ref, money, "key-1")
        provider.pay(provider.only())
        first, again = (channel.refund(report.ref, money, "key-1") for _ in range(2))
        assert (first, first.status) == (again, RefundStatus.SENT)
        provider.refunds[first.provider_id]["state"] = "done"
        assert channel.look_up_refunds([first.provider_id])[first.provider_id].status == RefundStatus.DONE

    @pytest.mark.parametrize(
        ("status", "error"), [(401, Misconfigured), (409, Refused), (500, OutcomeUnknown), (503, OutcomeUnknown)]
    )
    def test_a_call_ends_in_one_of_three_ways(
        self, channel: LinkingChannel, provider: LinkingProvider, status: int, error: type[Exception]
    ) -> None:
        provider.fail["POST pages"] = (status, 1)
        with pytest.raises(error):
            self.issue(channel)
        assert provider.asked["POST pages"] == 1

    def test_a_forger_learns_nothing(self, channel: LinkingChannel, provider: LinkingProvider) -> None:
        self.issue(channel)
        body = provider.message(provider.only())
        said = set()
        for forged, headers in (
            (body, {}), (body, {HEADER: sign(body)[:-1]}), (body, {HEADER: "é" * 64}), (b"", {HEADER: sign(body)}),
            (body.replace(b"35.50", b"95.50"), {HEADER: sign(body)}),
        ):  # fmt: skip
            with pytest.raises(InvalidSignature) as refusal:
                channel.verify(Incoming(forged, headers))
            said.add(str(refusal.value))
        assert len(said) == 1
        with pytest.raises(Unsigned):
            channel.verify(Incoming(body))

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{}", b"\xff", b'{"events": null}', b'{"events": [7]}', b'{"events": [{"state": "paid"}]}'],
    )
    def test_what_can_not_be_read_is_malformed(self, channel: LinkingChannel, body: bytes) -> None:
        with pytest.raises(Malformed):
            channel.read(Incoming(body))


@pytest.mark.usefixtures("options")
class TestStory:
    @pytest.mark.every_database
    def test_a_payer_pays_on_the_page_and_the_shop_hears_it_once(
        self, client: Client, provider: LinkingProvider, live_server: Any
    ) -> None:
        order = sold()
        assert (order.state, order.code) == ("pending", "")
        assert order.cip
        assert (order.cip.url, order.cip.expires_at) == (provider.only().url, None)
        page = client.get(order.voucher_url).content.decode()
        assert provider.only().url in page
        provider.pay(provider.only())
        hook = f"{live_server.url}/pay/webhooks/default/"
        body = provider.message(provider.only())
        assert provider.send(hook, body) == 200
        assert state_of(order) == "paid"
        assert [provider.send(hook, body), provider.send(hook, body, "made-up-guess")] == [200, 403]
        tick(now=timezone.now() + timedelta(days=1))
        assert Heard.objects.get().reference == "SHOP-1"
        assert list(OrderEvent.objects.values_list("kind", flat=True)) == [
            "order_created",
            "cip_issued",
            "payment_confirmed",
        ]
        assert Payment.objects.get().operation_number == provider.only().number
        assert Notification.objects.get().times_received == 2
        assert not Discrepancy.objects.exists()

    def test_a_poll_finds_a_payment_that_no_message_told(self, provider: LinkingProvider) -> None:
        order = sold()
        provider.pay(provider.only())
        tick(now=timezone.now() + timedelta(hours=13))
        assert state_of(order) == "paid"

    def test_each_page_of_a_message_counts_alone(self, client: Client, provider: LinkingProvider) -> None:
        one, two, three = (sold(f"SHOP-{number}") for number in (1, 2, 3))
        pages = [page_of(provider, order) for order in (one, two)]
        for page in pages:
            provider.pay(page)
        page_of(provider, three).state = "pondering"
        body = provider.message(*pages, page_of(provider, three))
        odd = json.loads(body)
        odd["events"][0]["amount"] = "1.00"
        assert post(client, json.dumps(odd).encode()) == 200
        assert [state_of(order) for order in (one, two, three)] == ["pending", "paid", "pending"]
        assert [row.kind for row in Discrepancy.objects.all()] == ["amount_mismatch"]
        assert list(Notification.objects.order_by("item").values_list("status", flat=True)) == ["applied"] * 3

    def test_messages_in_any_order_end_as_paid(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        early = provider.message(provider.only())
        provider.pay(provider.only())
        bodies = [provider.message(provider.only()), early, provider.message(provider.only(), mood="new")]
        assert [post(client, body) for body in bodies] == [200, 200, 200]
        tick(now=timezone.now() + timedelta(minutes=2))
        assert state_of(order) == "paid"
        assert Payment.objects.count() == 1
        assert not Discrepancy.objects.exists()

    def test_a_page_that_the_provider_cancels_ends_its_order(self, provider: LinkingProvider) -> None:
        order = sold()
        provider.only().state = "cancelled"
        tick(now=timezone.now() + timedelta(hours=13))
        assert state_of(order) == "cancelled"

    def test_a_refund_is_done_when_the_provider_says_so(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        provider.pay(provider.only())
        post(client, provider.message(provider.only()))
        order.refresh_from_db()
        refund = approve_refund(refund_order(order, reason="It tore.", actor="eva"), actor="eva")
        tick()
        refund.refresh_from_db()
        assert (refund.status, provider.asked["POST refunds"]) == ("sent", 1)
        provider.refunds[refund.provider_id]["state"] = "done"
        provider.only().state = "refunded"
        tick(now=timezone.now() + timedelta(days=1))
        assert state_of(order) == "refunded"
        assert not Discrepancy.objects.exists()


@pytest.mark.parametrize("minutes", [None, 10])
class TestNothingIsDeleted:
    """An order ends all the same, says so, and money that comes later is late money."""

    @pytest.fixture(autouse=True)
    def life(self, options: Callable[..., None], minutes: int | None) -> None:
        options(MINUTES=minutes)

    def sold(self) -> Order:
        """An order whose payer has opened the page."""
        order = sold()
        assert press(Client(), order).status_code == 302
        order.reload()
        assert order.state == "pending"
        return order

    def test_an_expired_order_is_watched_and_its_payment_is_late(self, provider: LinkingProvider) -> None:
        order = self.sold()
        tick(now=order.expires_at + timedelta(hours=1))
        assert (state_of(order), Cip.objects.get().status) == ("expired", "expired")
        paid_at = order.expires_at + timedelta(days=3)
        provider.pay(provider.only(), at=paid_at)
        tick(now=paid_at + timedelta(days=1))
        assert [row.kind for row in Discrepancy.objects.all()] == ["late_payment"]
        assert Payment.objects.get().status == "held"

    def test_a_cancelled_order_says_that_it_may_still_be_paid(self, provider: LinkingProvider) -> None:
        order = cancel_order(self.sold(), actor="eva", reason="The payer wants another size.")
        assert order.state == "cancelled"
        assert OrderEvent.objects.filter(data__about="may_still_be_paid").exists()
        provider.pay(provider.only())
        tick(now=timezone.now() + timedelta(hours=13))
        assert [row.kind for row in Discrepancy.objects.all()] == ["paid_after_cancel"]

    def test_a_reissued_order_has_another_page_and_either_pays_it(self, provider: LinkingProvider) -> None:
        order = reissue_code(self.sold())
        old, new = provider.pages.values()
        assert order.cip
        assert (order.cip.url, order.state) == (new.url, "pending")
        provider.pay(old)
        tick(now=timezone.now() + timedelta(hours=13))
        assert state_of(order) == "paid"
        provider.pay(new)
        tick(now=timezone.now() + timedelta(hours=26))
        assert [row.kind for row in Discrepancy.objects.all()] == ["duplicate_payment"]


@pytest.mark.usefixtures("options")
class TestShown:
    def test_the_page_leads_to_the_link_and_shows_no_digits(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        page = client.get(order.voucher_url).content.decode()
        assert f'class="pagoefectivo-button" href="{provider.only().url}"' in page
        for word in ("CIP", "PagoEfectivo ", "pagoefectivo-copy", "pagoefectivo-barcode", "pagoefectivo-tabs"):
            assert word not in page
        told = client.get(f"{order.voucher_url}status/").json()
        assert (told["shown"], told["code"], told["payment_url"]) == ("waiting", "", provider.only().url)
        tick(now=order.expires_at + timedelta(hours=1))
        assert provider.only().url not in client.get(order.voucher_url).content.decode()
        assert client.get(f"{order.voucher_url}status/").json()["payment_url"] == ""

    def test_staff_finds_the_page_beside_the_order(self, admin_client: Client, provider: LinkingProvider) -> None:
        order = sold()
        for place in ("", f"{order.pk}/change/"):
            page = admin_client.get(f"/admin/pagoefectivo/order/{place}").content.decode()
            assert f'<a href="{provider.only().url}" rel="noopener noreferrer">' in page

    def test_messages_and_calls_about_a_link_are_found_by_the_providers_id(
        self, client: Client, provider: LinkingProvider
    ) -> None:
        order = sold()
        provider.pay(provider.only())
        tick(now=timezone.now() + timedelta(hours=13))
        assert post(client, provider.message(provider.only())) == 200
        told = json.loads(evidence_json(evidence(order, now=timezone.now())))
        assert [row["code"] for row in told["notifications"]] == [provider.only().id]
        assert [row["method"] for row in told["calls"]] == ["GET", "POST"]
        (mine,) = payer_data(email=ANA.email)["orders"]
        assert len(mine["messages_from_the_provider"]) == 1
        assert conversion(["linking:1"], lima_day(order.created_at)).issued == 1

    def test_a_message_about_a_link_is_erased_with_its_payer(self, client: Client, provider: LinkingProvider) -> None:
        order = cancel_order(sold())
        provider.pay(provider.only())
        post(client, provider.message(provider.only()))
        resolve_discrepancy(Discrepancy.objects.get(), "ignore", actor="eva", reason="It goes back by hand.")
        assert order.email
        erase_payer(email=ANA.email, actor="eva", reason="Asked for.", now=timezone.now() + timedelta(days=30))
        assert Order.objects.get().forgotten_at
        assert bytes(Notification.objects.get().body) == b""
