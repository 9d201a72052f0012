"""A channel to a REST API: calls with JSON, and answers sorted by tables into yes, no and not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from .. import strict_json
from ..errors import Malformed, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from ..errors import gettext_noop as _
from . import failures, http
from .failures import Complaint, meaning
from .http import Answer, Call, Deadline
from .options import Configured
from .reading import encode

#: Seconds that a call may take beyond the provider's silence.
SPARE = 2.0
#: Seconds that calls of one look-up may take together: a claim on a row lasts two minutes.
CLAIM = 100.0


class Row(NamedTuple):
    """The meaning of a provider's error as a text for translation, and the class of error raised."""

    meaning: str
    error: type[PagoEfectivoError]


#: The statuses that no provider means otherwise. A status missing here and in ``RestChannel.statuses``, redirects
#: included, leaves the outcome unknown.
STATUSES: dict[int, Row] = {
    401: Row(_("the keys are refused"), Misconfigured),
    403: Row(_("forbidden"), Misconfigured),
    429: Row(_("too many calls, none of which is worked on"), Unavailable),
}


#: Statuses of 400 and above by which nothing is refused: time-out, and too early.
NOT_HEARD = (408, 425)


class RestChannel(Configured):
    """A channel that sends JSON and believes an answer by its status and its error code.

    A subclass sets ``title``, its tables and ``error_code``. The provider's no counts only in the provider's own form,
    with an error code: a status alone may be a proxy's, and is ``OutcomeUnknown``.
    """

    #: The provider's name in sentences.
    title: ClassVar[str]
    #: The provider's error codes, as text.
    errors: ClassVar[Mapping[str, Row]]
    #: The HTTP statuses with a meaning of their own at the provider, beside ``STATUSES``.
    statuses: ClassVar[Mapping[int, Row]] = {}
    #: Whether an error code under a status of success is the provider's no. At any other provider such an answer leaves
    #: the outcome unknown: a refused refund would be paid a second time, though the status says that it was done.
    errors_in_success: ClassVar[bool] = False
    #: The header in which a call's idempotency key travels.
    idempotency_header: ClassVar[str] = "X-Idempotency-Key"

    @property
    def most_calls(self) -> int:
        """The number of calls, one after another, that end before the claim on the rows concerned."""
        return max(1, int(CLAIM / (self.timeout + SPARE)))

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        """Return the headers of a call, the keys or the signature among them."""
        raise NotImplementedError

    def error_code(self, said: Mapping[str, Any]) -> str:
        """Return the error code in an answer's JSON; empty for an answer without."""
        raise NotImplementedError

    def ask(
        self, method: str, path: str, fields: Any = None, *, repeatable: bool = False, idempotency_key: str = ""
    ) -> dict[str, Any]:
        """Send a call and return the JSON object of a yes; else raise the error that the answer means."""
        return self.believed(self.send(method, path, fields, repeatable=repeatable, idempotency_key=idempotency_key))

    def send(
        self, method: str, path: str, fields: Any = None, *, repeatable: bool = False, idempotency_key: str = ""
    ) -> Answer:
        """Send a call and return the answer, of any status; ``repeatable`` as in ``Call``; every GET is."""
        content = b"" if fields is None else encode(fields)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers |= self.headers(method, path, content)
        headers |= {self.idempotency_header: idempotency_key} if idempotency_key else {}
        repeatable = repeatable or method == "GET"
        url = self.base_url + path
        call = Call(method, url, self.timeout, headers, content, repeatable=repeatable, log_fields=self.log_fields)
        return http.send(call, Deadline(self.timeout + SPARE))

    def believed(self, answer: Answer) -> dict[str, Any]:
        """Return the JSON object of an answer that is a yes; else raise the error that the answer means."""
        try:
            said = strict_json.load(answer.body)
        except Malformed:
            said = {}
        code = self.error_code(said)
        if 200 <= answer.status < 300 and said and not code:
            return said
        raise self.failure(answer.status, code)

    def failure(self, status: int, code: str) -> PagoEfectivoError:
        """Return the error that a status and an error code mean; a code decides before its status.

        A code without a row is a no where the status lays the fault on the request: 400 to 499, but for the statuses
        that have rows and those of a request that did not arrive whole or in time (``NOT_HEARD``). With a status of
        success a code counts only at a provider with ``errors_in_success``.
        """
        shown = "".join(letter for letter in code if letter.isalnum() or letter in "-_.:")[:40]
        row = self.errors.get(code) or self.statuses.get(status) or STATUSES.get(status)
        succeeded = 200 <= status < 300
        if row is None:
            says_no = bool(code) and ((400 <= status < 500 and status not in NOT_HEARD) or succeeded)
            row = Row("", Refused if says_no else OutcomeUnknown)
        if succeeded and not self.errors_in_success:
            row = row._replace(error=OutcomeUnknown)
        # Without a code the no may be a proxy's.
        kind = OutcomeUnknown if row.error is Refused and not code else row.error
        return failures.answered(
            kind, self.title, status, [Complaint(shown, meaning(row.meaning))], [shown] if code else []
        )
