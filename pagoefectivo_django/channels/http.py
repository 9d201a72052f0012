"""HTTP calls to providers: time limits, repetitions only where safe, and a redacted log.

Every call opens a connection of its own. A kept connection that the server has closed meanwhile fails in a way that
does not tell whether the request arrived, and for a new code that doubt costs a person's time.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import requests
from django.utils import timezone
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import NewConnectionError

from ..errors import Misconfigured, OutcomeUnknown, PagoEfectivoError, Unavailable
from ..errors import gettext_noop as _
from .exchange import Exchange, listener
from .redact import redact

logger = logging.getLogger("pagoefectivo.provider")

#: The most bytes of an answer that are read.
LARGEST_ANSWER = 1024 * 1024
#: Seconds to connect: long enough for one lost SYN packet to be sent again.
CONNECT_TIMEOUT = 3.05
#: Seconds before a repetition, drawn at random so that many shops don't come back at once.
PAUSE = (0.1, 0.4)


class Deadline:
    """A moment some seconds from now by which work has to end; changes of the system clock don't move the moment."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until the deadline, 0 once passed."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True)
class Call:
    """A request to a provider; ``repr()`` shows neither headers nor body nor token.

    ``timeout``: seconds that the provider may be silent. ``repeatable``: sent twice, the request does no more than sent
    once. ``chunked``: sent in pieces, without a length beforehand. ``log_fields``: the fields of request and answer
    whose values the log may show.
    """

    method: str
    url: str
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    bearer: str = field(default="", repr=False)
    repeatable: bool = False
    chunked: bool = False
    log_fields: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """A provider's HTTP answer, of any status."""

    status: int
    body: bytes = field(default=b"", repr=False)
    #: The server's ``Date`` header, unparsed.
    date: str = field(default="", compare=False)


def send(call: Call, deadline: Deadline) -> Answer:
    """Send a call and return the answer; a redirect is an answer and never followed.

    A call that certainly was not sent is tried once more; after a dropped line or a 5xx only a repeatable call is.
    Raises ``Unavailable`` (certainly not sent), ``OutcomeUnknown`` (perhaps sent, no answer) or ``Misconfigured`` (an
    invalid address). No error holds the request, not even as its context.
    """
    outcome = _attempt(call, deadline)
    failed = not isinstance(outcome, Answer) or outcome.status >= 500
    if failed and (call.repeatable or isinstance(outcome, Unavailable)) and deadline.left > 2 * PAUSE[1]:
        time.sleep(random.uniform(*PAUSE))  # nosec B311 # a pause, no secret
        outcome = _attempt(call, deadline)
    if isinstance(outcome, Answer):
        return outcome
    raise outcome


class _Body:
    """A request's body, with a flag that tells whether the body was taken for sending.

    The body is taken once the connection stands and the headers are on their way; before, the provider can't have a
    whole request. Exceptions tell less: ``requests`` calls a time-out of the TLS handshake a ReadTimeout.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.taken = False

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[bytes]:
        self.taken = True
        yield self._content


class TooLong(Exception):
    """An answer with more than ``LARGEST_ANSWER`` bytes, or without an end before the deadline."""


def _attempt(call: Call, deadline: Deadline) -> Answer | PagoEfectivoError:
    """Send a call once, log one line, and return the answer or the error for the way the attempt failed."""
    body = _Body(call.content) if call.content else None
    began_at, begin = timezone.now(), time.monotonic()
    outcome: Answer | PagoEfectivoError
    try:
        outcome = _exchange(call, body, deadline)
        shown = str(outcome.status)
    except Exception as error:  # any failure is sorted by whether the request may have left
        outcome, shown = _sorted(error, body), type(error).__name__
    # The log shows the path alone: queries and hosts may hold keys. ``Misconfigured`` means an address without a path.
    path = "" if isinstance(outcome, Misconfigured) else urlsplit(call.url).path
    level = logging.INFO if isinstance(outcome, Answer) and outcome.status < 500 else logging.WARNING
    milliseconds = round((time.monotonic() - begin) * 1000)
    logger.log(level, "%s %s %s in %d ms", call.method, path, shown, milliseconds)
    if told := listener():
        try:
            told(_exchange_of(call, path, outcome, shown, began_at, milliseconds))
        except Exception as error:  # a failing record must not cost the provider's answer
            logger.error("A call could not be recorded (%s).", type(error).__name__)
    return outcome


def _exchange_of(
    call: Call, path: str, outcome: Answer | PagoEfectivoError, shown: str, began_at: datetime, milliseconds: int
) -> Exchange:
    """Return the record of an attempt, with redacted bodies."""
    answer = outcome.body if isinstance(outcome, Answer) else b""
    bodies = redact(call.content, call.log_fields), redact(answer, call.log_fields)
    status, failure = (outcome.status, "") if isinstance(outcome, Answer) else (None, shown)
    return Exchange(call.method, path, status, failure, began_at, milliseconds, *bodies)


def _exchange(call: Call, body: _Body | None, deadline: Deadline) -> Answer:
    """Send a call and return the answer; raises ``TooLong`` for an answer too large or too slow."""
    # A time-out of 0 would mean "don't wait" to a socket, and urllib3 refuses 0.
    silence = max(0.05, min(call.timeout, deadline.left))
    # No compression, so the limit counts the bytes on the line.
    headers = {"User-Agent": "pagoefectivo-django", "Accept-Encoding": "identity", **call.headers}
    if call.bearer:
        headers["Authorization"] = f"Bearer {call.bearer}"
    with (
        requests.Session() as session,
        session.request(
            call.method,
            call.url,
            data=iter(body) if body and call.chunked else body,
            headers=headers,
            auth=lambda request: request,  # without auth, requests would send credentials from a .netrc file
            timeout=(min(CONNECT_TIMEOUT, silence), silence),
            allow_redirects=False,
            stream=True,
        ) as response,
    ):
        # read1 returns the bytes received so far; urllib3 1 has only read, which waits until all 64 KiB have come.
        read = getattr(response.raw, "read1", response.raw.read)
        content = b""
        while chunk := read(64 * 1024, decode_content=True):
            content += chunk
            if len(content) > LARGEST_ANSWER or not deadline.left:
                raise TooLong
        return Answer(response.status_code, content, response.headers.get("Date", ""))


def _sorted(error: Exception, body: _Body | None) -> PagoEfectivoError:
    """Return the error that a failed attempt means; the failure itself is dropped, since it may hold the request."""
    if isinstance(error, InvalidURL | InvalidSchema | MissingSchema):
        return Misconfigured(
            _("The provider's address (or a proxy's) is not an address; check BASE_URL."), code="address_is_none"
        )
    if body is not None:
        unsent = not body.taken
    else:  # without a body, only a failure to connect proves that nothing was sent
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        unsent = isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError)
    kind = type(error).__name__
    if unsent:
        return Unavailable(
            _("The provider could not be reached (%(kind)s); nothing was sent."), code="provider_not_reached", kind=kind
        )
    return OutcomeUnknown(
        _("The provider gave no readable answer (%(kind)s); it may have done what was asked."),
        code="no_readable_answer",
        kind=kind,
    )
