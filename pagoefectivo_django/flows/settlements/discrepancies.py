"""Discrepancies about a line of a settlement."""

from __future__ import annotations

from decimal import Decimal

from ...facts import Data, utc
from ...models import Cip, Order, Payment, Settlement, SettlementLine
from ...states import Kind
from ..ledger.history import History
from ..ledger.subject import Subject


def discrepancy(
    history: History,
    kind: Kind,
    line: SettlementLine,
    settlement: Settlement,
    data: Data,
    *,
    order: Order | None = None,
    cip: Cip | None = None,
    payment: Payment | None = None,
    amount: Decimal | None = None,
    anew: bool = False,
) -> None:
    """Open a discrepancy about a line; the same line in another file is the same discrepancy."""
    evidence = {"at": utc(history.now), **data, **said_by(line, settlement)}
    paid, currency = line.paid
    history.open_discrepancy(
        kind,
        Subject.of_line(line, settlement, order=order, cip=cip, payment=payment),
        evidence,
        amount=paid if amount is None else amount,
        currency=currency,
        anew=anew,
    )


def said_by(line: SettlementLine, settlement: Settlement) -> dict[str, object]:
    """Return a line's content as evidence, without personal data.

    ``amount`` is the payer's money; of a payment that was exchanged ``settled_amount``, fee and IGV are in
    ``settled_currency``.
    """
    paid, currency = line.paid
    said = {
        "settlement": str(settlement),
        "line": line.number,
        "code": line.code,
        "transaction_code": line.transaction_code,
        "operation_number": line.operation_number,
        "amount": f"{paid:.2f}",
        "currency": currency,
        "settled_amount": f"{line.gross:.2f}" if line.exchanged else None,
        "settled_currency": line.currency if line.exchanged else None,
        "rate": line.rate_text,
        "fee": f"{line.fee:.2f}",
        "tax": f"{line.tax:.2f}",
        "paid_at": line.paid_at and utc(line.paid_at),
        "source": "statement",
    }
    return {name: value for name, value in said.items() if value not in (None, "")}
