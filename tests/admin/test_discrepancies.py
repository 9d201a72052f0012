"""Questions in the admin, and the page to answer them."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.models import Discrepancy, Order
from pagoefectivo_django.testing import notify, pay

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/pagoefectivo/discrepancy/"


@pytest.fixture
def staff(hire: Callable[..., Client]) -> Client:
    """Somebody who may give every answer: each needs what the same action needs elsewhere."""
    may = [f"{verb}_{model}" for verb in ("view", "change") for model in ("order", "discrepancy")]
    return hire("rosa", *may, "see_personal_data", "mark_paid", "add_refund")


def url(discrepancy: Discrepancy, page: str = "resolve") -> str:
    return reverse(f"admin:pagoefectivo_discrepancy_{page}", args=[discrepancy.pk])


def test_list_and_page_show_the_discrepancy(staff: Client, discrepancy: Discrepancy) -> None:
    text = staff.get(LIST).content.decode()
    assert "paid another amount" in text
    assert "SHOP-1001" in text
    text = staff.get(url(discrepancy, "change")).content.decode()
    assert "4711" in text
    assert url(discrepancy) in text
    assert f"/admin/pagoefectivo/order/{discrepancy.order_id}/change/" in text


def test_open_ones_come_first(staff: Client, discrepancy: Discrepancy, new_order: Callable[..., Order]) -> None:
    notify(new_order("LATER-2"), amount=Decimal("1.00"))
    Discrepancy.objects.filter(order__reference="LATER-2").update(
        status="resolved", resolved_by="rosa", reason="x", resolved_at=discrepancy.created_at
    )
    text = staff.get(LIST).content.decode()
    assert text.index("SHOP-1001") < text.index("LATER-2")


def test_the_resolve_page_shows_evidence_and_changes_nothing(staff: Client, discrepancy: Discrepancy) -> None:
    text = staff.get(url(discrepancy)).content.decode()
    for shown in ("4711", "S/\u00a0120.50", "accept as paid", "a refund is due", "ignore"):
        assert shown in text
    discrepancy.refresh_from_db()
    assert discrepancy.status == "open"


@pytest.mark.parametrize(("answer", "state"), [("accept", "paid"), ("refund_due", "pending"), ("ignore", "pending")])
def test_resolve(staff: Client, discrepancy: Discrepancy, answer: str, state: str) -> None:
    done = staff.post(url(discrepancy), {"resolution": answer, "reason": "Agreed by phone"})
    assert done.status_code == 302
    assert done.headers["Location"] == url(discrepancy, "change")
    discrepancy.refresh_from_db()
    assert (discrepancy.status, discrepancy.resolution, discrepancy.reason) == ("resolved", answer, "Agreed by phone")
    assert discrepancy.resolved_by == "rosa"
    assert Order.objects.get().state == state
    text = staff.get(url(discrepancy, "change")).content.decode()
    assert url(discrepancy) not in text
    assert staff.get(url(discrepancy)).status_code == 302


@pytest.mark.parametrize("data", [{"resolution": "accept", "reason": " "}, {"reason": "x"}, {}, {"resolution": "pay"}])
def test_an_incomplete_answer_is_asked_again(staff: Client, discrepancy: Discrepancy, data: dict[str, str]) -> None:
    answer = staff.post(url(discrepancy), data)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    discrepancy.refresh_from_db()
    assert discrepancy.status == "open"


def test_what_the_flow_refuses_is_shown_in_the_form(staff: Client, new_order: Callable[..., Order]) -> None:
    order = pay(new_order(), operation_number="1")
    notify(order, operation_number="2")
    discrepancy = Discrepancy.objects.get()
    assert discrepancy.kind == "duplicate_payment"
    answer = staff.post(url(discrepancy), {"resolution": "accept", "reason": "x"})
    assert answer.status_code == 200
    assert "paid by another payment" in answer.content.decode()
    staff.post(url(discrepancy), {"resolution": "ignore", "reason": "x"})
    text = staff.post(url(discrepancy), {"resolution": "refund_due", "reason": "y"}).content.decode()
    assert "was resolved by rosa" in text


def test_who_may_only_look_gets_403(looker: Client, discrepancy: Discrepancy) -> None:
    assert looker.get(url(discrepancy, "change")).status_code == 200
    assert url(discrepancy) not in looker.get(url(discrepancy, "change")).content.decode()
    assert looker.get(url(discrepancy)).status_code == 403
    assert looker.post(url(discrepancy), {"resolution": "ignore", "reason": "x"}).status_code == 403
    discrepancy.refresh_from_db()
    assert discrepancy.status == "open"


def test_who_is_nobody_logs_in_first(client: Client, discrepancy: Discrepancy) -> None:
    assert "/login/" in client.get(url(discrepancy)).headers["Location"]


def test_an_unknown_discrepancy(staff: Client, discrepancy: Discrepancy) -> None:
    assert staff.get(f"{LIST}999999/resolve/").status_code == 404
    assert staff.get(f"{LIST}abc/resolve/").status_code == 404
