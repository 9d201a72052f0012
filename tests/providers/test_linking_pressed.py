"""A link that lives ten minutes, requested when its payer presses for it; a link whose answer got lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import cancel_order, reissue_code, tick
from pagoefectivo_django.flows.messages.inform import mail_payer
from pagoefectivo_django.flows.orders.issue import request_code
from pagoefectivo_django.models import Cip, Discrepancy, Order, OrderEvent
from pagoefectivo_django.views.discreet import strictest
from tests.browser.visiting import Open, assert_accessible, assert_fits, change_device
from tests.concurrency import at_once
from tests.providers.linked import channel_options, ends, post, press, running_provider, sold  # noqa: F401
from tests.providers.linking_server import LinkingProvider
from tests.reading import state_of
from tests.shop.models import Heard

pytestmark = [pytest.mark.django_db(transaction=True)]


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
        assert state_of(order) == "paid"
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
        assert state_of(order) == "expired"
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
        assert (state_of(order), codes) == ("pending", ["superseded", "current"])
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
        assert (state_of(order), provider.asked["POST pages"]) == ("paid", 1)

    def test_a_link_whose_payment_is_in_process_is_not_followed_by_another(
        self, client: Client, provider: LinkingProvider
    ) -> None:
        order = sold()
        press(client, order)
        provider.only().state = "examined"
        ends()
        for _ in range(2):
            assert press(client, order)["Location"] == order.voucher_url
        assert (state_of(order), provider.asked["POST pages"]) == ("pending", 1)
        provider.pay(provider.only())
        post(client, provider.message(provider.only()))
        assert state_of(order) == "paid"

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
        assert state_of(order) == "paid"

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
        assert state_of(order) == before

    def test_an_order_that_is_being_cancelled_has_no_link(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        Order.objects.update(pending_action="cancel", retry_at=timezone.now())
        page = client.get(order.voucher_url).content.decode()
        assert "pagoefectivo-button" not in page
        assert press(client, order)["Location"] == order.voucher_url
        with pytest.raises(InvalidRequest):
            request_code(order, timezone.now(), pressed=True, wait=True)
        assert provider.asked["POST pages"] == 0

    @pytest.mark.every_database
    def test_two_presses_at_once_ask_for_one_link(self, provider: LinkingProvider) -> None:
        order = sold()
        answers = at_once(*[lambda: press(Client(), order)] * 2)
        assert provider.asked["POST pages"] == 1
        assert {answer["Location"] for answer in answers} <= {provider.only().url, order.voucher_url}
        assert press(Client(), order)["Location"] == provider.only().url

    @pytest.mark.sqlite
    def test_a_browser_leaves_for_the_page_and_comes_back(
        self, visit: Open, live_server: Any, provider: LinkingProvider, settings: Any
    ) -> None:
        # As ours, but to a provider without TLS.
        policy = {"CONTENT_SECURITY_POLICY": strictest("'self' http:")}
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | policy
        order = sold()
        page = visit(live_server.url + order.voucher_url)
        for width in (320, 360, 1280):
            change_device(page, width=width)
            assert_fits(page)
            assert_accessible(page)
        page.locator(".pagoefectivo-button").click()
        page.wait_for_url(provider.only().url)
        assert page.locator("h1").text_content() == "Pay here"
        provider.pay(provider.only())
        tick(now=timezone.now() + timedelta(hours=1))
        page.go_back()
        page.reload()
        expect(page.locator("#pagoefectivo-voucher")).to_have_attribute("data-state", "paid")

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
        assert (state_of(order), provider.asked["POST pages"]) == ("new", 1)
        assert press(client, order)["Location"] == provider.only().url
        assert Cip.objects.count() == 1

    def test_a_reissue_revives_an_expired_order_with_a_link(self, client: Client, provider: LinkingProvider) -> None:
        order = sold()
        now = order.expires_at + timedelta(hours=1)
        tick(now=now)
        order = reissue_code(order, now=now)
        assert (order.state, order.expires_at > now + timedelta(hours=47)) == ("pending", True)

    def test_the_payer_is_written_to_at_the_first_link_only(
        self, client: Client, provider: LinkingProvider, settings: Any, mailers: None
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
        assert (state_of(order), Cip.objects.get().provider_id) == ("paid", provider.only().id)
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
