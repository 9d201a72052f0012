"""The direct channel: one verb of the provider a method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.checks import CheckMessage
from django.utils import timezone

from ...errors import InvalidRequest, OutcomeUnknown, Unavailable
from .. import http
from ..base import Channel, Charge, Report
from ..http import Call, Deadline
from . import answers, notices, wire
from .authorizations import Token, Tokens, read_token, write_request
from .options import TIMEOUT, Keys, environment, read_base_url, read_keys, read_service_id, read_webhook_secrets
from .options import check as check_options
from .options import check_deploy as check_options_deploy

#: Accept-Language by ``Charge.language`` (protocol 1.2); Spanish for any other.
LANGUAGES = {"es": "es-PE", "en": "en-US"}
#: Seconds of a call with all that belongs to it (authorization, waiting, repetition) beyond its time-out.
SPARE = 2.0


class PagoEfectivoChannel(Channel):
    """One service of a merchant at PagoEfectivo itself.

    OPTIONS: ``SERVICE_ID``, ``ACCESS_KEY``, ``SECRET_KEY`` (needed); ``ENVIRONMENT`` (``sandbox`` or
    ``production``) or ``BASE_URL``, which overrides its host; ``WEBHOOK_SECRETS`` (default: the secret key;
    several while rotating); ``ADMIN_EMAIL`` (gets a copy of each code's mail); ``TIMEOUT`` (8 s of silence;
    ``issue`` ends within 2 s more).

    Unknown to the protocol and assumed: 100 codes fit in one search; a notification of another service id of
    the same merchant is signed with another secret, so what this channel's secrets prove is this account's.
    """

    can_search = can_delete = can_extend = True

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        super().__init__(alias, options)
        #: What time it is; tests set it.
        self.clock = timezone.now

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        return check_options(alias, options)

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        return check_options_deploy(alias, options)

    @property
    def account(self) -> str:
        return f"pagoefectivo:{environment(self.options)}:{read_service_id(self.alias, self.options)}"

    def issue(self, charge: Charge) -> Report:
        content, sent = wire.write_charge(charge, self._keys.service_id, str(self.options.get("ADMIN_EMAIL") or ""))
        # Not repeatable: PagoEfectivo would make a second payable code (protocol 3.5).
        call = self._call("POST", "cips", content, language=charge.language)
        return answers.issued(self._ask(call, sent), charge, self.account)

    def search(self, codes: Iterable[str]) -> dict[str, Report]:
        """Return what PagoEfectivo says of these codes, in as many requests as needed (protocol 4).

        If one of them fails, nothing is returned: an absent code has to mean one that PagoEfectivo does not
        know.
        """
        wanted = list(dict.fromkeys(digits for code in codes if (digits := wire.read_code(code))))
        found: dict[str, Report] = {}
        for begin in range(0, len(wanted), self.batch_size):
            batch = wanted[begin : begin + self.batch_size]
            content = wire.encode({"data": [{"cip": int(code)} for code in batch]})
            answer = self._ask(self._call("POST", "cips/search", content, repeatable=True), {})
            told = answers.searched(answer, self.account)
            found |= {code: told[code] for code in batch if code in told}
        return found

    def extend(self, code: str, expires_at: datetime) -> None:
        content = wire.encode({"dateExpiry": wire.write_date(expires_at)})
        call = self._call("PATCH", f"cips/{_digits(code)}", content, repeatable=True)
        self._ask(call, {}, one_code=True)

    def delete(self, code: str) -> None:
        # Not repeatable, though it could be: a second one is refused after a first that worked (protocol 5:
        # only while Generado), and a no would then be told where the truth is "not known, look".
        self._ask(self._call("DELETE", f"cips/{_digits(code)}"), {}, one_code=True)

    def prove(self, body: bytes, headers: Mapping[str, str]) -> str:
        return notices.prove(body, headers, read_webhook_secrets(self.options))

    def read(self, body: bytes) -> Report:
        return notices.read(body, self.account)

    # How a call is made.

    @property
    def _timeout(self) -> float:
        return float(self.options.get("TIMEOUT") or TIMEOUT)

    @property
    def _keys(self) -> Keys:
        return read_keys(self.alias, self.options)

    @property
    def _base_url(self) -> str:
        return read_base_url(self.alias, self.options)

    def _call(
        self, method: str, path: str, content: bytes = b"", *, language: str = "es", repeatable: bool = False
    ) -> Call:
        """Return a call with the headers of protocol 1.2."""
        return Call(
            method=method,
            url=self._base_url + path,
            timeout=self._timeout,
            headers={
                "Content-Type": "application/json",
                "Origin": "web",
                "Accept-Language": LANGUAGES.get(language[:2], "es-PE"),
            },
            content=content,
            repeatable=repeatable,
        )

    def _ask(self, call: Call, sent: Mapping[str, Any], *, one_code: bool = False) -> dict[str, Any]:
        """Send a call with a token, after a 401 once more with a new one; return the answer if it is a yes."""
        deadline = Deadline(self._timeout + SPARE)
        token = self._token(deadline)
        answer = self._send(call, token, deadline)
        if answer.status == 401:
            token = self._token(deadline, refused=token)
            answer = self._send(call, token, deadline)
        return answers.believed(answer, sent, one_code=one_code)

    def _send(self, call: Call, token: str, deadline: Deadline) -> http.Answer:
        if deadline.left < call.timeout / 2:
            # Asking without the time to hear the answer would lose a code.
            raise Unavailable("PagoEfectivo took too long to authorize; nothing was sent after it.")
        return http.send(replace(call, bearer=token), deadline)

    def _token(self, deadline: Deadline, refused: str = "") -> str:
        tokens = Tokens(self.account, self._keys, self._base_url, self.clock)
        # The other half of the time is for the call itself.
        return tokens.get(self._authorize, deadline.half(), refused)

    def _authorize(self, deadline: Deadline) -> Token:
        now = self.clock()
        call = self._call("POST", "authorizations", write_request(self._keys, now), repeatable=True)
        headers = {name: value for name, value in call.headers.items() if name != "Origin"}  # protocol 1.2
        try:
            answer = http.send(replace(call, headers=headers), deadline)
        except OutcomeUnknown as error:
            raise Unavailable(f"PagoEfectivo did not authorize, so nothing else was sent. {error}") from None
        return read_token(answer, now, self._keys)


def _digits(code: str) -> str:
    """Return a code's digits; raises ``InvalidRequest`` for anything that does not belong in a path."""
    digits = wire.read_code(code)
    if not digits:
        raise InvalidRequest("A code of PagoEfectivo has 1 to 14 digits.")
    return digits
