"""Deposits: records of a settlement's money that reached the bank."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from django.db.models import F
from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...models import Deposit, Settlement
from ...models.clock import current_time
from ...models.database import database, one_transaction
from ...money import LARGEST, shown
from ...states import SettlementStatus, StatementKind
from ..ledger.history import History
from .payout import compare_payout


def enter_deposit(
    settlement: Settlement,
    amount: Decimal,
    received_on: date,
    *,
    reference: str = "",
    actor: Actor | str,
    reason: str = "",
    now: datetime | None = None,
) -> Deposit:
    """Record money of a settlement seen at the bank, and return the deposit; a difference opens a discrepancy.

    ``amount`` is in the settlement's currency; a negative amount takes a mistake back and needs a ``reason``. Raises
    ``InvalidRequest`` for an amount of 0 or of more than two decimals, for a day to come, without an actor, and for a
    draft or a statement that pays nothing out.
    """
    now = now or current_time()
    _check(amount, received_on, actor, reason, now)
    with one_transaction() as alias:
        mine = Settlement.objects.using(alias).filter(pk=settlement.pk, kind=StatementKind.SETTLEMENT)
        if not mine.exclude(status=SettlementStatus.DRAFT).update(open_amount=F("open_amount") - amount):
            raise InvalidRequest(
                _("%(settlement)s is no settlement that counts; import and confirm it first."),
                code="settlement_not_counted",
                settlement=str(settlement),
            )
        deposit = Deposit(
            settlement=settlement, amount=amount, received_on=received_on, reference=reference[:80],
            author=str(Actor.of(actor)), reason=reason[:500], created_at=now,
        )  # fmt: skip
        deposit.save(using=alias)
        compare_payout(mine.get(), History(alias, now, actor), deposit=f"{deposit.amount:.2f}")
    settlement.refresh_from_db(using=database())
    return deposit


def _check(amount: Decimal, received_on: date, actor: Actor | str, reason: str, now: datetime) -> None:
    if not isinstance(amount, Decimal) or not amount.is_finite() or not amount or abs(amount) > LARGEST:
        raise InvalidRequest(
            _("amount is %(value)s; pass what reached the bank as a Decimal, not 0."),
            code="deposit_amount_type",
            value=shown(amount),
        )
    if amount != amount.quantize(Decimal("0.01")):
        raise InvalidRequest(
            _("amount is %(value)s; it has more than two decimals."), code="amount_decimals", value=str(amount)
        )
    if not Actor.of(actor) or (amount < 0 and not reason.strip()):
        raise InvalidRequest(
            _("A deposit is entered by somebody, and taken back for a reason; pass actor and reason."),
            code="deposit_needs_reason",
        )
    if received_on > now.date() + (date(1, 1, 2) - date(1, 1, 1)):
        raise InvalidRequest(
            _("received_on is %(date)s, which is still to come; enter the bank's date."),
            code="deposit_in_future",
            date=received_on,
        )
