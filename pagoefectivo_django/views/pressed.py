"""Views behind a button of the voucher that may ask the provider: the order's address and the limit of requests."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps

from django.http import Http404, HttpRequest, HttpResponse

from ..models import Order
from ..models.database import database
from .status import refuse, too_many

#: The most requests a minute for one order; each may ask the provider.
MOST_REQUESTS = 10


def of_order(view: Callable[[HttpRequest, Order], HttpResponse]) -> Callable[[HttpRequest, uuid.UUID], HttpResponse]:
    """Return a view that gets the order of a token; 404 for an unknown token, 429 for too many requests."""

    @wraps(view)
    def run(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
        if too_many(f"{view.__name__}:{token}", MOST_REQUESTS):
            return refuse()
        order = Order.objects.using(database()).filter(token=token).first()
        if order is None:
            raise Http404
        return view(request, order)

    return run
