"""Settlements and the balance in the API."""

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from pagoefectivo_django.models import Settlement
from tests.api.conftest import Caller
from tests.factories.orders import bought
from tests.factories.settlements import settlement
from tests.factories.statements import draft, line, load

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
SETTLEMENTS = reverse("pagoefectivo-api:settlements")
BALANCE = reverse("pagoefectivo-api:balance")


def pen(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "PEN"}


def test_a_settlement_as_its_reader_sees_it(caller: Caller) -> None:
    imported = load(line(bought()))
    imported.refresh_from_db()
    (told,) = caller("view_settlement").get(SETTLEMENTS).json()["results"]
    assert told == {
        "id": imported.pk,
        "kind": "settlement",
        "status": "done",
        "account": imported.account,
        "reference": imported.reference or None,
        "dated": imported.dated.isoformat(),
        "currency": "PEN",
        "gross": pen("35.50"),
        "fee": pen(f"{imported.lines.get().fee:.2f}"),
        "tax": pen(f"{imported.lines.get().tax:.2f}"),
        "net": pen(f"{imported.lines.get().net:.2f}"),
        "open": pen(f"{imported.open_amount:.2f}"),
        "line_count": 1,
        "fault_count": 0,
        "file_name": "LIQ-1001.txt",
        "created_at": imported.created_at.isoformat().replace("+00:00", "Z"),
        "finished_at": imported.finished_at.isoformat().replace("+00:00", "Z") if imported.finished_at else None,
    }


def test_the_balance_holds_and_is_of_the_days_asked_for(caller: Caller) -> None:
    load(line(bought()))
    reader = caller("view_settlement")
    told = reader.get(BALANCE).json()
    (books,) = told["results"]
    assert (books["payments"], books["settled"], books["holds"]) == (pen("35.50"), pen("35.50"), True)
    assert (told["since"], told["until"], told["open_discrepancies"]) == (None, None, 0)
    assert reader.get(BALANCE, {"until": "2001-01-01"}).json()["results"] == []
    (empty,) = reader.get(BALANCE, {"currency": "USD", "since": "2001-01-01"}).json()["results"]
    assert empty["payments"] == {"amount": "0.00", "currency": "USD"}


def test_filters(shop: APIClient) -> None:
    order = bought()
    draft(line(order))
    load(line(order), name="LIQ-1002.txt")
    day = Settlement.objects.latest("pk").dated.isoformat()
    queries: list[tuple[dict[str, Any], int]] = [
        ({"status": "draft"}, 1),
        ({"status": "done"}, 1),
        ({"kind": "sales"}, 0),
        ({"currency": "USD"}, 0),
        ({"dated_from": day, "dated_until": day}, 2),
        ({"dated_until": "2001-01-01"}, 0),
    ]
    for query, count in queries:
        assert len(shop.get(SETTLEMENTS, query).json()["results"]) == count, query


def test_a_settlement_may_be_in_any_currency(shop: APIClient) -> None:
    settlement(currency="EUR")
    (told,) = shop.get(SETTLEMENTS, {"currency": "EUR"}).json()["results"]
    assert (told["currency"], told["gross"]) == ("EUR", {"amount": "0.00", "currency": "EUR"})
    (books,) = shop.get(BALANCE, {"currency": "EUR"}).json()["results"]
    assert books["currency"] == "EUR"


@pytest.mark.parametrize("query", ["since=2026-1-1", "since=20260101", "since=0001-01-01", "until=x", "currency=euro"])
def test_a_wrong_question_is_400(shop: APIClient, query: str) -> None:
    answer = shop.get(f"{BALANCE}?{query}")
    assert answer.status_code == 400
    assert [*answer.json()["errors"]] == [query.split("=")[0]]


def test_books_are_for_those_who_may_see_settlements(caller: Caller) -> None:
    for address in (SETTLEMENTS, BALANCE):
        assert caller("view_order").get(address).status_code == 403
        assert APIClient().get(address).status_code == 401
