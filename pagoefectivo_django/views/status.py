"""Where an order stands, for the page that follows it: one question to the database, and mostly no news."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from typing import Any

from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from ..documents.voucher import Voucher
from ..errors import InvalidRequest
from ..flows.messages.voucher import voucher_content
from ..models.clock import current_time
from ..states import VoucherState
from .discreet import discreet

logger = logging.getLogger("pagoefectivo.webhook")

#: Seconds until it is worth asking again.
PAUSES = {VoucherState.GETTING: 2, VoucherState.WAITING: 5, VoucherState.OVERDUE: 10, VoucherState.IN_REVIEW: 30}
LONGEST_PAUSE = 60
#: For one order, a minute: some pages of it open at once, not a program that runs wild.
MOST_REQUESTS = 120


@discreet
@require_safe
def voucher_status(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Tell a page where its order stands, without anything personal; 304 if it knows, 429 if it asks too often."""
    if too_many(f"status:{token}"):
        return refuse()
    try:
        found = voucher_content(token, current_time())
    except InvalidRequest:
        raise Http404 from None
    etag = etag_of(found)
    response = get_conditional_response(request, etag=etag) or JsonResponse(told(found))
    response["ETag"] = etag
    response["Retry-After"] = str(PAUSES.get(found.state, LONGEST_PAUSE))
    return response


def told(found: Voucher) -> dict[str, Any]:
    """Return what a program is told of a voucher."""
    return {
        "state": found.order_state,
        "shown": str(found.state),
        "in_review": found.in_review or found.state == VoucherState.IN_REVIEW,
        "code": found.code,
        "amount": str(found.money.amount),
        "currency": found.money.currency,
        "expires_at": found.expires_at.isoformat(),
        "paid_at": found.paid_at and found.paid_at.isoformat(),
    }


def etag_of(found: Voucher) -> str:
    """Return what changes whenever the page would."""
    seen = [told(found), found.operation_number, found.provider_url, found.provider_qr, found.renewable]
    # Not the links: each of them is new.
    seen.append([(one.money.display, one.sent, bool(one.account_url)) for one in found.refunds])
    return f'"{hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:24]}"'


def too_many(name: str, most: int = MOST_REQUESTS) -> bool:
    """Count a request, and return whether its kind was asked for too often in this minute.

    By the default cache: where that keeps nothing or is down, nothing is limited.
    """
    key = f"pagoefectivo:{name}:{int(time.time() // 60)}"
    try:
        cache.add(key, 0, 120)
        return cache.incr(key) > most
    except ValueError:  # gone at once
        return False
    except Exception as error:  # each cache has errors of its own, and a payer waits for their voucher
        logger.warning("Requests are not limited, since the cache fails (%s).", type(error).__name__)
        return False


def refuse() -> HttpResponse:
    """Return the answer to who asks too often."""
    pause = 60 - int(time.time() % 60)
    return JsonResponse({"error": "too many requests"}, status=429, headers={"Retry-After": str(pause)})
