"""The channel to an account at Checkout.com: hosted payment pages, signed messages, refunds that take time.

Assumed, since Checkout.com's public documents are silent: a page has no end that the shop could set or know
beforehand, so an order ends at its own date; a page whose payment was declined can be paid in another try; a refund
that is missing among a payment's actions is still under way.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from ... import strict_json
from ...conf import conf
from ...errors import InvalidSignature, Malformed, Misconfigured, OutcomeUnknown, Refused, Unavailable, Unsigned
from ...money import Money
from ...states import Fact, RefundStatus
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
from ..http import Answer
from ..options import Fault
from ..reading import cents, clean, read_address, read_cents, read_currency, read_mapping, read_moment
from ..reading import read_text as text
from ..rest import RestChannel, Row
from .rows import NO_PREFIX, NO_RETURN, PAGES, PAYMENTS, PREFIX, RECEIVED, WEIGHTY

HEADER = "Cko-Signature"
#: The key of our number in ``metadata``, which a payment takes over from its page; ``reference`` may be another in the
#: events of a refund.
NUMBER = "transaction_code"


class CheckoutComChannel(RestChannel):
    """A processing channel of a merchant at Checkout.com."""

    provider, title = "checkout_com", "Checkout.com"
    hosts: ClassVar = {"sandbox": "https://api.sandbox.checkout.com/", "production": "https://api.checkout.com/"}
    needed = ("SECRET_KEY", "PROCESSING_CHANNEL_ID", "WEBHOOK_SECRETS")
    option_names = ("ENVIRONMENT", "BASE_URL", "TIMEOUT", "PREFIX", *needed)
    #: No list of the error codes is public; each code beside a status of refusal is a no.
    errors: ClassVar[Mapping[str, Row]] = {}
    idempotency_header = "Cko-Idempotency-Key"
    presents = Presents.LINK
    can_look_up = can_refund = tells_reversals = True
    log_fields = frozenset(
        (
            *("action_id", "amount", "approved", "capture", "currency", "error_codes", "error_type", "id", "limit"),
            *("payment_id", "processed_on", "processing_channel_id", "reference", "request_id", "requested_on", "skip"),
            *(
                "status",
                "total_authorized",
                "total_captured",
                "total_count",
                "total_refunded",
                "transaction_code",
                "type",
            ),
        )
    )

    @property
    def account_id(self) -> str:
        return self.key("PROCESSING_CHANNEL_ID")

    @property
    def base_url(self) -> str:
        if self.options.get("BASE_URL"):
            return super().base_url
        prefix = self.options.get("PREFIX")
        if not _is_prefix(prefix):
            raise Misconfigured(f"Channel {self.alias!r} has no usable PREFIX in its OPTIONS.")
        return super().base_url.replace("https://", f"https://{prefix}.", 1)

    @property
    def batch_size(self) -> int:
        """One: each page is asked about in calls of its own, so the account's pace counts each."""
        return 1

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        found = super().faults(options)
        if not options.get("BASE_URL") and not _is_prefix(options.get("PREFIX")):
            found.append(("PREFIX", NO_PREFIX))
        if not conf.public_url:
            found.append(("PUBLIC_URL", NO_RETURN))
        return found

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key('SECRET_KEY')}"}

    def error_code(self, said: Mapping[str, Any]) -> str:
        codes = said.get("error_codes")
        first = text(codes[0]) if isinstance(codes, list) and codes else ""
        return first or text(said.get("error_type"))

    # Asking.

    def issue(self, charge: Charge) -> Report:
        if not conf.public_url:
            raise Misconfigured("Checkout.com asks for PUBLIC_URL, the address to which payers come back.")
        asked = _page(charge) | {"processing_channel_id": self.key("PROCESSING_CHANNEL_ID")}
        said = self.ask("POST", "hosted-payments", asked, idempotency_key=charge.transaction_code)
        page, url = text(said.get("id"), 64), _link(said)
        # The answer names no amount: the page is over the amount of the request with our number.
        if not (page and url and text(said.get("reference")) == charge.transaction_code):
            raise OutcomeUnknown("Checkout.com made a page, and not as the request says.")
        return Report(
            self.account,
            Fact.ISSUED,
            transaction_code=charge.transaction_code,
            amount=charge.amount,
            currency=charge.currency,
            provider_id=page,
            url=url,
        )

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        found = {ref: self._seen(ref) for ref in refs}
        return {ref: report for ref, report in found.items() if report}

    def _seen(self, ref: CodeRef) -> Report | None:
        """Return the report about a page or, without the page's id, about the payment with our number."""
        if not ref.provider_id:
            found = self._payment_of(ref.transaction_code)
            return self._report(found, PAYMENTS) if found else None
        said = self._there(f"hosted-payments/{quote(ref.provider_id, safe='')}")
        if said is None:
            return None
        page = self._report(said, PAGES)
        if page.provider_id != ref.provider_id:
            raise OutcomeUnknown("Checkout.com answered about another page.")
        name = text(said.get("payment_id"), 64)
        if not name:
            return page
        paid = self.ask("GET", f"payments/{quote(name, safe='')}")
        payment = self._report(paid, PAYMENTS)
        if payment.fact in WEIGHTY or text(said.get("status")) == RECEIVED:
            return replace(payment, provider_id=page.provider_id, transaction_code=page.transaction_code, url=page.url)
        return replace(page, detail=page.detail or f"payment {text(paid.get('status'), 40)}")

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        try:
            payment = self._paid(ref)
        except OutcomeUnknown as error:  # asked before anything was sent
            raise Unavailable(str(error)) from None
        asked = {
            "amount": cents(money.amount),
            "reference": ref.transaction_code,
            "metadata": {NUMBER: ref.transaction_code},
        }
        said = self.ask("POST", f"payments/{quote(payment, safe='')}/refunds", asked, idempotency_key=key)
        action = text(said.get("action_id"), 31)
        if not action:
            raise OutcomeUnknown("Checkout.com took a refund without an id.")
        # A refund is asked about among the actions of its payment, so its name here holds both ids.
        return RefundReport(f"{payment}/{action}", RefundStatus.SENT)

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        found = {}
        for each in provider_ids:
            payment, _, action = each.partition("/")
            actions = self._actions(payment)
            approved = next((one.get("approved") for one in actions if text(one.get("id")) == action), None)
            status = RefundStatus.DONE if approved is True else RefundStatus.FAILED
            found[each] = RefundReport(each, status if isinstance(approved, bool) else RefundStatus.SENT)
        return found

    def examine(self) -> Examination | None:
        try:
            self._payment_of("pagoefectivo-doctor")
        except OutcomeUnknown as error:
            raise Unavailable(str(error)) from None
        return Examination(urlsplit(self.base_url).netloc, None)

    def _paid(self, ref: CodeRef) -> str:
        """Return the id of the payment of a code, of at most 32 characters; raises ``Refused`` where none is known."""
        if ref.provider_id:
            said = self._there(f"hosted-payments/{quote(ref.provider_id, safe='')}") or {}
            name = text(said.get("payment_id"), 32)
        else:
            name = text((self._payment_of(ref.transaction_code) or {}).get("id"), 32)
        if not name:
            raise Refused("Checkout.com names no payment of this page.")
        return name

    def _payment_of(self, number: str) -> dict[str, Any] | None:
        """Return the payment with our number that weighs most, None where the account has none.

        A page may have several tries; at most one of them is paid, and the list begins with the latest.
        """
        if not number:
            return None
        said = self.ask("GET", f"payments?limit=100&reference={quote(number, safe='')}")
        if not isinstance(said.get("data"), list):
            raise OutcomeUnknown("Checkout.com's answer holds no list of payments.")
        payments = [each for each in map(read_mapping, said["data"]) if text(each.get("reference")) == number]
        payments = [each for each in payments if not self._is_elsewhere(each)]
        weighty = [each for each in payments if PAYMENTS.get(text(each.get("status"))) in WEIGHTY]
        return next(iter(weighty + payments), None)

    def _actions(self, payment: str) -> list[dict[str, Any]]:
        """Return the actions on a payment, at least one: a paid payment has been authorised and captured."""
        answer = self.send("GET", f"payments/{quote(payment, safe='')}/actions")
        # The answer is a bare list.
        if answer.status == 200 and answer.body.lstrip().startswith(b"["):
            answer = Answer(200, b'{"actions":' + answer.body + b"}")
        actions = self.believed(answer).get("actions")
        if not actions or not isinstance(actions, list):
            raise OutcomeUnknown("Checkout.com's answer holds no list of actions.")
        return [read_mapping(each) for each in actions]

    def _there(self, path: str) -> dict[str, Any] | None:
        """Return the answer to a look, None where Checkout.com says in its own form that it has no such thing."""
        answer = self.send("GET", path)
        try:
            return self.believed(answer)
        except Refused:
            if answer.status == 404:
                return None
            raise

    def _report(self, said: Mapping[str, Any], words: Mapping[str, Fact]) -> Report:
        """Return the report of a page or a payment, by the table of its words."""
        name, word = text(said.get("id"), 64), text(said.get("status"), 40)
        balances = read_mapping(said.get("balances"))
        report = Report(
            self.account,
            words.get(word, Fact.UNKNOWN),
            transaction_code=text(said.get("reference"), 64),
            amount=read_cents(balances.get("total_captured")) or read_cents(said.get("amount")),
            currency=read_currency(said.get("currency")),
            detail="" if word in words else f"status {word}",
        )
        if words is PAGES:
            report = replace(report, provider_id=name, url=_link(said))
        else:
            paid_at = read_moment(said.get("processed_on"), UTC) or read_moment(said.get("requested_on"), UTC)
            returned = _returned(balances.get("total_refunded"))
            report = replace(report, operation_number=name, payment_id=name, paid_at=paid_at, returned=returned)
        told = report.amount and report.currency and report.paid_at
        if not (name and word) or (report.fact == Fact.PAYMENT and not told):
            raise OutcomeUnknown("Checkout.com's answer about a page or a payment can't be read.")
        return report

    # Messages.

    def verify(self, incoming: Incoming) -> Proof:
        signature = incoming.header(HEADER).strip().lower()
        for secret in self.secrets(self.options):
            signed = _signature(secret, incoming.body)
            if hmac.compare_digest(signed.encode(), signature.encode(errors="replace")):
                if self._tells_elsewhere(incoming.body):
                    break
                kept = Incoming(incoming.body, {HEADER: signature})
                return Proof(Trust.SIGNED_BODY, fingerprint(secret), hashlib.sha256(incoming.body).hexdigest(), kept)
        raise (InvalidSignature if signature else Unsigned)("The notification has no valid signature.")

    def signed(self, body: bytes) -> dict[str, str]:
        secrets = self.secrets(self.options)
        return {HEADER: _signature(secrets[0], body)} if secrets else {}

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        said = strict_json.load(incoming.body)
        data = read_mapping(said.get("data"))
        # The id in a message is that of the payment, which may be unknown here; the page is named by our number.
        number = text(read_mapping(data.get("metadata")).get(NUMBER), 64) or text(data.get("reference"), 64)
        if not number:
            raise Malformed("The notification names no payment of ours.")
        name, currency = text(data.get("id"), 40), read_currency(data.get("currency"))
        amount, paid_at = read_cents(data.get("amount")), read_moment(data.get("processed_on"), UTC)
        if text(said.get("type")) != "payment_captured" or not (name and currency and amount and paid_at):
            return [Hint(self.account, transaction_code=number)]
        return [
            Report(
                self.account,
                Fact.PAYMENT,
                transaction_code=number,
                amount=amount,
                currency=currency,
                paid_at=paid_at,
                operation_number=name,
                payment_id=name,
            )
        ]

    def _tells_elsewhere(self, body: bytes) -> bool:
        try:
            return self._is_elsewhere(read_mapping(strict_json.load(body).get("data")))
        except Malformed:
            return False  # ``read`` says so

    def _is_elsewhere(self, data: Mapping[str, Any]) -> bool:
        """Return whether a payment names a processing channel, and another than ours."""
        return text(data.get("processing_channel_id")) not in ("", self.key("PROCESSING_CHANNEL_ID"))


def _page(charge: Charge) -> dict[str, Any]:
    """Return the fields of a request for a page."""
    payer = charge.payer
    name = clean(f"{payer.name} {payer.last_name}", 100)
    return {
        "amount": cents(charge.amount),
        "currency": charge.currency,
        "reference": charge.transaction_code,
        "description": clean(charge.concept, 100),
        "billing": {"address": {"country": payer.country_code or "PE"}},
        "customer": {"email": payer.email} | ({"name": name} if name else {}),
        "success_url": conf.public_url,
        "cancel_url": conf.public_url,
        "failure_url": conf.public_url,
        "capture": True,
        "metadata": {NUMBER: charge.transaction_code},
    }


def _link(said: Mapping[str, Any]) -> str:
    return read_address(read_mapping(read_mapping(said.get("_links")).get("redirect")).get("href"))


def _returned(value: Any) -> Decimal | None:
    """Return the sum that went back, zero included; None where none is named."""
    return Decimal(0) if value == 0 and not isinstance(value, bool) else read_cents(value)


def _signature(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(PREFIX, value) is not None
