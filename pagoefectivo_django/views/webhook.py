"""The webhook: accepts only verified messages, and loses no verified message."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.request import RawPostDataException
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from ..conf import conf
from ..errors import InvalidSignature, Misconfigured, Unsigned
from ..flows.inbox.receive import receive
from ..flows.inbox.refuse import refuse
from ..flows.messages.alert import notice_silence
from ..flows.provider.accounts import channels_at
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
@sensitive_variables()
@traced()
def webhook(request: HttpRequest, channel: str) -> HttpResponse:
    """Store one notification. 200: stored. 403: not verified. 503: not stored, the provider shall send it again.

    Further answers: 404 unknown channel, 400 unreadable body, 411 without length, 413 too large, 415 compressed.
    """
    try:
        known = bool(channels_at(channel))
    except Misconfigured as error:
        logger.error("A notification for channel %s could not be judged: %s", channel, error)
        return _answer(503, "try again")
    if not known:
        refuse("", Refusal.Reason.ADDRESS)
        return _answer(404, "unknown channel")
    answer = _take(request, channel)
    tell(Measure.MESSAGE, 1, channel, str(answer.status_code))
    notice_silence()
    return answer


def _take(request: HttpRequest, channel: str) -> HttpResponse:
    try:
        if not is_listed(request):
            refuse(channel, Refusal.Reason.SOURCE)
            return _answer(403, "invalid signature")
    except Misconfigured as error:
        logger.error("A notification for channel %s could not be judged: %s", channel, error)
        return _answer(503, "try again")
    body = _read(request, channel)
    return body if isinstance(body, HttpResponse) else _receive(request, channel, body)


def _read(request: HttpRequest, channel: str) -> bytes | HttpResponse:
    """Return a message's body, or the answer to a message with an unreadable or too large body."""
    try:
        if int(request.headers.get("Content-Length") or 0) > conf.webhook_limit:
            raise RequestDataTooBig
        body = _body(request)
    except _NoLength:
        refuse(channel, Refusal.Reason.NO_LENGTH)
        return _answer(411, "its length is not known")
    except RequestDataTooBig:
        refuse(channel, Refusal.Reason.TOO_LARGE)
        return _answer(413, "too large")
    except (UnreadablePostError, RawPostDataException, OSError, ValueError):
        return _answer(400, "the body could not be read")
    if len(body) > conf.webhook_limit:
        refuse(channel, Refusal.Reason.TOO_LARGE)
        return _answer(413, "too large")
    return body


def _receive(request: HttpRequest, channel: str, body: bytes) -> HttpResponse:
    try:
        receive(channel, body, request.headers, request.META.get("QUERY_STRING", ""))
    except InvalidSignature as error:
        # Checked only after the signature failed: some clients send "Content-Encoding: utf-8" with a plain body.
        if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            refuse(channel, Refusal.Reason.ENCODING)
            return _answer(415, "packed")
        refuse(channel, Refusal.Reason.UNSIGNED if isinstance(error, Unsigned) else Refusal.Reason.UNPROVEN)
        return _answer(403, "invalid signature")
    except Exception as error:
        logger.exception("A notification for channel %s could not be kept (%s).", channel, type(error).__name__)
        return _answer(503, "try again")
    return _answer(200, "received")


class _NoLength(Exception):
    """The length of a message's body is unknown: no header tells, and the server does not mark the end."""


def _body(request: HttpRequest) -> bytes:
    """Return a request's body, chunked bodies included, which Django under WSGI reads as empty."""
    environ = getattr(request, "environ", {})
    if "HTTP_TRANSFER_ENCODING" not in environ or environ.get("CONTENT_LENGTH"):
        return request.body
    if not environ.get("wsgi.input_terminated"):
        raise _NoLength
    pieces, left = [], conf.webhook_limit + 1
    while left > 0 and (piece := environ["wsgi.input"].read(left)):  # a server may return less at a time
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _answer(status: int, message: str) -> HttpResponse:
    return JsonResponse({"code": status, "message": message}, status=status)
