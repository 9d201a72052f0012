"""The channel to an account at Checkout.com: hosted payment pages, signed messages, refunds that take time.

Assumed, since Checkout.com's public documents are silent: a page has no end that the shop could set or know
beforehand, so an order ends at its own date; a page whose payment was declined can be paid in another try; a refund
that is missing among a payment's actions is still under way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from ...conf import conf
from ...errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from ...errors import gettext_noop as _
from ...money import Money
from ...states import Fact, RefundStatus
from .. import failures
from ..base import Charge, CodeRef, Examination, Hint, Incoming, Presents, Proof, RefundReport, Report
from ..http import Answer
from ..options import Fault
from ..reading import cents, clean, read_mapping
from ..reading import read_text as text
from ..rest import RestChannel, Row
from ..signing import hex_hmac
from . import notices
from .answers import link_of, page_of, payment_of
from .notices import HEADER, NUMBER
from .rows import NO_PREFIX, NO_RETURN, PAYMENTS, PREFIX, RECEIVED, WEIGHTY


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
            raise Misconfigured(
                _("Channel %(channel)s has no usable PREFIX in its OPTIONS."),
                code="prefix_unusable",
                channel=self.alias,
            )
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
            raise Misconfigured(
                _("Checkout.com needs the setting PUBLIC_URL, the address to which payers come back."),
                code="public_url_needed",
            )
        asked = _page(charge) | {"processing_channel_id": self.key("PROCESSING_CHANNEL_ID")}
        said = self.ask("POST", "hosted-payments", asked, idempotency_key=charge.transaction_code)
        page, url = text(said.get("id"), 64), link_of(said)
        # The answer names no amount: the page is over the amount of the request with our number, should it be named.
        if not (page and url and text(said.get("reference")) in ("", charge.transaction_code)):
            raise failures.not_as_requested(self.title, page)
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
            return payment_of(found, self.account) if found else None
        said = self._there(f"hosted-payments/{quote(ref.provider_id, safe='')}")
        if said is None:
            return None
        page = page_of(said, self.account)
        if page.provider_id != ref.provider_id:
            raise failures.about_another(self.title)
        received = text(said.get("status")) == RECEIVED or page.fact in WEIGHTY
        paid = self._payment_on(said) if received or text(said.get("payment_id")) else None
        if paid is None:
            return page
        payment = payment_of(paid, self.account)
        if payment.fact in WEIGHTY or received:
            return replace(payment, provider_id=page.provider_id, transaction_code=page.transaction_code, url=page.url)
        return replace(page, detail=page.detail or text(paid.get("status"), 40))

    def _payment_on(self, page: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the payment that a page names or, without a name, the one with our number; None for no payment."""
        if name := text(page.get("payment_id"), 64):
            return self.ask("GET", f"payments/{quote(name, safe='')}")
        with suppress(Refused):  # without a list of payments the page's own word counts
            return self._payment_of(text(page.get("reference"), 64))
        return None

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        try:
            payment = self._paid(ref)
        except OutcomeUnknown as error:  # asked before anything was sent
            raise error.recast(Unavailable) from None
        asked = {
            "amount": cents(money.amount),
            "reference": ref.transaction_code,
            "metadata": {NUMBER: ref.transaction_code},
        }
        said = self.ask("POST", f"payments/{quote(payment, safe='')}/refunds", asked, idempotency_key=key)
        action = text(said.get("action_id"), 31)
        if not action:
            raise failures.unreadable(self.title)
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
            raise error.recast(Unavailable) from None
        return Examination(urlsplit(self.base_url).netloc, None)

    def _paid(self, ref: CodeRef) -> str:
        """Return the id of the payment of a code, of at most 32 characters; raises ``Refused`` where none is known."""
        page = self._there(f"hosted-payments/{quote(ref.provider_id, safe='')}") if ref.provider_id else None
        name = text((page or {}).get("payment_id"), 32)
        if not name and (page is not None or not ref.provider_id):
            name = text((self._payment_of(ref.transaction_code) or {}).get("id"), 32)
        if not name:
            raise Refused(_("Checkout.com names no payment of this page."), code="page_without_payment")
        return name

    def _payment_of(self, number: str) -> dict[str, Any] | None:
        """Return the payment with our number that weighs most, None where the account has none.

        A page may have several tries; at most one of them is paid, and the list begins with the latest.
        """
        if not number:
            return None
        said = self.ask("GET", f"payments?limit=100&reference={quote(number, safe='')}")
        if not isinstance(said.get("data"), list):
            raise failures.unreadable(self.title)
        payments = [each for each in map(read_mapping, said["data"]) if text(each.get("reference")) == number]
        payments = [each for each in payments if not notices.is_elsewhere(each, self.account_id)]
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
            raise failures.unreadable(self.title)
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

    # Messages.

    def verify(self, incoming: Incoming) -> Proof:
        return notices.verify(
            incoming, self.secrets(self.options), str(self.options.get("PROCESSING_CHANNEL_ID") or "")
        )

    def signed(self, body: bytes) -> dict[str, str]:
        secrets = self.secrets(self.options)
        return {HEADER: hex_hmac(secrets[0], body)} if secrets else {}

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        return [notices.read(incoming, self.account)]


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


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(PREFIX, value) is not None
