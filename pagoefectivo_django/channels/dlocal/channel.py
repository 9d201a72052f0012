"""The channel to dLocal's Payins API: one method for each call."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from django.core.checks import Error
from django.utils import timezone

from ... import strict_json
from ...errors import Malformed, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from ...errors import gettext_noop as _
from ...facts import of_error
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
from ..failures import Complaint, meaning
from ..options import NO_ADDRESS, Fault
from ..reading import (
    clean,
    read_address,
    read_amount,
    read_code,
    read_currency,
    read_mapping,
    read_moment,
    read_text,
)
from ..rest import RestChannel
from ..signing import signer, unverified
from . import wire
from .rows import ERRORS, FACTS, REFUNDS, REJECTIONS
from .statements import FORMATS

FLOWS = ("DIRECT", "REDIRECT")
WRONG_FLOW: Fault = (Error, "pagoefectivo.E007", "is unknown", "Use 'DIRECT' (a code) or 'REDIRECT' (a page).")
WRONG_KEY: Fault = (
    *(Error, "pagoefectivo.E007", "is no text of ASCII characters without blanks"),
    "Copy it once more from dLocal's dashboard.",
)


class DlocalChannel(RestChannel):
    """A merchant's account at dLocal, selling PagoEfectivo (``EF``) in Peru.

    OPTIONS: ``LOGIN``, ``TRANS_KEY``, ``SECRET_KEY`` (needed); ``FLOW``: ``DIRECT`` (default: the payer gets the code)
    or ``REDIRECT`` (the payer gets the address of a page), which needs ``CALLBACK_URL``, where the payer returns to;
    ``ENVIRONMENT`` (``sandbox`` or ``production``) or ``BASE_URL``; ``TIMEOUT`` (8 s); ``ACCOUNT``, a name for the
    account in our records (``main``).

    Assumptions, where dLocal's documents are silent: an answer about a payment shows ``ticket`` and ``redirect_url`` as
    the answer to its request did; CANCELLED is *expired* once the ticket's date has passed, and a payment cancelled
    before it, or shown without a date, is *deleted*; with ``REDIRECT`` a page that is REJECTED or CANCELLED is
    *expired*, since the payer may try another; a time without a zone is of Lima; a payment that was refunded or
    reversed may still be shown as PAID; a refund with a word that nobody knows is under way.
    """

    provider, title = "dlocal", "dLocal"
    hosts = {"sandbox": "https://sandbox.dlocal.com/", "production": "https://api.dlocal.com/"}
    needed = ("LOGIN", "TRANS_KEY", "SECRET_KEY")
    option_names = ("ENVIRONMENT", "BASE_URL", "TIMEOUT", "ACCOUNT", *needed, "FLOW", "CALLBACK_URL")
    errors = ERRORS
    can_look_up = can_find = can_refund = True
    currencies = frozenset(("PEN",))
    needs_document = wire.DOCUMENTS
    statement_formats = FORMATS
    log_fields = frozenset(
        (
            *("amount", "approved_date", "code", "country", "created_date", "currency", "expiration_date", "id"),
            *("order_id", "order_refund_id", "param", "payment_id", "payment_method_flow", "payment_method_id"),
            *("status", "status_code"),
        )
    )

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        super().__init__(alias, options)
        if options.get("FLOW") == "REDIRECT":
            self.presents = Presents.LINK

    @property
    def batch_size(self) -> int:
        # dLocal has no list of payments, so the pace of searches is the pace of calls.
        return 1

    def issue(self, charge: Charge) -> Report:
        if not self._has_document(charge.payer):
            raise Refused(
                _("dLocal needs the payer's DNI (8 or 9 digits) or RUC (11 digits); nothing was sent."),
                code="document_needed",
            )
        said = self.ask("POST", "payments", wire.write_charge(charge, self._flow()))
        report = self._report(said)
        echo = all(
            getattr(report, name) == getattr(charge, name) for name in ("transaction_code", "amount", "currency")
        )
        if echo and said.get("status") == "REJECTED":
            raise _rejection(said).recast(Refused)
        if not echo or report.fact != Fact.ISSUED or not self._payable(report):
            raise failures.not_as_requested(self.title, report.provider_id)
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        """Return dLocal's reports on payments, one call for each; an error in one is an error in all."""
        asked = {ref: self._shown("payments", ref.provider_id) for ref in refs if ref.provider_id}
        return {ref: self._report(said) for ref, said in asked.items() if said}

    def find(self, transaction_code: str) -> Report | None:
        order = self._shown("orders", transaction_code, name="order_id")
        if order is None:
            return None
        payment_id = read_text(order.get("payment_id"), 64)
        payment = self._shown("payments", payment_id) if payment_id else None
        report = self._report(payment) if payment else None
        if report is None or report.transaction_code != transaction_code:
            raise failures.unreadable(self.title)
        if report.fact == Fact.ISSUED and not self._payable(report):
            raise failures.not_as_requested(self.title, report.provider_id)
        return report

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        asked = {"payment_id": ref.provider_id, "amount": money.amount, "currency": money.currency}
        said = self.ask("POST", "refunds", asked | {"order_refund_id": key})
        told = {
            "payment_id": read_text(said.get("payment_id")),
            "amount": read_amount(said.get("amount")),
            "currency": read_currency(said.get("currency")),
        }
        # Not every field is always sent.
        if any(said.get(name) is not None and told[name] != asked[name] for name in asked):
            raise failures.not_as_requested(self.title, read_text(said.get("id"), 64))
        return _refund_report(said)

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        asked = {name: self._shown("refunds", name, unknown="4001") for name in provider_ids}
        return {name: _refund_report(said) for name, said in asked.items() if said}

    def verify(self, incoming: Incoming) -> Proof:
        """Return the proof of a message, which dLocal signs as requests are signed.

        A message that is sent again may have another date, so the body alone tells messages apart.
        """
        header, date = incoming.header("Authorization"), incoming.header("X-Date")
        given, login = wire.SIGNED.fullmatch(header.strip()), str(self.options.get("LOGIN") or "")
        signature = given[1].lower() if given and wire.DATE.fullmatch(date) else ""
        text = wire.signed_text(login, date, incoming.body)
        secret = signer(self.secrets(self.options), text, signature)
        if secret is None or incoming.header("X-Login") not in ("", login):
            raise unverified(header)
        kept = Incoming(incoming.body, {"X-Date": date, "Authorization": wire.authorization(signature)})
        return Proof(Trust.SIGNED_BODY, fingerprint(secret), hashlib.sha256(incoming.body).hexdigest(), kept)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        said = strict_json.load(incoming.body)
        if said.get("payment_id") is not None:  # a refund: its id and its status are not the payment's
            said = {"id": said["payment_id"]}
        try:
            report = self._report(said)
        except OutcomeUnknown:
            raise failures.names_nothing() from None
        if report.fact == Fact.PAYMENT and report.transaction_code and report.amount and report.currency:
            return [report]
        return [Hint(self.account, report.code, report.transaction_code, report.provider_id)]

    def signed(self, body: bytes) -> dict[str, str]:
        login, secret, date = self.key("LOGIN"), self.key("SECRET_KEY"), wire.write_date(timezone.now())
        return {"X-Date": date, "Authorization": wire.authorization(wire.sign(secret.encode(), login, date, body))}

    def examine(self) -> Examination:
        """Ask dLocal for Peru's payment methods; raises ``Misconfigured`` unless PagoEfectivo is one, in our flow."""
        flow = self._flow()["payment_method_flow"]
        try:
            answer = self.send("GET", "payments-methods?country=PE")
            if answer.status != 200:
                self.believed(answer)
            methods = strict_json.load(b'{"methods":%b}' % answer.body)["methods"]
        except (OutcomeUnknown, Malformed) as error:
            raise error.recast(Unavailable) from None
        except Refused as error:  # a request that is always the same is refused for its signature
            raise Misconfigured(_("Compare SECRET_KEY. %(said)s"), code="compare_secret_key", said=error) from None
        listed = [read_mapping(each) for each in methods] if isinstance(methods, list) else []
        flows = [each.get("allowed_flows") for each in listed if each.get("id") == "EF"]
        if not flows:
            raise Misconfigured(
                _("dLocal lists no PagoEfectivo (EF) for this account in Peru; ask dLocal to enable it."),
                code="not_enabled",
            )
        if all(isinstance(allowed, list) and flow not in allowed for allowed in flows):
            raise Misconfigured(
                _("dLocal does not allow PagoEfectivo (EF) by the flow %(flow)s; change FLOW or ask dLocal."),
                code="flow_not_allowed",
                flow=flow,
            )
        return Examination(urlsplit(self.base_url).netloc, None)

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        return {
            "X-Login": self.key("LOGIN"),
            "X-Trans-Key": self.key("TRANS_KEY"),
            "X-Version": "2.1",
            **self.signed(content),
        }

    def error_code(self, said: Mapping[str, Any]) -> str:
        code = read_text(said.get("code"), 40)
        return f"{code}:param" if code == "5000" and read_text(said.get("param")) else code

    @classmethod
    def missing(cls, options: Mapping[str, Any]) -> list[str]:
        needed = ["CALLBACK_URL"] if options.get("FLOW") == "REDIRECT" and not options.get("CALLBACK_URL") else []
        return super().missing(options) + needed

    @classmethod
    def secrets(cls, options: Mapping[str, Any]) -> list[bytes]:
        """Return the secret that signs messages and our calls."""
        return super().secrets({"WEBHOOK_SECRETS": options.get("SECRET_KEY")})

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        given = {name: options[name] for name in cls.needed if options.get(name) not in (None, "")}
        wrong = [(name, WRONG_KEY) for name, value in given.items() if not _is_key(value)]
        if options.get("FLOW") not in (None, "", *FLOWS):
            wrong.append(("FLOW", WRONG_FLOW))
        if options.get("CALLBACK_URL") and not read_address(options["CALLBACK_URL"]):
            wrong.append(("CALLBACK_URL", NO_ADDRESS))
        return super().faults(options) + wrong

    def _flow(self) -> dict[str, str]:
        """Return the fields of a request by the option ``FLOW``."""
        flow = self.options.get("FLOW") or "DIRECT"
        if flow not in FLOWS:
            raise Misconfigured(
                _("FLOW of channel %(channel)s is neither 'DIRECT' nor 'REDIRECT'."),
                code="flow_unknown",
                channel=self.alias,
            )
        returns = {"callback_url": str(self.options.get("CALLBACK_URL"))} if flow == "REDIRECT" else {}
        return {"payment_method_flow": flow, **returns}

    def _payable(self, report: Report) -> bool:
        """Return whether a report names what the payer pays by."""
        return bool(report.url if self.presents == Presents.LINK else report.code)

    def _shown(self, kind: str, value: str, name: str = "id", unknown: str = "4000") -> dict[str, Any] | None:
        """Return dLocal's object of a kind by its name; None if dLocal certainly has none (error ``unknown``)."""
        try:
            said = self.ask("GET", f"{kind}/{quote(value, safe='')}")
        except Refused as error:
            if error.codes != (unknown,):
                raise
            return None
        if read_text(said.get(name)) != value:
            raise failures.about_another(self.title)
        return said

    def _report(self, said: Mapping[str, Any]) -> Report:
        """Return a payment as a report; raises ``OutcomeUnknown`` for a payment without an id."""
        provider_id, status = read_text(said.get("id"), 64), read_text(said.get("status"))
        if not provider_id:
            raise failures.unreadable(self.title)
        ticket = read_mapping(said.get("ticket"))
        expires_at = read_moment(ticket.get("expiration_date"))
        fact = FACTS.get(status, Fact.UNKNOWN)
        if fact == Fact.CODE_DELETED and expires_at and expires_at <= timezone.now():
            fact = Fact.CODE_EXPIRED
        if fact in (Fact.CODE_DELETED, Fact.CODE_FAILED) and self.presents == Presents.LINK:
            fact = Fact.CODE_EXPIRED  # a try that failed ends the page, and not the order: the next press asks again
        paid_at = read_moment(said.get("approved_date")) if fact == Fact.PAYMENT else None
        return Report(
            account=self.account,
            fact=fact,
            code=read_code(ticket.get("number")) if self.presents == Presents.CODE else "",
            transaction_code=read_text(said.get("order_id"), 36),
            amount=read_amount(said.get("amount")),
            currency=read_currency(said.get("currency")),
            # The latest of the zones that may be meant, and never later than now: late money is not taken for timely.
            paid_at=paid_at and min(paid_at, timezone.now()),
            expires_at=expires_at,
            provider_id=provider_id,
            payment_id=provider_id,
            # The address of a page can be opened once; a voucher at that page's end, as often as the payer likes.
            url=read_address(ticket.get("image_url")) or read_address(said.get("redirect_url")),
            detail=clean(status, 40) if fact == Fact.UNKNOWN else "",
            data=of_error(_rejection(said)) if status == "REJECTED" else {},
        )


def _rejection(said: Mapping[str, Any]) -> PagoEfectivoError:
    """Return why dLocal rejected a payment, by the number beside the status."""
    number = read_text(said.get("status_code"))
    complaint = Complaint(clean(number, 10), meaning(REJECTIONS.get(number, _("rejected"))))
    return PagoEfectivoError(
        _("dLocal rejected the payment: %(said)s."), code="payment_rejected_because", said=failures.worded(complaint)
    )


def _refund_report(said: Mapping[str, Any]) -> RefundReport:
    refund_id, word = read_text(said.get("id"), 64), read_text(said.get("status"))
    if not refund_id:
        raise failures.unreadable(DlocalChannel.title)
    status = REFUNDS.get(word, RefundStatus.SENT)
    told = status == RefundStatus.FAILED or word not in REFUNDS
    return RefundReport(refund_id, status, clean(word, 40) if told else "")


def _is_key(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value
