"""A provider that presents a link instead of a code, over real HTTP both ways."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from pagoefectivo_django import measures
from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.base import Charge, CodeRef, Incoming, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import (
    InvalidRequest,
    InvalidSignature,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    Refused,
    Unsigned,
)
from pagoefectivo_django.flows import (
    approve_refund,
    cancel_order,
    create_order,
    refund_order,
    reissue_code,
    tick,
)
from pagoefectivo_django.flows.messages.inform import mail_payer
from pagoefectivo_django.measures import Measure, observe_by
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, OrderEvent, Payment, UnknownCode
from pagoefectivo_django.money import Money
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact, RefundStatus
from tests.concurrency import at_once
from tests.providers.linking import HEADER, LinkingChannel
from tests.providers.linking_server import KEY, SECRET, LinkingProvider, Page, linking_provider, sign
from tests.shop.models import Heard

pytestmark = [pytest.mark.django_db(transaction=True)]

ANA = Payer(email="ana@example.com", name="Ana", phone="999888777")


@pytest.fixture
def provider() -> Iterator[LinkingProvider]:
    with linking_provider() as served:
        yield served


@pytest.fixture
def options(provider: LinkingProvider, settings: Any) -> Callable[..., None]:
    """Set the channel's options; the provider's pages live as long as the channel says."""

    def be(**changes: Any) -> None:
        given = {"BASE_URL": provider.base, "KEY": KEY, "SECRET": SECRET} | changes
        backend = f"{LinkingChannel.__module__}.{LinkingChannel.__qualname__}"
        channels = {"default": {"BACKEND": backend, "OPTIONS": given}}
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": channels}
        minutes = given.get("MINUTES")
        provider.life = timedelta(minutes=minutes) if minutes else None

    be()
    return be


def sold(reference: str = "SHOP-1", **changes: Any) -> Order:
    asked: dict[str, Any] = {"reference": reference, "amount": Decimal("120.50"), "currency": "PEN", "payer": ANA}
    return create_order(**asked | changes)


def post(client: Client, body: bytes, secret: str = SECRET) -> int:
    headers = {HEADER: sign(body, secret)}
    return client.post("/pay/webhooks/default/", body, content_type="application/json", headers=headers).status_code


def state(order: Order) -> str:
    found: str = Order.objects.values_list("state", flat=True).get(pk=order.pk)
    return found


def page_of(provider: LinkingProvider, order: Order) -> Page:
    cip = Order.objects.select_related("cip").get(pk=order.pk).cip
    assert cip
    assert cip.provider_id
    return provider.pages[cip.provider_id]


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
        assert state(order) == "paid"
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
        assert state(order) == "paid"

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
        assert [state(order) for order in (one, two, three)] == ["pending", "paid", "pending"]
        assert [row.kind for row in Discrepancy.objects.all()] == ["amount_mismatch"]
        assert list(Notification.objects.order_by("item").values_list("status", flat=True)) == ["applied"] * 3

    def test_messages_in_any_order_end_as_paid(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        early = provider.message(provider.only())
        provider.pay(provider.only())
        bodies = [provider.message(provider.only()), early, provider.message(provider.only(), mood="new")]
        assert [post(client, body) for body in bodies] == [200, 200, 200]
        tick(now=timezone.now() + timedelta(minutes=2))
        assert state(order) == "paid"
        assert Payment.objects.count() == 1
        assert not Discrepancy.objects.exists()

    def test_a_page_that_the_provider_cancels_ends_its_order(self, provider: LinkingProvider) -> None:
        order = sold()
        provider.only().state = "cancelled"
        tick(now=timezone.now() + timedelta(hours=13))
        assert state(order) == "cancelled"

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
        assert state(order) == "refunded"
        assert not Discrepancy.objects.exists()


@pytest.mark.usefixtures("options")
class TestNothingIsDeleted:
    """An order ends all the same, says so, and money that comes later is late money."""

    def test_an_expired_order_is_watched_and_its_payment_is_late(self, provider: LinkingProvider) -> None:
        order = sold()
        tick(now=order.expires_at + timedelta(hours=1))
        assert (state(order), Cip.objects.get().status) == ("expired", "expired")
        paid_at = order.expires_at + timedelta(days=3)
        provider.pay(provider.only(), at=paid_at)
        tick(now=paid_at + timedelta(days=1))
        assert [row.kind for row in Discrepancy.objects.all()] == ["late_payment"]
        assert Payment.objects.get().status == "held"

    def test_a_cancelled_order_says_that_it_may_still_be_paid(self, provider: LinkingProvider) -> None:
        order = cancel_order(sold(), actor="eva", reason="The payer wants another size.")
        assert order.state == "cancelled"
        assert any("may still be paid" in detail for detail in OrderEvent.objects.values_list("detail", flat=True))
        provider.pay(provider.only())
        tick(now=timezone.now() + timedelta(hours=13))
        assert [row.kind for row in Discrepancy.objects.all()] == ["paid_after_cancel"]

    def test_a_reissued_order_has_another_page_and_either_pays_it(self, provider: LinkingProvider) -> None:
        order = reissue_code(sold())
        old, new = provider.pages.values()
        assert order.cip
        assert (order.cip.url, order.state) == (new.url, "pending")
        provider.pay(old)
        tick(now=timezone.now() + timedelta(hours=13))
        assert state(order) == "paid"
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


def press(client: Client, order: Order) -> Any:
    return client.post(f"{order.voucher_url}pay/")


def ends() -> None:
    """Let the links of all orders be past their date, by the provider and by us."""
    Cip.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


class TestPressed:
    """A link that lives ten minutes is requested when the payer presses for it."""

    @pytest.fixture(autouse=True)
    def ten_minutes(self, options: Callable[..., None]) -> None:
        options(MINUTES=10)

    def test_nobody_but_the_payer_asks_for_a_link(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        for hours in (0, 1, 24):
            tick(now=timezone.now() + timedelta(hours=hours))
        order.refresh_from_db()
        assert (order.state, order.pending_action, provider.asked["POST pages"]) == ("new", "", 0)
        told = client.get(f"{order.voucher_url}status/").json()
        assert (told["state"], told["shown"], told["payment_url"]) == ("new", "waiting", "")
        answer = client.get(order.voucher_url)
        assert f'action="{order.voucher_url}pay/"' in answer.content.decode()
        assert answer["Referrer-Policy"] == "same-origin"
        assert "form-action 'self' https:;" in answer["Content-Security-Policy"]

    @pytest.mark.every_database
    def test_a_press_leads_to_a_link_that_pays_the_order_once(
        self, client: Client, provider: LinkingProvider, live_server: Any
    ) -> None:
        order = sold()
        answer = press(client, order)
        assert (answer.status_code, answer["Location"]) == (302, provider.only().url)
        order.refresh_from_db()
        assert (order.state, order.cip and order.cip.expires_at) == ("pending", provider.only().ends_at)
        assert press(client, order)["Location"] == provider.only().url
        assert client.get(f"{order.voucher_url}status/").json()["shown"] == "waiting"
        provider.pay(provider.only())
        for _ in range(2):
            assert provider.send(f"{live_server.url}/pay/webhooks/default/", provider.message(provider.only())) == 200
        tick(now=timezone.now() + timedelta(days=1))
        assert state(order) == "paid"
        assert Heard.objects.get().reference == "SHOP-1"
        assert list(OrderEvent.objects.values_list("kind", flat=True)) == [
            "order_created",
            "cip_issued",
            "payment_confirmed",
        ]
        assert press(client, order)["Location"] == order.voucher_url
        assert provider.asked["POST pages"] == 1

    def test_the_order_keeps_its_date_and_expires_at_it(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        date = order.expires_at
        press(client, order)
        provider.only().state = "ended"
        tick(now=timezone.now() + timedelta(hours=1))
        order.refresh_from_db()
        assert (order.state, order.expires_at) == ("pending", date)
        assert Cip.objects.get().status == "superseded"
        tick(now=date + timedelta(hours=1))
        assert state(order) == "expired"
        assert not Discrepancy.objects.exists()

    @pytest.mark.parametrize("told", ["poll", "message", "press", "nobody"])
    def test_a_link_that_ended_is_followed_by_another(
        self, client: Client, provider: LinkingProvider, told: str
    ) -> None:
        order = sold()
        press(client, order)
        first = provider.only()
        first.state = "ended"
        if told == "message":
            post(client, provider.message(first))
        if told in ("poll", "message"):
            tick(now=timezone.now() + timedelta(minutes=12))
        else:
            ends()
        if told == "nobody":
            provider.fail["GET pages"] = (503, 2)
        assert press(client, order)["Location"] == provider.newest().url != first.url
        codes = list(Cip.objects.order_by("pk").values_list("status", flat=True))
        assert (state(order), codes) == ("pending", ["superseded", "current"])
        assert OrderEvent.objects.filter(kind="cip_issued").count() == 2
        assert not Discrepancy.objects.exists()

    def test_a_link_paid_at_its_last_moment_is_not_followed_by_another(
        self, client: Client, provider: LinkingProvider
    ) -> None:
        order = sold()
        press(client, order)
        provider.pay(provider.only())
        ends()
        assert press(client, order)["Location"] == order.voucher_url
        assert (state(order), provider.asked["POST pages"]) == ("paid", 1)

    def test_a_superseded_link_that_was_paid_after_all_pays_the_order(
        self, client: Client, provider: LinkingProvider
    ) -> None:
        order = sold()
        press(client, order)
        first = provider.only()
        first.state = "ended"
        tick(now=timezone.now() + timedelta(minutes=12))
        press(client, order)
        provider.pay(first)
        post(client, provider.message(first))
        assert state(order) == "paid"

    def test_a_link_that_lasts_longer_than_its_order_is_requested_at_once(self, provider: LinkingProvider) -> None:
        order = sold(expires_at=timezone.now() + timedelta(minutes=9))
        assert (order.state, provider.asked["POST pages"]) == ("pending", 1)

    @pytest.mark.parametrize(
        ("name", "before"), [("cancelled", "cancelled"), ("review", "new"), ("over", "expired"), ("paid", "paid")]
    )
    def test_an_order_that_is_not_to_be_paid_has_no_link(
        self, client: Client, provider: LinkingProvider, name: str, before: str
    ) -> None:
        order = sold()
        if name == "cancelled":
            cancel_order(order)
        elif name == "review":
            Discrepancy.objects.create(kind="amount_mismatch", subject="x", order=order, created_at=timezone.now())
        elif name == "over":
            tick(now=order.expires_at + timedelta(hours=1))
        else:
            press(client, order)
            provider.pay(provider.only())
            post(client, provider.message(provider.only()))
        asked = provider.asked["POST pages"]
        answer = press(client, order)
        assert (answer["Location"], provider.asked["POST pages"]) == (order.voucher_url, asked)
        assert state(order) == before

    @pytest.mark.every_database
    def test_two_presses_at_once_ask_for_one_link(self, provider: LinkingProvider) -> None:
        order = sold()
        answers = at_once(*[lambda: press(Client(), order)] * 2)
        assert provider.asked["POST pages"] == 1
        assert {answer["Location"] for answer in answers} <= {provider.only().url, order.voucher_url}
        assert press(Client(), order)["Location"] == provider.only().url

    def test_a_press_is_the_payers_own(self, provider: LinkingProvider) -> None:
        order = sold()
        strict = Client(enforce_csrf_checks=True)
        assert press(strict, order).status_code == 403
        page = strict.get(order.voucher_url).content.decode()
        token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        answer = strict.post(f"{order.voucher_url}pay/", {"csrfmiddlewaretoken": token})
        assert answer["Location"] == provider.only().url
        assert strict.get(f"{order.voucher_url}pay/").status_code == 405

    def test_an_unknown_token_and_a_machine_are_refused(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        assert client.post("/pay/0f0e0d0c-1111-4222-8333-444455556666/pay/").status_code == 404
        assert [press(client, order).status_code for _ in range(11)][-1] == 429
        assert provider.asked["POST pages"] == 1

    def test_a_provider_that_is_down_is_asked_at_the_next_press_only(
        self, client: Client, provider: LinkingProvider
    ) -> None:
        order = sold()
        provider.fail["POST pages"] = (401, 1)
        assert press(client, order)["Location"] == f"{order.voucher_url}?payment=failed"
        assert 'role="alert"' in client.get(f"{order.voucher_url}?payment=failed").content.decode()
        tick(now=timezone.now() + timedelta(hours=1))
        assert (state(order), provider.asked["POST pages"]) == ("new", 1)
        assert press(client, order)["Location"] == provider.only().url
        assert Cip.objects.count() == 1

    def test_a_reissue_revives_an_expired_order_with_a_link(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        now = order.expires_at + timedelta(hours=1)
        tick(now=now)
        order = reissue_code(order, now=now)
        assert (order.state, order.expires_at > now + timedelta(hours=47)) == ("pending", True)

    def test_the_payer_is_written_to_at_the_first_link_only(
        self, client: Client, provider: LinkingProvider, settings: Any
    ) -> None:
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": "https://shop.example"}
        order = sold()
        sent = []
        for _ in range(2):
            press(client, order)
            ends()
            provider.newest().state = "ended"
            event = OrderEvent.objects.filter(kind="cip_issued").latest("number")
            Cip.objects.filter(live=True).update(expires_at=timezone.now() + timedelta(minutes=5))
            before = len(mail.outbox)
            order.reload()
            mail_payer("created", order, event)
            sent.append(len(mail.outbox) - before)
            ends()
        assert sent == [1, 0]
        assert f"https://shop.example{order.voucher_url}" in mail.outbox[0].body


class TestLostLinks:
    """No payer was told of a link whose answer got lost: another is requested, and nobody is asked about it."""

    def test_a_lost_link_is_superseded_and_the_next_press_asks_for_another(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None]
    ) -> None:
        options(MINUTES=10)
        order = sold()
        provider.lose["POST pages"] = 1
        assert press(client, order)["Location"] == f"{order.voucher_url}?payment=failed"
        assert list(Cip.objects.values_list("status", "provider_id")) == [("superseded", None)]
        assert press(client, order)["Location"] == provider.newest().url
        many = timezone.now() + timedelta(days=10)
        tick(now=many)
        assert not Discrepancy.objects.exists()
        assert Cip.objects.get(provider_id=None).poll_at is None

    def test_a_long_link_is_requested_again_by_the_worker_and_then_by_the_payer(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None]
    ) -> None:
        provider.lose["POST pages"] = 2
        order = sold()
        for minutes in (2, 4, 6, 8):
            tick(now=timezone.now() + timedelta(minutes=minutes))
        order.refresh_from_db()
        assert (provider.asked["POST pages"], order.pending_action, order.state) == (2, "", "new")
        assert not Discrepancy.objects.exists()
        assert press(client, order)["Location"] == provider.newest().url

    @pytest.mark.every_database
    @pytest.mark.parametrize("minutes", [None, 10])
    def test_a_lost_link_is_found_at_once_where_the_provider_can_be_asked(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None], minutes: int | None
    ) -> None:
        options(CAN_FIND=True, MINUTES=minutes)
        provider.lose["POST pages"] = 1
        order = sold()
        assert press(client, order)["Location"] == provider.only().url
        assert [row.status for row in Cip.objects.all()] == ["current"]

    @pytest.mark.parametrize("told", ["find", "message"])
    def test_a_lost_link_that_somebody_paid_pays_the_order(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None], told: str
    ) -> None:
        options(CAN_FIND=told == "find", MINUTES=10)
        provider.lose["POST pages"], provider.fail["GET references"] = 1, (500, 2)
        order = sold()
        press(client, order)
        assert Cip.objects.get().status == "superseded"
        provider.pay(provider.only())
        if told == "message":
            post(client, provider.message(provider.only()))
        else:
            tick(now=timezone.now() + timedelta(hours=13))
        assert (state(order), Cip.objects.get().provider_id) == ("paid", provider.only().id)
        assert not Discrepancy.objects.exists()

    def test_a_press_whose_process_died_holds_nobody_up(
        self, client: Client, provider: LinkingProvider, options: Callable[..., None]
    ) -> None:
        options(MINUTES=10)
        order = sold()
        press(client, order)
        died_at = timezone.now() - timedelta(minutes=5)
        Cip.objects.update(status="requested", url="", provider_id=None, asked_at=died_at, poll_at=timezone.now())
        assert press(client, order)["Location"] == order.voucher_url
        tick(now=timezone.now() + timedelta(seconds=1))
        assert Cip.objects.get().status == "superseded"
        assert press(client, order)["Location"] == provider.newest().url
        assert not Discrepancy.objects.exists()


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
        assert state(order) == "pending"

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
        assert state(order) == "paid"
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

    def test_an_order_is_rejected_when_each_channel_that_takes_it_has_refused(self, provider: LinkingProvider) -> None:
        MemoryChannel.fail("issue", Refused("no", codes=("111",)))
        order = sold(amount=Decimal("100.00"))
        assert (order.state, provider.asked["POST pages"]) == ("rejected", 0)
