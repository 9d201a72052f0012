"""The channel to Mercado Pago Peru: one method for each call of the protocol (aggregators 5.2, additions B.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from django.core.checks import Warning
from django.utils import timezone

from ... import strict_json
from ...conf import conf
from ...errors import Malformed, Misconfigured, OutcomeUnknown, Refused, Unavailable
from ...errors import gettext_noop as _
from ...money import Money
from ...states import Fact, RefundStatus
from .. import failures
from ..base import Charge, CodeRef, Examination, Hint, Incoming, Presents, Proof, RefundReport, Report
from ..options import Fault
from ..reading import LIMA, clean, read_address, read_amount, read_currency, read_mapping, read_moment, read_text
from ..rest import RestChannel
from . import notices
from .rows import DETAILS, NOT_FOUND, REFUNDS, STATUSES

#: The time that Mercado Pago may take to credit a payment: its list of methods says 2,880 minutes.
ACCREDITATION = timedelta(minutes=2880)
TOO_SOON: Fault = (
    *(Warning, "pagoefectivo.W014", "is less than the two days that a payment may take: payments in time come as late"),
    "Set PAGOEFECTIVO['GRACE'] to timedelta(days=2).",
)
#: Mercado Pago's name for PagoEfectivo.
METHOD = "pagoefectivo_atm"
#: The two fields of which one is the payer's code.
NUMBERS = ("payment_method_reference_id", "verification_code")


class MercadoPagoChannel(RestChannel):
    """An account at Mercado Pago Peru, which presents a link to Mercado Pago's page of a PagoEfectivo code.

    OPTIONS: ``ACCESS_TOKEN``, ``WEBHOOK_SECRETS`` (needed); ``ENVIRONMENT`` (``sandbox`` or ``production``; the token
    decides, the address is the same) or ``BASE_URL``; ``TIMEOUT`` (8 s); ``ACCOUNT``, a name for the account in our
    records (``main``).

    A link and no code: in Mercado Pago's only published answer for Peru two numbers differ, and either may be the code.
    The page is right in any case. Both numbers are in ``Report.raw`` and in the log of calls.

    Assumptions, where the sources are silent: an answer names ``currency_id`` and, once paid, ``date_approved``; the
    date may be 1 to 30 days ahead in Peru as in Colombia; a refund is ``approved``, ``rejected`` or ``cancelled``, and
    under way by any further word; a refund with the whole amount is a whole refund; ``not_found`` with 404 means that
    Mercado Pago has no such payment. A single refund is asked for at the path that the official library 3.6.0 uses.
    """

    provider, title = "mercadopago", "Mercado Pago"
    hosts: ClassVar = dict.fromkeys(("sandbox", "production"), "https://api.mercadopago.com/")
    needed = ("ACCESS_TOKEN", "WEBHOOK_SECRETS")
    option_names = ("ENVIRONMENT", "BASE_URL", "TIMEOUT", "ACCOUNT", *needed)
    errors: ClassVar = {}
    can_look_up = can_find = can_delete = can_refund = tells_reversals = True
    presents = Presents.LINK
    currencies = frozenset(("PEN",))
    amounts: ClassVar = {"PEN": (Decimal("5.00"), Decimal("10000.00"))}
    expires_within = (timedelta(days=1), timedelta(days=30))
    #: Without ``id``, which is the payer's too.
    log_fields = frozenset(
        (
            *("amount", "code", "currency_id", "date_approved", "date_created", "date_of_expiration", "error"),
            *("external_reference", "financial_institution", "net_received_amount", "payment_id", "payment_method_id"),
            *("payment_type_id", "status", "status_detail", "total_paid_amount", "transaction_amount"),
            *("transaction_amount_refunded", *NUMBERS),
        )
    )

    @property
    def batch_size(self) -> int:
        return min(super().batch_size, self.most_calls)

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        # A GRACE that is no time at all is told by another check.
        short = isinstance(conf.grace, timedelta) and conf.grace < ACCREDITATION
        return super().faults(options) + ([("GRACE", TOO_SOON)] if short else [])

    def issue(self, charge: Charge) -> Report:
        asked = {
            "transaction_amount": charge.amount,
            "description": clean(charge.concept, 100) or charge.transaction_code,
            "payment_method_id": METHOD,
            "payer": {"email": charge.payer.email},
            "external_reference": charge.transaction_code,
            "date_of_expiration": charge.expires_at.astimezone(LIMA).isoformat(timespec="milliseconds"),
        }
        report = self._report(self.ask("POST", "v1/payments", asked, idempotency_key=charge.transaction_code))
        echo = ("transaction_code", "amount", "currency")
        if report.fact == Fact.CODE_FAILED:
            raise Refused(
                _("Mercado Pago rejected payment %(name)s."),
                code="payment_rejected",
                codes=("rejected",),
                name=report.provider_id,
            )
        if report.fact != Fact.ISSUED or not report.url or any(getattr(report, x) != getattr(charge, x) for x in echo):
            raise failures.not_as_requested(self.title, report.provider_id)
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        """Return Mercado Pago's reports on payments, one call for each; an error in one is an error in all."""
        found: dict[CodeRef, Report] = {}
        for ref in refs:
            if notices.NUMBER.fullmatch(ref.provider_id) and (said := self._get(f"v1/payments/{ref.provider_id}")):
                found[ref] = report = self._report(said)
                if report.provider_id != ref.provider_id:
                    raise failures.about_another(self.title)
        return found

    def find(self, transaction_code: str) -> Report | None:
        said = self.ask("GET", f"v1/payments/search?external_reference={quote(transaction_code, safe='')}")
        rows = said.get("results")
        if not isinstance(rows, list):
            raise failures.unreadable(self.title)
        for row in map(read_mapping, rows):
            if read_text(row.get("external_reference")) == transaction_code:
                return self._report(row)
        if read_mapping(said.get("paging")).get("total") != len(rows):
            raise failures.not_whole(self.title)
        return None

    def delete(self, ref: CodeRef) -> None:
        # Not repeatable: a second call would be refused, and that no would hide that the first one worked.
        report = self._report(self.ask("PUT", f"v1/payments/{_id(ref)}", {"status": "cancelled"}))
        if (report.provider_id, report.fact) != (ref.provider_id, Fact.CODE_DELETED):
            raise failures.not_deleted(self.title)

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        path = f"v1/payments/{_id(ref)}/refunds"
        said = self.ask("POST", path, {"amount": money.amount}, idempotency_key=key)
        if said.get("amount") is not None and read_amount(said["amount"]) != money.amount:
            raise failures.not_as_requested(self.title, read_text(said.get("id"), 30))
        return _refund(ref.provider_id, said)

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        found = {}
        for name in provider_ids:
            payment, _dash, refund = name.partition("-")
            if said := self._get(f"v1/payments/{quote(payment, safe='')}/refunds/{quote(refund, safe='')}"):
                report = found[name] = _refund(payment, said)
                if report.provider_id != name:
                    raise failures.about_another(self.title)
        return found

    def verify(self, incoming: Incoming) -> Proof:
        return notices.verify(incoming, self.secrets(self.options))

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        return [notices.read(incoming, self.account)]

    def examine(self) -> Examination:
        """Ask for the account's payment methods; raises ``Misconfigured`` where PagoEfectivo is not active."""
        try:
            answer = self.send("GET", "v1/payment_methods")
            if answer.status != 200:
                raise self.failure(answer.status, "")
            # The answer is a list, and only an object is read strictly.
            methods = strict_json.load(b'{"methods":%s}' % answer.body)["methods"]
            if not isinstance(methods, list):
                raise failures.unreadable(self.title)
        except (Malformed, OutcomeUnknown) as error:
            raise Unavailable(
                _("Mercado Pago's list of payment methods can't be read. %(said)s"),
                code="methods_unreadable",
                said=error,
            ) from None
        states = {read_text(each.get("id")): read_text(each.get("status"), 40) for each in map(read_mapping, methods)}
        if (state := states.get(METHOD, "")) != "active":
            raise Misconfigured(
                _(
                    "Mercado Pago takes the token, but %(method)s is not active among the account's payment methods "
                    "(status: %(status)s). Ask Mercado Pago to activate PagoEfectivo for the account."
                ),
                code="method_not_active",
                method=METHOD,
                status=state or "-",
            )
        ahead = None
        with suppress(ValueError, TypeError):
            ahead = timezone.now() - parsedate_to_datetime(answer.date)
        return Examination(urlsplit(self.base_url).netloc, ahead)

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        # Without the second header Mercado Pago answers 400 to a Pix refund that is under way, as to one that is
        # refused; whether a refund of cash does the same is not known.
        waiting = {"X-Render-In-Process-Refunds": "true"} if "/refunds" in path else {}
        return {"Authorization": f"Bearer {self.key('ACCESS_TOKEN')}", **waiting}

    def error_code(self, said: Mapping[str, Any]) -> str:
        """Return the name of an error, and the code of the first cause, such as ``bad_request:4037``."""
        error, causes = read_text(said.get("error")), said.get("cause")
        cause = read_text(read_mapping(causes[0]).get("code")) if isinstance(causes, list) and causes else ""
        return f"{error}:{cause}" if error and cause else error

    def _get(self, path: str) -> dict[str, Any]:
        """Return what Mercado Pago has at a path; {} where Mercado Pago says that it has nothing."""
        answer = self.send("GET", path)
        try:
            return self.believed(answer)
        except Refused as error:
            if answer.status == 404 and error.codes[0].partition(":")[0] == NOT_FOUND:
                return {}
            raise

    def _report(self, said: Mapping[str, Any]) -> Report:
        """Return a payment as a report; raises ``OutcomeUnknown`` for a payment without an id."""
        name, status, detail = (read_text(said.get(field)) for field in ("id", "status", "status_detail"))
        if not notices.NUMBER.fullmatch(name):
            raise failures.unreadable(self.title)
        details = read_mapping(said.get("transaction_details"))
        fact = DETAILS.get((status, detail)) or STATUSES.get(status, Fact.UNKNOWN)
        return Report(
            account=self.account,
            fact=fact,
            transaction_code=read_text(said.get("external_reference"), 36),
            amount=read_amount(said.get("transaction_amount")),
            currency=read_currency(said.get("currency_id")),
            paid_at=read_moment(said.get("date_approved")),
            expires_at=read_moment(said.get("date_of_expiration")),
            provider_id=name,
            other_code=read_text(details.get("verification_code"), 40),
            payment_id=name,
            payer_total=read_amount(details.get("total_paid_amount")),
            url=read_address(details.get("external_resource_url")),
            returned=read_amount(said.get("transaction_amount_refunded")),
            detail=status if fact == Fact.UNKNOWN else "",
            raw={each: read_text(details.get(each)) for each in NUMBERS},
        )


def _id(ref: CodeRef) -> str:
    """Return a payment's id for a path; raises ``Refused`` for a text that can't be the id of a payment."""
    if not notices.NUMBER.fullmatch(ref.provider_id):
        raise Refused(_("The id of a payment at Mercado Pago is a number."), code="payment_id_no_number")
    return ref.provider_id


def _refund(payment: str, said: Mapping[str, Any]) -> RefundReport:
    """Return a refund as a report, named by the payment's id and the refund's, since both are needed to ask again."""
    name, status = read_text(said.get("id"), 30), read_text(said.get("status"))
    if not name:
        raise failures.unreadable(MercadoPagoChannel.title)
    found = REFUNDS.get(status, RefundStatus.SENT)
    return RefundReport(f"{payment}-{name}", found, detail=status if found == RefundStatus.FAILED else "")
