"""Tokens: asked for with a hash (protocol 2), shared by all processes, asked for once when they lapse."""

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
from ..http import Answer, Deadline
from .answers import believed, complaints
from .options import Keys
from .wire import encode, read_date, read_object, write_date

logger = logging.getLogger("pagoefectivo.provider")

#: A token is not used in the last tenth of its life, and at most in its last five minutes. Lives of 2 h and of 5 min
#: have been seen (protocol 2.3): margins of 5 min and of 30 s.
MARGIN_PART, MARGIN_MOST = 10, 300
#: Seconds that one waits for somebody else's authorization before asking oneself, and between looks.
PATIENCE, GLANCE = 1.5, 0.05
#: Seconds after which a claim on it is void, whatever became of its owner.
CLAIM = 10

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")


@dataclass(frozen=True)
class Token:
    """A bearer token and the last moment, in epoch seconds, at which it is used."""

    text: str = field(repr=False)
    until: float


#: This process's own copies and locks, by key: they last longer than a channel, and work when the cache doesn't.
_tokens: dict[str, Token] = {}
_locks: dict[str, threading.Lock] = {}
_warned: set[str] = set()


def write_request(keys: Keys, moment: datetime) -> bytes:
    """Return the body that asks for a token; the secret key is in its hash alone (protocol 2.1, 2.2)."""
    date = write_date(moment)
    hashed = f"{keys.service_id}.{keys.access_key}.{keys.secret_key}.{date}"
    digest = hashlib.sha256(hashed.encode()).hexdigest()
    keyed = {"accessKey": keys.access_key, "idService": keys.service_id}
    return encode({**keyed, "dateRequest": date, "hashString": digest})


def read_token(answer: Answer, asked_at: datetime, keys: Keys) -> Token:
    """Return the token of an answer; raises ``Misconfigured`` for refused keys, ``Unavailable`` for all else.

    Assumption (2.4 knows neither status nor code of a refusal): 400 and 401 refuse the keys, the hash or the date.
    Nothing else was sent yet, so no outcome is left open here.
    """
    fields = dict.fromkeys(("idService", "dateRequest", "hashString"), "")
    sent = {"accessKey": keys.access_key, "secretKey": keys.secret_key, **fields}
    try:
        data = read_object(believed(answer, sent).get("data"))
    except PagoEfectivoError as error:
        # A 400 that no code explains is about the keys too, one with the code of an internal error is not.
        unknown = isinstance(error, OutcomeUnknown)
        if answer.status in (400, 401) and not (unknown and complaints(answer, sent)):
            advice = "check SERVICE_ID, ACCESS_KEY and SECRET_KEY, and whether this machine's clock is right"
            raise Misconfigured(f"PagoEfectivo refuses to authorize; {advice}. {error}") from None
        if unknown:
            raise Unavailable(f"PagoEfectivo gives no token, so nothing else was sent. {error}") from None
        raise
    text = data.get("token")
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise Unavailable("PagoEfectivo's authorization holds no token, so nothing else was sent.")
    # Used once if its end cannot be read. The end is theirs, the clock that is compared with it ours: where the start
    # is told, the life between them is not exceeded either, so a clock of ours that is slow does no harm.
    start, end = read_date(data.get("tokenStart")), read_date(data.get("tokenExpires"))
    life = (end - max(start or asked_at, asked_at)).total_seconds() if end else 0.0
    return Token(text, asked_at.timestamp() + life - min(MARGIN_MOST, life / MARGIN_PART))


class Tokens:
    """The token of one account, from this process, Django's cache or an authorization.

    Django's default cache then holds a bearer token under a key without secrets. Who can read that cache can create
    and delete codes while it lives; keep it as private as sessions are kept.
    """

    def __init__(self, account: str, keys: Keys, base_url: str, clock: Callable[[], datetime]) -> None:
        digest = hashlib.sha256(f"{base_url} {keys.access_key}".encode()).hexdigest()[:32]
        # Quoted and cut: memcached takes neither blanks nor long keys.
        self.key = f"pagoefectivo:token:{quote(account, safe=':')[:120]}:{digest}"
        self.claim_key = f"{self.key}:claim"
        self.clock = clock

    def get(self, authorize: Callable[[Deadline], Token], deadline: Deadline, refused: str = "") -> str:
        """Return a token other than the refused one; ``authorize`` is called, and may raise, if nobody else has one."""
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
        """Return the token that another process is fetching, or a new one if it does not come soon."""
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
        """Return a token that is good now, of this process or of the cache, or an empty text."""
        now = self.clock().timestamp()
        for look in (_tokens.get, _shared):
            token = look(self.key)
            if token and token.text != refused and now < token.until:
                _tokens[self.key] = token
                return token.text
        return ""


def _shared(key: str) -> Token | None:
    """Return what the cache holds if it is a token: others can write there."""
    match _guarded(lambda: cache.get(key)):
        case (str(text), int() | float() as until) if _TOKEN.fullmatch(text):
            return Token(text, until)
    return None


def _guarded(ask: Callable[[], Any], otherwise: Any = None) -> Any:
    """Ask the cache; whatever it raises is told once, and issuing goes on without it."""
    try:
        return ask()
    except Exception as error:  # each backend has its own; its text may hold an address with a password
        kind = type(error).__name__
        if kind not in _warned:
            _warned.add(kind)
            logger.warning("Django's cache fails (%s); each process now asks for tokens of its own.", kind)
        return otherwise
