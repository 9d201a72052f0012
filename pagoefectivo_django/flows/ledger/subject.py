"""Subject: what a discrepancy is about."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from ...models import Cip, Notification, Order, Payment, Refund, Settlement, SettlementLine
from ...money import LARGEST


@dataclass(frozen=True)
class Subject:
    """The rows that a discrepancy is about, and the text by which one case has one discrepancy of a kind.

    ``text`` names a table and a key; the rows become columns of the discrepancy. ``account``: where no row tells it.
    """

    text: str
    order: Order | None = None
    cip: Cip | None = None
    payment: Payment | None = None
    notification: Notification | None = None
    settlement: Settlement | None = None
    line: SettlementLine | None = None
    account: str = ""

    @classmethod
    def of_order(cls, order: Order, cip: Cip | None = None, about: str | None = None) -> Subject:
        """Return an order as the subject; ``about`` tells cases of one kind apart, such as two pending actions."""
        return cls(f"order:{order.pk}" if about is None else f"order:{order.pk}:{about}", order, cip)

    @classmethod
    def of_cip(cls, cip: Cip, order: Order | None = None) -> Subject:
        return cls(f"cip:{cip.pk}", order, cip)

    @classmethod
    def of_payment(cls, payment: Payment, cip: Cip | None = None, order: Order | None = None) -> Subject:
        return cls(f"payment:{payment.pk}", order, cip, payment)

    @classmethod
    def of_refund(cls, refund: Refund, order: Order | None = None) -> Subject:
        return cls(f"refund:{refund.pk}", order, refund.payment.cip if order else None)

    @classmethod
    def of_message(cls, message: Notification) -> Subject:
        return cls(f"notification:{message.pk}", notification=message)

    @classmethod
    def of_settlement(cls, settlement: Settlement) -> Subject:
        return cls(f"settlement:{settlement.pk}", settlement=settlement)

    @classmethod
    def of_line(cls, line: SettlementLine, settlement: Settlement | None = None, **rows: Any) -> Subject:
        """Return a line as the subject: the same line in another file is the same case."""
        return cls(f"line:{line.digest}", settlement=settlement, line=line, **rows)

    @classmethod
    def of_unknown_code(cls, account: str, name: str) -> Subject:
        """Return a code without a row here; ``name`` is its digits or the provider's id."""
        return cls(f"code:{account}:{name}"[:180], account=account)

    @property
    def columns(self) -> dict[str, Any]:
        """The rows, by the columns of the discrepancy."""
        return {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("text", "account")
        }

    @property
    def money(self) -> tuple[Decimal | None, str]:
        """Amount and currency of the payment, else of the line, else of the order."""
        if self.payment:
            # An amount too large for the column is kept in the evidence only.
            return (self.payment.amount if abs(self.payment.amount) <= LARGEST else None), self.payment.currency
        if self.line:
            return self.line.paid
        return (self.order.amount, self.order.currency) if self.order else (None, "")

    @property
    def concerned_account(self) -> str:
        """The account of the money or the code; tells test cases from live ones."""
        payment, line, order = self.payment, self.line, self.order
        message, settlement = self.notification, self.settlement or (line and line.settlement)
        cip = self.cip or (payment and payment.cip)
        if found := cip or message or settlement or (order and order.cip):
            return self.account or str(found.account)
        return self.account
