"""The channel to PagoEfectivo itself: one method for each call of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from ...errors import InvalidRequest, Misconfigured, OutcomeUnknown, Unavailable
from ...errors import gettext_noop as _
from ...traces import current_trace
from .. import http
from ..base import Charge, CodeRef, Examination, Hint, Incoming, Proof, Report
from ..http import Call, Deadline
from ..reading import encode, read_code
from ..signing import hex_hmac
from . import answers, notices, wire
from .authorizations import Token, Tokens, read_token, write_request
from .options import PagoEfectivoOptions
from .statements import FORMATS

#: Seconds that a call with its authorization may take beyond the provider's silence.
SPARE = 2.0


class PagoEfectivoChannel(PagoEfectivoOptions):
    """A service of a merchant at PagoEfectivo itself.

    OPTIONS: ``SERVICE_ID``, ``ACCESS_KEY``, ``SECRET_KEY`` (needed); ``ENVIRONMENT`` (``sandbox`` or ``production``) or
    ``BASE_URL``, which overrides its host; ``WEBHOOK_SECRETS`` (default: the secret key; several while rotating);
    ``ADMIN_EMAIL`` (gets a copy of each code's mail); ``TIMEOUT`` (8 s of silence; ``issue`` ends within 2 s more);
    ``REQUEST_ID_HEADER`` (gets the id of our log lines; none by default, since the protocol names none).

    Assumptions, where the protocol is silent: 100 codes fit in one search; a notification of another service id of the
    same merchant is signed with another secret, so a message verified by this channel's secrets is of this account.
    """

    can_look_up = can_delete = can_extend = True
    currencies = frozenset(("PEN", "USD"))
    option_names = (
        *("ENVIRONMENT", "BASE_URL", "SERVICE_ID", "ACCESS_KEY", "SECRET_KEY", "WEBHOOK_SECRETS"),
        *("ADMIN_EMAIL", "TIMEOUT", "REQUEST_ID_HEADER"),
    )
    #: Protocol 3.2; known from resellers only.
    expires_within = (timedelta(minutes=10), timedelta(days=182))
    #: Fields of protocol 2 to 6.
    statement_formats = FORMATS
    log_fields = frozenset(
        (
            *("amount", "cip", "code", "currency", "data", "datecreation", "dateexpiry", "datepayment", "dateremoval"),
            *("daterequest", "eventtype", "field", "idservice", "operationnumber", "paymentdate", "serviceid"),
            *("status", "tokenexpires", "tokenstart", "transactioncode"),
        )
    )

    #: The source of the current time; tests replace it.
    clock: Callable[[], datetime] = staticmethod(timezone.now)

    def issue(self, charge: Charge) -> Report:
        content, sent = wire.write_charge(charge, self.keys.service_id, str(self.options.get("ADMIN_EMAIL") or ""))
        # Not repeatable: PagoEfectivo would make a second payable code (protocol 3.5).
        call = self._call("POST", "cips", content, language=charge.language)
        return answers.issued(self._ask(call, sent), charge, self.account)

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        """Return PagoEfectivo's reports on codes, in as many requests as needed (protocol 4).

        If one request fails, all of the search fails: a code missing in the result has to mean that PagoEfectivo does
        not know the code.
        """
        named = {ref: digits for ref in refs if (digits := read_code(ref.code))}
        wanted = list(dict.fromkeys(named.values()))
        found: dict[str, Report] = {}
        for begin in range(0, len(wanted), self.batch_size):
            batch = wanted[begin : begin + self.batch_size]
            content = encode({"data": [{"cip": int(code)} for code in batch]})
            answer = self._ask(self._call("POST", "cips/search", content, repeatable=True), {"data": "", "cip": ""})
            told = answers.searched(answer, self.account)
            found |= {code: told[code] for code in batch if code in told}
        return {ref: found[code] for ref, code in named.items() if code in found}

    def extend(self, ref: CodeRef, until: datetime) -> None:
        fields = {"dateExpiry": wire.write_date(until)}
        self._ask(self._call("PATCH", _path(ref.code), encode(fields), repeatable=True), fields)

    def delete(self, ref: CodeRef) -> None:
        # Not repeatable: after a first DELETE that worked, a second is refused (protocol 5: only while Generado), and
        # that no would hide the truth, which is "not known, look".
        self._ask(self._call("DELETE", _path(ref.code)), {})

    def verify(self, incoming: Incoming) -> Proof:
        return notices.verify(incoming, self.secrets(self.options))

    def signed(self, body: bytes) -> dict[str, str]:
        secrets = self.secrets(self.options)
        if not secrets:
            raise Misconfigured(
                _("Channel %(channel)s has no webhook secret, so it refuses every message."),
                code="no_webhook_secret",
                channel=self.alias,
            )
        return {notices.HEADER: hex_hmac(secrets[0], body)}

    def examine(self) -> Examination:
        now = self.clock()
        call = self._call("POST", "authorizations", write_request(self.keys, now), repeatable=True)
        try:
            answer = http.send(call, Deadline(self.timeout))
        except OutcomeUnknown as error:
            raise error.recast(Unavailable) from None
        ahead = None
        with suppress(ValueError, TypeError):
            ahead = now - parsedate_to_datetime(answer.date)
        # The clocks are compared before the keys are judged, since a wrong clock is a reason to refuse keys (protocol
        # 2.2).
        try:
            read_token(answer, now, self.keys)
        except Misconfigured as error:
            if not ahead:
                raise
            seconds = round(ahead.total_seconds())
            if seconds > 0:
                raise Misconfigured(
                    _("%(said)s This machine's clock is %(seconds)d s ahead."),
                    code="clock_ahead",
                    said=error,
                    seconds=seconds,
                ) from None
            raise Misconfigured(
                _("%(said)s This machine's clock is %(seconds)d s behind."),
                code="clock_behind",
                said=error,
                seconds=-seconds,
            ) from None
        return Examination(urlsplit(self.base_url).netloc, ahead)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        return [notices.read(incoming.body, self.account)]

    def _call(self, method: str, path: str, content: bytes = b"", repeatable: bool = False, language: str = "") -> Call:
        """Return a call with the headers of protocol 1.2; the language is Spanish unless English is wanted."""
        accepted = "en-US" if language[:2] == "en" else "es-PE"
        origin = {} if path == "authorizations" else {"Origin": "web"}
        name = self.options.get("REQUEST_ID_HEADER")
        named = {str(name): current_trace()} if name and current_trace() else {}
        headers = {"Content-Type": "application/json", "Accept-Language": accepted, **origin, **named}
        return Call(
            method, self.base_url + path, self.timeout, headers, content,
            repeatable=repeatable, log_fields=self.log_fields,
        )  # fmt: skip

    def _ask(self, call: Call, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Send a call with a token, after a 401 once more with a new token; return the JSON of a yes, else raise."""
        deadline = Deadline(self.timeout + SPARE)
        tokens = Tokens(self.account, self.keys, self.base_url, self.clock)
        token = ""  # nosec B105 # no password
        for _attempt in range(2):
            # Half of the time is for the authorization, the other half for the call itself.
            token = tokens.get(self._authorize, Deadline(deadline.left / 2), refused=token)
            if deadline.left < call.timeout / 2:  # a request without time left for its answer would lose a code
                raise Unavailable(
                    _("PagoEfectivo took too long to authorize, so nothing else was sent."), code="authorized_too_late"
                )
            answer = http.send(replace(call, bearer=token), deadline)
            if answer.status != 401:
                break
        return answers.believed(answer, sent, one_code=call.method in ("PATCH", "DELETE"))

    def _authorize(self, deadline: Deadline) -> Token:
        now = self.clock()
        try:
            call = self._call("POST", "authorizations", write_request(self.keys, now), repeatable=True)
            answer = http.send(call, deadline)
        except OutcomeUnknown as error:
            raise Unavailable(
                _("PagoEfectivo did not authorize, so nothing else was sent. %(said)s"),
                code="not_authorized",
                said=error,
            ) from None
        return read_token(answer, now, self.keys)


def _path(code: str) -> str:
    """Return the path of a code; raises ``InvalidRequest`` unless the code has 1 to 14 digits."""
    if not (digits := read_code(code)):
        raise InvalidRequest(_("A code of PagoEfectivo has 1 to 14 digits."), code="code_of_other_digits")
    return f"cips/{digits}"
