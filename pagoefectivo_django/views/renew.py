"""The view behind the button "get a new code" of an expired voucher."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ..errors import PagoEfectivoError
from ..flows.orders.renew import renew_code
from ..models import Order
from ..models.clock import current_time
from ..models.database import outside_atomic_requests
from ..states import OrderState
from .discreet import discreet
from .pressed import of_order

logger = logging.getLogger("pagoefectivo.provider")


# CSRF-exempt: anybody with the secret address may press the button, and no session exists that a forged form could use.
@discreet
@csrf_exempt
@outside_atomic_requests
@require_POST
@of_order
def renew(request: HttpRequest, order: Order) -> HttpResponse:
    """Ask for a new code and redirect to the voucher, which shows the result."""
    try:
        renew_code(order, current_time())
    except PagoEfectivoError as error:
        logger.warning("Order %s has no new code: %s", order.pk, error)
    order.reload()
    # The query string is for an order that is still expired. Any other result (paid, in review, a code on its way)
    # shows on the voucher by itself.
    in_vain = order.state == OrderState.EXPIRED and not order.pending_action
    return redirect(order.voucher_url + ("?renewal=failed" if in_vain else ""))
