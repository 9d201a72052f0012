"""Discrepancies in the API: cases for a person, listed, read and resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from ..errors import InvalidRequest
from ..flows import actions_of, resolve_discrepancy
from ..flows.possible.rules import PERMISSIONS
from ..models import Discrepancy
from ..models.database import database
from ..states import Kind, Resolution
from . import filters
from .answers import DiscrepancyAnswer
from .base import ApiView
from .bodies import ResolveBody, read
from .keys import once
from .operations import Operation
from .payload import amount_text, moment_text
from .permissions import may, require


def _rows() -> QuerySet[Discrepancy]:
    return Discrepancy.objects.using(database()).select_related("order")


def found_discrepancy(pk: str) -> Discrepancy:
    """Return the discrepancy with an id; raises ``Http404`` for an unknown or malformed id."""
    try:
        return _rows().get(pk=filters.row_id(pk))
    except (ValueError, Discrepancy.DoesNotExist):
        raise Http404 from None


def discrepancy_data(row: Discrepancy, *, actions: Iterable[str]) -> dict[str, Any]:
    """Return a discrepancy's JSON; ``row.order`` should be loaded. What people wrote is left out."""
    return {
        "id": row.pk,
        "kind": str(row.kind),
        "status": str(row.status),
        "order": str(row.order.public_id) if row.order else None,
        "settlement": row.settlement_id,
        "account": row.account or None,
        "amount": None if row.amount is None else amount_text(row.amount),
        "currency": row.currency or None,
        "evidence": row.evidence,
        "suggestion": str(row.suggestion) or None,
        "resolution": str(row.resolution) or None,
        "closed_because": row.closed_because or None,
        "actions": list(actions),
        "created_at": moment_text(row.created_at),
        "resolved_at": moment_text(row.resolved_at),
    }


def discrepancies_json(request: Request, found: Iterable[Discrepancy]) -> list[dict[str, Any]]:
    """Return discrepancies as their caller may see them; ``actions`` are the resolutions that the caller can choose."""
    rows = list(found)
    possible = actions_of(rows)
    allowed = [each for each in Resolution.values if _may_resolve(request, each)]
    return [
        discrepancy_data(row, actions=[resolution for resolution in allowed if not possible[row][resolution]])
        for row in rows
    ]


def _may_resolve(request: Request, resolution: str) -> bool:
    return may(request, "change_discrepancy") and may(request, PERMISSIONS[resolution])


class Discrepancies(ApiView):
    """``discrepancies/``: the list, newest first."""

    permissions = {"GET": "view_discrepancy"}
    operations = {"GET": Operation("list_discrepancies", DiscrepancyAnswer, page=True)}
    filters: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        "status": filters.Choice(Discrepancy.Status.values),
        "kind": filters.Choice(Kind.values),
        "order": filters.identifier,
    }

    def get(self, request: Request) -> Response:
        """Return a page of discrepancies."""
        asked = self.asked(request)
        if "order" in asked:
            asked["order__public_id"] = asked.pop("order")
        return self.page(_rows().filter(**asked), partial(discrepancies_json, request))


class OneDiscrepancy(ApiView):
    """``discrepancies/<id>/``: a discrepancy."""

    permissions = {"GET": "view_discrepancy"}
    operations = {"GET": Operation("get_discrepancy", DiscrepancyAnswer)}
    page_parameters = frozenset()

    def get(self, request: Request, pk: str) -> Response:
        """Return the discrepancy."""
        self.asked(request)
        return Response(discrepancies_json(request, [found_discrepancy(pk)])[0])


class Resolve(ApiView):
    """``discrepancies/<id>/resolve/``: the decision of a person, or of a program that speaks for one."""

    permissions = {"POST": "change_discrepancy"}
    operations = {"POST": Operation("resolve_discrepancy", DiscrepancyAnswer, body=ResolveBody, key=True)}

    def post(self, request: Request, pk: str) -> Response:
        """Resolve the discrepancy: 200, also if the discrepancy has this resolution already."""
        wanted, row = read(request, ResolveBody), found_discrepancy(pk)
        resolution = wanted["resolution"]
        require(request, PERMISSIONS[resolution])

        def work(claim: object) -> Response:
            try:
                done = resolve_discrepancy(row, resolution, actor=self.actor, reason=wanted["reason"])
            except InvalidRequest:
                done = found_discrepancy(pk)
                if done.status != Discrepancy.Status.RESOLVED or done.resolution != resolution:
                    raise
            return Response(discrepancies_json(request, [done])[0])

        return once(request, work, lambda key: Response(discrepancies_json(request, [found_discrepancy(pk)])[0]))
