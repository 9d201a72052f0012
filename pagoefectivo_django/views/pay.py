"""The view behind the button "pay now" of a voucher whose link is requested at the payer's press."""

from __future__ import annotations

import logging
import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from ..errors import InvalidRequest, PagoEfectivoError, Refused
from ..flows.orders.open_link import open_link
from ..models import Order
from ..models.clock import current_time
from ..models.database import database, outside_atomic_requests
from .discreet import discreet
from .status import refuse, too_many

logger = logging.getLogger("pagoefectivo.provider")

#: The most requests a minute for one order; each may ask the provider.
MOST_REQUESTS = 10


@discreet
@outside_atomic_requests
@require_POST
@csrf_protect
def pay(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Redirect to the provider's page of the order, or to the voucher if the order can't be paid there now.

    Answers 404 for an unknown token and 429 for too many requests.
    """
    if too_many(f"pay:{token}", MOST_REQUESTS):
        return refuse()
    order = Order.objects.using(database()).filter(token=token).first()
    if order is None:
        raise Http404
    try:
        return redirect(open_link(order, current_time()))
    except PagoEfectivoError as error:
        logger.warning("Order %s has no link: %s", order.pk, error)
        # The voucher shows by itself why an order can't be paid now: paid, in review, a link on its way.
        in_vain = isinstance(error, Refused) or not isinstance(error, InvalidRequest)
        return redirect(order.voucher_url + ("?payment=failed" if in_vain else ""))
