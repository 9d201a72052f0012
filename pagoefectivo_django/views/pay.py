"""The view behind the button "pay now" of a voucher whose link is requested at the payer's press."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from ..errors import InvalidRequest, PagoEfectivoError, Refused
from ..flows.orders.open_link import open_link
from ..models import Order
from ..models.clock import current_time
from ..models.database import outside_atomic_requests
from .discreet import discreet
from .pressed import of_order

logger = logging.getLogger("pagoefectivo.provider")


@discreet
@outside_atomic_requests
@require_POST
@csrf_protect
@of_order
def pay(request: HttpRequest, order: Order) -> HttpResponse:
    """Redirect to the provider's page of the order, or to the voucher if the order can't be paid there now."""
    try:
        return redirect(open_link(order, current_time()))
    except PagoEfectivoError as error:
        logger.warning("Order %s has no link: %s", order.pk, error)
        # The voucher shows by itself why an order can't be paid now: paid, in review, a link on its way.
        in_vain = isinstance(error, Refused) or not isinstance(error, InvalidRequest)
        return redirect(order.voucher_url + ("?payment=failed" if in_vain else ""))
