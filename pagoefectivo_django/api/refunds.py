"""Refunds in the API: requested for an order, read, approved, sent, closed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from ..errors import InvalidRequest
from ..flows import actions_of, approve_refund, close_refund, refund_order, send_refund
from ..flows.keys.claim import Claim
from ..flows.possible.rules import PERMISSIONS
from ..models import IdempotencyKey, Refund
from ..models.database import database
from ..states import RefundStatus
from . import filters
from .answers import RefundAnswer
from .base import ApiView
from .bodies import Body, CloseBody, EmptyBody, RefundBody, read
from .keys import once
from .operations import Operation
from .orders import found_order
from .payload import REFUND_ACTIONS, refund_data
from .permissions import may
from .problems import FIELDS


def found_refund(pk: str) -> Refund:
    """Return the refund with an id; raises ``Http404`` for an unknown or malformed id."""
    try:
        return Refund.objects.using(database()).select_related("order", "payment").get(pk=filters.row_id(pk))
    except (ValueError, Refund.DoesNotExist):
        raise Http404 from None


def refunds_json(view: ApiView, refunds: Iterable[Refund]) -> list[dict[str, Any]]:
    """Return refunds as their caller may see them."""
    rows = list(refunds)
    possible = actions_of(rows, view.actor)
    allowed = [action for action in REFUND_ACTIONS if may(view.request, PERMISSIONS[action])]
    return [refund_data(row, actions=[each for each in allowed if not possible[row][each]]) for row in rows]


class Refunds(ApiView):
    """``orders/<id>/refunds/``: the refunds of an order, and a new refund."""

    permissions = {"GET": "view_refund", "POST": "add_refund"}
    operations = {
        "GET": Operation("list_refunds", RefundAnswer, page=True),
        "POST": Operation("request_refund", RefundAnswer, statuses=(201,), body=RefundBody, key=True),
    }

    def get(self, request: Request, public_id: str) -> Response:
        """Return a page of the order's refunds, the newest first."""
        self.asked(request)
        refunds = Refund.objects.using(database()).filter(order=found_order(public_id)).select_related("order")
        return self.page(refunds, partial(refunds_json, self))

    def post(self, request: Request, public_id: str) -> Response:
        """Request a refund: 201."""
        wanted, order = read(request, RefundBody), found_order(public_id)

        def work(claim: Claim | None) -> Response:
            if claim and claim.row.refund:  # a process ended after it wrote the refund
                return self.answer(claim.row.refund)
            bind = (lambda row: claim.bind(refund=row)) if claim else None
            return self.answer(refund_order(order, actor=self.actor, on_write=bind, **wanted))

        return once(request, work, lambda key: self.answer(_refund_of(key)))

    def answer(self, refund: Refund) -> Response:
        """Return the answer with a new refund."""
        return Response(refunds_json(self, [refund])[0], status=201)


class OneRefund(ApiView):
    """``refunds/<id>/``: a refund."""

    permissions = {"GET": "view_refund"}
    operations = {"GET": Operation("get_refund", RefundAnswer)}
    page_parameters = frozenset()

    def get(self, request: Request, pk: str) -> Response:
        """Return the refund."""
        self.asked(request)
        return Response(refunds_json(self, [found_refund(pk)])[0])


class StepView(ApiView):
    """A step of a refund: one flow. A step taken before may be asked for again, so a key only keeps the answer."""

    body: ClassVar[type[Body]] = EmptyBody

    def step(self, refund: Refund, wanted: dict[str, Any]) -> Refund:
        """Call the flow and return the refund."""
        raise NotImplementedError

    def reached(self, refund: Refund, wanted: dict[str, Any]) -> bool:
        """Return whether a refund has the step behind it."""
        raise NotImplementedError

    def post(self, request: Request, pk: str) -> Response:
        """Take the step: 200."""
        wanted, refund = read(request, self.body), found_refund(pk)

        def work(claim: Claim | None) -> Response:
            try:
                done = self.step(refund, wanted)
            except InvalidRequest as error:
                done = found_refund(pk)
                if error.code in FIELDS or not self.reached(done, wanted):
                    raise
            return Response(refunds_json(self, [done])[0])

        return once(request, work, lambda key: Response(refunds_json(self, [found_refund(pk)])[0]))


class Approve(StepView):
    """``refunds/<id>/approve/``."""

    permissions = {"POST": PERMISSIONS["approve"]}
    operations = {"POST": Operation("approve_refund", RefundAnswer, body=EmptyBody, key=True)}

    def step(self, refund: Refund, wanted: dict[str, Any]) -> Refund:
        """Approve the refund."""
        return approve_refund(refund, actor=self.actor)

    def reached(self, refund: Refund, wanted: dict[str, Any]) -> bool:
        """Return whether the refund was approved and stands."""
        return refund.status in (RefundStatus.APPROVED, RefundStatus.SENT, RefundStatus.DONE)


class Send(StepView):
    """``refunds/<id>/send/``: staff has sent the money."""

    permissions = {"POST": PERMISSIONS["send"]}
    operations = {"POST": Operation("send_refund", RefundAnswer, body=EmptyBody, key=True)}

    def step(self, refund: Refund, wanted: dict[str, Any]) -> Refund:
        """Record the refund as sent."""
        return send_refund(refund, actor=self.actor)

    def reached(self, refund: Refund, wanted: dict[str, Any]) -> bool:
        """Return whether staff has sent the money."""
        return not refund.by_channel and refund.status in (RefundStatus.SENT, RefundStatus.DONE)


class Close(StepView):
    """``refunds/<id>/close/``: what became of the money."""

    permissions = {"POST": PERMISSIONS["done"]}
    operations = {"POST": Operation("close_refund", RefundAnswer, body=CloseBody, key=True)}
    body = CloseBody

    def step(self, refund: Refund, wanted: dict[str, Any]) -> Refund:
        """Record the end of the refund."""
        return close_refund(refund, actor=self.actor, **wanted)

    def reached(self, refund: Refund, wanted: dict[str, Any]) -> bool:
        """Return whether the refund ended the same way."""
        return refund.status == (RefundStatus.DONE if wanted["done"] else RefundStatus.FAILED)


def _refund_of(key: IdempotencyKey) -> Refund:
    """Return the refund that a key names."""
    if key.refund is None:
        raise AssertionError("A final answer with a refund names the refund.")
    return key.refund
