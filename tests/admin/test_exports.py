"""The accountant's page: a form, and files that spreadsheets open."""

import csv
import io
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import notify, pay
from tests.wording import NO_DATE, no_choice

pytestmark = pytest.mark.django_db(transaction=True)

Hire = Callable[..., Client]
New = Callable[..., Order]
ASKED = {"what": "paid", "file_type": "csv", "encoding": "utf-8-sig", "separator": ","}
NOON = datetime(2026, 11, 3, 17, tzinfo=UTC)


@pytest.fixture
def url() -> str:
    return reverse("admin:pagoefectivo_settlement_export")


@pytest.fixture
def accountant(hire: Hire) -> Client:
    return hire("nora", "view_settlement", "export_settlement")


def saved(client: Client, url: str, **asked: Any) -> Any:
    answer = client.post(url, ASKED | asked)
    assert answer.status_code == 200
    assert answer.streaming, answer.content.decode()
    return answer


def rows(answer: Any, encoding: str = "utf-8-sig", separator: str = ",") -> list[list[str]]:
    text = answer.getvalue().decode(encoding)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def test_the_form_and_what_it_gives(accountant: Client, new_order: New, url: str) -> None:
    page = accountant.get(url).content.decode()
    for shown in ("UTF-8", "Windows-1252", "XLSX", "default (memory:default)", "PEN", "discrepancies", 'type="date"'):
        assert shown in page
    order = pay(new_order("=1+1", language="es"), paid_at=NOON, operation_number="0012")
    answer = saved(accountant, url, since="2026-11-03", until="2026-11-03")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="paid-2026-11-03-2026-11-03.csv"'
    headings, row = rows(answer)
    assert headings[:3] == ["order", "CIP", "operation number"]
    assert row[:3] == ["'=1+1", order.code, "'0012"]
    assert row[6] == "2026-11-03 12:00:00"
    assert len(rows(saved(accountant, url, since="2026-11-04"))) == 1


@pytest.mark.parametrize("what", ["paid", "settled", "unsettled", "fees", "discrepancies"])
def test_each_as_csv_and_as_workbook(accountant: Client, new_order: New, url: str, what: str) -> None:
    order = pay(new_order("SHOP-1"), paid_at=NOON, operation_number="1")
    notify(order, operation_number="2", paid_at=NOON)
    as_text = rows(saved(accountant, url, what=what))
    answer = saved(accountant, url, what=what, file_type="xlsx")
    today = timezone.localdate()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{what}-{today}.xlsx"'
    assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.getvalue())).active
    assert sheet is not None
    assert sheet.title == what
    assert [[_as_text(cell) for cell in row] for row in sheet.rows] == as_text
    assert len(as_text) == {"paid": 3, "unsettled": 3, "discrepancies": 2}.get(what, 1)


def _as_text(cell: Any) -> str:
    if cell.number_format == "#,##0.00":
        return f"{Decimal(str(cell.value)):.2f}"
    if cell.number_format == "yyyy-mm-dd":
        return f"{cell.value:%Y-%m-%d}"
    return "" if cell.value is None else str(cell.value)


def test_in_another_encoding_and_with_another_separator(accountant: Client, new_order: New, url: str) -> None:
    pay(new_order("ÑU-€-电"))
    answer = saved(accountant, url, encoding="windows-1252", separator=";")
    assert answer.headers["Content-Type"] == "text/csv; charset=windows-1252"
    assert rows(answer, "windows-1252", ";")[1][0] == "ÑU-€-?"


def test_in_the_reader_s_language(accountant: Client, new_order: New, url: str) -> None:
    pay(new_order())
    answer = accountant.post(url, ASKED, headers={"Accept-Language": "es"})
    assert rows(answer)[0][0] == "pedido"


def test_of_one_currency_and_channel(accountant: Client, new_order: New, url: str) -> None:
    pay(new_order("SOLES"))
    pay(new_order("DOLLARS", currency="USD"))
    asked = {"currency": "USD", "account": "memory:default"}
    assert [row[0] for row in rows(saved(accountant, url, **asked))] == ["order", "DOLLARS"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"since": "2026-11-04", "until": "2026-11-03"}, "ends before it begins"),
        ({"since": "0001-01-01"}, "2000"),
        ({"until": "9999-12-31"}, "2199"),
        ({"since": "yesterday"}, NO_DATE),
        ({"what": "everything"}, no_choice("everything")),
        ({"encoding": "rot13"}, no_choice("rot13")),
        ({"separator": "|"}, no_choice("|")),
        ({"account": "memory:other"}, no_choice("memory:other")),
    ],
)
def test_what_makes_no_sense_is_said(accountant: Client, url: str, asked: dict[str, str], told: str) -> None:
    answer = accountant.post(url, ASKED | asked)
    assert answer.status_code == 200
    assert told in answer.content.decode()


def test_without_openpyxl_the_form_says_so(accountant: Client, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    answer = accountant.post(url, ASKED | {"file_type": "xlsx"})
    assert "pip install pagoefectivo-django[xlsx]" in answer.content.decode()
    assert saved(accountant, url).status_code == 200


def test_it_has_a_permission_of_its_own(hire: Hire, client: Client, url: str) -> None:
    other = hire("luis", "view_settlement", "change_settlement", "import_settlement", "match_settlement", "view_order")
    for ask in (other.get, other.post):
        assert ask(url, ASKED).status_code == 403
    assert "/login/" in client.post(url, ASKED).headers["Location"]
