"""Kind 4, a final state without a trace: each step of a refund is seen, and nothing that was wished for just stops."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import PagoEfectivoError, Unavailable
from pagoefectivo_django.flows import (
    approve_refund,
    cancel_order,
    close_refund,
    create_order,
    extend_order,
    reissue_code,
    resolve_discrepancy,
    send_refund,
    tick,
)
from pagoefectivo_django.flows.ledger.history import closed
from pagoefectivo_django.flows.refunds.refund import give_account, send_by_channel
from pagoefectivo_django.flows.reports.export import HEADINGS, export_rows
from pagoefectivo_django.models import Discrepancy, Order, Payment, Refund
from pagoefectivo_django.states import RefundStatus, Remark
from pagoefectivo_django.testing import expire, notify, pay
from tests.clock import later
from tests.factories.orders import ANA, make
from tests.factories.people import STAFF
from tests.factories.provider import serve_by
from tests.factories.refunds import ACCOUNT, refund_at
from tests.reading import dashboard_now, voucher

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

DOWN = Unavailable("down")


# Every step of a refund: what its payer is told, and where staff finds it.


def part_at(step: str) -> Refund:
    """Return a refund of a part of an order's money."""
    return refund_at(step, pay(make(language="en"), operation_number="7"), "10.00")


def by_provider() -> Refund:
    return part_at("approved")


def asked_of_the_provider() -> Refund:
    MemoryChannel.fail("refund", RuntimeError("The line was dropped."))
    refund = part_at("approved")
    send_by_channel(Refund.objects.select_related("payment__cip", "order").get(pk=refund.pk), later(minutes=1))
    return refund


def done_by_the_provider() -> Refund:
    refund = part_at("approved")
    tick()
    return refund


#: Step: what the voucher says ("" for nothing), whether it has the button, how much is refunded and being refunded,
#: and the words of the first page.
STEPS: dict[str, tuple[str, bool, str, str, str]] = {
    "requested": ("", False, "0.00", "10.00", "refunds to approve"),
    "approved": ("is being refunded", True, "0.00", "10.00", "refunds without the payer's account"),
    "named": ("is being refunded", False, "0.00", "10.00", "refunds to send"),
    "sent": ("was refunded", False, "10.00", "0.00", "refunds to close"),
    "done": ("was refunded", False, "10.00", "0.00", ""),
    "failed": ("", False, "0.00", "0.00", ""),
    "by_provider": ("is being refunded", False, "0.00", "10.00", "refunds to send"),
    "asked_of_the_provider": ("is being refunded", False, "0.00", "10.00", "refunds to close"),
    "done_by_the_provider": ("was refunded", False, "10.00", "0.00", ""),
}
BY_PROVIDER = {each.__name__: each for each in (by_provider, asked_of_the_provider, done_by_the_provider)}


def waits() -> set[str]:
    """What the first page says that waits, besides what orders and messages do."""
    panels = [panel for panel in dashboard_now()["panels"] if str(panel.title) == "What waits"]
    return {str(row[0]) for panel in panels for row in panel.rows if re.match("[1-9]", strip_tags(str(row[1])))}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_a_refund_is_told_and_refunded_is_what_was_sent(settings: Any, step: str) -> None:
    said, button, refunded, being_refunded, queue = STEPS[step]
    if step in BY_PROVIDER:
        serve_by(settings, CAN_REFUND=True)
    refund = BY_PROVIDER[step]() if step in BY_PROVIDER else part_at(step)
    page = voucher(refund.order)
    assert ("/pay/refund/" in page) == button
    for words in ("is being refunded", "was refunded"):
        assert (f"S/ 10.00 {words}" in page) == (words == said)
    assert ("Thank you! You need not do anything else." in page) == (not said)
    row = dict(zip(map(str, HEADINGS["paid"]), next(export_rows("paid")), strict=True))
    assert (row["refunded"], row["being refunded"]) == (Decimal(refunded), Decimal(being_refunded))
    assert Payment.objects.get().sent_back == Decimal(refunded)
    assert {words for words in waits() if "refund" in words} == ({queue} if queue else set())
    assert Order.objects.get().state == "paid", "a part of it"


def test_every_status_of_a_refund_has_its_step() -> None:
    assert set(STEPS) >= set(RefundStatus.values)


def test_the_whole_of_it_is_refunded_when_it_is_done_and_not_before() -> None:
    order = pay(make(language="en"), operation_number="7")
    refund = refund_at("approved", order)
    page = voucher(order)
    assert "S/ 35.50 is being refunded" in page
    assert "You need not do anything else" not in page
    give_account(refund, **ACCOUNT)
    assert "/pay/refund/" not in voucher(order)
    close_refund(send_refund(refund, actor="eva"), done=True, **STAFF)
    page = voucher(order)
    assert "Your payment was refunded" in page
    assert "being refunded" not in page


@pytest.mark.parametrize("state", ["pending", "expired", "cancelled"])
def test_money_of_an_order_that_is_not_paid_goes_back_by_its_voucher_too(state: str) -> None:
    order = make(language="en")
    if state == "cancelled":
        cancel_order(order)
        notify(order, operation_number="1")
    else:
        notify(order, amount="1.00", operation_number="1")
    resolve_discrepancy(Discrepancy.objects.get(), "refund_due", **STAFF)
    if state == "expired":
        expire(order)
    approve_refund(Refund.objects.get(), actor="eva")
    order.reload()
    assert order.state == state
    assert "/pay/refund/" in voucher(order)


def test_the_button_leads_to_the_form_and_the_page_notices_what_was_named() -> None:
    refund, client = part_at("approved"), Client()
    status = reverse("pagoefectivo:voucher-status", args=[refund.order.token])
    etag = client.get(status).headers["ETag"]
    assert client.get(status, headers={"If-None-Match": etag}).status_code == 304, "each link is new, and no news"
    found = re.search(r'href="([^"]*/pay/refund/[^"]+)"', voucher(refund.order))
    assert found
    path = found[1].removeprefix("https://shop.example")
    assert "<form" in client.get(path).content.decode()
    assert client.post(path, ACCOUNT).status_code == 302
    assert client.get(status, headers={"If-None-Match": etag}).status_code == 200
    refund.refresh_from_db()
    assert refund.cci == ACCOUNT["cci"]


def test_each_list_of_refunds_that_the_first_page_names_has_just_those(client: Client) -> None:
    there = {part_at(step).pk: step for step in ("requested", "approved", "named", "sent")}
    client.force_login(User.objects.create_superuser("eva"))
    panel = next(panel for panel in dashboard_now()["panels"] if str(panel.title) == "What waits")
    links = {str(row[0]): found for row in panel.rows if (found := re.search('href="([^"]+)"', str(row[1])))}
    for pk, step in there.items():
        listed = client.get(links[STEPS[step][4]][1].replace("&amp;", "&")).content.decode()
        assert re.findall(r"/refund/(\d+)/change/", listed) == [str(pk)]


# Every wish, and every way in which it comes to nothing.


def put_off(order: Order, pending_action: str) -> None:
    """PendingAction for something at a provider that is down."""
    MemoryChannel.fail("extend" if pending_action == "extend" else "delete", DOWN)
    with pytest.raises(Unavailable):
        PENDING_ACTIONS[pending_action](order)
    MemoryChannel.failures.clear()


PENDING_ACTIONS: dict[str, Callable[[Order], object]] = {
    "cancel": lambda order: cancel_order(order, actor="rosa"),
    "extend": lambda order: extend_order(order, later(days=5), actor="rosa"),
    "reissue": lambda order: reissue_code(order, actor="rosa"),
}


def is_paid(order: Order, pending_action: str) -> None:
    notify(order, operation_number="7")


def is_overtaken(order: Order, pending_action: str) -> None:
    PENDING_ACTIONS["reissue" if pending_action == "extend" else "extend"](order)


def is_ordered_again(order: Order, pending_action: str) -> None:
    if pending_action == "cancel":
        create_order(reference=order.reference, amount=order.amount, currency="PEN", payer=ANA)
    else:
        create_order(reference=order.reference, amount=Decimal("1.00"), currency="PEN", payer=ANA, replace=True)


def is_asked_about_and_accepted(order: Order, pending_action: str) -> None:
    notify(order, amount="1.00", operation_number="1")
    tick(later(minutes=3))
    order.reload()
    assert (order.pending_action, order.deferred_action) == ("", pending_action)
    resolve_discrepancy(Discrepancy.objects.open().get(), "accept", **STAFF)


def is_late_and_was_in_time_after_all(order: Order, pending_action: str) -> None:
    """The discrepancy closes by itself, since the provider's time shows that it was paid in time."""
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    notify(order)
    assert Discrepancy.objects.open().get().kind == "late_payment"
    notify(order, paid_at=timezone.now() - timedelta(hours=2), operation_number="7")
    assert not Discrepancy.objects.open().exists()


@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
@pytest.mark.parametrize(
    "ending",
    [is_paid, is_overtaken, is_ordered_again, is_asked_about_and_accepted, is_late_and_was_in_time_after_all],
    ids=lambda ending: ending.__name__,
)
def test_a_pending_action_that_comes_to_nothing_is_in_the_history(
    pending_action: str, ending: Callable[[Order, str], None]
) -> None:
    order = make()
    put_off(order, pending_action)
    ending(order, pending_action)
    order.reload()
    assert pending_action not in (order.pending_action, order.deferred_action)
    ended = order.events.filter(fact=Remark.ENDED)
    assert list(ended.values_list("data__action", flat=True)) == [pending_action]


@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
def test_a_pending_action_that_is_done_did_not_come_to_nothing(pending_action: str) -> None:
    order = make()
    put_off(order, pending_action)
    tick(later(hours=1))
    order.reload()
    assert order.pending_action == ""
    assert not order.events.filter(fact__in=(Remark.ENDED, "refused")).exists()


def a_person_answers(discrepancy: Discrepancy) -> None:
    resolve_discrepancy(discrepancy, "ignore", **STAFF)


def whatever_closes_it(discrepancy: Discrepancy) -> None:
    """As a message, a statement or the provider's answer closes discrepancies, wherever that is written."""
    Discrepancy.objects.filter(pk=discrepancy.pk).update(
        **closed("pagoefectivo", "The facts cleared up.", timezone.now())
    )


@pytest.mark.every_database
@pytest.mark.parametrize("pending_action", PENDING_ACTIONS)
@pytest.mark.parametrize("close", [a_person_answers, whatever_closes_it], ids=lambda close: close.__name__)
def test_a_pending_action_that_meets_a_discrepancy_is_taken_up_however_that_is_closed(
    pending_action: str, close: Callable[[Discrepancy], None]
) -> None:
    order = make()
    put_off(order, pending_action)
    notify(order, amount="1.00", operation_number="1")
    tick(later(minutes=3))
    order.reload()
    assert (order.state, order.pending_action, order.deferred_action) == ("pending", "", pending_action)
    assert {"cancel": "cancellations", "extend": "extensions", "reissue": "new codes"}[pending_action] in " ".join(
        waits()
    )
    assert order.events.filter(data__action=pending_action, data__about="waits_for_answer").exists()
    tick(later(minutes=6))
    order.reload()
    assert order.deferred_action == pending_action, "the discrepancy is open"
    close(Discrepancy.objects.get())
    code = order.code
    tick(later(minutes=7))
    order.reload()
    assert (order.pending_action, order.deferred_action) == ("", "")
    assert order.events.filter(data__action=pending_action, data__about="taken_up_again").exists()
    done_so = {
        "cancel": order.state == "cancelled",
        # Its code took the money that was asked about, so there is none to extend: that is said, and asked.
        "extend": order.events.filter(fact="refused", data__action="extend").exists(),
        "reissue": order.code != code,
    }
    assert done_so[pending_action]


def test_one_discrepancy_of_two_is_not_enough() -> None:
    order = make()
    put_off(order, "cancel")
    notify(order, amount="1.00", operation_number="1")
    notify(order, amount="2.00", operation_number="2")
    tick(later(minutes=3))
    whatever_closes_it(Discrepancy.objects.order_by("pk")[0])
    tick(later(minutes=6))
    order.reload()
    assert (order.state, order.deferred_action) == ("pending", "cancel")


def test_the_payer_s_button_is_not_offered_while_something_waits(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": True}
    order = expire(make(language="en"))
    assert "Get a new code" in voucher(order)
    Order.objects.filter(pk=order.pk).update(deferred_action="reissue")
    assert "Get a new code" not in voucher(order)


def test_nothing_is_raised_by_what_is_asked_of_a_refund_twice() -> None:
    refund = part_at("approved")
    with pytest.raises(PagoEfectivoError, match="is approved"):
        approve_refund(refund, actor="eva")
    assert refund.order.events.filter(kind="refund_account_asked").count() == 1
