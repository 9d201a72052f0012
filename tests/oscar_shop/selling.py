"""Selling in a shop of Oscar's: ``tests/contrib/test_oscar.py`` runs this file in the shop's own project."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oscar.apps.order.signals import order_placed
from oscar.core.loading import get_class, get_model

from pagoefectivo_django.channels.base import CodeRef
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.contrib.oscar import checkout, receivers
from pagoefectivo_django.contrib.oscar.apps import RECEIVER
from pagoefectivo_django.contrib.oscar.placed import CODE, payment_of
from pagoefectivo_django.errors import OutcomeUnknown
from pagoefectivo_django.flows import cancel_order, create_order, reissue_code, tick
from pagoefectivo_django.flows.orders import create
from pagoefectivo_django.flows.outbox.publish import deliver_again
from pagoefectivo_django.flows.provider.accounts import channel_of
from pagoefectivo_django.models import Delivery, Order
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.testing import check_receivers, deliver, expire, pay
from tests.factories.payers import ANA
from tests.factories.refunds import refund_at
from tests.oscar_shop.shelf import IN_STOCK, PRICE, employ, stock

pytestmark = pytest.mark.django_db(transaction=True)

Basket, ShopOrder = get_model("basket", "Basket"), get_model("order", "Order")
EventHandler = get_class("order.processing", "EventHandler")
Source, Transaction = get_model("payment", "Source"), get_model("payment", "Transaction")

ADDRESS = {
    "first_name": "Ana",
    "last_name": "Quispe",
    "line1": "Av. Arequipa 100",
    "line4": "Lima",
    "postcode": "15046",
    "country": "PE",
    "phone_number": "+51 999 888 777",
}


@pytest.fixture(autouse=True)
def shelf() -> Any:
    MemoryChannel.clear()
    return stock()


def go_to_the_checkout(client: Client, record: Any, quantity: int = 2) -> HttpResponse:
    """Fill the basket as a guest, say where it is sent, and return the page that asks who pays."""
    product = record.product
    client.post(reverse("basket:add", args=[product.pk]), {"quantity": quantity})
    client.post(reverse("checkout:index"), {"username": "ana@example.com", "options": "anonymous"})
    client.post(reverse("checkout:shipping-address"), ADDRESS)
    return client.get(reverse("checkout:shipping-method"), follow=True)  # type: ignore[return-value]


def place(client: Client, **changes: str) -> Any:
    return client.post(reverse("checkout:preview"), {"action": "place_order"} | ANA | changes)


@pytest.fixture
def bought(client: Client, shelf: Any) -> Any:
    """An order of Oscar's for two coffees, placed by a guest."""
    go_to_the_checkout(client, shelf)
    place(client)
    return ShopOrder.objects.get()


def ours() -> Order:
    return Order.objects.select_related("cip").get()


def shown(placed: Any) -> dict[str, Any]:
    """All that Oscar shows of the payment."""
    placed.refresh_from_db()
    (source,) = placed.sources.all()
    (line,) = placed.lines.all()
    return {
        "status": placed.status,
        "amounts": (source.amount_allocated, source.amount_debited, source.amount_refunded),
        "transactions": [(made.txn_type, made.amount) for made in source.transactions.order_by("pk")],
        "allocated": line.stockrecord.num_allocated,
        "in stock": line.stockrecord.num_in_stock,
        "notes": [note.message for note in placed.notes.order_by("pk")],
        "changes": [change.new_status for change in placed.status_changes.order_by("pk")],
    }


TOTAL, NOTHING = PRICE * 2, Decimal(0)


def test_a_guest_buys_and_is_led_to_the_voucher(client: Client, shelf: Any) -> None:
    page = go_to_the_checkout(client, shelf)
    text = page.content.decode()
    assert "pagoefectivo-method" in text
    assert 'value="ana@example.com"' in text
    assert 'value="Quispe"' in text
    preview = client.post(reverse("checkout:preview"), ANA)
    assert '<input type="hidden" name="document_number" value="01234567"' in preview.content.decode()
    answer = place(client)
    placed, order = ShopOrder.objects.get(), ours()
    assert (order.reference, order.money.amount, order.currency) == (placed.number, TOTAL, "PEN")
    assert order.payer.document_number == "01234567"
    assert (order.state, answer.url) == ("pending", order.voucher_url)
    assert "Pay with this code" in client.get(answer.url).content.decode()
    assert shown(placed) == {
        "status": "Pending",
        "amounts": (TOTAL, NOTHING, NOTHING),
        "transactions": [("Authorise", TOTAL)],
        "allocated": 2,
        "in stock": IN_STOCK,
        "notes": [],
        "changes": [],
    }
    assert placed.sources.get().reference == order.code
    assert placed.sources.get().source_type.code == CODE


PAID = {
    "status": "Being processed",
    "amounts": (TOTAL, TOTAL, NOTHING),
    "transactions": [("Authorise", TOTAL), ("Debit", TOTAL)],
    "allocated": 0,
    "in stock": IN_STOCK - 2,
    "notes": ["PagoEfectivo: paid."],
    "changes": ["Being processed"],
}


def test_a_payment_is_debited_and_consumes_the_stock(bought: Any) -> None:
    order = pay(ours())
    assert shown(bought) == PAID
    assert Transaction.objects.get(txn_type="Debit").reference == order.operation_number
    assert not Delivery.objects.filter(delivered_at=None).exists()


def ended(what: str) -> dict[str, Any]:
    return {
        "status": "Cancelled",
        "amounts": (NOTHING, NOTHING, NOTHING),
        "transactions": [("Authorise", TOTAL), ("Release", TOTAL)],
        "allocated": 0,
        "in stock": IN_STOCK,
        "notes": [f"PagoEfectivo: {what}."],
        "changes": ["Cancelled"],
    }


@pytest.mark.parametrize(("end", "what"), [(expire, "expired"), (cancel_order, "cancelled")])
def test_an_order_that_ends_unpaid_frees_what_was_allocated(
    bought: Any, end: Callable[[Order], Order], what: str
) -> None:
    end(ours())
    assert shown(bought) == ended(what)


def test_refunds_in_part_show_at_once_and_the_last_ends_the_order(bought: Any) -> None:
    order = pay(ours())
    refund_at("done", order, amount="10.00")
    part = shown(bought)
    assert part["amounts"] == (TOTAL, TOTAL, Decimal(10))
    assert part["status"] == "Being processed"
    refund_at("done", order)
    whole = shown(bought)
    assert whole["amounts"] == (TOTAL, TOTAL, TOTAL)
    assert whole["transactions"][2:] == [("Refund", Decimal(10)), ("Refund", TOTAL - 10)]
    assert whole["status"] == "Cancelled"
    assert whole["in stock"] == IN_STOCK - 2  # the goods may have left: what comes back, staff counts


@pytest.mark.parametrize(
    "last", [pay, expire, lambda order: refund_at("done", pay(order))], ids=["paid", "expired", "back"]
)
def test_an_event_that_is_heard_again_changes_nothing(bought: Any, last: Callable[[Order], object]) -> None:
    last(ours())
    before = shown(bought)
    heard = Delivery.objects.filter(receiver=RECEIVER)
    assert heard.count() > 1
    for _time in range(2):
        for delivery in heard.order_by("event__number"):
            deliver_again(delivery)
            deliver()
    assert shown(bought) == before


def test_an_old_event_that_is_heard_again_moves_nothing_that_staff_did_since(bought: Any) -> None:
    pay(ours())
    EventHandler().handle_order_status_change(ShopOrder.objects.get(), "Complete")
    before = shown(bought)
    deliver_again(Delivery.objects.get(receiver=RECEIVER, event__kind="payment_confirmed"))
    deliver()
    assert shown(bought) == before


def test_a_late_event_of_a_refunded_order_is_a_note_where_a_newer_order_stands(bought: Any) -> None:
    old = pay(ours())
    refund_at("done", old)
    old.reload()
    new = create_order(reference=bought.number, amount=TOTAL, currency="PEN", payer=Payer(email="ana@example.com"))
    deliver()
    assert shown(bought)["amounts"][0] == TOTAL
    pay(new)
    before = shown(bought)
    for kind in ("payment_confirmed", "payment_refunded"):
        deliver_again(Delivery.objects.get(receiver=RECEIVER, event__kind=kind, event__order=old))
        deliver()
    after = shown(bought)
    assert after.pop("notes")[-1] == f"PagoEfectivo: refunded. ({old.code})"
    assert after == {name: value for name, value in before.items() if name != "notes"}
    new.reload()
    assert bought.sources.get().reference == new.code


@pytest.mark.parametrize("part", ["write_source", "write_stock", "write_status"])
def test_a_receiver_that_fails_midway_leaves_nothing_and_is_called_again(
    bought: Any, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shown(bought)
    real = getattr(receivers, part)

    def fail(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        raise RuntimeError("made up")

    with monkeypatch.context() as patch:
        patch.setattr(receivers, part, fail)
        pay(ours())
    assert shown(bought) == before
    assert ours().state == "paid"  # the payment is written, whatever becomes of the receiver
    for delivery in Delivery.objects.filter(receiver=RECEIVER, delivered_at=None):
        deliver_again(delivery)
    deliver()
    assert shown(bought) == PAID


@pytest.mark.django_db(transaction=False)
def test_repetitions_deaths_and_old_events_change_nothing_more_than_one_call(client: Client, shelf: Any) -> None:
    """Each signal: called twice, killed before and after each write, called with an old event after a new one.

    Long, since after each of these the rows of all of Oscar's tables are compared.
    """

    def make() -> Order:
        go_to_the_checkout(client, shelf)
        place(client)
        return ours()

    check_receivers(make, only=[RECEIVER])


def test_a_code_that_is_renewed_takes_the_stock_again(bought: Any) -> None:
    order = expire(ours())
    order.reload()
    reissue_code(order, expires_at=timezone.now() + timedelta(hours=5), actor="rosa", reason="made up")
    again = shown(bought)
    assert again["amounts"] == (TOTAL, NOTHING, NOTHING)
    assert (again["status"], again["allocated"]) == ("Pending", 2)
    pay(ours())
    paid = shown(bought)
    assert (paid["status"], paid["allocated"], paid["in stock"]) == ("Being processed", 0, IN_STOCK - 2)


def test_stock_that_staff_freed_by_hand_stays_free(bought: Any) -> None:
    EventHandler().cancel_stock_allocations(bought)
    deliver_again(Delivery.objects.get(receiver=RECEIVER, event__kind="cip_issued"))
    deliver()
    assert shown(bought)["allocated"] == 0
    pay(ours())
    paid = shown(bought)
    assert (paid["status"], paid["allocated"], paid["in stock"]) == ("Being processed", 0, IN_STOCK)
    assert "PagoEfectivo: paid, and the stock of Coffee is not there." in paid["notes"]


def test_late_money_that_staff_accepts_is_written_though_the_stock_is_gone_and_the_status_final(
    bought: Any, shelf: Any, settings: Any
) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"LATE_PAYMENTS": "accept"}
    order = expire(ours())
    type(shelf).objects.update(num_in_stock=1)
    monkey = dict(ShopOrder.pipeline)
    ShopOrder.pipeline = monkey | {"Cancelled": ()}
    try:
        pay(order)
    finally:
        ShopOrder.pipeline = monkey
    late = shown(bought)
    assert late["amounts"] == (TOTAL, TOTAL, NOTHING)
    assert (late["status"], late["allocated"], late["in stock"]) == ("Cancelled", 2, 1)
    assert late["notes"][1:] == [
        "PagoEfectivo: the stock of Coffee was sold meanwhile.",
        "PagoEfectivo: paid, and the stock of Coffee is not there.",
        "PagoEfectivo: paid. The status stays “Cancelled”: the pipeline does not lead from it to “Being processed”.",
    ]


def test_an_order_that_staff_cancels_in_the_dashboard_is_cancelled_here(bought: Any, client: Client) -> None:
    client.force_login(employ(), backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("dashboard:order-detail", args=[bought.number])
    client.post(page, {"order_action": "change_order_status", "new_status": "Cancelled"})
    order = ours()
    assert order.state == "cancelled"
    assert order.cip
    (said,) = channel_of(order.cip).look_up([CodeRef(order.code)]).values()
    assert said.fact == "code_deleted"
    assert shown(bought)["amounts"] == (NOTHING, NOTHING, NOTHING)
    assert shown(bought)["allocated"] == 0


@pytest.mark.parametrize("column", ["pending_action", "deferred_action"])
def test_a_late_code_moves_no_order_that_staff_cancels_back(bought: Any, column: str) -> None:
    MemoryChannel.fail("delete", OutcomeUnknown("dropped"))
    EventHandler().handle_order_status_change(bought, "Cancelled")
    assert (ours().state, ours().pending_action) == ("pending", "cancel")
    Order.objects.update(**{"pending_action": "", column: "cancel"})
    deliver_again(Delivery.objects.get(receiver=RECEIVER, event__kind="cip_issued"))
    deliver()
    assert shown(bought)["status"] == "Cancelled"


def test_the_dashboard_and_the_admin_lead_to_each_other(bought: Any, client: Client) -> None:
    client.force_login(employ(), backend="django.contrib.auth.backends.ModelBackend")
    dashboard = reverse("dashboard:order-detail", args=[bought.number])
    order = ours()
    text = client.get(dashboard).content.decode()
    assert f'href="{order.admin_url}"' in text
    assert order.code in text
    assert "No payment sources found" not in text
    assert f'href="{dashboard}"' in client.get(order.admin_url).content.decode()


def test_the_buyers_pages_lead_to_the_voucher(bought: Any, client: Client) -> None:
    link = f'href="{ours().voucher_url}"'
    tracked = reverse("customer:anon-order", args=[bought.number, bought.verification_hash()])
    client.post(tracked.replace("order-status", "order-status-form"), {"email": "ana@example.com"})
    for page in (reverse("checkout:thank-you"), tracked):
        assert link in client.get(page).content.decode()
    bought.sources.all().delete()
    assert link not in client.get(tracked).content.decode()


def test_what_the_payer_typed_wrongly_is_said_and_nothing_is_placed(client: Client, shelf: Any) -> None:
    go_to_the_checkout(client, shelf)
    for answer in (
        client.post(reverse("checkout:preview"), ANA | {"document_number": "12"}),
        place(client, phone="1"),
    ):
        assert "error-block" in answer.content.decode()
    assert not ShopOrder.objects.exists()
    assert not Order.objects.exists()


def test_an_order_that_no_channel_takes_is_not_placed(client: Client, shelf: Any, settings: Any) -> None:
    go_to_the_checkout(client, shelf)
    placed = []
    order_placed.connect(lambda **named: placed.append(named), weak=False, dispatch_uid="made up")
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"ROUTES": {"USD": ["default"]}}
    text = place(client).content.decode()
    order_placed.disconnect(dispatch_uid="made up")
    assert "can&#x27;t be paid by PagoEfectivo" in text
    assert not ShopOrder.objects.exists()
    assert not placed
    assert Basket.objects.get().status == "Open"


def test_an_order_whose_reference_is_taken_by_another_part_of_the_shop_is_not_placed(
    client: Client, shelf: Any
) -> None:
    go_to_the_checkout(client, shelf)
    number = 100000 + Basket.objects.get().pk
    other = create_order(reference=number, amount=TOTAL, currency="PEN", payer=Payer(email="eva@example.com"))
    text = place(client).content.decode()
    assert "can&#x27;t be paid by PagoEfectivo" in text
    assert not ShopOrder.objects.exists()
    assert not Source.objects.exists()
    assert ours() == other
    assert shelf_of(shelf) == (None, IN_STOCK)


def shelf_of(record: Any) -> tuple[int | None, int]:
    record.refresh_from_db()
    return record.num_allocated, record.num_in_stock


class Died(BaseException):
    """A process that ended: no handler of an error runs."""


@pytest.mark.parametrize("where", ["before ours", "after ours"])
def test_a_process_that_dies_while_it_places_leaves_both_orders_or_none(
    client: Client, shelf: Any, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_to_the_checkout(client, shelf)
    real = create_order

    def die(**named: Any) -> Order:
        if where == "after ours":
            real(**named)
        raise Died

    monkeypatch.setattr(checkout, "create_order", die)
    with pytest.raises(Died):
        place(client)
    assert not ShopOrder.objects.exists()
    assert not Order.objects.exists()
    assert shelf_of(shelf) == (None, IN_STOCK)


def test_a_process_that_dies_after_the_commit_leaves_an_order_whose_code_the_worker_issues(
    client: Client, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_to_the_checkout(client, shelf)
    with monkeypatch.context() as patch:
        patch.setattr(create, "issue_quietly", lambda *arguments: None)  # never reached
        place(client)
    assert (ours().state, ours().code) == ("new", "")
    assert ShopOrder.objects.get().number == ours().reference
    tick()
    assert ours().state == "pending"
    assert shown(ShopOrder.objects.get())["allocated"] == 2


def test_in_a_shop_of_atomic_requests_the_code_is_asked_for_after_the_request(
    client: Client, shelf: Any, settings: Any
) -> None:
    go_to_the_checkout(client, shelf)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        answer = place(client)
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert (ours().state, answer.url) == ("pending", ours().voucher_url)


def test_a_shop_with_several_methods_says_which_was_chosen(client: Client, shelf: Any) -> None:
    go_to_the_checkout(client, shelf)
    session = client.session
    session["checkout_data"]["payment"] = {"method": "card"}
    session.save()
    assert "pagoefectivo" not in client.get(reverse("checkout:payment-details")).content.decode()
    place(client)
    placed = ShopOrder.objects.get()
    assert not placed.sources.exists()
    assert not Order.objects.exists()
    assert payment_of(placed.number) is None


def test_an_order_of_another_part_of_the_shop_touches_none_of_oscars(bought: Any) -> None:
    before = shown(bought)
    pay(create_order(reference="T-1", amount=TOTAL, currency="PEN", payer=Payer(email="eva@example.com")))
    assert shown(bought) == before
