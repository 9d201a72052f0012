"""The channel to an account at Paddle, the seller of record: a checkout's link for each order.

Assumed, since Paddle's public documents are silent: a checkout's link has no end, so an order ends at its own date; a
transaction is over one payment; an adjustment's total is above zero in both directions.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from ... import strict_json
from ...errors import OutcomeUnknown, Unavailable
from ...money import Money
from ...states import Fact, RefundStatus
from .. import failures
from ..base import (
    Charge,
    CodeRef,
    Examination,
    Hint,
    Incoming,
    Presents,
    Proof,
    RefundReport,
    Report,
    Trust,
    fingerprint,
)
from ..reading import cents, clean, read_address, read_cents, read_currency, read_mapping, read_moment
from ..reading import read_text as text
from ..rest import RestChannel
from ..signing import hex_hmac, signer, unverified
from .rows import BACK, ERRORS, REFUNDS, STATUSES

HEADER = "Paddle-Signature"
#: The key of our number in a transaction's ``custom_data``.
NUMBER = "transaction_code"
#: The most transactions, and the most adjustments, in one answer.
MOST, MOST_REFUNDS = 30, 50


class PaddleChannel(RestChannel):
    """A seller's account at Paddle."""

    provider, title = "paddle", "Paddle"
    hosts: ClassVar = {"sandbox": "https://sandbox-api.paddle.com/", "production": "https://api.paddle.com/"}
    needed = ("API_KEY", "WEBHOOK_SECRETS")
    option_names = ("ENVIRONMENT", "BASE_URL", "TIMEOUT", "ACCOUNT", *needed)
    errors = ERRORS
    presents = Presents.LINK
    can_look_up = can_refund = tells_reversals = True
    log_fields = frozenset(
        (
            *("action", "amount", "captured_at", "code", "collection_mode", "created_at", "currency_code", "event_id"),
            *("event_type", "id", "item_id", "occurred_at", "quantity", "request_id", "status", "subtotal", "tax"),
            *("tax_category", "tax_mode", "total", "transaction_code", "transaction_id", "type", "updated_at"),
        )
    )

    @property
    def batch_size(self) -> int:
        """The number of transactions in one list, at most 30."""
        return min(super().batch_size, MOST)

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key('API_KEY')}"}

    def error_code(self, said: Mapping[str, Any]) -> str:
        return text(read_mapping(said.get("error")).get("code"))

    # Asking.

    def issue(self, charge: Charge) -> Report:
        report = self._report(read_mapping(self.ask("POST", "transactions", _transaction(charge)).get("data")))
        echo = (report.fact, report.transaction_code, report.amount, report.currency)
        if not report.url or echo != (Fact.ISSUED, charge.transaction_code, charge.amount, charge.currency):
            raise failures.not_as_requested(self.title, report.provider_id)
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        # One name that is no id of Paddle's would be an error for the whole list.
        wanted = {ref.provider_id: ref for ref in refs if _is_id(ref.provider_id)}
        names = list(wanted)
        found: dict[CodeRef, Report] = {}
        for begin in range(0, len(names), self.batch_size):
            batch = ",".join(names[begin : begin + self.batch_size])
            for said in self._list(f"transactions?id={batch}&per_page={MOST}&include=adjustments"):
                report = self._report(said, asked=True)
                if report.provider_id in wanted:
                    found[wanted[report.provider_id]] = report
        return found

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        try:
            said = read_mapping(self.ask("GET", f"transactions/{quote(ref.provider_id, safe='')}").get("data"))
            total, item = self._report(said).amount, _item(said)
            if not item:
                raise failures.unreadable(self.title)
        except OutcomeUnknown as error:  # asked before anything was sent
            raise error.recast(Unavailable) from None
        asked: dict[str, Any] = {
            "action": "refund",
            "type": "full",
            "transaction_id": ref.provider_id,
            "reason": f"refund {key}",
        }
        if total != money.amount:
            part = {"item_id": item, "type": "partial", "amount": str(cents(money.amount))}
            asked |= {"type": "partial", "items": [part]}
        return _refund_report(read_mapping(self.ask("POST", "adjustments", asked).get("data")))

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        names, found = list(dict.fromkeys(provider_ids)), {}
        for begin in range(0, len(names), MOST_REFUNDS):
            batch = quote(",".join(names[begin : begin + MOST_REFUNDS]), safe=",")
            for report in map(_refund_report, self._list(f"adjustments?id={batch}&per_page={MOST_REFUNDS}")):
                found[report.provider_id] = report
        return found

    def examine(self) -> Examination | None:
        try:
            self.ask("GET", "transactions?per_page=1")
        except OutcomeUnknown as error:
            raise error.recast(Unavailable) from None
        return Examination(urlsplit(self.base_url).netloc, None)

    def _list(self, path: str) -> list[dict[str, Any]]:
        """Return a list that fits into one answer."""
        said = self.ask("GET", path)
        more = read_mapping(read_mapping(said.get("meta")).get("pagination")).get("has_more")
        if not isinstance(said.get("data"), list) or more is True:
            raise failures.not_whole(self.title)
        return [read_mapping(each) for each in said["data"]]

    def _report(self, said: Mapping[str, Any], *, asked: bool = False) -> Report:
        """Return the report of a transaction; ``asked``: with its adjustments, which no message holds."""
        name, word = text(said.get("id"), 64), text(said.get("status"), 40)
        totals = read_mapping(read_mapping(said.get("details")).get("totals"))
        fact, amount = STATUSES.get(word, Fact.UNKNOWN), read_cents(totals.get("total"))
        currency, paid_at = read_currency(said.get("currency_code")), _paid_at(said)
        if not (_is_id(name) and word and amount and currency) or (fact == Fact.PAYMENT and not paid_at):
            raise failures.unreadable(self.title)
        report = Report(
            self.account,
            fact,
            transaction_code=text(read_mapping(said.get("custom_data")).get(NUMBER), 64),
            amount=amount,
            currency=currency,
            paid_at=paid_at if fact == Fact.PAYMENT else None,
            # A transaction is over one payment: an event that comes after a refund repeats the payment.
            operation_number=name if fact == Fact.PAYMENT else "",
            provider_id=name,
            url=read_address(read_mapping(said.get("checkout")).get("url")),
            detail="" if word in STATUSES else word,
        )
        if not asked or fact != Fact.PAYMENT:
            return report
        returned = _returned(said)
        return replace(report, returned=returned, fact=Fact.PAYMENT_REVERSED if returned >= amount else fact)

    # Messages.

    def verify(self, incoming: Incoming) -> Proof:
        moment, signatures = _parts(incoming.header(HEADER))
        text = moment.encode() + b":" + incoming.body
        secret = signer(self.secrets(self.options), text, *signatures)
        if secret is None:
            raise unverified(incoming.header(HEADER))
        kept = Incoming(incoming.body, {HEADER: f"ts={moment};h1={hex_hmac(secret, text)}"})
        # The same message sent again has another moment, so the body alone tells messages apart.
        return Proof(Trust.SIGNED_BODY, fingerprint(secret), hashlib.sha256(incoming.body).hexdigest(), kept)

    def signed(self, body: bytes) -> dict[str, str]:
        secrets, moment = self.secrets(self.options), str(int(time.time()))
        text = moment.encode() + b":" + body
        return {HEADER: f"ts={moment};h1={hex_hmac(secrets[0], text)}"} if secrets else {}

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        said = strict_json.load(incoming.body)
        data = read_mapping(said.get("data"))
        try:
            report = self._report(data)
        except OutcomeUnknown:  # no transaction, or not a whole one
            report = None
        if report and report.fact == Fact.PAYMENT and report.transaction_code:
            return [report]
        name = next((one for one in (text(data.get("id")), text(data.get("transaction_id"))) if _is_id(one)), "")
        if not name:
            raise failures.names_nothing()
        return [Hint(self.account, provider_id=name)]


def _transaction(charge: Charge) -> dict[str, Any]:
    """Return the fields of a request for a transaction over one item, whose price holds the taxes."""
    name = clean(charge.concept, 150) or charge.transaction_code
    price = {
        "description": name,
        "unit_price": {"amount": str(cents(charge.amount)), "currency_code": charge.currency},
        "tax_mode": "internal",
        "product": {"name": name, "tax_category": "standard"},
    }
    return {
        "items": [{"quantity": 1, "price": price}],
        "currency_code": charge.currency,
        "collection_mode": "automatic",
        "custom_data": {NUMBER: charge.transaction_code},
    }


def _is_id(name: str) -> bool:
    return re.fullmatch("txn_[a-z0-9]{1,60}", name) is not None


def _paid_at(said: Mapping[str, Any]) -> datetime | None:
    """Return when the money of a transaction was captured, or when the transaction last changed."""
    payments = said.get("payments")
    payments = [read_mapping(each) for each in payments] if isinstance(payments, list) else []
    captured = [each.get("captured_at") for each in payments if text(each.get("status")) == "captured"]
    moments = (read_moment(each, UTC) for each in (*captured, said.get("billed_at"), said.get("updated_at")))
    return next(filter(None, moments), None)


def _item(said: Mapping[str, Any]) -> str:
    """Return Paddle's id of the only item of a transaction."""
    items = read_mapping(said.get("details")).get("line_items")
    return text(read_mapping(items[0]).get("id"), 64) if isinstance(items, list) and items else ""


def _returned(said: Mapping[str, Any]) -> Decimal:
    """Return the sum of what was given or charged back; a transaction without any names no adjustments."""
    adjustments = said.get("adjustments")
    done = [read_mapping(each) for each in adjustments] if isinstance(adjustments, list) else []
    done = [each for each in done if text(each.get("action")) in BACK and text(each.get("status")) == "approved"]
    sums = [read_cents(read_mapping(each.get("totals")).get("total")) for each in done]
    if None in sums:
        raise failures.unreadable(PaddleChannel.title)
    return sum(filter(None, sums), Decimal(0))


def _refund_report(said: Mapping[str, Any]) -> RefundReport:
    name, word = text(said.get("id"), 64), text(said.get("status"), 40)
    if not (name and word):
        raise failures.unreadable(PaddleChannel.title)
    return RefundReport(name, REFUNDS.get(word, RefundStatus.SENT), "" if word in REFUNDS else word)


def _parts(header: str) -> tuple[str, list[str]]:
    """Return the moment and the signatures of a header; nothing for a header with anything else."""
    pairs = [part.strip().partition("=") for part in header.split(";")]
    moments = [value for name, _, value in pairs if name == "ts"]
    signatures = [value.lower() for name, _, value in pairs if name == "h1"]
    whole = len(moments) + len(signatures) == len(pairs) and len(moments) == 1
    return (moments[0], signatures) if whole and re.fullmatch("[0-9]{1,20}", moments[0]) else ("", [])
