"""Deposits: records of a settlement's money that reached the bank."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from django.db.models import F

from ...errors import InvalidRequest
from ...models import Deposit, Settlement
from ...models.clock import current_time
from ...models.database import database, one_transaction
from ...money import LARGEST
from ...states import SettlementStatus, StatementKind
from ..ledger.history import History
from .payout import compare_payout


def enter_deposit(
    settlement: Settlement,
    amount: Decimal,
    received_on: date,
    *,
    reference: str = "",
    actor: str,
    reason: str = "",
    now: datetime | None = None,
) -> Deposit:
    """Record money of a settlement seen at the bank, and return the deposit; a difference opens a discrepancy.

    ``amount`` is in the settlement's currency; a negative amount takes a mistake back and needs a ``reason``. Raises
    ``InvalidRequest`` for an amount of 0 or of more than two decimals, for a day to come, without an actor, and for a
    draft or a statement that pays nothing out.
    """
    now = now or current_time()
    if not isinstance(amount, Decimal) or not amount.is_finite() or not amount or abs(amount) > LARGEST:
        raise InvalidRequest(f"amount is {amount!r}; pass what reached the bank as a Decimal, not 0.")
    if amount != amount.quantize(Decimal("0.01")):
        raise InvalidRequest(f"amount is {amount}; it has more than two decimals.")
    if not actor.strip() or (amount < 0 and not reason.strip()):
        raise InvalidRequest("A deposit is entered by somebody, and taken back for a reason; pass actor and reason.")
    if received_on > now.date() + (date(1, 1, 2) - date(1, 1, 1)):
        raise InvalidRequest(f"received_on is {received_on}, which is still to come; enter the bank's date.")
    with one_transaction() as alias:
        mine = Settlement.objects.using(alias).filter(pk=settlement.pk, kind=StatementKind.SETTLEMENT)
        if not mine.exclude(status=SettlementStatus.DRAFT).update(open_amount=F("open_amount") - amount):
            raise InvalidRequest(f"{settlement} is no settlement that counts; import and confirm it first.")
        deposit = Deposit(
            settlement=settlement, amount=amount, received_on=received_on, reference=reference[:80],
            author=actor[:150], reason=reason[:500], created_at=now,
        )  # fmt: skip
        deposit.save(using=alias)
        compare_payout(mine.get(), History(alias, now, actor), deposit=f"{deposit.amount:.2f}")
    settlement.refresh_from_db(using=database())
    return deposit
