"""Orders in the API: list and read."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request
from rest_framework.response import Response

from ..conf import conf
from ..flows import actions_of
from ..flows.possible.rules import PERMISSIONS
from ..flows.reports.standing import standings
from ..models import Discrepancy, Order
from ..models.database import database
from ..money import CURRENCIES
from ..states import OrderState
from . import filters
from .answers import OrderAnswer
from .base import ApiView
from .operations import Operation
from .payload import ACTIONS, order_data
from .permissions import may

#: By parameter of the list, the look-up on ``Order``.
LOOKUPS = {
    "state": "state",
    "currency": "currency",
    "reference": "reference",
    "created_after": "created_at__gte",
    "created_before": "created_at__lt",
    "paid_after": "paid_at__gte",
    "paid_before": "paid_at__lt",
}


def found_order(public_id: str) -> Order:
    """Return the order with a public id; raises ``Http404`` for an unknown or malformed id."""
    try:
        wanted = uuid.UUID(public_id)
        return Order.objects.using(database()).select_related("cip").get(public_id=wanted)
    except (ValueError, Order.DoesNotExist):
        raise Http404 from None


def orders_json(request: Request, orders: Iterable[Order], *, with_links: bool = False) -> list[dict[str, Any]]:
    """Return orders as their caller may see them; ``with_links``: with the payer's addresses, as after creating."""
    rows = list(orders)
    possible, standing = actions_of(rows), standings(rows)
    allowed = [action for action in ACTIONS if may(request, PERMISSIONS[action])]
    personal = may(request, "see_personal_data")
    site = (conf.public_url or request.build_absolute_uri("/")) if with_links or may(request, "change_order") else ""
    return [
        order_data(
            order,
            in_review=standing[order.pk].in_review,
            refunded=standing[order.pk].refunded,
            actions=[action for action in allowed if not possible[order][action]],
            personal=personal,
            site=site,
        )
        for order in rows
    ]


def order_json(request: Request, order: Order, *, with_links: bool = False) -> dict[str, Any]:
    """Return an order as ``orders_json`` does."""
    return orders_json(request, [order], with_links=with_links)[0]


def etag_of(data: dict[str, Any]) -> str:
    """Return the ETag of an order's JSON."""
    return f'"{hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]}"'


class Orders(ApiView):
    """``orders/``: the list, newest first."""

    permissions = {"GET": "view_order"}
    operations = {"GET": Operation("list_orders", OrderAnswer, page=True)}
    filters: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        "state": filters.choice(OrderState.values),
        "currency": filters.choice(CURRENCIES),
        "reference": filters.plain,
        "in_review": filters.flag,
        "settled": filters.flag,
        "created_after": filters.moment,
        "created_before": filters.moment,
        "paid_after": filters.moment,
        "paid_before": filters.moment,
    }

    def get(self, request: Request) -> Response:
        """Return a page of orders."""
        asked = self.asked(request)
        orders = Order.objects.using(database()).select_related("cip")
        orders = orders.filter(**{LOOKUPS[name]: value for name, value in asked.items() if name in LOOKUPS})
        if "settled" in asked:
            orders = orders.filter(settled_at__isnull=not asked["settled"])
        if "in_review" in asked:
            review = Exists(Discrepancy.objects.filter(order=OuterRef("pk")).open().about_money())
            orders = orders.filter(review if asked["in_review"] else ~review)
        pages = self.pagination_class()
        page = pages.paginate_queryset(orders, request, self)
        return pages.get_paginated_response(orders_json(request, page or ()))


class OneOrder(ApiView):
    """``orders/<id>/``: an order; 304 while unchanged."""

    permissions = {"GET": "view_order"}
    operations = {"GET": Operation("get_order", OrderAnswer, headers=("ETag",))}

    def get(self, request: Request, public_id: str) -> HttpResponse:
        """Return the order with its ETag."""
        self.asked(request)
        data = order_json(request, found_order(public_id))
        etag = etag_of(data)
        response = get_conditional_response(request._request, etag=etag) or Response(data)
        response.headers["ETag"] = etag
        return response
