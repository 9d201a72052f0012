"""Bearer tokens: requested with a hash (protocol 2), shared by all processes, renewed once when expired."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.core.cache import cache

from ...errors import Misconfigured, OutcomeUnknown, PagoEfectivoError, Unavailable
from ...errors import gettext_noop as _
from ..http import Answer, Deadline
from ..reading import encode, read_moment
from .answers import believed, complaints
from .options import Keys
from .wire import read_object, write_date

logger = logging.getLogger("pagoefectivo.provider")

#: A token is not used in the last tenth of its life, or in the last five minutes where a tenth is longer. Lives of 2 h
#: and of 5 min have been seen (protocol 2.3), which gives margins of 5 min and 30 s.
MARGIN_PART, MARGIN_MOST = 10, 300
#: Seconds to wait for another process's or thread's authorization before asking oneself, and between two looks.
PATIENCE, GLANCE = 1.5, 0.05
#: Seconds after which a claim on the authorization is void, whatever became of its owner.
CLAIM = 10

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")


@dataclass(frozen=True)
class Token:
    """A bearer token, and the last moment of its use in seconds of the epoch."""

    text: str = field(repr=False)
    until: float


#: This process's own tokens and locks, by cache key: kept longer than a channel, and in use even if the cache fails.
_tokens: dict[str, Token] = {}
_locks: dict[str, threading.Lock] = {}
_warned: set[str] = set()


def write_request(keys: Keys, moment: datetime) -> bytes:
    """Return the body that asks for a token; the secret key enters only the hash (protocol 2.1, 2.2)."""
    date = write_date(moment)
    hashed = f"{keys.service_id}.{keys.access_key}.{keys.secret_key}.{date}"
    digest = hashlib.sha256(hashed.encode()).hexdigest()
    keyed = {"accessKey": keys.access_key, "idService": keys.service_id}
    return encode({**keyed, "dateRequest": date, "hashString": digest})


def read_token(answer: Answer, asked_at: datetime, keys: Keys) -> Token:
    """Return the token of an answer; raises ``Misconfigured`` for refused keys, ``Unavailable`` without a token.

    Assumption (2.4 gives neither status nor code of a refusal): 400 and 401 refuse the keys, the hash or the date. No
    outcome is left open, since nothing else was sent yet.
    """
    fields = dict.fromkeys(("idService", "dateRequest", "hashString"), "")
    sent = {"accessKey": keys.access_key, "secretKey": keys.secret_key, **fields}
    try:
        data = read_object(believed(answer, sent).get("data"))
    except PagoEfectivoError as error:
        # A 400 without any error code is about the keys too; a 400 with the code of an internal error is not.
        unknown = isinstance(error, OutcomeUnknown)
        if answer.status in (400, 401) and not (unknown and complaints(answer, sent)):
            raise Misconfigured(
                _(
                    "PagoEfectivo refuses to authorize; check SERVICE_ID, ACCESS_KEY and SECRET_KEY, and whether this "
                    "machine's clock is right. %(said)s"
                ),
                code="authorization_refused",
                said=error,
            ) from None
        if unknown:
            raise Unavailable(
                _("PagoEfectivo did not authorize, so nothing else was sent. %(said)s"),
                code="not_authorized",
                said=error,
            ) from None
        raise
    text = data.get("token")
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise Unavailable(
            _("PagoEfectivo's authorization holds no token, so nothing else was sent."), code="token_missing"
        )
    # A token without a readable end is used once. The end is by the provider's clock and compared with ours: where the
    # provider tells the start, the life between both is not exceeded either, so a slow clock of ours does no harm.
    start, end = read_moment(data.get("tokenStart")), read_moment(data.get("tokenExpires"))
    life = (end - max(start or asked_at, asked_at)).total_seconds() if end else 0.0
    return Token(text, asked_at.timestamp() + life - min(MARGIN_MOST, life / MARGIN_PART))


class Tokens:
    """The token of an account, from this process, Django's cache or a new authorization.

    Django's default cache then holds a bearer token, under a key without secrets. Whoever can read that cache can
    create and delete codes while the token lives; keep the cache as private as sessions are kept.
    """

    def __init__(self, account: str, keys: Keys, base_url: str, clock: Callable[[], datetime]) -> None:
        digest = hashlib.sha256(f"{base_url} {keys.access_key}".encode()).hexdigest()[:32]
        # Quoted and cut, since memcached takes neither blanks nor long keys.
        self.key = f"pagoefectivo:token:{quote(account, safe=':')[:120]}:{digest}"
        self.claim_key = f"{self.key}:claim"
        self.clock = clock

    def get(self, authorize: Callable[[Deadline], Token], deadline: Deadline, refused: str = "") -> str:
        """Return a token other than ``refused``; ``authorize`` is called, and may raise, if no process has a token."""
        if token := self._known(refused):
            return token
        lock = _locks.setdefault(self.key, threading.Lock())
        locked = lock.acquire(timeout=min(PATIENCE, deadline.left / 2))
        try:
            return self._known(refused) or self._renewed(authorize, deadline, refused)
        finally:
            if locked:
                lock.release()

    def _renewed(self, authorize: Callable[[Deadline], Token], deadline: Deadline, refused: str) -> str:
        """Return the token that another process is fetching, or a new token if none arrives in time."""
        claimed = _guarded(lambda: cache.add(self.claim_key, 1, CLAIM), True)
        patience = Deadline(min(PATIENCE, deadline.left / 2))
        try:
            while not claimed and patience.left and _guarded(lambda: cache.get(self.claim_key)):
                time.sleep(GLANCE)
            if token := self._known(refused):
                return token
            new = _tokens[self.key] = authorize(deadline)
            seconds = max(0, int(new.until - self.clock().timestamp()))
            _guarded(lambda: cache.set(self.key, (new.text, new.until), seconds))
            return new.text
        finally:
            if claimed:
                _guarded(lambda: cache.delete(self.claim_key))

    def _known(self, refused: str) -> str:
        """Return a token valid now, from this process or the cache; else an empty text."""
        now = self.clock().timestamp()
        for look in (_tokens.get, _shared):
            token = look(self.key)
            if token and token.text != refused and now < token.until:
                _tokens[self.key] = token
                return token.text
        return ""


def _shared(key: str) -> Token | None:
    """Return the cached token, or None for a value of another shape: further programs may write to the cache."""
    match _guarded(lambda: cache.get(key)):
        case (str(text), int() | float() as until) if _TOKEN.fullmatch(text):
            return Token(text, until)
    return None


def _guarded(ask: Callable[[], Any], otherwise: Any = None) -> Any:
    """Call the cache and return the result; after any error ``otherwise``, with one warning for each kind of error."""
    try:
        return ask()
    except Exception as error:  # each backend raises its own errors, whose text may hold an address with a password
        kind = type(error).__name__
        if kind not in _warned:
            _warned.add(kind)
            logger.warning("Django's cache fails (%s); each process now asks for tokens of its own.", kind)
        return otherwise
