"""The channel to EBANX: one method for each call of its direct API."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.utils import timezone

from ...errors import InvalidRequest, OutcomeUnknown, Refused, Unavailable
from ...errors import gettext_noop as _
from ...money import Money
from ...payer import Payer
from ...states import Fact, RefundStatus
from .. import failures
from ..base import Charge, CodeRef, Examination, Hint, Incoming, Proof, RefundReport, Report, fingerprint
from ..http import Answer
from ..reading import LIMA, clean, read_address, read_amount, read_code, read_currency, read_mapping, read_moment
from ..reading import read_text as text
from ..rest import RestChannel
from . import notices
from .options import EbanxOptions, certificates, signed
from .rows import ERRORS, REFUND_STATES, STATES

#: The fields of a payment that are stored beside its report; none is personal data.
KEPT = (
    *("hash", "merchant_payment_code", "status", "status_date", "open_date", "confirm_date", "due_date"),
    *("amount_br", "amount_ext", "currency_ext", "payment_type_code", "cip_code"),
)


class EbanxChannel(EbanxOptions, RestChannel):
    """A merchant's account at EBANX, which sells PagoEfectivo's codes.

    OPTIONS: ``KEY_ID`` and ``PRIVATE_KEY`` (signed calls), or ``INTEGRATION_KEY`` (older accounts); ``ENVIRONMENT`` or
    ``BASE_URL``; ``WEBHOOK_CERTIFICATES`` (EBANX's public certificates as PEM texts; without, every notification is
    refused); ``NOT_FOUND_CODES``; ``ACCOUNT`` (a name of yours, ``main``); ``TIMEOUT``.

    Assumptions, where EBANX's public documents are silent:

    * A code can be paid until the end of its due date in Lima: requests name a day, never an hour.
    * Times without a zone are of Lima, the latest of the zones that may be meant, but not after the answer: a late
      payment is never taken for one in time.
    * The answer to a query names a code as the answer to its creation does.
    * By which code EBANX says that a payment does not exist is not public. ``NOT_FOUND_CODES`` names the code; without,
      a lost code that EBANX does not have stays lost until a person decides.
    * The limits of amounts and of dates are those of PagoEfectivo's network; a shorter one of EBANX is a refusal.
    """

    title = "EBANX"
    errors = ERRORS
    errors_in_success = True
    can_look_up = can_find = can_delete = can_refund = True
    #: Refunds stand in a payment's own list, whoever asked for them; PagoEfectivo knows no chargebacks.
    tells_reversals = True
    currencies = frozenset(("PEN", "USD"))
    expires_within = (timedelta(minutes=10), timedelta(days=182))
    log_fields: ClassVar = frozenset(
        (
            *(*KEPT, "amount", "amount_total", "country", "currency_code", "id", "merchant_refund_code", "mode"),
            *("operation", "request_date", "status_code"),
        )
    )

    #: The source of the current time; tests replace it.
    clock: Callable[[], datetime] = staticmethod(timezone.now)

    @property
    def batch_size(self) -> int:
        """One: a query is about one payment, so the account's pace counts each."""
        return 1

    # Every call is a POST with JSON.

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        _, key_id, private_key = self.keys
        return {"X-JWS-Signature": signed(key_id, private_key, content)} if key_id else {}

    def send(
        self, method: str, path: str, fields: Any = None, *, repeatable: bool = False, idempotency_key: str = ""
    ) -> Answer:
        integration_key, *_ = self.keys
        fields = ({"integration_key": integration_key} if integration_key else {}) | fields
        return super().send(method, path, fields, repeatable=repeatable, idempotency_key=idempotency_key)

    def error_code(self, said: Mapping[str, Any]) -> str:
        return text(said.get("status_code")) if said.get("status") == "ERROR" else ""

    def believed(self, answer: Answer) -> dict[str, Any]:
        said = super().believed(answer)
        if said.get("status") != "SUCCESS":
            raise failures.unreadable(self.title)
        return said

    # Calls.

    def issue(self, charge: Charge) -> Report:
        asked = {"operation": "request", "mode": "full", "payment": _payment(charge)}
        report = self._report(read_mapping(self.ask("POST", "ws/direct", asked).get("payment")))
        echo = (report.fact, report.transaction_code, report.amount, report.currency)
        if not report.code or echo != (Fact.ISSUED, charge.transaction_code, charge.amount, charge.currency):
            raise failures.not_as_requested(self.title, report.provider_id)
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        found = {}
        for ref in refs:
            # EBANX can't be asked by the digits that the payer types.
            if (names := _names(ref)) and (payment := self._payment_of(names)) is not None:
                found[ref] = self._report(payment)
        return found

    def find(self, transaction_code: str) -> Report | None:
        payment = self._payment_of({"merchant_payment_code": transaction_code})
        return None if payment is None else self._report(payment)

    def delete(self, ref: CodeRef) -> None:
        if not ref.provider_id:
            raise InvalidRequest(_("EBANX cancels a payment by its hash, which is not known."), code="hash_unknown")
        # Not repeatable: after a first call that worked the second is refused, and that no would hide the truth.
        payment = read_mapping(self.ask("POST", "ws/cancel", {"hash": ref.provider_id}).get("payment"))
        if (text(payment.get("hash")), text(payment.get("status"))) != (ref.provider_id, "CA"):
            raise failures.not_deleted(self.title)

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        # EBANX takes 20 letters for our number of a refund, and does not hold the number to be unique.
        number = hashlib.sha256(key.encode()).hexdigest()[:20]
        asked = {
            "operation": "request",
            "amount": money.amount,
            "description": "Refund",
            "merchant_refund_code": number,
        }
        said = self.ask("POST", "ws/refund", _names(ref) | asked)
        refund, payment = read_mapping(said.get("refund")), text(read_mapping(said.get("payment")).get("hash"), 48)
        amount, name = read_amount(refund.get("amount_ext")), text(refund.get("id"), 15)
        if not (name and payment) or ref.provider_id not in ("", payment) or amount not in (None, money.amount):
            raise failures.about_another(self.title) if name and payment else failures.unreadable(self.title)
        return _refund_report(payment, refund)

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        wanted: dict[str, list[str]] = {}
        for each in provider_ids:
            wanted.setdefault(each.partition(":")[0], []).append(each)
        found: dict[str, RefundReport] = {}
        for payment, names in wanted.items():
            reports = [_refund_report(payment, each) for each in _refunds(self._payment_of({"hash": payment}) or {})]
            found |= {report.provider_id: report for report in reports if report.provider_id in names}
        return found

    # Messages.

    def verify(self, incoming: Incoming) -> Proof:
        return notices.verify(incoming, certificates(self.options), self._name_of)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        return [*notices.read(incoming, self.account)]

    def fingerprints(self) -> list[str]:
        return [self._name_of(each) for each in certificates(self.options)]

    def _name_of(self, certificate: bytes) -> str:
        # Of this account: EBANX signs for every merchant with one key, and two accounts with it are no fault (E014).
        return fingerprint(self.account.encode() + b"\n" + certificate)

    def examine(self) -> Examination:
        """Ask about a payment that does not exist, since EBANX documents no call that only tries the keys."""
        try:
            answer = self.send("POST", "ws/query", {"merchant_payment_code": "pagoefectivo-doctor"}, repeatable=True)
            self.believed(answer)
        except Refused as error:
            if not self.not_found_codes.intersection(error.codes):
                raise Unavailable(
                    _(
                        "A payment that does not exist was looked up; if the code says so, add the code to "
                        "NOT_FOUND_CODES. %(said)s"
                    ),
                    code="not_found_code_missing",
                    said=error,
                ) from None
        except OutcomeUnknown as error:
            raise error.recast(Unavailable) from None
        ahead = None
        with suppress(ValueError, TypeError):
            ahead = self.clock() - parsedate_to_datetime(answer.date)
        return Examination(urlsplit(self.base_url).netloc, ahead)

    # Answers.

    def _payment_of(self, names: Mapping[str, str]) -> dict[str, Any] | None:
        """Return EBANX's answer about a payment of these names, None if EBANX certainly has no such payment."""
        try:
            said = self.ask("POST", "ws/query", names, repeatable=True)
        except Refused as error:
            if self.not_found_codes.intersection(error.codes):
                return None
            raise error.recast(OutcomeUnknown) from None
        payment = read_mapping(said.get("payment"))
        if not payment:
            raise failures.unreadable(self.title)
        if any(text(payment.get(name)) != value for name, value in names.items()):
            raise failures.about_another(self.title)
        return payment

    def _report(self, payment: Mapping[str, Any]) -> Report:
        word, amount = text(payment.get("status")), read_amount(payment.get("amount_ext"))
        fact, expires_at = STATES.get(word, Fact.UNKNOWN), _end_of(payment.get("due_date"))
        paid_at = returned = None
        if fact == Fact.PAYMENT:
            confirmed = read_moment(payment.get("confirm_date"), LIMA)
            paid_at = confirmed and min(confirmed, self.clock())
            returned = _returned(payment)
            if amount and returned is not None and returned >= amount:
                fact = Fact.PAYMENT_REVERSED
        if fact == Fact.CODE_DELETED and expires_at:
            ended_at = read_moment(payment.get("status_date"), LIMA) or self.clock()
            fact = Fact.CODE_EXPIRED if ended_at > expires_at else fact
        provider_id = text(payment.get("hash"), 64)
        if not provider_id:
            raise failures.unreadable(self.title)
        return Report(
            account=self.account,
            fact=fact,
            code=read_code(payment.get("cip_code")),
            transaction_code=text(payment.get("merchant_payment_code"), 40),
            provider_id=provider_id,
            payment_id=provider_id,
            amount=amount,
            currency=read_currency(payment.get("currency_ext")),
            paid_at=paid_at,
            expires_at=expires_at,
            url=read_address(payment.get("cip_url")),
            returned=returned,
            detail=clean(word, 40) if fact == Fact.UNKNOWN else "",
            raw={name: shown for name in KEPT if (shown := text(payment.get(name), 64))},
        )


def _payment(charge: Charge) -> dict[str, Any]:
    """Return the fields of a new payment; what is not known of the payer is left out."""
    payer = charge.payer
    fields = {
        "name": clean(f"{payer.name} {payer.last_name}", 100),
        "email": payer.email,
        "phone_number": payer.phone,
        "document": _document(payer),
        "country": "pe",
        "currency_code": charge.currency,
        "amount_total": charge.amount,
        "merchant_payment_code": charge.transaction_code,
        "payment_type_code": "pagoefectivo",
        "due_date": charge.expires_at.astimezone(LIMA).strftime("%d/%m/%Y"),
    }
    return {name: value for name, value in fields.items() if value != ""}


def _document(payer: Payer) -> str:
    """Return the payer's document if EBANX would take the number: 8, 9 or 11 digits."""
    number = payer.document_number
    return number if re.fullmatch("[0-9]{8,9}|[0-9]{11}", number) else ""


def _names(ref: CodeRef) -> dict[str, str]:
    """Return the name by which EBANX is asked about a payment; empty where none is known."""
    if ref.provider_id:
        return {"hash": ref.provider_id}
    return {"merchant_payment_code": ref.transaction_code} if ref.transaction_code else {}


def _end_of(day: Any) -> datetime | None:
    """Return the last second in Lima of a day written as ``2026-12-1``, else None."""
    found = re.fullmatch("([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", text(day))
    return read_moment("{}-{:0>2}-{:0>2}T23:59:59".format(*found.groups()), LIMA) if found else None


def _refunds(payment: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    listed = payment.get("refunds")
    return map(read_mapping, listed if isinstance(listed, list) else [])


def _returned(payment: Mapping[str, Any]) -> Decimal | None:
    """Return the sum of a payment's confirmed refunds; None where the answer has no list, or an unreadable amount."""
    if not isinstance(payment.get("refunds"), list):
        return None
    confirmed = (each for each in _refunds(payment) if REFUND_STATES.get(text(each.get("status"))) == RefundStatus.DONE)
    amounts = [read_amount(each.get("amount_ext")) for each in confirmed]
    return None if None in amounts else sum(filter(None, amounts), Decimal(0))


def _refund_report(payment: str, refund: Mapping[str, Any]) -> RefundReport:
    """Return the report of a refund, named by its payment too: EBANX tells refunds only as a part of their payment."""
    word = text(refund.get("status"))
    status = REFUND_STATES.get(word, RefundStatus.SENT)
    detail = "EBANX cancelled the refund." if status == RefundStatus.FAILED else ""
    return RefundReport(f"{payment}:{text(refund.get('id'), 15)}", status, detail)
