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
from typing import Any, TypeVar
from urllib.parse import quote

from django.core.cache import cache

from ...errors import Misconfigured, OutcomeUnknown, Unavailable
from ..http import Answer, Deadline
from .answers import believed, complaints
from .options import Keys
from .quirks import CODES
from .wire import encode, lower_keys, read_date, write_date

logger = logging.getLogger("pagoefectivo.provider")

#: A token is not used in the last tenth of its life, and at most in its last five minutes. Lives of 2 h and
#: of 5 min have been seen (protocol 2.3): margins of 5 min and of 30 s.
MARGIN_PART, MARGIN_MOST = 10, 300
#: Seconds that one waits for somebody else's authorization before asking oneself.
PATIENCE = 1.5
#: Seconds after which a claim on it is void, whatever became of its owner.
CLAIM = 10
GLANCE = 0.05

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Token:
    """A bearer token and the last moment, in epoch seconds, at which it is used."""

    text: str = field(repr=False)
    until: float


#: This process's own copies and locks, by key: they last longer than a channel, and work when the cache
#: doesn't.
_tokens: dict[str, Token] = {}
_locks: dict[str, threading.Lock] = {}
_warned: set[str] = set()


def write_request(keys: Keys, moment: datetime) -> bytes:
    """Return the body that asks for a token; the secret key is in its hash alone (protocol 2.1, 2.2)."""
    date = write_date(moment)
    hashed = f"{keys.service_id}.{keys.access_key}.{keys.secret_key}.{date}"
    return encode(
        {
            "accessKey": keys.access_key,
            "idService": keys.service_id,
            "dateRequest": date,
            "hashString": hashlib.sha256(hashed.encode()).hexdigest(),
        }
    )


def read_token(answer: Answer, asked_at: datetime, keys: Keys) -> Token:
    """Return the token of an answer; raises ``Misconfigured`` for refused keys, ``Unavailable`` for all else.

    Assumption (protocol 2.4 knows neither status nor code of a refusal): 400 and 401 refuse the keys, the
    hash or the date. Nothing else was sent yet, so no outcome is left open here.
    """
    sent = {"accessKey": keys.access_key, "secretKey": keys.secret_key}
    told = complaints(answer, sent)
    broken = any(CODES[each.code].error is OutcomeUnknown for each in told if each.code in CODES)
    if answer.status in (400, 401) and not broken:
        words = "; ".join(map(str, told)) or "no reason given"
        raise Misconfigured(
            f"PagoEfectivo refuses to authorize ({answer.status}: {words}); check SERVICE_ID, ACCESS_KEY and "
            "SECRET_KEY, and this machine's clock, whose time has to be the current one."
        )
    try:
        data = believed(answer, sent).get("data")
    except OutcomeUnknown as error:
        raise Unavailable(f"PagoEfectivo gives no token, so nothing else was sent. {error}") from None
    data = lower_keys(data) if isinstance(data, dict) else {}
    text = data.get("token")
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise Unavailable("PagoEfectivo's authorization holds no token, so nothing else was sent.")
    return Token(text, _last_use(data, asked_at.timestamp()))


def _last_use(data: dict[str, Any], asked_at: float) -> float:
    """Return until when a token is used: now only, if its end cannot be read.

    The end is theirs, the clock that is compared with it ours: where both start and end are told, the life
    between them is not exceeded either, so a clock of ours that is slow does no harm.
    """
    start, end = read_date(data.get("tokenStart")), read_date(data.get("tokenExpires"))
    if end is None:
        return asked_at
    life = end.timestamp() - asked_at
    if start is not None:
        life = min(life, (end - start).total_seconds())
    return asked_at + life - min(MARGIN_MOST, max(0.0, life / MARGIN_PART))


class Tokens:
    """The token of one account, from this process, Django's cache or an authorization.

    Django's default cache then holds a bearer token under a key without secrets. Who can read that cache can
    create and delete codes while it lives; keep it as private as sessions are kept.
    """

    def __init__(self, account: str, keys: Keys, base_url: str, clock: Callable[[], datetime]) -> None:
        digest = hashlib.sha256(f"{base_url} {keys.access_key}".encode()).hexdigest()[:32]
        # Quoted and cut: memcached takes neither blanks nor long keys.
        self.key = f"pagoefectivo:token:{quote(account, safe=':')[:120]}:{digest}"
        self.claim_key = f"{self.key}:claim"
        self.clock = clock

    def get(self, authorize: Callable[[Deadline], Token], deadline: Deadline, refused: str = "") -> str:
        """Return a token other than the refused one; ``authorize`` is called if nobody else has or gets one.

        Raises what ``authorize`` raises.
        """
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
        claimed = _guarded(lambda: cache.add(self.claim_key, 1, CLAIM), True)
        if not claimed and (token := self._awaited(deadline, refused)):
            return token
        try:
            renewed = authorize(deadline)
            self._keep(renewed)
        finally:
            if claimed:
                _guarded(lambda: cache.delete(self.claim_key), False)
        return renewed.text

    def _awaited(self, deadline: Deadline, refused: str) -> str:
        """Return the token that another process is fetching, or an empty text if it does not come soon."""
        patience = Deadline(min(PATIENCE, deadline.left / 2))
        while patience.left and _guarded(lambda: cache.get(self.claim_key), None):
            time.sleep(GLANCE)
            if token := self._known(refused):
                return token
        return self._known(refused)

    def _known(self, refused: str) -> str:
        """Return a token that is good now, or an empty text."""
        own = _tokens.get(self.key)
        if own is not None and self._good(own, refused):
            return own.text
        shared = _read(_guarded(lambda: cache.get(self.key), None))
        if shared is not None and self._good(shared, refused):
            _tokens[self.key] = shared
            return shared.text
        return ""

    def _good(self, token: Token, refused: str) -> bool:
        return token.text != refused and self.clock().timestamp() < token.until

    def _keep(self, token: Token) -> None:
        _tokens[self.key] = token
        seconds = int(token.until - self.clock().timestamp())
        if seconds > 0:
            _guarded(lambda: cache.set(self.key, (token.text, token.until), seconds), None)


def _read(found: Any) -> Token | None:
    """Return what the cache holds if it is a token: others can write there."""
    if not isinstance(found, tuple | list) or len(found) != 2:
        return None
    text, until = found
    if not isinstance(text, str) or not _TOKEN.fullmatch(text) or not isinstance(until, int | float):
        return None
    return Token(text, until)


def _guarded(ask: Callable[[], Found], otherwise: Found) -> Found:
    """Ask the cache; whatever it raises is told once, and issuing goes on without it."""
    try:
        return ask()
    except Exception as error:  # each backend has its own; its text may hold an address with a password
        kind = type(error).__name__
        if kind not in _warned:
            _warned.add(kind)
            logger.warning("Django's cache fails (%s); each process now asks for tokens of its own.", kind)
        return otherwise
