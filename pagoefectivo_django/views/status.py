"""The state of an order as JSON, for the script of the voucher page: one database query, and mostly 304."""

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

#: Seconds until the page asks again, by state; ``LONGEST_PAUSE`` for all other states.
PAUSES = {VoucherState.GETTING: 2, VoucherState.WAITING: 5, VoucherState.OVERDUE: 10, VoucherState.IN_REVIEW: 30}
LONGEST_PAUSE = 60
#: The most requests a minute for one order: enough for several open pages, too few for a runaway program.
MOST_REQUESTS = 120


@discreet
@require_safe
def voucher_status(request: HttpRequest, token: uuid.UUID) -> HttpResponse:
    """Return the state of an order without personal data; 304 for an unchanged state, 429 for too many requests.

    ``Retry-After`` says in how many seconds to ask again. An unknown token answers 404.
    """
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
    """Return the JSON content for a voucher; the amount is text, times are ISO 8601."""
    return {
        "state": found.order_state,
        "shown": str(found.state),
        "in_review": found.in_review or found.state == VoucherState.IN_REVIEW,
        "code": found.code,
        "payment_url": found.pay_url,
        "amount": str(found.money.amount),
        "currency": found.money.currency,
        "expires_at": found.expires_at.isoformat(),
        "paid_at": found.paid_at and found.paid_at.isoformat(),
    }


def etag_of(found: Voucher) -> str:
    """Return an ETag that changes whenever the voucher page would."""
    seen = [told(found), found.operation_number, found.provider_url, found.provider_qr, found.renewable]
    seen.append(found.on_press)
    # Whether a link exists, not the link itself, which is new at every request.
    seen.append([(one.money.display, one.sent, bool(one.account_url)) for one in found.refunds])
    return f'"{hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:24]}"'


def too_many(name: str, most: int = MOST_REQUESTS) -> bool:
    """Count a request under a name, and return whether this minute has had more than ``most``.

    The default cache counts. Without a working cache no request is limited.
    """
    key = f"pagoefectivo:{name}:{int(time.time() // 60)}"
    try:
        cache.add(key, 0, 120)
        return cache.incr(key) > most
    except ValueError:  # the cache dropped the key at once
        return False
    except Exception as error:  # each cache raises errors of its own, and the payer waits for the voucher
        logger.warning("Requests are not limited, since the cache fails (%s).", type(error).__name__)
        return False


def refuse() -> HttpResponse:
    """Return the 429 answer for too many requests, with the seconds until the next minute in ``Retry-After``."""
    pause = 60 - int(time.time() % 60)
    return JsonResponse({"error": "too many requests"}, status=429, headers={"Retry-After": str(pause)})
