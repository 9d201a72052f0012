"""The provider's answers: sorted into yes, no and not known, and read into reports."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ... import strict_json
from ...errors import Malformed, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused
from ...states import Fact
from ..base import Charge, Report
from ..http import Answer
from .quirks import CODES, STATES, STATUSES
from .wire import kept, lower_keys, read_amount, read_code, read_currency, read_date, read_text

#: The only field names that an error repeats: those of our own requests (protocol 2.1, 3.1, 4, 5).
FIELDS = {
    name.lower(): name
    for name in (
        *("accessKey", "idService", "dateRequest", "hashString"),
        *("currency", "amount", "transactionCode", "dateExpiry", "paymentConcept", "adminEmail", "serviceId"),
        *("userEmail", "userId", "userName", "userLastName", "userUbigeo", "userCountry"),
        *("userDocumentType", "userDocumentNumber", "userPhone", "userCodeCountry"),
        *("data", "cip"),
    )
}
#: What of an answer is kept beside its report; no personal data is among it.
ISSUED_FIELDS = ("cip", "currency", "amount", "transactionCode", "dateExpiry", "cipUrl")
FOUND_FIELDS = (
    *("cip", "transactionCode", "amount", "currency", "status", "statusName"),
    *("dateCreation", "dateExpiry", "datePayment", "dateRemoval"),
)


@dataclass(frozen=True)
class Complaint:
    """One entry of an error body (protocol 3.4): a code, a field of ours or nothing, words that are safe."""

    code: str
    field: str = ""
    message: str = ""

    def __str__(self) -> str:
        row = CODES.get(self.code)
        words = row.meaning if row else self.message
        return " ".join(part for part in (self.field, self.code, f"({words})" if words else "") if part)


def believed(answer: Answer, sent: Mapping[str, Any], *, one_code: bool = False) -> dict[str, Any]:
    """Return what a successful answer says, or raise what another one means (protocol 1.3, 3.4).

    ``sent`` are the values that no error may repeat. ``one_code``: the call was about one code, which a 404
    may mean. A success whose code is not 100 contradicts itself. It is taken as not known: as a no it could
    lead to a second code, as a yes to a code that nobody takes.
    """
    if 200 <= answer.status < 300:
        data = _object(answer)
        code = read_text(data.get("code")) if data is not None else ""
        if data is None or code != "100":
            about = "cannot be read" if data is None else f"says code {_safe_code(code)}"
            named = _named_code(data)
            raise OutcomeUnknown(f"PagoEfectivo answered {answer.status}, but the answer {about}{named}.")
        return data
    raise _refusal(answer, sent, one_code)


def complaints(answer: Answer, sent: Mapping[str, Any]) -> list[Complaint]:
    """Return the entries of an error body, the outer one first; none if it has no readable code."""
    outer = _object(answer) or {}
    inner = outer.get("data")
    entries = [outer, *(inner if isinstance(inner, list) else [inner])]
    found = []
    for entry in entries[:20]:
        entry = lower_keys(entry) if isinstance(entry, dict) else {}
        if code := _safe_code(read_text(entry.get("code"))):
            name = FIELDS.get(read_text(entry.get("field")).lower(), "")
            found.append(Complaint(code, name, _safe_message(read_text(entry.get("message")), sent)))
    return found


def issued(data: Mapping[str, Any], charge: Charge, account: str) -> Report:
    """Return the report of a new code (protocol 3.3); raises ``OutcomeUnknown`` if it cannot be ours."""
    found = data.get("data")
    found = lower_keys(found) if isinstance(found, dict) else {}
    code = read_code(found.get("cip"))
    if not code:
        raise OutcomeUnknown("PagoEfectivo says that it made a code, but the answer names none.")
    # The echo is optional. One that contradicts what we asked means a code that pays something else.
    echo = {
        "transactionCode": (read_text(found.get("transactionCode")).upper(), charge.transaction_code.upper()),
        "currency": (read_text(found.get("currency")).upper(), charge.currency),
        "amount": (read_amount(found.get("amount")) or "", charge.amount),
    }
    if wrong := " and ".join(name for name, (heard, asked) in echo.items() if heard not in ("", asked)):
        raise OutcomeUnknown(f"PagoEfectivo made code {code}, but with another {wrong} than we asked for.")
    return Report(
        account=account,
        fact=Fact.ISSUED,
        code=code,
        transaction_code=charge.transaction_code,
        amount=charge.amount,
        currency=charge.currency,
        expires_at=read_date(found.get("dateExpiry")),
        url=_page(found.get("cipUrl")),
        raw=kept(found, ISSUED_FIELDS),
    )


def searched(data: Mapping[str, Any], account: str) -> dict[str, Report]:
    """Return a search's reports by code; empty structures, which stand for unknown codes, are left out."""
    elements = data.get("data")
    if not isinstance(elements, list):
        raise OutcomeUnknown("PagoEfectivo's answer to a search holds no list.")
    reports = [_state(lower_keys(element), account) for element in elements if isinstance(element, dict)]
    return {report.code: report for report in reports if report.code}


def _state(element: Mapping[str, Any], account: str) -> Report:
    """Return what one element says; its dates go before its status, which is only inferred (protocol 4.1)."""
    status = read_text(element.get("status"))
    paid_at = read_date(element.get("datePayment"))
    fact = STATES.get(status, Fact.UNKNOWN)
    if paid_at or fact == Fact.PAYMENT:
        fact = Fact.PAYMENT
    elif read_date(element.get("dateRemoval")):
        fact = Fact.CODE_DELETED
    transaction_code = read_text(element.get("transactionCode"))
    return Report(
        account=account,
        fact=fact,
        code=read_code(element.get("cip")),
        transaction_code=transaction_code if len(transaction_code) <= 36 else "",
        amount=read_amount(element.get("amount")),
        currency=read_currency(element.get("currency")),
        paid_at=paid_at,
        expires_at=read_date(element.get("dateExpiry")),
        detail=f"status {_safe_code(status) or 'unreadable'}" if fact == Fact.UNKNOWN else "",
        raw=kept(element, FOUND_FIELDS),
    )


def _refusal(answer: Answer, sent: Mapping[str, Any], one_code: bool) -> PagoEfectivoError:
    row = STATUSES.get(answer.status)
    error: type[PagoEfectivoError] | None = row.error if row else OutcomeUnknown
    told = complaints(answer, sent)
    if error is Refused:  # a status that leaves the decision to the codes
        named = [CODES[each.code].error for each in told if each.code in CODES]
        if not told:
            error = OutcomeUnknown  # a no of PagoEfectivo has a body; this one is somebody else's
        elif OutcomeUnknown in named:
            error = OutcomeUnknown
        elif Misconfigured in named:
            error = Misconfigured
    elif one_code and answer.status == 404:
        error = Refused
    words = "; ".join(map(str, told)) or (row.meaning if row else "a status that it has no meaning for")
    message = f"PagoEfectivo answered {answer.status}: {words}."
    if error is Refused:
        return Refused(message, codes=tuple(each.code for each in told))
    return (error or OutcomeUnknown)(message)


def _object(answer: Answer) -> dict[str, Any] | None:
    try:
        return lower_keys(strict_json.load(answer.body))
    except Malformed:
        return None


def _named_code(data: Mapping[str, Any] | None) -> str:
    """Return a hint at the code that a contradictory answer names, which lets a person look it up."""
    inner = (data or {}).get("data")
    code = read_code(lower_keys(inner).get("cip")) if isinstance(inner, dict) else ""
    return f" (and names code {code})" if code else ""


def _page(value: Any) -> str:
    """Return the address of the payment page if a browser may be sent there."""
    text = read_text(value)
    return text if re.fullmatch(r"https?://[!-~]{1,480}", text) else ""


def _safe_code(text: str) -> str:
    """Return a code, or an empty text for what may be something else: document numbers begin at 6 digits."""
    return text if re.fullmatch(r"[0-9]{1,5}", text) else ""


def _safe_message(text: str, sent: Mapping[str, Any]) -> str:
    """Return the provider's words if they are few, and none of what was sent is among them."""
    if len(text) > 100 or not text.isprintable() or re.search(r"[0-9@]", text):
        return ""
    folded = _folded(text)
    words = set(re.findall(r"\w+", folded))
    ours = re.findall(r"\w+", _folded(" ".join(map(str, sent.values()))))
    return "" if any(word in words or (len(word) > 2 and word in folded) for word in ours) else text


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()
