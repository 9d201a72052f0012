"""Refunds in the admin: the queue, its buttons, the payer's link, the file for the bank, and who may see an account."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pagoefectivo_django.flows import approve_refund, close_refund, refund_order, send_refund, tick
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.models import Order, Refund
from pagoefectivo_django.testing import pay
from tests.factories.provider import serve_by
from tests.factories.refunds import CCI
from tests.reading import page, status_of
from tests.wording import REQUIRED, levels

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/pagoefectivo/refund/"
CSV = f"{LIST}bank.csv"
GROUPED = "011-366-000100032542-21"
Make = Callable[..., Refund]
Act = Callable[..., str]
Hire = Callable[..., Client]


@pytest.fixture
def approver(hire: Hire) -> Client:
    return hire("marta", "view_refund", "view_order", "approve_refund")


@pytest.fixture
def sender(hire: Hire) -> Client:
    return hire("eva", "view_refund", "view_order", "send_refund")


@pytest.fixture
def new_refund(new_order: Callable[..., Order]) -> Make:
    """A function that makes a refund that stands somewhere on its way."""

    def make(reference: str = "SHOP-1001", status: str = "requested", *, account: bool = True, **more: Any) -> Refund:
        order = pay(new_order(reference), operation_number="12")
        refund = refund_order(order, more.get("amount"), actor="rosa", reason="Sold out")
        if account and not refund.by_channel:
            give_account(refund, bank="BBVA", cci=CCI, holder=more.get("holder", "Ana Quispe"))
        if status in ("approved", "sent", "done"):
            approve_refund(refund, actor="marta")
        if status in ("sent", "done"):
            send_refund(refund, actor="eva")
        if status in ("done", "failed"):
            close_refund(refund, done=status == "done", actor="eva", reason="The bank says so.")
        assert refund.status == status
        return refund

    return make


@pytest.fixture
def by_channel(settings: Any) -> None:
    serve_by(settings, CAN_REFUND=True)


# What is seen.


def test_what_needs_work_comes_first_and_the_oldest_of_it(looker: Client, new_refund: Make) -> None:
    for number, status in enumerate(["done", "approved", "failed", "requested", "sent"]):
        new_refund(f"SHOP-{number}", status)
    text = looker.get(LIST).content.decode()
    places = [text.index(f"SHOP-{number} ") for number in (1, 3, 4, 2, 0)]
    assert places == sorted(places)
    text = looker.get(LIST, {"status__exact": "sent"}).content.decode()
    assert "SHOP-4 " in text
    assert "SHOP-1 " not in text
    assert "SHOP-3 " in looker.get(LIST, {"q": "SHOP-3"}).content.decode()


def test_the_page_shows_payment_order_and_events(looker: Client, new_refund: Make) -> None:
    refund = new_refund(status="sent")
    text = page(looker, refund)
    for shown in (
        "S/\u00a0120.50 12",
        "order made",
        "The payer named an account.",
        "rosa",
        "marta",
        "Sold out",
        "BBVA",
    ):
        assert shown in text
    assert reverse("admin:pagoefectivo_order_change", args=[refund.order_id]) in text


def test_an_account_is_masked_for_who_does_not_handle_it(
    looker: Client, approver: Client, sender: Client, new_refund: Make
) -> None:
    refund = new_refund()
    for client in (looker, approver, sender):
        text = client.get(LIST).content.decode() + page(client, refund.order)
        assert "•••• 4221" in text
        assert not [secret for secret in (CCI, GROUPED, "Quispe") if secret in text]
    text = page(looker, refund)
    assert "•••• 4221" in text
    assert not [secret for secret in (CCI, GROUPED, "Quispe", "na Q") if secret in text]
    for client in (approver, sender):
        text = page(client, refund)
        assert GROUPED in text
        assert "Ana Quispe" in text


def test_the_payer_s_link_is_shown_while_it_is_needed(
    looker: Client, approver: Client, new_refund: Make, settings: Any, client: Client
) -> None:
    refund = new_refund(account=False)
    assert "/pay/refund/" not in page(looker, refund)
    text = page(approver, refund)
    link = text.split('<code class="pagoefectivo-link">')[1].split("</code>")[0]
    assert link.startswith("http://testserver/pay/refund/")
    assert client.get(link.removeprefix("http://testserver")).status_code == 200
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "PUBLIC_URL": "https://shop.example/"}
    assert "https://shop.example/pay/refund/" in page(approver, refund)
    give_account(refund, bank="BBVA", cci=CCI, holder="Ana Quispe")
    assert "/pay/refund/" not in page(approver, refund)


def test_as_many_queries_for_12_as_for_3(looker: Client, new_refund: Make) -> None:
    def queries() -> int:
        looker.get(LIST)
        with CaptureQueriesContext(connection) as seen:
            assert looker.get(LIST).status_code == 200
        return len(seen)

    for number in range(3):
        new_refund(f"SHOP-{number}")
    few = queries()
    for number in range(3, 12):
        new_refund(f"SHOP-{number}")
    assert queries() == few


# What is done.


def test_from_the_request_to_the_bank(approver: Client, sender: Client, new_refund: Make, act: Act) -> None:
    refund = new_refund()
    assert "S/\u00a0120.50: approved" in act(approver, "approve", refund)
    assert (status_of(refund), refund.approved_by) == ("approved", "marta")
    assert "S/\u00a0120.50: sent" in act(sender, "send", refund)
    assert status_of(refund) == "sent"
    asked = act(sender, "done", refund)
    assert "Yes: Done" in asked
    assert "SHOP-1001 S/\u00a0120.50" in asked
    assert GROUPED not in asked
    assert REQUIRED in act(sender, "done", refund, confirmed="yes", reason=" ")
    assert status_of(refund) == "sent"
    assert "S/\u00a0120.50: done" in act(sender, "done", refund, confirmed="yes", reason="On the statement")
    assert (status_of(refund), refund.outcome) == ("done", "On the statement")
    assert Order.objects.get().state == "refunded"


def test_a_refund_that_failed(sender: Client, new_refund: Make, act: Act) -> None:
    refund = new_refund(status="sent")
    assert "Yes: Failed" in act(sender, "fail", refund)
    act(sender, "fail", refund, confirmed="yes", reason="The account is closed")
    assert (status_of(refund), refund.payment.refundable) == ("failed", Decimal("120.50"))
    assert Order.objects.get().state == "paid"


def test_each_row_is_done_by_itself(sender: Client, new_refund: Make, act: Act) -> None:
    good, unknown, early = (
        new_refund("A-1", "approved"),
        new_refund("B-2", "approved", account=False),
        new_refund("C-3"),
    )
    text = act(sender, "send", good, unknown, early)
    assert levels(text) == {"success": 1, "error": 2}
    assert [status_of(refund) for refund in (good, unknown, early)] == ["sent", "approved", "requested"]
    text = act(sender, "fail", good, unknown, new_refund("D-4", "done"), confirmed="yes", reason="x")
    assert levels(text) == {"success": 2, "error": 1}


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("requested", {"approve", "fail"}),
        ("approved", {"send", "fail"}),
        ("sent", {"done", "fail"}),
        ("done", set()),
        ("failed", set()),
    ],
)
def test_buttons_that_help_on(admin_client: Client, new_refund: Make, status: str, offered: set[str]) -> None:
    text = page(admin_client, new_refund(status=status))
    assert {name for name in ("approve", "send", "done", "fail") if f'/{name}/"' in text} == offered


def test_nobody_marks_as_sent_what_has_no_account_or_is_the_provider_s(
    request: pytest.FixtureRequest, admin_client: Client, new_refund: Make, act: Act
) -> None:
    assert '/send/"' not in page(admin_client, new_refund(status="approved", account=False))
    request.getfixturevalue("by_channel")
    refund = new_refund("OTHER-2")
    text = act(admin_client, "approve", refund)
    assert '/send/"' not in page(admin_client, refund)
    assert "/pay/refund/" not in page(admin_client, refund)
    assert "must not be sent twice" in act(admin_client, "send", refund)
    assert "by the provider" in text
    tick()
    assert status_of(refund) == "done"


ACTIONS = {"approve": "approve_refund", "send": "send_refund", "done": "send_refund", "fail": "send_refund"}


@pytest.mark.parametrize("action", ACTIONS)
def test_each_button_has_its_own_permission(hire: Hire, new_refund: Make, act: Act, action: str) -> None:
    refund = new_refund(status={"approve": "requested", "send": "approved"}.get(action, "sent"))
    before = refund.status
    rest = {"view_refund", "change_refund", "add_refund", "delete_refund", *ACTIONS.values()} - {ACTIONS[action]}
    other = hire("rosa", *rest)
    assert f'/{action}/"' not in page(other, refund)
    act(other, action, refund, status=403, confirmed="yes", reason="x")
    assert status_of(refund) == before
    only = hire("luis", "view_refund", ACTIONS[action])
    assert f'/{action}/"' in page(only, refund)
    act(only, action, refund, confirmed="yes", reason="x")
    assert status_of(refund) != before


def test_nobody_edits(admin_client: Client, new_refund: Make) -> None:
    refund = new_refund()
    url = reverse("admin:pagoefectivo_refund_change", args=[refund.pk])
    assert admin_client.post(url, {"cci": "1", "status": "done"}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{refund.pk}/delete/", {"post": "yes"}).status_code == 403


# For the bank.


def rows(client: Client) -> list[dict[str, str]]:
    answer = client.get(CSV)
    assert answer.status_code == 200
    assert answer.streaming
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    content = answer.getvalue()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_file_for_the_bank(sender: Client, new_refund: Make) -> None:
    refund = new_refund("ÑUÑOA-1", "approved", holder="Íñigo, Ñusta & Cía.")
    for number, other in enumerate(["requested", "sent", "done", "failed"]):
        new_refund(f"SHOP-{number}", other)
    new_refund("NO-ACCOUNT", "approved", account=False)
    assert CSV in sender.get(LIST).content.decode()
    assert rows(sender) == [
        {
            "reference": "ÑUÑOA-1",
            "holder": "Íñigo, Ñusta & Cía.",
            "bank": "BBVA",
            "CCI": GROUPED,
            "currency": "PEN",
            "amount": "120.50",
            "refund": str(refund.pk),
        }
    ]
    assert status_of(refund) == "approved"


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(sender: Client, new_refund: Make, start: str) -> None:
    new_refund(f"{start}cmd|' /C calc'!A0", "approved", holder=f"{start}SUM(A1)")
    row = rows(sender)[0]
    for name in ("reference", "holder"):
        assert row[name].startswith(f"'{start}")


def test_the_file_is_for_who_sends(looker: Client, approver: Client, client: Client, new_refund: Make) -> None:
    new_refund(status="approved")
    for other in (looker, approver):
        assert other.get(CSV).status_code == 403
        assert CSV not in other.get(LIST).content.decode()
    assert "/login/" in client.get(CSV).headers["Location"]
