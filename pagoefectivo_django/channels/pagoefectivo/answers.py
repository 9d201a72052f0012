"""PagoEfectivo's answers: sorted into yes, no and not known, and read into reports."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ... import strict_json
from ...errors import Malformed, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused
from ...errors import gettext_noop as _
from ...states import Fact
from .. import failures
from ..base import Charge, Report
from ..failures import Complaint, meaning
from ..http import Answer
from ..reading import read_address, read_amount, read_code, read_currency, read_moment, read_text
from .quirks import CODES, STATES, STATUSES, UNKNOWN_STATUS
from .wire import kept, read_object

#: The provider's name in sentences.
PROVIDER = "PagoEfectivo"


def believed(answer: Answer, sent: Mapping[str, Any], *, one_code: bool = False) -> dict[str, Any]:
    """Return the JSON of a successful answer, or raise the error that a failure means (protocol 1.3, 3.4).

    ``sent`` are our fields: the error may name them and may not repeat their values. ``one_code``: the call is about
    one code, so a 404 may mean that code. A success whose code is not 100 raises ``OutcomeUnknown``: taken as a no it
    could lead to a second code, taken as a yes to a code that nobody keeps.
    """
    if 200 <= answer.status < 300:
        data = _object(answer)
        if read_text(data.get("code")) == "100":
            return data
        if cip := read_code(read_object(data.get("data")).get("cip")):  # lets a person look the code up
            raise OutcomeUnknown(
                _("PagoEfectivo answered %(status)d without its code for success, and names CIP %(cip)s."),
                code="success_without_code",
                status=answer.status,
                cip=cip,
            )
        raise failures.answered(OutcomeUnknown, PROVIDER, answer.status, complaints(answer, sent))
    told = complaints(answer, sent)
    codes = [each.code.rpartition(" ")[2] for each in told]
    row = STATUSES.get(answer.status, UNKNOWN_STATUS)
    error: type[PagoEfectivoError] = row.error or OutcomeUnknown
    if error is Refused:  # the status alone does not decide: the error codes do
        named = {CODES[code].error for code in codes if code in CODES}
        if not told or OutcomeUnknown in named:  # PagoEfectivo's no has a body; a no without is a proxy's
            error = OutcomeUnknown
        elif Misconfigured in named:
            error = Misconfigured
    elif one_code and answer.status == 404:
        error = Refused
    raise failures.answered(error, PROVIDER, answer.status, told or [Complaint("", meaning(row.meaning))], codes)


def complaints(answer: Answer, sent: Mapping[str, Any]) -> list[Complaint]:
    """Return the errors in an error body (protocol 3.4) with safe words for each, the outer one first; at most 20.

    A complaint about a field of ours has the field's name before its code, such as ``userEmail 113``.
    """
    outer = _object(answer)
    inner = outer.get("data")
    names = {name.lower(): name for name in sent}
    found = []
    for entry in map(read_object, [outer, *(inner if isinstance(inner, list) else [inner])][:20]):
        if code := _safe_code(entry.get("code")):
            name = names.get(read_text(entry.get("field")).lower(), "")
            known = meaning(CODES[code].meaning) if code in CODES else ""
            words = known or _safe_message(read_text(entry.get("message")), sent)
            found.append(Complaint(f"{name} {code}".lstrip(), words))
    return found


def issued(data: Mapping[str, Any], charge: Charge, account: str) -> Report:
    """Return the report of a new code (protocol 3.3); raises ``OutcomeUnknown`` if the code is not as requested."""
    found = read_object(data.get("data"))
    code = read_code(found.get("cip"))
    if not code:
        raise failures.unreadable(PROVIDER)
    # The echo of our fields is optional. An echo that contradicts the request means a code that pays something else.
    echo = {
        "transactionCode": (read_text(found.get("transactionCode")).upper(), charge.transaction_code.upper()),
        "currency": (read_text(found.get("currency")).upper(), charge.currency),
        "amount": (read_amount(found.get("amount")) or "", charge.amount),
    }
    if names := ", ".join(name for name, (heard, asked) in echo.items() if heard not in ("", asked)):
        raise OutcomeUnknown(
            _("PagoEfectivo made code %(cip)s, but with other values than requested: %(names)s."),
            code="code_of_other_values",
            cip=code,
            names=names,
        )
    return Report(
        account=account,
        fact=Fact.ISSUED,
        code=code,
        transaction_code=charge.transaction_code,
        amount=charge.amount,
        currency=charge.currency,
        expires_at=read_moment(found.get("dateExpiry")),
        url=read_address(found.get("cipUrl")),
        raw=kept(found),
    )


def searched(data: Mapping[str, Any], account: str) -> dict[str, Report]:
    """Return a search's reports by code; empty elements, which stand for unknown codes, are left out."""
    elements = data.get("data")
    if not isinstance(elements, list):
        raise failures.unreadable(PROVIDER)
    reports = [_state(read_object(element), account) for element in elements]
    return {report.code: report for report in reports if report.code}


def _state(element: Mapping[str, Any], account: str) -> Report:
    """Return the report of an element; dates decide before the status, a status being only inferred (4.1)."""
    fact = STATES.get(read_text(element.get("status")), Fact.UNKNOWN)
    paid_at = read_moment(element.get("datePayment"))
    if paid_at:
        fact = Fact.PAYMENT
    elif read_moment(element.get("dateRemoval")) and fact != Fact.PAYMENT:
        fact = Fact.CODE_DELETED
    return Report(
        account=account,
        fact=fact,
        code=read_code(element.get("cip")),
        transaction_code=read_text(element.get("transactionCode"), 36),
        amount=read_amount(element.get("amount")),
        currency=read_currency(element.get("currency")),
        paid_at=paid_at,
        expires_at=read_moment(element.get("dateExpiry")),
        detail=_safe_code(element.get("status")) if fact == Fact.UNKNOWN else "",
        raw=kept(element),
    )


def _object(answer: Answer) -> dict[str, Any]:
    try:
        return read_object(strict_json.load(answer.body))
    except Malformed:
        return {}


def _safe_code(value: Any) -> str:
    """Return a code of 1 to 5 digits, else an empty text: a number of 6 digits or more may be a document's."""
    text = read_text(value)
    return text if re.fullmatch("[0-9]{1,5}", text) else ""


def _safe_message(text: str, sent: Mapping[str, Any]) -> str:
    """Return the provider's message if short, without digits and ``@``, and without any word of the fields sent."""
    if len(text) > 100 or not text.isprintable() or re.search("[0-9@]", text):
        return ""
    folded = _folded(text)
    words = set(re.findall(r"\w+", folded))
    ours = re.findall(r"\w+", _folded(" ".join(map(str, sent.values()))))
    return "" if any(word in words or (len(word) > 2 and word in folded) for word in ours) else text


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()
