"""The books in the API: settlements and the balance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from ..flows.reports.balance import TERMS, Books, all_books, balance, open_discrepancies
from ..flows.reports.settlement_sums import SUMS, sums_of_lines
from ..models import Settlement
from ..models.database import database
from ..states import SettlementStatus, StatementKind
from . import filters
from .answers import BalanceAnswer, SettlementAnswer
from .base import ApiView
from .operations import Operation
from .payload import amount_text, moment_text


def _sum(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": amount_text(amount), "currency": currency}


def settlement_data(row: Settlement, sums: Mapping[str, Decimal]) -> dict[str, Any]:
    """Return a settlement's JSON; ``sums``: the sums of the lines that count, by name."""
    return {
        "id": row.pk,
        "kind": str(row.kind),
        "status": str(row.status),
        "account": row.account,
        "reference": row.reference or None,
        "dated": row.dated.isoformat(),
        "currency": row.currency,
        **{name: _sum(sums[name], row.currency) for name in SUMS},
        "open": _sum(row.open_amount, row.currency),
        "line_count": row.line_count,
        "fault_count": row.fault_count,
        "file_name": row.file_name,
        "created_at": moment_text(row.created_at),
        "finished_at": moment_text(row.finished_at),
    }


def books_data(books: Books) -> dict[str, Any]:
    """Return the JSON of the sums of one currency."""
    terms = asdict(books)
    return {
        "currency": books.currency,
        **{name: _sum(terms[name], books.currency) for name in TERMS},
        "holds": books.holds,
    }


class Settlements(ApiView):
    """``settlements/``: the list, newest first; drafts, which count in no report, are in it with their status."""

    permissions = {"GET": "view_settlement"}
    operations = {"GET": Operation("list_settlements", SettlementAnswer, page=True)}
    filters: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        "status": filters.Choice(SettlementStatus.values),
        "kind": filters.Choice(StatementKind.values),
        "currency": filters.currency,
        "dated_from": filters.day,
        "dated_until": filters.day,
    }

    def get(self, request: Request) -> Response:
        """Return a page of settlements."""
        asked = self.asked(request)
        for name, lookup in (("dated_from", "dated__gte"), ("dated_until", "dated__lte")):
            if name in asked:
                asked[lookup] = asked.pop(name)
        return self.page(Settlement.objects.using(database()).filter(**asked), _settlements_json)


def _settlements_json(found: Iterable[Settlement]) -> list[dict[str, Any]]:
    rows = list(found)
    sums = sums_of_lines(rows)
    return [settlement_data(row, sums[row.pk]) for row in rows]


class Balance(ApiView):
    """``balance/``: what payers paid, what was settled and what reached the bank, by currency."""

    permissions = {"GET": "view_settlement"}
    operations = {"GET": Operation("get_balance", BalanceAnswer)}
    filters: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        "currency": filters.currency,
        "since": filters.day,
        "until": filters.day,
    }
    page_parameters = frozenset()

    def get(self, request: Request) -> Response:
        """Return the sums of the days ``since`` to ``until`` in Lima, of each currency in which there was money."""
        asked = self.asked(request)
        since: date | None = asked.get("since")
        until: date | None = asked.get("until")
        found = [balance(asked["currency"], since, until)] if "currency" in asked else all_books(since, until)
        return Response(
            {
                "since": since and since.isoformat(),
                "until": until and until.isoformat(),
                "results": [books_data(books) for books in found],
                "open_discrepancies": open_discrepancies(),
            }
        )
