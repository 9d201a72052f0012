"""The voucher page and its state. Plain for now: what to pay, with which code, until when."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ..models import Order


@login_not_required
@require_safe
@never_cache
def voucher(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Show the payer what to pay and where it stands."""
    order = get_object_or_404(Order.objects.select_related("cip"), token=token)
    with translation.override(order.language):
        response = render(request, "pagoefectivo/voucher.html", {"order": order})
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


@login_not_required
@require_safe
@never_cache
def voucher_status(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Tell a page where its order stands, without anything personal."""
    order = get_object_or_404(Order.objects.select_related("cip"), token=token)
    return JsonResponse(
        {
            "state": order.state,
            "code": order.code,
            "amount": str(order.amount),
            "currency": order.currency,
            "expires_at": order.expires_at.isoformat(),
            "paid_at": order.paid_at and order.paid_at.isoformat(),
        }
    )
