"""Discrepancies about payments in no settlement in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Min, QuerySet

from ...actors import CLOCK
from ...conf import conf
from ...facts import utc
from ...models import Discrepancy, Order, Settlement, SettlementLine
from ...models.clock import current_time
from ...models.database import database, one_transaction
from ...models.heartbeat import in_pace
from ...states import Kind, OrderState, StatementKind
from ...workdays import due_on, latest_due, lima_day, midnight
from ..ledger.locked import lock_free_order
from ..ledger.subject import Subject
from ..outbox.budget import TimeBudget

#: How often payments are checked; the due day changes once a day.
EVERY = timedelta(hours=1)


def ask_about_overdue(budget: TimeBudget) -> int:
    """Open a discrepancy for each overdue paid order, and return the count.

    Only accounts with imported settlements count, and payments since the first one in them: a shop that imports none
    gets no discrepancy.
    """
    if not in_pace("overdue settlements", EVERY, current_time()):
        return 0
    count, until = 0, midnight(latest_due(lima_day(budget.now), conf.settled_within))
    imported = Settlement.objects.using(database()).counted().filter(kind=StatementKind.SETTLEMENT)
    for account in sorted(set(imported.values_list("account", flat=True))):
        lines = SettlementLine.objects.using(database()).filter(settlement__in=imported.filter(account=account))
        since = lines.aggregate(first=Min("paid_at"))["first"] or _first_day(imported.filter(account=account))
        late = Order.objects.using(database()).filter(
            state=OrderState.PAID, settled_at__isnull=True, paid_at__lt=until, cip__account=account
        )
        asked = Discrepancy.objects.using(database()).filter(kind=Kind.UNSETTLED_OVERDUE, order__isnull=False)
        unasked = late.exclude(pk__in=asked.values("order"))
        for order in unasked.filter(paid_at__gte=since).order_by("pk")[:500] if since else ():
            if budget.over:
                return count
            count += _ask(order, budget)
    return count


def _first_day(settlements: QuerySet[Settlement]) -> datetime | None:
    """Return the day of the first settlement, since which payments are expected if lines have no dates."""
    first = settlements.aggregate(first=Min("dated"))["first"]
    return midnight(first) if first else None


def _ask(order: Order, budget: TimeBudget) -> bool:
    with one_transaction() as alias:
        locked = lock_free_order(order, alias=alias, now=budget.now, actor=CLOCK)
        if locked is None:
            return False
        mine = locked.order
        if mine.state != OrderState.PAID or mine.settled_at or not mine.paid_at:
            return False
        due = due_on(lima_day(mine.paid_at), conf.settled_within)
        evidence = {"at": utc(budget.now), "paid_at": utc(mine.paid_at), "due": due.isoformat()}
        locked.history.open_discrepancy(Kind.UNSETTLED_OVERDUE, Subject.of_order(mine, locked.cip), evidence)
        locked.write()
    return True
