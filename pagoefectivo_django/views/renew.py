"""The view behind the button "get a new code" of an expired voucher."""

from __future__ import annotations

import logging
import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ..errors import PagoEfectivoError
from ..flows.orders.renew import renew_code
from ..models import Order
from ..models.clock import current_time
from ..models.database import database, outside_atomic_requests
from ..states import OrderState
from .discreet import discreet
from .status import refuse, too_many

logger = logging.getLogger("pagoefectivo.provider")

#: The most requests a minute for one order; each may ask the provider.
MOST_REQUESTS = 10


# CSRF-exempt: anybody with the secret address may press the button, and no session exists that a forged form could use.
@discreet
@csrf_exempt
@outside_atomic_requests
@require_POST
def renew(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Ask for a new code and redirect to the voucher, which shows the result.

    Answers 404 for an unknown token and 429 for too many requests.
    """
    if too_many(f"renew:{token}", MOST_REQUESTS):
        return refuse()
    order = Order.objects.using(database()).filter(token=token).first()
    if order is None:
        raise Http404
    try:
        renew_code(order, current_time())
    except PagoEfectivoError as error:
        logger.warning("Order %s has no new code: %s", order.pk, error)
    order.reload()
    # The query string is for an order that is still expired. Any other result (paid, in review, a code on its way)
    # shows on the voucher by itself.
    in_vain = order.state == OrderState.EXPIRED and not order.pending_action
    return redirect(order.voucher_url + ("?renewal=failed" if in_vain else ""))
