"""A channel that presents a link: no digits, nothing to delete, no date or a short one, a list in each message.

OPTIONS: ``BASE_URL``, ``KEY``, ``SECRET``; ``MINUTES``, how long a page lives (none: for ever); ``CAN_FIND``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

from django.utils.dateparse import parse_datetime

from pagoefectivo_django import strict_json
from pagoefectivo_django.channels import http
from pagoefectivo_django.channels.base import (
    Channel,
    Charge,
    CodeRef,
    Hint,
    Incoming,
    Presents,
    Proof,
    RefundReport,
    Report,
    Trust,
    fingerprint,
)
from pagoefectivo_django.channels.http import Call, Deadline
from pagoefectivo_django.errors import InvalidSignature, Malformed, Misconfigured, OutcomeUnknown, Refused, Unsigned
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import Fact, RefundStatus

HEADER = "Linking-Signature"
FACTS = {
    "open": Fact.ISSUED,
    "paid": Fact.PAYMENT,
    "examined": Fact.IN_PROCESS,
    "ended": Fact.CODE_EXPIRED,
    "cancelled": Fact.CODE_DELETED,
    "refunded": Fact.PAYMENT_REVERSED,
}
REFUNDS = {"sent": RefundStatus.SENT, "done": RefundStatus.DONE, "failed": RefundStatus.FAILED}


class LinkingChannel(Channel):
    can_look_up = can_refund = True
    presents = Presents.LINK
    currencies = frozenset({"PEN"})
    option_names = ("BASE_URL", "KEY", "SECRET", "MINUTES", "CAN_FIND")
    log_fields = frozenset(("amount", "currency", "id", "number", "paid_at", "reference", "state"))
    #: Seconds that the provider may be silent.
    timeout: ClassVar[float] = 8.0

    @property
    def account(self) -> str:
        return "linking:1"

    @property
    def can_find(self) -> bool:  # type: ignore[override]
        return bool(self.options.get("CAN_FIND"))

    @property
    def life(self) -> timedelta | None:  # type: ignore[override]
        minutes = self.options.get("MINUTES")
        return timedelta(minutes=minutes) if minutes else None

    def issue(self, charge: Charge) -> Report:
        wanted = {
            "reference": charge.transaction_code, "amount": f"{charge.amount:.2f}", "currency": charge.currency,
        }  # fmt: skip
        report = self._report(self._ask("POST", "pages", wanted))
        if any(getattr(report, name) != getattr(charge, name) for name in ("transaction_code", "amount", "currency")):
            raise OutcomeUnknown(f"The provider made page {report.provider_id}, and not as it was asked for.")
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        wanted = {ref.provider_id: ref for ref in refs if ref.provider_id}
        if not wanted:
            return {}
        reports = [self._report(page) for page in _pages(self._ask("GET", f"pages?ids={quote(','.join(wanted))}"))]
        return {wanted[report.provider_id]: report for report in reports if report.provider_id in wanted}

    def find(self, transaction_code: str) -> Report | None:
        pages = _pages(self._ask("GET", f"references/{quote(transaction_code)}"))
        return self._report(pages[0]) if pages else None

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        wanted = {"amount": f"{money.amount:.2f}", "key": key}
        return _refunded(self._ask("POST", f"pages/{ref.provider_id}/refunds", wanted))

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        return {one: _refunded(self._ask("GET", f"refunds/{quote(one)}")) for one in provider_ids}

    def verify(self, incoming: Incoming) -> Proof:
        signature, secret, body = incoming.header(HEADER), str(self.options["SECRET"]).encode(), incoming.body
        right = hmac.new(secret, body, hashlib.sha256).hexdigest()
        if not signature or not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
            raise (InvalidSignature if signature else Unsigned)("The notification has no valid signature.")
        kept = Incoming(body, {HEADER: signature})
        return Proof(Trust.SIGNED_BODY, fingerprint(secret), hashlib.sha256(body).hexdigest(), kept)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        try:
            return [self._report(page) for page in strict_json.load(incoming.body)["events"]]
        except (ArithmeticError, AttributeError, KeyError, OutcomeUnknown, TypeError, ValueError):
            raise Malformed("The message has no list of pages.") from None

    def fingerprints(self) -> list[str]:
        return [fingerprint(str(self.options["SECRET"]).encode())]

    def _report(self, page: Mapping[str, Any]) -> Report:
        """Return a page as a report; raises ``OutcomeUnknown`` for one without an id or an amount."""
        try:
            return Report(
                account=self.account,
                fact=FACTS.get(page["state"], Fact.UNKNOWN),
                transaction_code=_text(page["reference"]),
                provider_id=_text(page["id"], needed=True),
                amount=Money(Decimal(_text(page["amount"])), page["currency"]).amount,
                currency=page["currency"],
                expires_at=_time(page.get("ends_at")),
                paid_at=_time(page.get("paid_at")),
                operation_number=_text(page.get("number") or ""),
                url=_text(page.get("url") or ""),
                detail="" if page["state"] in FACTS else page["state"][:40],
                raw=page,
            )
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            raise OutcomeUnknown("The provider's answer shows no page.") from None

    def _ask(self, method: str, path: str, wanted: Mapping[str, Any] | None = None) -> dict[str, Any]:
        content = json.dumps(wanted).encode() if wanted else b""
        call = Call(
            method, f"{self.options['BASE_URL']}/{path}", self.timeout, {"Content-Type": "application/json"}, content,
            bearer=str(self.options["KEY"]), repeatable=method == "GET", log_fields=self.log_fields,
        )  # fmt: skip
        answer = http.send(call, Deadline(self.timeout))
        if answer.status in (401, 403):
            raise Misconfigured("The provider refuses the key.")
        if answer.status >= 500:
            raise OutcomeUnknown("The provider has an error of its own.")
        try:
            said = strict_json.load(answer.body)
        except Malformed:
            raise OutcomeUnknown("The provider's answer is not JSON.") from None
        if answer.status >= 400:
            raise Refused("The provider says no.", codes=(str(answer.status),))
        return said


def _time(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None


def _text(value: Any, *, needed: bool = False) -> str:
    if not isinstance(value, str) or (needed and not value):
        raise TypeError
    return value


def _pages(said: Mapping[str, Any]) -> list[Any]:
    if not isinstance(said.get("pages"), list):
        raise OutcomeUnknown("The provider's answer has no list of pages.")
    return list(said["pages"])


def _refunded(refund: Mapping[str, Any]) -> RefundReport:
    try:
        return RefundReport(_text(refund["id"]), REFUNDS[refund["state"]])
    except (KeyError, TypeError, ValueError):
        raise OutcomeUnknown("The provider's answer shows no refund.") from None
