"""A channel to the provider of ``hinting_server``, written by the manual: ids, hints, refunds that take days."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from pagoefectivo_django import strict_json
from pagoefectivo_django.channels import base, http
from pagoefectivo_django.channels.base import CodeRef, Hint, Incoming, Proof, RefundReport, Report, Trust, fingerprint
from pagoefectivo_django.errors import InvalidSignature, Malformed, Misconfigured, OutcomeUnknown, Refused, Unsigned
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import Fact, RefundStatus

WORDS = {
    "pending": Fact.ISSUED,
    "in_process": Fact.IN_PROCESS,
    "approved": Fact.PAYMENT,
    "rejected": Fact.CODE_FAILED,
    "expired": Fact.CODE_EXPIRED,
    "cancelled": Fact.CODE_DELETED,
    "refunded": Fact.PAYMENT_REVERSED,
    "charged_back": Fact.PAYMENT_REVERSED,
}
REFUND_WORDS = {"approved": RefundStatus.DONE, "rejected": RefundStatus.FAILED}
TEXTS = ("id", "reference", "status", "currency", "expires_at", "operation", "url")


class HintingChannel(base.Channel):
    """OPTIONS: ``BASE_URL``, ``MERCHANT``, ``TOKEN``, ``WEBHOOK_SECRETS``; ``TIMEOUT`` (8 s)."""

    can_look_up = can_find = can_delete = can_refund = tells_reversals = True
    presents = base.Presents.LINK
    option_names = ("BASE_URL", "MERCHANT", "TOKEN", "WEBHOOK_SECRETS", "TIMEOUT")
    log_fields = frozenset(("currency", "expires_at", "hundredths", "id", "paid_at", "reference", "status"))

    @property
    def account(self) -> str:
        return f"hinting:test:{self.options['MERCHANT']}"

    def issue(self, charge: base.Charge) -> Report:
        payer = {"email": charge.payer.email, "name": f"{charge.payer.name} {charge.payer.last_name}".strip()}
        asked = {
            "reference": charge.transaction_code,
            "hundredths": int(charge.amount * 100),
            "currency": charge.currency,
            "expires_at": charge.expires_at.isoformat(),
            "title": charge.concept,
            "payer": payer,
        }
        report = self._report(self._ask("POST", "payments", asked))
        echo = ("transaction_code", "amount", "currency")
        if report.fact != Fact.ISSUED or any(getattr(report, each) != getattr(charge, each) for each in echo):
            raise OutcomeUnknown(f"The provider made {report.provider_id}, and not as it was asked for.")
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        wanted = {ref.provider_id: ref for ref in refs if ref.provider_id}
        found = map(self._report, self._ask_about("payments", wanted))
        return {wanted[report.provider_id]: report for report in found if report.provider_id in wanted}

    def find(self, transaction_code: str) -> Report | None:
        answer = self._ask("GET", f"payments?reference={quote(transaction_code, safe='')}")
        found = map(self._report, _results(answer))
        return next((report for report in found if report.transaction_code == transaction_code), None)

    def delete(self, ref: CodeRef) -> None:
        answer = self._ask("DELETE", f"payments/{quote(ref.provider_id, safe='')}")
        if self._report(answer).fact != Fact.CODE_DELETED:
            raise OutcomeUnknown("The provider doesn't say that it cancelled the payment.")

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        asked = {"hundredths": int(money.amount * 100), "key": key}
        return _refund_report(self._ask("POST", f"payments/{quote(ref.provider_id, safe='')}/refunds", asked))

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        found = map(_refund_report, self._ask_about("refunds", provider_ids))
        return {report.provider_id: report for report in found}

    def verify(self, incoming: Incoming) -> Proof:
        signature, query = incoming.header("X-Signature").lower(), parse_qs(incoming.query)
        names = {name: query.get(name, [""])[0] for name in ("id", "topic")}
        text = ";".join(f"{name}:{value}" for name, value in names.items()).encode(errors="replace")
        for secret in map(str.encode, self.options["WEBHOOK_SECRETS"]):
            signed = hmac.new(secret, text, hashlib.sha256).hexdigest().encode()
            if hmac.compare_digest(signed, signature.encode(errors="replace")):
                # The signature leaves the body out, so nothing of the body is kept.
                kept = Incoming(b"", {"X-Signature": signature}, urlencode(names))
                return Proof(Trust.SIGNED_SENDER, fingerprint(secret), hashlib.sha256(text).hexdigest(), kept)
        raise (InvalidSignature if signature else Unsigned)("The notification has no valid signature.")

    def fingerprints(self) -> list[str]:
        return [fingerprint(secret.encode()) for secret in self.options["WEBHOOK_SECRETS"]]

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        query = parse_qs(incoming.query)
        if query.get("topic") != ["payment"] or "id" not in query:
            raise Malformed("The notification names no payment.")
        return [Hint(self.account, provider_id=query["id"][0])]

    def _ask_about(self, path: str, names: Iterable[str]) -> Iterator[Any]:
        """Yield what the provider knows about ids, in batches; an error in one is an error in all."""
        ids = list(dict.fromkeys(names))
        for begin in range(0, len(ids), self.batch_size):
            batch = ",".join(ids[begin : begin + self.batch_size])
            yield from _results(self._ask("GET", f"{path}?ids={quote(batch, safe=',')}"))

    def _ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        """Send a call and return the JSON of a yes, else raise the error that the answer means."""
        timeout, body = float(self.options.get("TIMEOUT") or 8), json.dumps(content).encode() if content else b""
        url, headers = f"{self.options['BASE_URL'].rstrip('/')}/{path}", {"Content-Type": "application/json"}
        sending = {"bearer": self.options["TOKEN"], "repeatable": method == "GET", "log_fields": self.log_fields}
        answer = http.send(http.Call(method, url, timeout, headers, body, **sending), http.Deadline(timeout + 2))
        try:
            said = strict_json.load(answer.body)
        except Malformed:
            raise OutcomeUnknown(f"The provider answered {answer.status}, and no JSON object.") from None
        if answer.status in (200, 201):
            return said
        if answer.status in (401, 403):
            raise Misconfigured(f"The provider answered {answer.status}; check TOKEN.")
        no = answer.status in (400, 404, 409) and isinstance(said.get("error"), str)
        raise (Refused if no else OutcomeUnknown)(f"The provider answered {answer.status}.")

    def _report(self, data: Any) -> Report:
        try:
            if any(not isinstance(data[name], str) for name in TEXTS) or not data["id"]:
                raise TypeError
            return Report(
                account=self.account,
                fact=WORDS.get(data["status"], Fact.UNKNOWN),
                transaction_code=data["reference"],
                amount=Money(_decimal(data["hundredths"]), data["currency"]).amount,
                currency=data["currency"],
                paid_at=_moment(data["paid_at"]) if data["paid_at"] is not None else None,
                expires_at=_moment(data["expires_at"]),
                operation_number=data["operation"],
                provider_id=data["id"],
                url=data["url"],
                returned=_decimal(data["refunded_hundredths"]),
                detail="" if data["status"] in WORDS else data["status"][:40],
            )
        except (KeyError, TypeError, ValueError):
            raise OutcomeUnknown("The provider's answer about a payment can't be read.") from None


def _results(answer: dict[str, Any]) -> list[Any]:
    if not isinstance(answer.get("results"), list):
        raise OutcomeUnknown("The provider's answer holds no list.")
    return list(answer["results"])


def _refund_report(data: Any) -> RefundReport:
    try:
        return RefundReport(data["id"], REFUND_WORDS.get(data["status"], RefundStatus.SENT))
    except (KeyError, TypeError, ValueError):
        raise OutcomeUnknown("The provider's answer about a refund can't be read.") from None


def _decimal(value: Any) -> Decimal:
    if type(value) is not int or value < 0:
        raise TypeError
    return Decimal(value) / 100


def _moment(value: Any) -> datetime:
    if (moment := datetime.fromisoformat(value)).tzinfo is None:
        raise ValueError
    return moment
