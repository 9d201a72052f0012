"""The provider's answers: sorted into yes, no and not known, and read into reports."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ... import strict_json
from ...errors import Malformed, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused
from ...states import Fact
from ..base import Charge, Report
from ..http import Answer
from .quirks import CODES, STATES, STATUSES, UNKNOWN_STATUS
from .wire import kept, read_amount, read_code, read_currency, read_date, read_object, read_text


def believed(answer: Answer, sent: Mapping[str, Any], *, one_code: bool = False) -> dict[str, Any]:
    """Return what a successful answer says, or raise what another one means (protocol 1.3, 3.4).

    ``sent`` are our fields: an error may name them and may not repeat their values. ``one_code``: a 404 may mean the
    one code that the call is about. A success whose code is not 100 is taken as not known: as a no it could lead to a
    second code, as a yes to a code that nobody takes.
    """
    if 200 <= answer.status < 300:
        data = _object(answer)
        if read_text(data.get("code")) == "100":
            return data
        cip = read_code(read_object(data.get("data")).get("cip"))
        hint = f"; it names CIP {cip}" if cip else ""  # lets a person look it up
        raise OutcomeUnknown(f"PagoEfectivo answered {answer.status}, but without its code for success{hint}.")
    told = complaints(answer, sent)
    row = STATUSES.get(answer.status, UNKNOWN_STATUS)
    error: type[PagoEfectivoError] = row.error or OutcomeUnknown
    if error is Refused:  # a status that leaves the decision to the codes
        named = {CODES[code].error for code, _ in told if code in CODES}
        if not told or OutcomeUnknown in named:  # a no of PagoEfectivo has a body; one without is somebody else's
            error = OutcomeUnknown
        elif Misconfigured in named:
            error = Misconfigured
    elif one_code and answer.status == 404:
        error = Refused
    message = f"PagoEfectivo answered {answer.status}: {'; '.join(text for _, text in told) or row.meaning}."
    raise Refused(message, codes=tuple(code for code, _ in told)) if error is Refused else error(message)


def complaints(answer: Answer, sent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the codes of an error body (protocol 3.4) with words that are safe, the outer one first; at most 20."""
    outer = _object(answer)
    inner = outer.get("data")
    names = {name.lower(): name for name in sent}
    found = []
    for entry in map(read_object, [outer, *(inner if isinstance(inner, list) else [inner])][:20]):
        if code := _safe_code(entry.get("code")):
            name = names.get(read_text(entry.get("field")).lower(), "")
            words = CODES[code].meaning if code in CODES else _safe_message(read_text(entry.get("message")), sent)
            found.append((code, " ".join(filter(None, (name, code, words and f"({words})")))))
    return found


def issued(data: Mapping[str, Any], charge: Charge, account: str) -> Report:
    """Return the report of a new code (protocol 3.3); raises ``OutcomeUnknown`` if it cannot be ours."""
    found = read_object(data.get("data"))
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
    url = read_text(found.get("cipUrl"))
    return Report(
        account=account,
        fact=Fact.ISSUED,
        code=code,
        transaction_code=charge.transaction_code,
        amount=charge.amount,
        currency=charge.currency,
        expires_at=read_date(found.get("dateExpiry")),
        url=url if re.fullmatch("https?://[!-~]{1,480}", url) else "",  # a browser is sent there
        raw=kept(found),
    )


def searched(data: Mapping[str, Any], account: str) -> dict[str, Report]:
    """Return a search's reports by code; empty structures, which stand for unknown codes, are left out."""
    elements = data.get("data")
    if not isinstance(elements, list):
        raise OutcomeUnknown("PagoEfectivo's answer to a search holds no list.")
    reports = [_state(read_object(element), account) for element in elements]
    return {report.code: report for report in reports if report.code}


def _state(element: Mapping[str, Any], account: str) -> Report:
    """Return what one element says; its dates go before its status, which is only inferred (protocol 4.1)."""
    fact = STATES.get(read_text(element.get("status")), Fact.UNKNOWN)
    paid_at = read_date(element.get("datePayment"))
    if paid_at:
        fact = Fact.PAYMENT
    elif read_date(element.get("dateRemoval")) and fact != Fact.PAYMENT:
        fact = Fact.CODE_DELETED
    return Report(
        account=account,
        fact=fact,
        code=read_code(element.get("cip")),
        transaction_code=read_text(element.get("transactionCode"), 36),
        amount=read_amount(element.get("amount")),
        currency=read_currency(element.get("currency")),
        paid_at=paid_at,
        expires_at=read_date(element.get("dateExpiry")),
        detail=f"status {_safe_code(element.get('status')) or 'unreadable'}" if fact == Fact.UNKNOWN else "",
        raw=kept(element),
    )


def _object(answer: Answer) -> dict[str, Any]:
    try:
        return read_object(strict_json.load(answer.body))
    except Malformed:
        return {}


def _safe_code(value: Any) -> str:
    """Return a code, or an empty text for what may be something else: document numbers begin at 6 digits."""
    text = read_text(value)
    return text if re.fullmatch("[0-9]{1,5}", text) else ""


def _safe_message(text: str, sent: Mapping[str, Any]) -> str:
    """Return the provider's words if they are few, and none of what was sent is among them."""
    if len(text) > 100 or not text.isprintable() or re.search("[0-9@]", text):
        return ""
    folded = _folded(text)
    words = set(re.findall(r"\w+", folded))
    ours = re.findall(r"\w+", _folded(" ".join(map(str, sent.values()))))
    return "" if any(word in words or (len(word) > 2 and word in folded) for word in ours) else text


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()
