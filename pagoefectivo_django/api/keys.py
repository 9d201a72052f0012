"""``Idempotency-Key``: a request that comes again with the same key gets the answer of the first."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from ..flows.keys.claim import Claim, claim_key
from ..models import IdempotencyKey
from .problems import CONTENT_TYPE, BadRequest, problem_of

logger = logging.getLogger("pagoefectivo.orders")

LONGEST = 255


def key_of(request: Request) -> str:
    """Return the key that a request carries, without the quotes of a structured field; empty without the header."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return ""
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
        sentence = _("The header Idempotency-Key takes 1 to %(most)d printable characters.") % {"most": LONGEST}
        raise BadRequest("idempotency_key_invalid", sentence, {"Idempotency-Key": [sentence]})
    return key


def once(
    request: Request, work: Callable[[Claim | None], Response], replay: Callable[[IdempotencyKey], Response]
) -> Response:
    """Carry out a request once for its key, and return the answer.

    ``work`` does it, binding the claim to the row written. ``replay`` makes the answer again from the key's row. An
    answer below 500 is final but 202: there the outcome is not known, and a repetition is carried out, as after an
    answer of 5xx and after the end of a process in the middle.
    """
    if not (key := key_of(request)):
        return work(None)
    route = f"{request.method} {request.resolver_match.view_name}" if request.resolver_match else ""
    content = json.dumps([request.path, request.data], sort_keys=True, default=_number).encode()
    label = request.user._meta.label  # type: ignore[union-attr]  # nobody without a login comes here
    owner = f"{label}:{request.user.pk}:{getattr(request.auth, 'pk', '')}"
    claim = claim_key(owner, route, key, content)
    if isinstance(claim, IdempotencyKey):
        if claim.problem is None:
            return replay(claim)
        return Response(claim.problem, status=claim.status, content_type=CONTENT_TYPE)
    try:
        answer = work(claim)
    except Exception as error:
        refusal = problem_of(error)
        if refusal is not None and refusal.status_code < 500:
            claim.finish(refusal.status_code, refusal.data)
        else:
            claim.release()
        raise
    if answer.status_code == 202:
        claim.release()
    else:
        claim.finish(answer.status_code)
    return answer


def _number(value: Any) -> list[str]:
    """Return a ``Decimal`` as JSON that no text of a caller's equals by chance."""
    return ["Decimal", str(value)]
