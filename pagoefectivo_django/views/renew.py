"""The button "get a new code" of an expired voucher."""

from __future__ import annotations

import logging
import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ..errors import InvalidRequest, PagoEfectivoError
from ..flows.renew import renew_code
from ..models import Order
from ..models.database import database, outside_atomic_requests
from .discreet import discreet
from .status import refuse, too_many

logger = logging.getLogger("pagoefectivo.provider")


# Whoever knows the address may press the button, and nobody else can: there is no session that a forged form could use.
@csrf_exempt
@outside_atomic_requests
@require_POST
@discreet
def renew(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Ask for a new code and lead back to the voucher, which tells what came of it."""
    if too_many(f"renew:{token}"):
        return refuse()
    order = Order.objects.using(database()).filter(token=token).first()
    if order is None:
        raise Http404
    failed = ""
    try:
        renew_code(order, timezone.now())
    except InvalidRequest:
        pass  # it was paid, renewed or is looked at meanwhile: the voucher says so
    except PagoEfectivoError as error:
        logger.warning("Order %s has no new code yet: %s", order.pk, error)
        failed = "?renewal=failed"
    return redirect(f"{order.get_absolute_url()}{failed}")
