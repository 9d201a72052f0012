"""The webhook: believes nothing unproven and loses nothing proven."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.request import RawPostDataException
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ..conf import conf
from ..errors import Misconfigured, Unproven
from ..flows.receive import receive
from ..flows.refuse import refuse
from ..measures import Measure, tell
from ..models import Refusal
from ..models.database import outside_atomic_requests
from ..traces import traced
from .sources import is_listed

logger = logging.getLogger("pagoefectivo.webhook")


@csrf_exempt
@login_not_required
@outside_atomic_requests
@require_POST
@traced()
def webhook(request: HttpRequest, channel: str) -> HttpResponse:
    """Take one notification. 200: kept. 403: not proven. 503: could not be kept, send it again."""
    if channel not in conf.channels:
        return _answer(404, "unknown channel")
    answer = _take(request, channel)
    tell(Measure.MESSAGE, 1, channel, str(answer.status_code))
    return answer


def _take(request: HttpRequest, channel: str) -> HttpResponse:
    try:
        if not is_listed(request):
            refuse(channel, Refusal.Reason.SOURCE)
            return _answer(403, "not proven")
    except Misconfigured as error:
        logger.error("A notification for channel %s could not be judged: %s", channel, error)
        return _answer(503, "try again")
    try:
        if int(request.headers.get("Content-Length") or 0) > conf.webhook_limit:
            raise RequestDataTooBig
        body = request.body
    except (RequestDataTooBig, ValueError):
        refuse(channel, Refusal.Reason.TOO_LARGE)
        return _answer(413, "too large")
    except (UnreadablePostError, RawPostDataException):
        return _answer(400, "the body could not be read")
    if len(body) > conf.webhook_limit:
        refuse(channel, Refusal.Reason.TOO_LARGE)
        return _answer(413, "too large")
    try:
        receive(channel, body, request.headers)
    except Unproven:
        signed = "PE-Signature" in request.headers
        refuse(channel, Refusal.Reason.UNPROVEN if signed else Refusal.Reason.UNSIGNED)
        return _answer(403, "not proven")
    except Exception as error:
        logger.exception("A notification for channel %s could not be kept (%s).", channel, type(error).__name__)
        return _answer(503, "try again")
    return _answer(200, "received")


def _answer(status: int, message: str) -> HttpResponse:
    return JsonResponse({"code": status, "message": message}, status=status)
