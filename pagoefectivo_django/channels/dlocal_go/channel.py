"""The channel to dLocal Go: one method for each call of the protocol (aggregators 3.10, additions B.4)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from ... import strict_json
from ...errors import OutcomeUnknown, Refused, Unavailable
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
from ..options import NO_ADDRESS, Fault
from ..reading import clean, read_address, read_amount, read_currency, read_mapping, read_text
from ..rest import RestChannel
from ..signing import hex_hmac, unverified

#: The words for the status of a payment. ``COMPLETED`` occurs in one type comment only, and stays unknown.
FACTS = {
    "PENDING": Fact.ISSUED,
    "PAID": Fact.PAYMENT,
    # A try that failed or was left ends the link, and not the order: the payer's next press asks for another link.
    "REJECTED": Fact.CODE_EXPIRED,
    "CANCELLED": Fact.CODE_EXPIRED,
    "EXPIRED": Fact.CODE_EXPIRED,
}
#: The words for the status of a refund; a refund with another word is under way.
REFUNDS = {"SUCCESS": RefundStatus.DONE, "REJECTED": RefundStatus.FAILED, "CANCELLED": RefundStatus.FAILED}
HEADER = "Authorization"
SIGNED = re.compile(r"V2-HMAC-SHA256,\s*Signature:\s*([0-9a-f]{64})", re.IGNORECASE)


class DlocalGoChannel(RestChannel):
    """An account at dLocal Go, which presents a link to a page where the payer picks the method.

    OPTIONS: ``API_KEY``, ``SECRET_KEY`` (needed); ``ENVIRONMENT`` (``sandbox`` or ``production``) or ``BASE_URL``;
    ``TIMEOUT`` (8 s); ``NOTIFICATION_URL``, the address of our webhook, sent with each payment; ``ACCOUNT``, a name for
    the account in our records (``main``).

    Assumptions, where the sources are silent: a no is JSON with a ``code`` or a ``message``, and without an ``id``; 404
    in that form means that dLocal Go has no such payment; a refund has an ``id``, and dLocal's own words (``REJECTED``,
    ``CANCELLED``) say that a refund failed; the list of refunds begins with the newest; a link lasts as long as its
    order.
    """

    provider, title = "dlocal_go", "dLocal Go"
    hosts = {"sandbox": "https://api-sbx.dlocalgo.com/", "production": "https://api.dlocalgo.com/"}
    needed = ("API_KEY", "SECRET_KEY")
    option_names = ("ENVIRONMENT", "BASE_URL", "TIMEOUT", "ACCOUNT", *needed, "NOTIFICATION_URL")
    errors = {}
    can_look_up = can_refund = True
    presents = Presents.LINK
    currencies = frozenset({"PEN"})
    log_fields = frozenset(("amount", "code", "country", "currency", "order_id", "payment_id", "status", "totalpages"))

    @property
    def batch_size(self) -> int:
        return min(super().batch_size, self.most_calls)

    def issue(self, charge: Charge) -> Report:
        # An e-mail address of ours has at most 100 characters, as dLocal Go takes.
        payer = {"name": clean(f"{charge.payer.name} {charge.payer.last_name}", 100), "email": charge.payer.email}
        wanted = {
            "amount": charge.amount,
            "currency": charge.currency,
            "country": "PE",
            "order_id": charge.transaction_code,
            "description": clean(charge.concept, 100),
            "payer": {name: value for name, value in payer.items() if value},
            "notification_url": self.options.get("NOTIFICATION_URL"),
        }
        report = self._report(self.ask("POST", "v1/payments", {name: value for name, value in wanted.items() if value}))
        echo = ("transaction_code", "amount", "currency")
        if (
            report.fact != Fact.ISSUED
            or not report.url
            or any(getattr(report, name) != getattr(charge, name) for name in echo)
        ):
            raise failures.not_as_requested(self.title, report.provider_id)
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        """Return dLocal Go's reports on payments, one call for each; an error in one is an error in all."""
        found: dict[CodeRef, Report] = {}
        for ref in refs:
            if not ref.provider_id:
                continue
            answer = self.send("GET", f"v1/payments/{quote(ref.provider_id, safe='')}")
            try:
                report = self._report(self.believed(answer))
            except Refused:
                if answer.status != 404:
                    raise
                continue
            if report.provider_id != ref.provider_id:
                raise failures.about_another(self.title)
            found[ref] = report
        return found

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        # No field takes our key, so a repeated request would give the money back twice.
        said = self.ask("POST", "v1/refunds", {"payment_id": ref.provider_id, "amount": money.amount})
        asked = {"payment_id": ref.provider_id, "amount": money.amount}
        told = {"payment_id": read_text(said.get("payment_id")), "amount": read_amount(said.get("amount"))}
        if any(said.get(name) is not None and told[name] != asked[name] for name in asked):
            raise failures.not_as_requested(self.title, read_text(said.get("id"), 64))
        return _refund_report(said)

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        """Return dLocal Go's word on refunds from the list of all refunds, of which ``most_calls`` pages are read."""
        wanted, found = {*provider_ids}, dict[str, RefundReport]()
        for page in range(self.most_calls):
            if not wanted - found.keys():
                break
            said = self.ask("GET", f"v1/refunds?page={page}")
            rows, pages = said.get("data"), said.get("totalPages")
            if not isinstance(rows, list) or not isinstance(pages, int):
                raise failures.unreadable(self.title)
            for row in map(read_mapping, rows):
                if (name := read_text(row.get("id"))) in wanted:
                    found[name] = _refund_report(row)
            if page + 1 >= pages:
                break
        return found

    def verify(self, incoming: Incoming) -> Proof:
        """Return the proof of a message; the body is an id alone, and a payment's messages are the same bytes."""
        header = incoming.header(HEADER)
        signed = SIGNED.fullmatch(header.strip())
        digest = self._digest(incoming.body)
        if not signed or not hmac.compare_digest(digest, signed[1].lower()):
            raise unverified(header)
        kept = Incoming(incoming.body, {HEADER: _header(digest)})
        identity = hashlib.sha256(incoming.body).hexdigest()
        return Proof(Trust.SIGNED_SENDER, fingerprint(self.key("SECRET_KEY").encode()), identity, kept)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        if name := read_text(strict_json.load(incoming.body).get("payment_id"), 64):
            return [Hint(self.account, provider_id=name)]
        raise failures.names_nothing()

    def signed(self, body: bytes) -> dict[str, str]:
        return {HEADER: _header(self._digest(body))}

    def examine(self) -> Examination:
        try:
            self.ask("GET", "v1/refunds?page=0")
        except OutcomeUnknown as error:
            raise error.recast(Unavailable) from None
        return Examination(urlsplit(self.base_url).netloc, None)

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        return {HEADER: f"Bearer {self.key('API_KEY')}:{self.key('SECRET_KEY')}"}

    def error_code(self, said: Mapping[str, Any]) -> str:
        if read_text(said.get("id")):  # a payment or a refund, which may have a message too
            return ""
        return read_text(said.get("code"), 40) or ("unnamed" if read_text(said.get("message")) else "")

    @classmethod
    def secrets(cls, options: Mapping[str, Any]) -> list[bytes]:
        """Return the secret that signs messages: the secret key, which travels with our calls too."""
        return super().secrets({"WEBHOOK_SECRETS": options.get("SECRET_KEY")})

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        given = options.get("NOTIFICATION_URL")
        wrong = [("NOTIFICATION_URL", NO_ADDRESS)] if given and not read_address(given) else []
        return super().faults(options) + wrong

    def _digest(self, body: bytes) -> str:
        key, message = self.key("SECRET_KEY").encode(), self.key("API_KEY").encode() + body
        return hex_hmac(key, message)

    def _report(self, said: Mapping[str, Any]) -> Report:
        """Return a payment as a report; raises ``OutcomeUnknown`` for a payment without an id."""
        status, name = read_text(said.get("status")), read_text(said.get("id"), 64)
        if not name:
            raise failures.unreadable(self.title)
        return Report(
            account=self.account,
            fact=FACTS.get(status, Fact.UNKNOWN),
            transaction_code=read_text(said.get("order_id"), 36),
            amount=read_amount(said.get("amount")),
            currency=read_currency(said.get("currency")),
            provider_id=name,
            payment_id=name,
            url=read_address(said.get("redirect_url")),
            detail="" if status in FACTS else clean(status, 40),
        )


def _header(digest: str) -> str:
    return f"V2-HMAC-SHA256, Signature: {digest}"


def _refund_report(said: Mapping[str, Any]) -> RefundReport:
    status = read_text(said.get("status"))
    told = "" if status == "SUCCESS" else clean(status, 40)
    try:
        return RefundReport(read_text(said.get("id"), 64), REFUNDS.get(status, RefundStatus.SENT), told)
    except ValueError:  # under way without an id
        raise failures.unreadable(DlocalGoChannel.title) from None
