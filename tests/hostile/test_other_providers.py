"""Providers of other shapes than PagoEfectivo: lists, hints, ids, signatures of the sender only, other limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown
from pagoefectivo_django.flows import cancel_order, extend_order, reissue_code, tick
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, Payment, UnknownCode
from pagoefectivo_django.states import Fact
from tests.clock import many_ticks
from tests.concurrency import at_once, breaking
from tests.factories.messages import SECRET, URL, paid, post
from tests.factories.orders import lost, make
from tests.factories.provider import serve_by
from tests.hostile.channels import AnyDate, Deaf, Hinting, Ids, Listing, Nameless, Unbound

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


@pytest.fixture
def served_by(settings: Any) -> Callable[[type[MemoryChannel]], None]:
    """Let a class serve the account."""
    return partial(serve_by, settings)


def listed(*bodies: bytes) -> bytes:
    return json.dumps([json.loads(body) for body in bodies]).encode()


def states(*orders: Order) -> list[str]:
    return [Order.objects.get(pk=order.pk).state for order in orders]


def hinted(query: str, password: str = SECRET) -> int:
    return Client().post(f"{URL}?{query}", b"", content_type="text/plain", headers={"Password": password}).status_code


@pytest.mark.every_database
class TestLists:
    @pytest.fixture(autouse=True)
    def lists(self, served_by: Callable[[type[MemoryChannel]], None]) -> None:
        served_by(Listing)

    def test_each_item_pays_its_order_and_has_a_row_of_its_own(self) -> None:
        one, two = make("SHOP-1"), make("SHOP-2")
        assert post(listed(paid(one), paid(two))).status_code == 200
        assert states(one, two) == ["paid", "paid"]
        rows = Notification.objects.order_by("item").values_list("item", "code", "status")
        assert list(rows) == [(0, one.code, "applied"), (1, two.code, "applied")]

    def test_an_item_that_can_not_be_applied_yet_holds_back_no_other(self) -> None:
        one, two = make("SHOP-1"), make("SHOP-2")
        with breaking("INSERT", "pagoefectivo_payment", times=2):  # the second attempt follows the provider's answer
            assert post(listed(paid(one), paid(two))).status_code == 200
        assert states(one, two) == ["pending", "paid"]
        tick(now=timezone.now() + timedelta(minutes=5))
        assert states(one, two) == ["paid", "paid"]

    def test_a_repetition_is_counted_on_each_row_and_pays_nothing_again(self) -> None:
        one, two = make("SHOP-1"), make("SHOP-2")
        body = listed(paid(one), paid(two))
        answers = [post(body).status_code for _ in range(2)] + [
            one.status_code for one in at_once(*[lambda: post(body)] * 2)
        ]
        assert answers == [200] * 4
        assert list(Notification.objects.order_by("item").values_list("times_received", flat=True)) == [4, 4]
        assert Payment.objects.count() == 2

    def test_items_unreadable_at_first_get_their_rows_when_they_are_read(self) -> None:
        one, two = make("SHOP-1"), make("SHOP-2")
        body = listed(paid(one), paid(two))
        Listing.stumbles["read"] = 1
        assert post(body).status_code == 200
        assert Notification.objects.get().status == "waiting"
        tick()
        assert states(one, two) == ["paid", "paid"]
        assert list(Notification.objects.order_by("item").values_list("item", "status")) == [
            (0, "applied"),
            (1, "applied"),
        ]

    def test_a_list_without_items_goes_to_a_person(self) -> None:
        assert post(b"[]").status_code == 200
        assert Discrepancy.objects.get().kind == "unprocessed"


class TestHints:
    @pytest.fixture(autouse=True)
    def hints(self, served_by: Callable[[type[MemoryChannel]], None]) -> None:
        served_by(Hinting)

    @pytest.mark.parametrize("name", ["code", "ours"])
    def test_a_hint_in_the_address_makes_its_code_due_and_the_answer_counts(self, name: str) -> None:
        order = make()
        Cip.objects.update(poll_at=None)
        query = f"{name}={order.code if name == 'code' else Cip.objects.get().transaction_code}"
        assert hinted(query) == 200
        assert states(order) == ["pending"]
        assert Notification.objects.get().fact == "hint"
        channel = MemoryChannel("default", {})
        channel.set(order.code, Fact.PAYMENT, paid_at=order.created_at)
        tick()
        assert states(order) == ["paid"]

    def test_an_equal_hint_is_applied_again(self) -> None:
        order = make()
        Cip.objects.update(poll_at=None)
        hinted(f"code={order.code}")
        tick()
        Cip.objects.update(hinted_at=None, look_at=None, looked_at=None)
        hinted(f"code={order.code}")
        assert Notification.objects.get().times_received == 2
        assert Cip.objects.get().hinted_at is not None

    @pytest.mark.every_database
    @pytest.mark.parametrize("query", ["code=%00", "ours=%00x", "nothing=1"])
    def test_a_hint_that_names_nothing_usable_goes_to_a_person(self, query: str) -> None:
        assert hinted(query) == 200
        assert [row.kind for row in Discrepancy.objects.all()] == ["unprocessed"]

    def test_a_hint_by_our_number_finds_a_lost_code(self, settings: Any) -> None:
        settings.PAGOEFECTIVO["CHANNELS"]["default"]["OPTIONS"] = {"WEBHOOK_SECRETS": [SECRET], "CAN_FIND": True}
        MemoryChannel.fail("issue", OutcomeUnknown("The line went dead."), after=True)
        MemoryChannel.failures["find"] = [(OutcomeUnknown("dead"), False)]
        order = make()
        Order.objects.update(pending_action="", retry_at=None)
        hinted(f"ours={Cip.objects.get().transaction_code}")
        tick()
        assert Cip.objects.get().status == "current"
        assert Order.objects.get(pk=order.pk).state == "pending"

    def test_a_wrong_password_is_refused(self) -> None:
        assert hinted("code=70000001", "made-up-guess") == 403
        assert not Notification.objects.exists()


@pytest.mark.every_database
class TestIds:
    """Messages name the provider's id, and never the digits."""

    @pytest.fixture(autouse=True)
    def ids(self, served_by: Callable[[type[MemoryChannel]], None]) -> None:
        served_by(Ids)

    def test_a_payment_finds_its_code_by_the_id(self) -> None:
        order, other = make("SHOP-1"), make("SHOP-2")
        assert Cip.objects.get(order=order).provider_id == f"id-{order.code}"
        assert post(paid(order)).status_code == 200
        assert states(order, other) == ["paid", "pending"]
        assert Notification.objects.get().code == f"id-{order.code}"

    def test_a_reversal_behind_a_waiting_payment_of_the_same_id_waits(self) -> None:
        order = make()
        with breaking("INSERT", "pagoefectivo_payment", times=1):
            post(paid(order))
        reversal = paid(order, fact="payment_reversed", amount=None, currency=None, paid_at=None)
        assert post(reversal).status_code == 200
        assert [row.status for row in Notification.objects.order_by("pk")] == ["waiting", "waiting"]
        tick()
        tick(now=timezone.now() + timedelta(minutes=1))
        assert states(order) == ["refunded"]

    def test_polling_and_a_hint_look_up_by_the_id(self) -> None:
        order, hinted_order = make("SHOP-1"), make("SHOP-2")
        Cip.objects.filter(order=hinted_order).update(poll_at=None)
        Cip.objects.filter(order=order).update(poll_at=timezone.now())
        post(paid(hinted_order, fact="unknown"))
        for each in (order, hinted_order):
            MemoryChannel("default", {}).set(each.code, Fact.PAYMENT, paid_at=each.created_at)
        tick()
        assert states(order, hinted_order) == ["paid", "paid"]

    def test_an_unknown_id_is_looked_up_and_closes_the_request_whose_answer_was_lost(self) -> None:
        order = lost()
        cip = Cip.objects.get()
        assert (cip.status, cip.code, cip.provider_id) == ("lost", None, None)
        (code,) = MemoryChannel("default", {}).book
        for _ in range(2):
            post(paid(order, fact="unknown", code=code))
        assert UnknownCode.objects.get().provider_id == f"id-{code}"
        tick()
        cip.refresh_from_db()
        assert (cip.status, cip.code, cip.provider_id) == ("current", code, f"id-{code}")
        assert not UnknownCode.objects.exists()

    def test_two_charges_for_one_number_are_two_and_the_second_comes_to_a_person(self) -> None:
        order = make()
        assert post(paid(order, operation_number=None)).status_code == 200
        number = Cip.objects.get().transaction_code
        assert post(paid(order, code="999", transaction_code=number, operation_number=None)).status_code == 200
        many_ticks()
        assert states(order) == ["paid"]
        assert [row.kind for row in Discrepancy.objects.open()] == ["unmatched"]

    def test_names_of_two_codes_in_one_payment_come_to_a_person(self) -> None:
        one, two = make("SHOP-1"), make("SHOP-2")
        report = Report(
            "memory:default", Fact.PAYMENT, two.code, amount=one.amount, currency="PEN", provider_id=f"id-{one.code}"
        )
        advance(replace(report, paid_at=timezone.now()))
        assert (states(one, two), Discrepancy.objects.get().kind) == (["pending", "pending"], "unmatched")

    def test_a_code_without_digits_is_reissued_and_expires(self) -> None:
        one, two = make("SHOP-1"), make("SHOP-2")
        Cip.objects.update(code=None)
        again = reissue_code(one)
        assert again.cip
        assert again.cip.provider_id
        codes = Cip.objects.filter(order=one).order_by("pk")
        assert list(codes.values_list("status", flat=True)) == ["superseded", "current"]
        tick(now=two.expires_at + timedelta(hours=2))
        assert states(two) == ["expired"]

    def test_a_hint_with_the_id_of_a_code_known_by_digits_ends(self) -> None:
        order = make()
        Cip.objects.update(provider_id=None, poll_at=None)
        post(paid(order, fact="unknown"))
        MemoryChannel("default", {}).set(order.code, Fact.CODE_DELETED)
        begin = timezone.now()
        for minute in range(6):
            tick(now=begin + timedelta(minutes=minute))
        assert not UnknownCode.objects.exists()

    @pytest.mark.parametrize("name", ["provider_id", "operation_number", "url"])
    def test_an_answer_too_long_for_its_column_pays_all_the_same(self, name: str) -> None:
        order = make()
        long = {name: "https://memory.example/" + "x" * 600}
        MemoryChannel("default", {}).set(order.code, Fact.PAYMENT, paid_at=timezone.now(), **long)
        Cip.objects.update(poll_at=timezone.now())
        tick()
        assert states(order) == ["paid"]

    def test_codes_of_an_account_are_deleted_and_extended_by_the_id(self) -> None:
        order = make()
        extend_order(order, order.expires_at + timedelta(days=1))
        cancel_order(order)
        assert MemoryChannel("default", {}).book[Cip.objects.get().code or ""].report.fact == Fact.CODE_DELETED


def test_a_payment_counts_from_no_message_whose_signature_leaves_out_the_content(
    served_by: Callable[[type[MemoryChannel]], None],
) -> None:
    served_by(Unbound)
    order = make()
    Cip.objects.update(poll_at=None)
    assert post(paid(order)).status_code == 200
    tick()
    assert (states(order), Payment.objects.count()) == (["pending"], 0), "the provider knows of no payment"
    MemoryChannel("default", {}).set(order.code, Fact.PAYMENT, paid_at=order.created_at)
    Cip.objects.update(look_at=order.created_at)
    tick()
    assert states(order) == ["paid"]


def test_each_account_has_the_batches_and_the_pace_of_its_options(settings: Any) -> None:
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    slow = entry | {"OPTIONS": entry["OPTIONS"] | {"NAME": "slow", "BATCH_SIZE": 2, "SEARCHES_PER_MINUTE": 1}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {
        "CHANNELS": {"default": entry, "slow": slow}, "ROUTES": {"PEN": ["slow"], "USD": ["default"]},
    }  # fmt: skip
    for number in range(3):
        make(f"SHOP-{number}")
        make(f"USD-{number}", currency="USD")
    assert Counter(Cip.objects.values_list("account", flat=True)) == {"memory:slow": 3, "memory:default": 3}
    Cip.objects.update(poll_at=timezone.now())
    MemoryChannel.calls.clear()
    tick()
    asked = sorted(about.count(",") + 1 for name, about in MemoryChannel.calls if name == "look_up")
    assert asked == [2, 3], "one search of two codes, and one of all"


@pytest.mark.parametrize(
    ("ahead", "taken"),
    [(timedelta(days=300), True), (timedelta(minutes=2), True), (-timedelta(minutes=1), False)],
)
def test_any_date_ahead_is_taken_where_the_channel_declares_no_limit(
    served_by: Callable[[type[MemoryChannel]], None], ahead: timedelta, taken: bool
) -> None:
    served_by(AnyDate)
    if taken:
        assert make(expires_at=timezone.now() + ahead).code
    else:
        with pytest.raises(InvalidRequest) as refusal:
            make(expires_at=timezone.now() + ahead)
        assert refusal.value.code == "expires_at_out_of_range"


@pytest.mark.parametrize("fact", ["payment", "payment_reversed", "code_expired", "code_deleted", "unknown"])
def test_what_a_message_can_not_prove_comes_to_a_person_where_nobody_can_be_asked(
    served_by: Callable[[type[MemoryChannel]], None], fact: str
) -> None:
    served_by(Deaf)
    order = make()
    assert post(paid(order, fact=fact)).status_code == 200
    assert states(order) == ["pending"]
    assert [row.kind for row in Discrepancy.objects.all()] == ["unprocessed"]


def test_a_code_without_any_name_is_lost_and_asked_about(settings: Any) -> None:
    """Else the order would be pending with a code that nobody could pay, poll or ask about."""
    serve_by(settings, Nameless, CAN_FIND=True)
    order = make()
    assert (states(order), Cip.objects.get().status) == (["new"], "lost")
    tick(now=timezone.now() + timedelta(minutes=2))
    assert states(order) == ["pending"]
    assert Cip.objects.get().code
