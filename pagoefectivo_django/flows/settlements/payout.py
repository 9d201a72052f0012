"""Comparison of a settlement's sum with the deposits at the bank."""

from __future__ import annotations

from ...facts import utc
from ...models import Discrepancy, Settlement
from ...states import Kind
from ..ledger.history import History, closed
from ..ledger.subject import Subject


def compare_payout(settlement: Settlement, history: History, **evidence: str) -> None:
    """Open a discrepancy while the deposits differ from a settlement's sum, else resolve the discrepancy.

    The history is written to the database, with every event gathered so far.
    """
    subject = Subject.of_settlement(settlement)
    known = Discrepancy.objects.using(history.alias).filter(kind=Kind.PAYOUT_MISMATCH, subject=subject.text)
    if settlement.open_amount:
        left = {"left": f"{settlement.open_amount:.2f}", "currency": settlement.currency}
        told = {"at": utc(history.now), **evidence, **left}
        history.open_discrepancy(
            Kind.PAYOUT_MISMATCH, subject, told,
            amount=abs(settlement.open_amount), currency=settlement.currency, anew=True,
        )  # fmt: skip
        known.open().update(amount=abs(settlement.open_amount))
    else:
        known.open().update(**closed(history.actor, "deposits_agree", history.now))
    history.write()
