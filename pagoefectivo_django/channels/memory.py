"""A provider in memory, for tests: codes live in this process, and notifications are signed like real ones."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.dateparse import parse_datetime

from .. import strict_json
from ..codes import plain
from ..errors import Malformed, Refused
from ..errors import gettext_noop as _
from ..money import Money
from ..states import Fact
from .base import Channel, Charge, CodeRef, Hint, Incoming, Proof, RefundReport, Report, Trust, fingerprint
from .pagoefectivo.statements import FORMATS
from .signing import unverified


@dataclass
class Slip:
    """A code at the provider."""

    report: Report

    @property
    def open(self) -> bool:
        return self.report.fact == Fact.ISSUED


class MemoryChannel(Channel):
    """A provider under the control of tests.

    OPTIONS: ``WEBHOOK_SECRETS`` (needed), ``NAME`` (part of the account, default ``default``), ``CAN_REFUND``,
    ``CAN_FIND`` (False).
    """

    can_look_up = can_delete = can_extend = True
    option_names = ("WEBHOOK_SECRETS", "NAME", "CAN_REFUND", "CAN_FIND")
    expires_within = (timedelta(minutes=10), timedelta(days=182))
    statement_formats = FORMATS
    log_fields = frozenset(("amount", "code", "currency", "fact", "operation_number", "paid_at", "transaction_code"))

    #: Account → code → slip; shared by all instances, emptied by ``clear()``.
    slips: ClassVar[dict[str, dict[str, Slip]]] = {}
    #: Name of a call → errors for its next calls, in order. A pair (error, True) raises the error after doing the work.
    failures: ClassVar[dict[str, list[tuple[Exception, bool]]]] = {}
    #: The calls so far, in order: (call, code or transaction code).
    calls: ClassVar[list[tuple[str, str]]] = []
    #: The refunds so far: (code, money, key).
    refunds: ClassVar[list[tuple[str, Money, str]]] = []
    _codes = itertools.count(70000001)

    @classmethod
    def clear(cls) -> None:
        """Forget every code, failure, call and refund."""
        cls.slips.clear()
        cls.failures.clear()
        cls.calls.clear()
        cls.refunds.clear()

    @classmethod
    def fail(cls, call: str, error: Exception, *, after: bool = False) -> None:
        """Make the next call of a name raise an error; with ``after``, once the work is done, like a lost answer."""
        cls.failures.setdefault(call, []).append((error, after))

    @classmethod
    def check(cls, alias: str, options: Mapping[str, object]) -> list[CheckMessage]:
        secrets = options.get("WEBHOOK_SECRETS")
        if secrets and isinstance(secrets, list | tuple) and all(isinstance(one, str) and one for one in secrets):
            return []
        return [
            Error(
                f"Channel {alias!r} has no list of webhook secrets, so it would have to refuse every notification.",
                hint="Add OPTIONS['WEBHOOK_SECRETS'], a list of texts.",
                id="pagoefectivo.E003",
            )
        ]

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, object]) -> list[CheckMessage]:
        if settings.DEBUG:
            return []
        problem = f"Channel {alias!r} is a MemoryChannel while DEBUG is False: nobody can pay its codes."
        hint = "Use the channel of a provider; this one is for tests."
        return [Error(problem, hint=hint, id="pagoefectivo.E011")]

    @property
    def account(self) -> str:
        return f"memory:{self.options.get('NAME', 'default')}"

    @property
    def book(self) -> dict[str, Slip]:
        """The slips of this account, by code."""
        return self.slips.setdefault(self.account, {})

    def issue(self, charge: Charge) -> Report:
        lost = self._begin("issue", charge.transaction_code)
        report = Report(
            account=self.account,
            fact=Fact.ISSUED,
            code=str(next(self._codes)),
            transaction_code=charge.transaction_code,
            amount=charge.amount,
            currency=charge.currency,
            expires_at=charge.expires_at,
            url="https://memory.example/slip.html",
        )
        self.book[report.code] = Slip(report)
        self._end(lost)
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        wanted = list(refs)
        lost = self._begin("look_up", ",".join(ref.code for ref in wanted))
        self._end(lost)
        return {ref: self.book[ref.code].report for ref in wanted if ref.code in self.book}

    def extend(self, ref: CodeRef, until: datetime) -> None:
        lost = self._begin("extend", ref.code)
        slip = self._slip(ref.code)
        if slip.report.fact not in (Fact.ISSUED, Fact.CODE_EXPIRED):
            raise Refused(_("The code can't be extended."), code="code_not_extended", codes=("111",))
        slip.report = replace(slip.report, fact=Fact.ISSUED, expires_at=until)
        self._end(lost)

    def delete(self, ref: CodeRef) -> None:
        lost = self._begin("delete", ref.code)
        slip = self._slip(ref.code)
        if not slip.open:
            raise Refused(_("The code can't be deleted."), code="code_not_deleted", codes=("111",))
        slip.report = replace(slip.report, fact=Fact.CODE_DELETED)
        self._end(lost)

    @property
    def can_refund(self) -> bool:  # type: ignore[override]
        return bool(self.options.get("CAN_REFUND"))

    @property
    def can_find(self) -> bool:  # type: ignore[override]
        return bool(self.options.get("CAN_FIND"))

    def find(self, transaction_code: str) -> Report | None:
        lost = self._begin("find", transaction_code)
        self._end(lost)
        reports = (slip.report for slip in self.book.values())
        return next((report for report in reports if report.transaction_code == transaction_code), None)

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        lost = self._begin("refund", ref.code)
        if self._slip(ref.code).report.fact != Fact.PAYMENT:
            raise Refused(_("The code is not paid."), code="code_not_paid", codes=("111",))
        self.refunds.append((ref.code, money, key))
        self._end(lost)
        return RefundReport()

    def verify(self, incoming: Incoming) -> Proof:
        signature, body = incoming.header("PE-Signature"), incoming.body
        for secret in self.options.get("WEBHOOK_SECRETS", ()):
            if hmac.compare_digest(self.sign(body, secret).encode(), signature.lower().encode("utf-8", "replace")):
                kept = Incoming(body, {"PE-Signature": signature})
                return Proof(Trust.SIGNED_BODY, fingerprint(secret.encode()), hashlib.sha256(body).hexdigest(), kept)
        raise unverified(signature)

    def signed(self, body: bytes) -> dict[str, str]:
        return {"PE-Signature": self.sign(body, next(iter(self.options.get("WEBHOOK_SECRETS", [""]))))}

    def fingerprints(self) -> list[str]:
        return [fingerprint(secret.encode()) for secret in self.options.get("WEBHOOK_SECRETS", ())]

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        data = strict_json.load(incoming.body)
        try:
            report = Report(
                account=self.account,
                fact=Fact(data["fact"]),
                code=str(data["code"]),
                transaction_code=str(data.get("transaction_code", "")),
                amount=Decimal(data["amount"]) if "amount" in data else None,
                currency=str(data.get("currency", "")),
                paid_at=parse_datetime(data["paid_at"]) if data.get("paid_at") else None,
                operation_number=str(data.get("operation_number", "")),
                payment_id=str(data.get("payment_id", "")),
                raw=data,
            )
            return [report]
        except (ArithmeticError, KeyError, TypeError, ValueError):
            raise Malformed(
                _("The notification lacks a field or has one of the wrong type."), code="notification_field_wrong"
            ) from None

    @staticmethod
    def sign(body: bytes, secret: str) -> str:
        """Return the signature of a body by a secret: HMAC-SHA256 in hex."""
        return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

    # Called by tests.

    def set(self, code: str, fact: Fact, *, paid_at: datetime | None = None, **changes: object) -> Report:
        """Change a code's report, as ``look_up`` returns it, and return the new report.

        Raises ``Refused`` for an unknown code.
        """
        slip = self._slip(code)
        slip.report = replace(slip.report, fact=fact, paid_at=paid_at, **changes)  # type: ignore[arg-type]
        return slip.report

    def _slip(self, code: str) -> Slip:
        try:
            return self.book[plain(code)]
        except KeyError:
            raise Refused(
                _("The provider doesn't know code %(cip)s."), code="code_unknown", codes=("111",), cip=code
            ) from None

    def _begin(self, call: str, about: str) -> Exception | None:
        self.calls.append((call, about))
        error, after = self.failures[call].pop(0) if self.failures.get(call) else (None, False)
        if error and not after:
            raise error
        return error

    @staticmethod
    def _end(lost: Exception | None) -> None:
        if lost:
            raise lost
