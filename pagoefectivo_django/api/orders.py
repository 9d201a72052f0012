"""Orders in the API: list, create, read, and change."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request
from rest_framework.response import Response

from ..conf import conf
from ..errors import InReview, OutcomeUnknown
from ..flows import actions_of, cancel_order, create_order, extend_order, refresh_order, reissue_code
from ..flows.keys.claim import Claim
from ..flows.orders.extend import ROUNDING
from ..flows.possible.refusing import refuse_change
from ..flows.possible.rules import PERMISSIONS
from ..flows.reports.standing import standings
from ..models import Discrepancy, IdempotencyKey, Order
from ..models.clock import current_time
from ..models.database import database
from ..money import CURRENCIES
from ..payer import Payer
from ..states import OrderState, PendingAction
from . import filters
from .answers import OrderAnswer
from .base import ApiView
from .bodies import Body, CreateBody, EmptyBody, ExtendBody, ReasonBody, ReissueBody, read
from .keys import once
from .operations import Operation
from .payload import ACTIONS, order_data
from .permissions import may, require

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


def namespace_of(request: Request) -> str:
    """Return the namespace under which a project has included our URLs."""
    return request.resolver_match.namespace if request.resolver_match else "pagoefectivo-api"


def etag_of(data: dict[str, Any]) -> str:
    """Return the ETag of an order's JSON."""
    return f'"{hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]}"'


class Orders(ApiView):
    """``orders/``: the list, newest first, and new orders."""

    permissions = {"GET": "view_order", "POST": "add_order"}
    operations = {
        "GET": Operation("list_orders", OrderAnswer, page=True),
        "POST": Operation(
            "create_order", OrderAnswer, statuses=(200, 201, 202), body=CreateBody, key=True, headers=("Location",)
        ),
    }
    filters: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        "state": filters.Choice(OrderState.values),
        "currency": filters.Choice(CURRENCIES),
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
        return self.page(orders, partial(orders_json, request))

    def post(self, request: Request) -> Response:
        """Create an order, or return the order that holds the reference: 201 or 200."""
        wanted = read(request, CreateBody)
        if wanted.get("replace"):  # which cancels the order in the way
            require(request, "change_order")
        wanted["payer"] = Payer(**wanted["payer"])

        def work(claim: Claim | None) -> Response:
            if claim and claim.row.order:  # a process ended after it wrote the order
                return self.answer(request, claim.row.order, _since(claim.row))
            now = current_time()
            try:
                order = create_order(**wanted, now=now, on_write=lambda row: claim.bind(order=row) if claim else None)
            except OutcomeUnknown:
                if (old := _being_cancelled(wanted["reference"])) is None:
                    raise
                return self.answer(request, old, 202)  # the worker goes on; a repetition creates the order then
            order.reload()
            return self.answer(request, order, 201 if order.created_at == now else 200)

        return once(request, work, lambda key: self.answer(request, _order_of(key), key.status or 200))

    def answer(self, request: Request, order: Order, status: int) -> Response:
        """Return the answer with an order and its address, and the payer's addresses."""
        where = reverse(f"{namespace_of(request)}:order", args=[order.public_id])
        data = order_json(request, order, with_links=True)
        return Response(data, status=status, headers={"Location": request.build_absolute_uri(where)})


class OneOrder(ApiView):
    """``orders/<id>/``: an order; 304 while unchanged."""

    permissions = {"GET": "view_order"}
    operations = {"GET": Operation("get_order", OrderAnswer, headers=("ETag",))}
    page_parameters = frozenset()

    def get(self, request: Request, public_id: str) -> HttpResponse:
        """Return the order with its ETag."""
        self.asked(request)
        data = order_json(request, found_order(public_id))
        etag = etag_of(data)
        response = get_conditional_response(request._request, etag=etag) or Response(data)
        response.headers["ETag"] = etag
        return response


class ChangeView(ApiView):
    """A change of an order: one flow, asked with the order and the body's values."""

    permissions = {"POST": "change_order"}
    body: ClassVar[type[Body]] = ReasonBody
    #: The pending action that the flow records; empty for a flow that records none.
    action: ClassVar[str] = ""
    #: Whether a repetition asks the provider again for an action that is pending; else the worker goes on with it.
    repeats: ClassVar[bool] = True

    def change(self, order: Order, wanted: dict[str, Any], on_write: Callable[[Order], None]) -> Order:
        """Call the flow and return the order."""
        raise NotImplementedError

    def post(self, request: Request, public_id: str) -> Response:
        """Change the order: 200, or 202 where the provider has not confirmed yet."""
        wanted, order = read(request, self.body), found_order(public_id)

        def work(claim: Claim | None) -> Response:
            done, known = order, True
            try:
                done = self.change(order, wanted, self._on_write(claim, wanted))
            except _RecordedBefore:
                self._raise_if_given_up(order, wanted, claim)
            except (OutcomeUnknown, InReview) as error:
                order.reload()
                known = False
                if isinstance(error, InReview) and not (self._pending(order) and _is_date(order, wanted)):
                    raise  # else it was recorded, and is done after the answer to the question about money
            return Response(order_json(request, done), status=200 if known and not self._pending(done) else 202)

        return once(request, work, lambda key: Response(order_json(request, found_order(public_id))))

    def stands(self, order: Order, wanted: dict[str, Any], since: datetime) -> bool:
        """Return whether an order shows the change; ``since``: the moment before which nothing asked for it."""
        raise NotImplementedError

    def _pending(self, order: Order) -> bool:
        return bool(self.action) and self.action in (order.pending_action, order.deferred_action)

    def _raise_if_given_up(self, order: Order, wanted: dict[str, Any], claim: Claim | None) -> None:
        """Read an order again, and raise ``InvalidRequest`` if the change is neither pending nor done."""
        if claim and not claim.row.order_id:
            claim.bind(order=order)  # the error has undone the transaction of the flow
        order.reload()
        moments = [order.action_requested_at, claim.row.created_at if claim else None]
        since = min(filter(None, moments), default=order.created_at)
        if not self._pending(order) and not self.stands(order, wanted, since):
            paid = order.state in (OrderState.PAID, OrderState.REFUNDED)
            raise refuse_change(self.action, "paid" if paid else "given_up", order)

    def _on_write(self, claim: Claim | None, wanted: dict[str, Any]) -> Callable[[Order], None]:
        """Return what the flow calls under the order's lock: the key learns of the order, and is asked about it."""
        again = claim is not None and claim.row.order_id is not None

        def on_write(row: Order) -> None:
            pending = self._pending(row)
            if pending and not self.repeats:
                if not _is_date(row, wanted):
                    raise refuse_change(self.action, "code_pending", row)
                raise _RecordedBefore
            if again and not pending:
                raise _RecordedBefore
            if claim:
                claim.bind(order=row)

        return on_write


def _is_date(order: Order, wanted: dict[str, Any]) -> bool:
    """Return whether an order's recorded action is for the date wanted, if any."""
    date: datetime | None = wanted.get("expires_at")
    return date is None or date.replace(microsecond=0) == order.action_date


class _RecordedBefore(Exception):
    """The change was recorded by an earlier request: it is done, or the worker goes on with it."""


class Cancel(ChangeView):
    """``orders/<id>/cancel/``."""

    operations = {"POST": Operation("cancel_order", OrderAnswer, statuses=(200, 202), body=ReasonBody, key=True)}
    action = PendingAction.CANCEL

    def change(self, order: Order, wanted: dict[str, Any], on_write: Callable[[Order], None]) -> Order:
        """Cancel the order."""
        return cancel_order(order, actor=self.actor, on_write=on_write, **wanted)

    def stands(self, order: Order, wanted: dict[str, Any], since: datetime) -> bool:
        """Return whether the order ended unpaid."""
        return order.state in (OrderState.EXPIRED, OrderState.CANCELLED, OrderState.REJECTED)


class Extend(ChangeView):
    """``orders/<id>/extend/``."""

    operations = {"POST": Operation("extend_order", OrderAnswer, statuses=(200, 202), body=ExtendBody, key=True)}
    action = PendingAction.EXTEND
    body = ExtendBody

    def change(self, order: Order, wanted: dict[str, Any], on_write: Callable[[Order], None]) -> Order:
        """Move the order's date."""
        return extend_order(order, actor=self.actor, on_write=on_write, **wanted)

    def stands(self, order: Order, wanted: dict[str, Any], since: datetime) -> bool:
        """Return whether the order has the date."""
        difference: timedelta = order.expires_at - wanted["expires_at"]
        return abs(difference) <= ROUNDING


class Reissue(ChangeView):
    """``orders/<id>/reissue/``."""

    operations = {"POST": Operation("reissue_order", OrderAnswer, statuses=(200, 202), body=ReissueBody, key=True)}
    action = PendingAction.REISSUE
    repeats = False  # recorded anew, it would forget that an answer got lost, and one code more might be paid
    body = ReissueBody

    def change(self, order: Order, wanted: dict[str, Any], on_write: Callable[[Order], None]) -> Order:
        """Replace the order's code."""
        return reissue_code(order, actor=self.actor, on_write=on_write, **wanted)

    def stands(self, order: Order, wanted: dict[str, Any], since: datetime) -> bool:
        """Return whether the order's code was asked for since."""
        asked_at = order.cip.asked_at if order.cip and order.cip.is_known else None
        return asked_at is not None and asked_at >= since


class Refresh(ChangeView):
    """``orders/<id>/refresh/``: nothing is recorded, so a repetition asks the provider again."""

    operations = {"POST": Operation("refresh_order", OrderAnswer, statuses=(200, 202), body=EmptyBody, key=True)}
    body = EmptyBody

    def change(self, order: Order, wanted: dict[str, Any], on_write: Callable[[Order], None]) -> Order:
        """Ask the provider about the order's codes."""
        return refresh_order(order)


def _being_cancelled(reference: str | int) -> Order | None:
    """Return the order with a reference whose cancellation is pending, if any."""
    orders = Order.objects.using(database()).select_related("cip").filter(pending_action=PendingAction.CANCEL)
    return orders.filter(reference=str(reference).strip()).first()


def _order_of(key: IdempotencyKey) -> Order:
    """Return the order that a key names."""
    if key.order is None:
        raise AssertionError("A final answer with an order names the order.")
    return key.order


def _since(key: IdempotencyKey) -> int:
    """Return the status for a key's order: 201 for an order made since the key was claimed first, else 200."""
    return 201 if _order_of(key).created_at >= key.created_at else 200
