"""Problem details (RFC 9457): every error of the API as one JSON form, in the caller's language."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response

from ..errors import InvalidRequest, Misconfigured, OutcomeUnknown, PagoEfectivoError, Unavailable
from ..flows.keys.claim import KeyReused, KeyUnderWay
from ..traces import current_trace

logger = logging.getLogger("pagoefectivo.orders")

CONTENT_TYPE = "application/problem+json"
#: Seconds after which a caller may ask again, where nothing says more: ``Retry-After`` of 503.
RETRY_AFTER = 30

#: By code of an ``InvalidRequest``, the field of the body at fault ("" for none in particular): the answer is 400.
#: Each further code is about a state or a reference in the way: 409.
FIELDS = {
    "amount_type": "amount",
    "amount_out_of_range": "amount",
    "amount_decimals": "amount",
    "currency_unknown": "currency",
    "closing_refund_needs_reason": "reason",
    "expires_at_type": "expires_at",
    "expires_at_out_of_range": "expires_at",
    "language_unknown": "language",
    "metadata_type": "metadata",
    "metadata_not_json": "metadata",
    "no_route": "amount",
    "kind_unknown": "kinds",
    "payer_type": "payer",
    "refund_needs_reason": "reason",
    "url_invalid": "url",
    "url_not_https": "url",
    "url_not_public": "url",
}
#: The same for codes whose error names the field in its parameter ``field``, after this prefix.
PREFIXES = {
    "payer_field_type": "payer.",
    "payer_field_unprintable": "payer.",
    "payer_email_unusable": "payer.",
    "text_type": "",
    "text_empty": "",
    "text_too_long": "",
    "text_unprintable": "",
}
#: Codes of refusals that a state causes (409) and that name a field of the body all the same.
CONFLICTS = {"refund_too_large": "amount", "reference_taken": "reference", "reference_of_production": "reference"}


class BadRequest(exceptions.APIException):
    """A request that can't be read or asks for what the API does not know; ``errors``: sentences by field."""

    status_code = 400

    def __init__(self, code: str, detail: str, errors: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(detail, code)
        self.code, self.errors = code, errors or {}


def problem(
    status: int, code: str, detail: str, errors: Mapping[str, list[str]] | None = None, wait: float | None = None
) -> Response:
    """Return the answer for an error; ``wait``: seconds for ``Retry-After``."""
    data = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "trace": current_trace(),
        "errors": dict(errors or {}),
    }
    headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    return Response(data, status=status, headers=headers, content_type=CONTENT_TYPE)


def answer_to(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return ``problem_of`` an error, and log that the database failed: an ``EXCEPTION_HANDLER`` for DRF."""
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("A request to the API met the database's error %s.", type(error).__name__)
    return problem_of(error)


def problem_of(error: Exception) -> Response | None:
    """Return the answer for an error that a view raised; None for a mistake of a program, which Django reports."""
    if isinstance(error, PagoEfectivoError):
        return _of_ours(error)
    if isinstance(error, OperationalError | InterfaceError):
        return problem(503, "database_unavailable", _("The database can't serve this request now; repeat it."), wait=5)
    if isinstance(error, RequestDataTooBig):
        return problem(413, "body_too_large", _("The body is too large."))
    if isinstance(error, UnreadablePostError):
        return problem(400, "body_unreadable", _("The body could not be read."))
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    return _of_framework(error) if isinstance(error, exceptions.APIException) else None


def _of_ours(error: PagoEfectivoError) -> Response:
    code, sentence = _by_class(error) if error.code in ("", "provider_answered") else error.code, error.sentence
    if not isinstance(error, InvalidRequest):
        return problem(503, code, sentence, wait=RETRY_AFTER)
    if isinstance(error, KeyReused):
        return problem(422, code, sentence)
    if isinstance(error, KeyUnderWay):
        return problem(409, code, sentence, wait=error.wait)
    if code in PREFIXES:
        return problem(400, code, sentence, {f"{PREFIXES[code]}{error.params['field']}": [sentence]})
    if code in FIELDS:
        return problem(400, code, sentence, {FIELDS[code]: [sentence]})
    return problem(409, code, sentence, {CONFLICTS[code]: [sentence]} if code in CONFLICTS else None)


def _by_class(error: PagoEfectivoError) -> str:
    """Return a code by the class of error, for clients to whom a provider's answer and an error without code are one.

    The class says what to do next, and no code of ours says more about a provider's answer.
    """
    if isinstance(error, Misconfigured):
        return "misconfigured"
    return "provider_unavailable" if isinstance(error, Unavailable | OutcomeUnknown) else "refused"


def _of_framework(error: exceptions.APIException) -> Response:
    wait = getattr(error, "wait", None)
    if isinstance(error, exceptions.ValidationError):
        errors: dict[str, list[str]] = {}
        for name, sentence in _flat(error.detail, ""):
            errors.setdefault(name, []).append(sentence)
        detail = " ".join(
            f"{name}: {' '.join(sentences)}" if name else " ".join(sentences) for name, sentences in errors.items()
        )
        return problem(400, "body_invalid", detail, {name: found for name, found in errors.items() if name})
    if isinstance(error, exceptions.Throttled):
        wait = wait or RETRY_AFTER
    # Django REST framework makes a 403 of it where the first authentication class has no challenge.
    status = 401 if isinstance(error, exceptions.NotAuthenticated) else error.status_code
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else str(error.default_code)
    answer = problem(status, code, str(error.detail), getattr(error, "errors", None), wait)
    if challenge := getattr(error, "auth_header", None):
        answer["WWW-Authenticate"] = challenge
    return answer


def _flat(detail: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the field and the sentence of each validation error; a field within a field as ``payer.email``."""
    if isinstance(detail, Mapping):
        for part, inside in detail.items():
            here = "" if part == "non_field_errors" else str(part)
            yield from _flat(inside, ".".join(filter(None, (name, here))))
    elif isinstance(detail, list):
        for inside in detail:
            yield from _flat(inside, name)
    else:
        yield name, str(detail)
