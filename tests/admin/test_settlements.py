"""Settlements in the admin: upload, preview, import, deposit, matches by hand, the books."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.models import Match, Order, Settlement
from pagoefectivo_django.states import LineStatus, SettlementStatus
from pagoefectivo_django.testing import pay
from tests.factories.people import hire_superuser
from tests.factories.settlements import settlement, settlement_line
from tests.factories.statements import line, load, text
from tests.reading import page
from tests.wording import REQUIRED

UPLOAD = "admin:pagoefectivo_settlement_import"
RIGHTS = ("view_settlement", "import_settlement", "match_settlement", "view_settlementline", "view_order")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def accountant(hire: Callable[..., Client]) -> Client:
    """Somebody who imports, matches and enters deposits."""
    return hire("carla", *RIGHTS)


def upload(client: Client, data: bytes, name: str = "LIQ-5.txt", status: int = 200, **said: str) -> str:
    file = SimpleUploadedFile(name, data)
    answer = client.post(reverse(UPLOAD), {"file": file, "channel": "default", "currency": "PEN"} | said, follow=True)
    assert answer.status_code == status
    return answer.content.decode()


def do(client: Client, row: object, staff_action: str, status: int = 200, **said: object) -> str:
    name = row._meta.model_name  # type: ignore[attr-defined]
    url = reverse(f"admin:pagoefectivo_{name}_{staff_action}", args=[row.pk])  # type: ignore[attr-defined]
    answer = client.post(url, said, follow=True)
    assert answer.status_code == status
    return answer.content.decode()


def test_a_file_is_shown_first_and_counts_when_somebody_says_so(
    accountant: Client, new_order: Callable[..., Order]
) -> None:
    order = pay(new_order())
    shown = upload(accountant, text([line(order)]))
    draft = Settlement.objects.get()
    assert draft.status == SettlementStatus.DRAFT
    for told in ("LIQ-5", "utf-8", "120.50", order.code):
        assert told in shown
    assert not Match.objects.exists()
    done = do(accountant, draft, "confirm")
    assert "LIQ-5: done." in done
    order.reload()
    assert order.is_settled
    assert "LIQ-5" in page(hire_superuser(), order)


def test_a_draft_without_a_line_that_can_be_read_can_only_be_discarded(
    accountant: Client, new_order: Callable[..., Order]
) -> None:
    """*Import* was offered, and could only fail."""
    bad = line(pay(new_order()))
    shown = upload(accountant, text([[*bad[:6], "0.00", *bad[7:]]]))
    draft = Settlement.objects.get()
    assert (draft.status, draft.line_count, draft.fault_count) == (SettlementStatus.DRAFT, 0, 1)
    assert f"/{draft.pk}/discard/" in shown
    assert f"/{draft.pk}/confirm/" not in shown


def test_a_draft_is_discarded(accountant: Client, new_order: Callable[..., Order]) -> None:
    upload(accountant, text([line(pay(new_order()))]))
    told = do(accountant, Settlement.objects.get(), "discard")
    assert "LIQ-5 was discarded." in told
    assert not Settlement.objects.exists()


def test_bad_lines_are_shown_and_left_out_only_if_somebody_says_so(
    accountant: Client, new_order: Callable[..., Order]
) -> None:
    good, bad = line(pay(new_order())), line(pay(new_order("SHOP-2")))
    shown = upload(accountant, text([good, [*bad[:6], "0.00", *bad[7:]]]))
    draft = Settlement.objects.get()
    assert "bad lines: 1" in shown.lower()
    refused = do(accountant, draft, "confirm")
    assert REQUIRED in refused
    draft.refresh_from_db()
    assert draft.status == SettlementStatus.DRAFT
    do(accountant, draft, "confirm", skip_bad="on")
    assert Match.objects.count() == 1


def test_what_is_no_statement_is_told_and_nothing_is_kept(accountant: Client) -> None:
    told = upload(accountant, b"\x89PNG\r\n\x1a\n" + bytes(100), name="photo.xlsx")
    assert "photo.xlsx" in told
    assert not Settlement.objects.exists()


def test_the_same_file_again_leads_to_what_it_became(accountant: Client, new_order: Callable[..., Order]) -> None:
    data = text([line(pay(new_order()))])
    upload(accountant, data)
    do(accountant, Settlement.objects.get(), "confirm")
    assert "imported before" in upload(accountant, data, name="again.txt")
    assert Settlement.objects.count() == 1


def test_a_deposit_is_entered_and_a_difference_is_a_discrepancy(
    accountant: Client, new_order: Callable[..., Order]
) -> None:
    settlement = load(line(pay(new_order())))
    do(accountant, settlement, "deposit", amount="118.60", received_on="2026-11-05")
    settlement.refresh_from_db()
    assert settlement.open_amount == Decimal("0.01")
    deposit = settlement.deposits.get()
    assert deposit.author == "carla"
    assert settlement.discrepancies.get().kind == "payout_mismatch"


def test_a_line_is_matched_by_hand_and_undone(accountant: Client, new_order: Callable[..., Order]) -> None:
    order = pay(new_order())
    settlement = load(line(order, code="99999999", transaction_code=""))
    mine = settlement.lines.get()
    told = do(accountant, mine, "match", code="12345", reason="I see it.")
    assert "No payment of this amount" in told
    do(accountant, mine, "match", code=f"000{order.code}", reason="The bank's paper says so.")
    mine.refresh_from_db()
    assert mine.status == LineStatus.MATCHED
    assert Match.objects.get().author == "carla"
    do(accountant, mine, "unmatch", reason="It was another one.")
    order.reload()
    assert not order.is_settled


def test_without_permission_nobody_imports_or_matches(
    hire: Callable[..., Client], new_order: Callable[..., Order]
) -> None:
    looker = hire("luis", "view_settlement", "view_settlementline")
    settlement = load(line(pay(new_order())))
    upload(looker, b"", status=403)
    do(looker, settlement, "deposit", status=403, amount="1", received_on="2026-11-05")
    do(looker, settlement.lines.get(), "unmatch", status=403, reason="x")
    assert "Import a statement" not in looker.get(reverse("admin:pagoefectivo_settlement_changelist")).content.decode()


def test_the_books_are_on_the_app_s_first_page(accountant: Client, new_order: Callable[..., Order]) -> None:
    load(line(pay(new_order())))
    url = reverse("admin:app_list", args=["pagoefectivo"])
    shown = accountant.get(url).content.decode()
    assert "settled and matched S/\u00a0120.50" in shown
    assert "NO<" not in shown
    empty = accountant.get(url, {"since": "2030-01-01"}).content.decode()
    assert "settled and matched" not in empty
    assert accountant.get(url, {"since": "2030-02-31", "until": "x"}).status_code == 200


def test_who_may_not_see_settlements_sees_no_books(staff: Client, new_order: Callable[..., Order]) -> None:
    load(line(pay(new_order())))
    assert "settled and matched" not in staff.get(reverse("admin:app_list", args=["pagoefectivo"])).content.decode()


def test_lists_of_settlements_and_lines_are_found(accountant: Client, new_order: Callable[..., Order]) -> None:
    order = pay(new_order())
    settlement = load(line(order))
    lines = reverse("admin:pagoefectivo_settlementline_changelist")
    assert order.code in accountant.get(lines, {"settlement__id__exact": settlement.pk}).content.decode()
    assert order.code in accountant.get(lines, {"q": f"00{order.code}"}).content.decode()
    assert "LIQ-1001" in accountant.get(reverse("admin:pagoefectivo_settlement_changelist")).content.decode()
    assert order.code in page(accountant, settlement)
    assert "code" in page(accountant, settlement.lines.get())


def test_a_line_in_two_currencies_shows_both_amounts_and_the_rate(accountant: Client) -> None:
    exchanged = {"payment_amount": Decimal("120.50"), "payment_currency": "PEN", "rate": Decimal("3.7500")}
    of = settlement(currency="USD")
    line_of = settlement_line(of, currency="USD", gross=Decimal("32.13"), **exchanged)
    for row in (line_of, of):
        shown = page(accountant, row).replace("\N{NO-BREAK SPACE}", " ")
        assert "S/ 120.50" in shown
        assert "32.13" in shown
        assert ">3.75<" in shown
    assert "Exchange rate" not in page(accountant, settlement_line().settlement)


def test_the_first_page_has_books_of_each_currency_of_a_payout(accountant: Client) -> None:
    settlement_line(settlement(currency="EUR", open_amount=Decimal("30.95")), currency="EUR", gross=Decimal("32.13"))
    shown = accountant.get(reverse("admin:app_list", args=["pagoefectivo"])).content.decode()
    assert "EUR\N{NO-BREAK SPACE}32.13" in shown
