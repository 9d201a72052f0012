"""The one way out to providers: time-outs, repetitions only where safe, a redacted log.

Every call has a connection of its own: a kept one that the server closed meanwhile fails in a way that does not tell
whether the request arrived, and for a new code that doubt costs a person's time.
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
from .exchange import Exchange, listener
from .redact import redact

logger = logging.getLogger("pagoefectivo.provider")

#: Bytes of the largest answer that is read.
LARGEST_ANSWER = 1024 * 1024
#: Seconds for a connection to stand; one lost SYN is sent again within them.
CONNECT_TIMEOUT = 3.05
#: Seconds before a repetition, drawn so that many shops don't come back at once.
PAUSE = (0.1, 0.4)


class Deadline:
    """A moment by which something has to end, in seconds from now; unmoved by changes of the clock."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True)
class Call:
    """One request to a provider; its text never shows what it carries.

    ``timeout``: seconds that the provider may be silent; ``repeatable``: sent twice, it does no more than sent once.
    ``chunked``: sent in pieces, which tell no length beforehand.
    """

    method: str
    url: str
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)
    bearer: str = field(default="", repr=False)
    repeatable: bool = False
    chunked: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes = field(default=b"", repr=False)
    #: The server's ``Date``, as it was sent.
    date: str = field(default="", compare=False)


def send(call: Call, deadline: Deadline) -> Answer:
    """Send a call and return its answer; redirects are answers, never followed.

    What was not sent is tried once more, a dropped line or a 5xx only if the call is repeatable. Raises ``Unavailable``
    (certainly not sent), ``OutcomeUnknown`` (perhaps sent, no answer) or ``Misconfigured`` (an address that is none).
    No error holds the request, not even as its context.
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
    """A request's bytes that remember whether anybody took them.

    They are taken when the connection stands and the head is on its way; until then the provider cannot have a whole
    request. Exceptions are less sure: ``requests`` calls a time-out of the TLS handshake a ReadTimeout.
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
    """The answer has more bytes than are read, or did not end in time."""


def _attempt(call: Call, deadline: Deadline) -> Answer | PagoEfectivoError:
    """Send once, log one line, and return the answer or the error that tells how it ended."""
    body = _Body(call.content) if call.content else None
    began_at, begin = timezone.now(), time.monotonic()
    outcome: Answer | PagoEfectivoError
    try:
        outcome = _exchange(call, body, deadline)
        shown = str(outcome.status)
    except Exception as error:  # whatever it is, only one thing matters: may the request have left?
        outcome, shown = _sorted(error, body), type(error).__name__
    # The path is all that is told of the request; the address was refused if it has none that can be read.
    path = "" if isinstance(outcome, Misconfigured) else urlsplit(call.url).path
    level = logging.INFO if isinstance(outcome, Answer) and outcome.status < 500 else logging.WARNING
    milliseconds = round((time.monotonic() - begin) * 1000)
    logger.log(level, "%s %s %s in %d ms", call.method, path, shown, milliseconds)
    if told := listener():
        try:
            told(_exchange_of(call, path, outcome, shown, began_at, milliseconds))
        except Exception as error:  # a record is no reason to lose what the provider answered
            logger.error("A call could not be recorded (%s).", type(error).__name__)
    return outcome


def _exchange_of(
    call: Call, path: str, outcome: Answer | PagoEfectivoError, shown: str, began_at: datetime, milliseconds: int
) -> Exchange:
    """Return what may be kept of an attempt."""
    bodies = redact(call.content), redact(outcome.body if isinstance(outcome, Answer) else b"")
    status, failure = (outcome.status, "") if isinstance(outcome, Answer) else (None, shown)
    return Exchange(call.method, path, status, failure, began_at, milliseconds, *bodies)


def _exchange(call: Call, body: _Body | None, deadline: Deadline) -> Answer:
    """Return an answer whose body is neither too large nor dripping in for ever."""
    # 0 would mean "don't wait at all" to a socket, and urllib3 refuses it.
    silence = max(0.05, min(call.timeout, deadline.left))
    # Not packed, so that the limit counts what is on the line.
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
            auth=lambda request: request,  # with none, requests would take what a .netrc file says
            timeout=(min(CONNECT_TIMEOUT, silence), silence),
            allow_redirects=False,
            stream=True,
        ) as response,
    ):
        # read1 returns what is there; urllib3 1 has only read, which waits for as much as was asked for.
        read = getattr(response.raw, "read1", response.raw.read)
        content = b""
        while chunk := read(64 * 1024, decode_content=True):
            content += chunk
            if len(content) > LARGEST_ANSWER or not deadline.left:
                raise TooLong
        return Answer(response.status_code, content, response.headers.get("Date", ""))


def _sorted(error: Exception, body: _Body | None) -> PagoEfectivoError:
    """Say what a failure means. The error itself is dropped: it may hold the request."""
    if isinstance(error, InvalidURL | InvalidSchema | MissingSchema):
        return Misconfigured("The provider's address (or a proxy's) is not an address; check BASE_URL.")
    if body is not None:
        unsent = not body.taken
    else:  # only what provably failed before there was a connection
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        unsent = isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError)
    kind = type(error).__name__
    if unsent:
        return Unavailable(f"The provider could not be reached ({kind}); nothing was sent.")
    return OutcomeUnknown(f"The provider gave no readable answer ({kind}); it may have done what was asked.")
